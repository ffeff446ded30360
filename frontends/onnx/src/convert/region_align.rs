//! RoiAlign: regions of images resampled to one size.
//!
//! History: before opset 16 coordinates were not moved by half an element (the upgrade says so).

use super::sampling::{Image, Interpolation, Outside, clamped, total};
use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Comparison, NodeId, Op, Reduction};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("RoiAlign", 10, roi_align)];

/// What one direction of all regions needs: `[R]` each.
struct Direction {
    start: NodeId,
    /// Length of a bin.
    bin: NodeId,
    /// Samples per bin, as floats.
    count: NodeId,
    /// The most samples that a bin has.
    most: usize,
    bins: usize,
    size: usize,
}

struct Plan {
    scale: f64,
    half_pixel: bool,
    ratio: i64,
}

fn bins(context: &Context<'_, '_>, name: &str) -> Result<usize, Stop> {
    let bins = context.int_or(name, 1)?;
    let bins = usize::try_from(bins).ok().filter(|&bins| bins > 0);
    bins.ok_or_else(|| context.invalid(format!("its {name} must be 1 or more")))
}

/// One of the four corners of all regions, in elements.
fn corner(context: &mut Context<'_, '_>, rois: NodeId, index: usize, plan: &Plan) -> Result<NodeId, Stop> {
    let count = context.shape(rois)[0];
    let op = Op::Slice { starts: vec![0, index], limits: vec![usize::MAX, index + 1], strides: vec![1; 2] };
    let builder = context.builder();
    let one = builder.add_node(op, &[rois])?;
    let one = builder.reshape(one, Shape(vec![count]))?;
    let scaled = builder.scale(one, plan.scale)?;
    Ok(if plan.half_pixel { builder.shift(scaled, -0.5)? } else { scaled })
}

/// Samples per bin and region, from the values of the regions.
fn adaptive(context: &Context<'_, '_>, plan: &Plan, index: usize, bins: usize) -> Result<Vec<f64>, Stop> {
    let rois = context.need_numbers(1)?;
    let count = |roi: &[f64]| {
        let offset = if plan.half_pixel { 0.5 } else { 0.0 };
        let length =
            (roi[index + 2] * plan.scale - offset) as f32 - (roi[index] * plan.scale - offset) as f32;
        let length = if plan.half_pixel { length } else { length.max(1.0) };
        f64::from((length / bins as f32).ceil().max(0.0))
    };
    let counts: Vec<f64> = rois.chunks_exact(4).map(count).collect();
    if !counts.iter().all(|&count| count <= 1024.0) {
        return Err(context.not_done("regions with more than 1024 samples per bin"));
    }
    Ok(counts)
}

fn direction(
    context: &mut Context<'_, '_>,
    rois: NodeId,
    plan: &Plan,
    (index, bins, size): (usize, usize, usize),
) -> Result<Direction, Stop> {
    let (start, end) = (corner(context, rois, index, plan)?, corner(context, rois, index + 2, plan)?);
    let dtype = context.dtype(rois);
    let (count, most) = if plan.ratio > 0 {
        (context.builder().splat_like(start, plan.ratio as f64)?, plan.ratio as usize)
    } else {
        let counts = adaptive(context, plan, index, bins)?;
        let most = counts.iter().fold(1.0_f64, |most, &count| most.max(count));
        (context.float_tensor(dtype, &[counts.len()], &counts)?, most as usize)
    };
    let builder = context.builder();
    let mut length = builder.sub(end, start)?;
    if !plan.half_pixel {
        let one = builder.splat_like(length, 1.0)?;
        length = builder.binary(Binary::Max, length, one)?;
    }
    let number = builder.splat_like(length, bins as f64)?;
    let bin = builder.div(length, number)?;
    Ok(Direction { start, bin, count, most, bins, size })
}

/// Coordinates of all samples, drawn into the image, and whether each counts. `axes` are the result's axes of bins
/// and of samples.
fn samples(
    context: &mut Context<'_, '_>,
    direction: &Direction,
    shape: &Shape,
    (bin_axis, sample_axis): (usize, usize),
) -> Result<(NodeId, NodeId, NodeId), Stop> {
    let dtype = context.dtype(direction.start);
    let (place, sample) = (context.iota(dtype, shape, bin_axis)?, context.iota(dtype, shape, sample_axis)?);
    let builder = context.builder();
    let start = builder.broadcast_along(direction.start, shape.clone(), 0)?;
    let bin = builder.broadcast_along(direction.bin, shape.clone(), 0)?;
    let count = builder.broadcast_along(direction.count, shape.clone(), 0)?;
    let present = builder.compare(Comparison::Less, sample, count)?;
    let one = builder.splat_like(count, 1.0)?;
    let divisor = builder.binary(Binary::Max, count, one)?;
    let offset = builder.mul(place, bin)?;
    let within = builder.shift(sample, 0.5)?;
    let within = builder.mul(within, bin)?;
    let within = builder.div(within, divisor)?;
    let begin = builder.add(start, offset)?;
    let coordinate = builder.add(begin, within)?;
    let (low, high) =
        (builder.splat_like(coordinate, -1.0)?, builder.splat_like(coordinate, direction.size as f64)?);
    let above = builder.compare(Comparison::GreaterEqual, coordinate, low)?;
    let below = builder.compare(Comparison::LessEqual, coordinate, high)?;
    let inside = builder.binary(Binary::And, above, below)?;
    let held = clamped(context, coordinate, 0.0, direction.size as f64 - 1.0)?;
    Ok((held, inside, present))
}

fn roi_align(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, rois, batch) = (context.input(0)?, context.input(1)?, context.input(2)?);
    let image = Image::new(context, x)?;
    let regions = context.shape(rois);
    if image.sizes.len() != 2 || regions.rank() != 2 || regions[1] != Dim::Fixed(4) {
        return Err(context.invalid(format!("{regions} are no regions of images {}", context.ty(x))));
    }
    let plan = Plan {
        scale: context.float_or("spatial_scale", 1.0)?,
        half_pixel: context.text_or("coordinate_transformation_mode", "half_pixel")? == "half_pixel",
        ratio: context.int_or("sampling_ratio", 0)?,
    };
    if plan.ratio > 1024 {
        return Err(context.not_done("regions with more than 1024 samples per bin"));
    }
    let largest = context.text_or("mode", "avg")? == "max";
    let (rows, columns) = (bins(context, "output_height")?, bins(context, "output_width")?);
    let vertical = direction(context, rois, &plan, (1, rows, image.sizes[0]))?;
    let horizontal = direction(context, rois, &plan, (0, columns, image.sizes[1]))?;
    let mut dims = vec![regions[0]];
    dims.extend([vertical.bins, horizontal.bins, vertical.most, horizontal.most].map(Dim::Fixed));
    let shape = Shape(dims);
    let (y, y_inside, y_present) = samples(context, &vertical, &shape, (1, 3))?;
    let (x, x_inside, x_present) = samples(context, &horizontal, &shape, (2, 4))?;
    let builder = context.builder();
    let inside = builder.binary(Binary::And, y_inside, x_inside)?;
    let present = builder.binary(Binary::And, y_present, x_present)?;
    let batch = builder.cast(batch, DType::I32)?;
    let first = builder.scale(batch, image.volume as f64)?;
    let first = builder.broadcast_along(first, shape, 0)?;
    let terms = image.terms(context, first, &[y, x], Interpolation::Linear, Outside::End)?;
    // The largest of the weighted neighbours, not of their sums.
    let value = if largest {
        let [first, rest @ ..] = terms.as_slice() else { return Err(context.invalid("nothing is sampled")) };
        rest.iter().try_fold(*first, |so_far, &term| context.builder().binary(Binary::Max, so_far, term))?
    } else {
        total(context, &terms)?
    };
    let value = masked(context, value, inside, 0.0)?;
    let value = masked(context, value, present, if largest { f64::NEG_INFINITY } else { 0.0 })?;
    let result = pooled(context, value, [&vertical, &horizontal], largest)?;
    let result = context.builder().transpose(result, &[0, 3, 1, 2])?;
    context.set_output(0, result)
}

/// `value` where the condition, which lacks its last axis, holds.
fn masked(
    context: &mut Context<'_, '_>,
    value: NodeId,
    condition: NodeId,
    other: f64,
) -> Result<NodeId, Stop> {
    let shape = context.shape(value);
    let axes: Vec<usize> = (0..shape.rank() - 1).collect();
    let builder = context.builder();
    let condition = builder.broadcast(condition, shape, &axes)?;
    let other = builder.splat_like(value, other)?;
    Ok(builder.select(condition, value, other)?)
}

/// All samples of a bin as one: `[R, rows, columns, samples, samples, C]` to `[R, rows, columns, C]`.
fn pooled(
    context: &mut Context<'_, '_>,
    value: NodeId,
    directions: [&Direction; 2],
    largest: bool,
) -> Result<NodeId, Stop> {
    let builder = context.builder();
    let count = builder.mul(directions[0].count, directions[1].count)?;
    let kind = if largest { Reduction::Max } else { Reduction::Sum };
    let result = builder.reduce(kind, value, &[3, 4])?;
    let shape = builder.shape(result).clone();
    let count = builder.cast(count, builder.ty(result).dtype)?;
    let count = builder.broadcast_along(count, shape, 0)?;
    let one = builder.splat_like(count, 1.0)?;
    if largest {
        // A region without samples is 0.
        let empty = builder.compare(Comparison::Less, count, one)?;
        let zero = builder.splat_like(result, 0.0)?;
        return Ok(builder.select(empty, zero, result)?);
    }
    let count = builder.binary(Binary::Max, count, one)?;
    Ok(builder.div(result, count)?)
}
