//! Resize (and Upsample, which the upgrade makes a Resize).
//!
//! History: opset 10 counted coordinates in one way and knew no region; opset 11 brought the coordinate modes, 13
//! made the region optional, 18 brought `antialias`, `axes` and `keep_aspect_ratio_policy`, 19 the mode
//! `half_pixel_symmetric`.
//!
//! One axis after the other: few neighbours as gathers with weights, many as a contraction with a matrix of weights.

use super::resample::{Axis, Coordinates, Filter, Nearest, Taps};
use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Literal, NodeId, literal::Elements};
use dlc_types::{DType, Dim, Shape, TensorType};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Resize", 10, resize)];

/// Neighbours up to which they are gathered one by one.
const GATHERED: usize = 4;

fn coordinates(context: &Context<'_, '_>) -> Result<Coordinates, Stop> {
    Ok(match context.text_or("coordinate_transformation_mode", "half_pixel")? {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNn,
        "tf_crop_and_resize" => Coordinates::TfCropAndResize,
        other => return Err(context.invalid(format!("`{other}` is no coordinate_transformation_mode"))),
    })
}

fn filter(context: &Context<'_, '_>) -> Result<Filter, Stop> {
    let antialias = context.flag("antialias", false)?;
    Ok(match context.text_or("mode", "nearest")? {
        "nearest" => Filter::Nearest(match context.text_or("nearest_mode", "round_prefer_floor")? {
            "round_prefer_floor" | "" => Nearest::RoundPreferFloor,
            "round_prefer_ceil" => Nearest::RoundPreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            other => return Err(context.invalid(format!("`{other}` is no nearest_mode"))),
        }),
        "linear" => Filter::Linear { antialias },
        "cubic" => Filter::Cubic { a: context.float_or("cubic_coeff_a", -0.75)?, antialias },
        other => return Err(context.invalid(format!("`{other}` is no mode"))),
    })
}

/// The numbers of an input, none where it is left out or empty.
fn numbers(context: &Context<'_, '_>, position: usize) -> Result<Vec<f64>, Stop> {
    if context.has_input(position) { context.need_numbers(position) } else { Ok(Vec::new()) }
}

/// New extent and scale per axis that is named.
fn targets(context: &Context<'_, '_>, sizes: &[usize]) -> Result<Vec<(usize, f64)>, Stop> {
    let (scales, wanted) = (numbers(context, 2)?, numbers(context, 3)?);
    let count = sizes.len();
    let fits = |numbers: &[f64]| numbers.is_empty() || numbers.len() == count;
    if !fits(&scales) || !fits(&wanted) || scales.is_empty() == wanted.is_empty() && count > 0 {
        return Err(context.invalid(format!("it needs {count} scales, or {count} sizes, and not both")));
    }
    if wanted.is_empty() {
        let target = |(&size, &scale): (&usize, &f64)| ((size as f64 * scale).floor() as usize, scale);
        return Ok(sizes.iter().zip(&scales).map(target).collect());
    }
    let ratios: Vec<f64> = sizes.iter().zip(&wanted).map(|(&size, wanted)| wanted / size as f64).collect();
    let scale = match context.text_or("keep_aspect_ratio_policy", "stretch")? {
        "stretch" => {
            return Ok(wanted
                .iter()
                .zip(&ratios)
                .map(|(&wanted, &ratio)| (wanted as usize, ratio))
                .collect());
        }
        "not_larger" => ratios.iter().copied().fold(f64::INFINITY, f64::min),
        "not_smaller" => ratios.iter().copied().fold(0.0, f64::max),
        other => return Err(context.invalid(format!("`{other}` is no keep_aspect_ratio_policy"))),
    };
    Ok(sizes.iter().map(|&size| ((scale * size as f64 + 0.5).floor() as usize, scale)).collect())
}

/// The axes that change, with how.
fn plan(
    context: &Context<'_, '_>,
    shape: &Shape,
    coordinates: Coordinates,
) -> Result<Vec<(usize, Axis)>, Stop> {
    let rank = shape.rank();
    let axes = match context.ints("axes")? {
        Some(axes) => {
            axes.iter().map(|&axis| context.axis(axis, rank)).collect::<Result<Vec<usize>, Stop>>()?
        }
        None => (0..rank).collect(),
    };
    // The batch, whose scale is told to be 1, has any size.
    let scales = numbers(context, 2)?;
    let mut sizes = Vec::with_capacity(axes.len());
    for (position, &axis) in axes.iter().enumerate() {
        sizes.push(match shape[axis] {
            Dim::Batch(_) if scales.get(position) == Some(&1.0) => 1,
            dim => context.size(dim)?,
        });
    }
    let region = if coordinates == Coordinates::TfCropAndResize { numbers(context, 1)? } else { Vec::new() };
    if !region.is_empty() && region.len() != 2 * axes.len() {
        return Err(context.invalid(format!("its roi must be {} numbers, not {region:?}", 2 * axes.len())));
    }
    let mut plan = Vec::new();
    for (position, (output, scale)) in targets(context, &sizes)?.into_iter().enumerate() {
        let bounds = region.get(position).zip(region.get(axes.len() + position));
        let bounds = bounds.map_or((0.0, 1.0), |(&start, &end)| (start, end));
        let (axis, input) = (axes[position], sizes[position]);
        if !(scale > 0.0 && scale.is_finite())
            || i32::try_from(output).is_err()
            || i32::try_from(input).is_err()
        {
            return Err(context.invalid(format!("axis {axis} of {shape} resized by {scale}")));
        }
        context.describable(output)?;
        if output != input || scale != 1.0 || bounds != (0.0, 1.0) {
            plan.push((axis, Axis { input, output, scale, region: bounds }));
        }
    }
    Ok(plan)
}

/// Taps of all elements along an axis that are worked out at most.
const MOST_WEIGHTS: usize = 1 << 26;

fn resize(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let (shape, dtype) = (context.shape(x), context.dtype(x));
    let (coordinates, filter) = (coordinates(context)?, filter(context)?);
    let exclude_outside = context.flag("exclude_outside", false)?;
    let plan = plan(context, &shape, coordinates)?;
    let nearest = matches!(filter, Filter::Nearest(_));
    // Integers are weighted as floats.
    let wide = if nearest || dtype.is_float() { dtype } else { DType::F32 };
    let mut value = context.builder().cast(x, wide)?;
    let mut outside = Vec::new();
    for (axis, target) in plan {
        if target.output == 0 {
            let mut dims = context.shape(value).dims().to_vec();
            dims[axis] = Dim::Fixed(0);
            value = context.builder().splat(wide, Shape(dims), 0.0)?;
            continue;
        }
        if target.weights(filter).saturating_mul(target.output) > MOST_WEIGHTS {
            return Err(context.not_done("so many elements that one of the result is made of"));
        }
        let taps = target.taps(coordinates, filter, exclude_outside);
        value = match nearest {
            true => chosen(context, value, axis, &taps)?,
            false if taps.taps[0].len() <= GATHERED => weighted(context, value, axis, &taps)?,
            false => contracted(context, value, axis, &taps, target.input)?,
        };
        if taps.outside.contains(&true) {
            outside.push((axis, taps.outside));
        }
    }
    for (axis, mask) in outside {
        let ty = TensorType::new(DType::Bool, Shape::fixed(&[mask.len()]));
        let literal = Literal { ty, elements: Elements::Bool(mask) };
        let shape = context.shape(value);
        let extrapolation = context.float_or("extrapolation_value", 0.0)?;
        let builder = context.builder();
        let mask = builder.constant(literal)?;
        let mask = builder.broadcast_along(mask, shape, axis)?;
        let other = builder.splat_like(value, extrapolation)?;
        value = builder.select(mask, other, value)?;
    }
    let result = context.builder().cast(value, dtype)?;
    context.set_output(0, result)
}

/// One element each. Whole repetitions of every element are a broadcast.
fn chosen(context: &mut Context<'_, '_>, x: NodeId, axis: usize, taps: &Taps) -> Result<NodeId, Stop> {
    let places: Vec<usize> = taps.taps.iter().map(|tap| tap[0].0).collect();
    let dims = context.shape(x).dims().to_vec();
    let size = context.size(dims[axis])?;
    let repeats = places.len() / size.max(1);
    if places.len() != size * repeats || places.iter().enumerate().any(|(at, &place)| place != at / repeats) {
        return context.gathered(x, axis, &places);
    }
    let axes: Vec<usize> = (0..dims.len()).map(|own| if own > axis { own + 1 } else { own }).collect();
    let (mut apart, mut joined) = (dims.clone(), dims);
    apart.insert(axis + 1, Dim::Fixed(repeats));
    joined[axis] = Dim::Fixed(places.len());
    let wide = context.builder().broadcast(x, Shape(apart), &axes)?;
    Ok(context.builder().reshape(wide, Shape(joined))?)
}

/// The sum of as many gathers as there are neighbours.
fn weighted(context: &mut Context<'_, '_>, x: NodeId, axis: usize, taps: &Taps) -> Result<NodeId, Stop> {
    let dtype = context.dtype(x);
    let mut sum: Option<NodeId> = None;
    for position in 0..taps.taps[0].len() {
        let (places, weights): (Vec<usize>, Vec<f64>) = taps.taps.iter().map(|tap| tap[position]).unzip();
        let part = context.gathered(x, axis, &places)?;
        let shape = context.shape(part);
        let weights = context.float_tensor(dtype, &[weights.len()], &weights)?;
        let weights = context.builder().broadcast_along(weights, shape, axis)?;
        let part = context.builder().mul(part, weights)?;
        sum = Some(match sum {
            None => part,
            Some(others) => context.builder().binary(Binary::Add, others, part)?,
        });
    }
    sum.ok_or_else(|| context.invalid("it has no neighbours"))
}

/// The product with the matrix of all weights.
fn contracted(
    context: &mut Context<'_, '_>,
    x: NodeId,
    axis: usize,
    taps: &Taps,
    input: usize,
) -> Result<NodeId, Stop> {
    let (dtype, rank, output) = (context.dtype(x), context.rank(x), taps.taps.len());
    if input.saturating_mul(output) > 1 << 24 {
        return Err(
            context.not_done(format!("an axis of {input} elements resized to {output} by many neighbours"))
        );
    }
    let mut matrix = vec![0.0; input * output];
    for (row, taps) in taps.taps.iter().enumerate() {
        taps.iter().for_each(|&(place, weight)| matrix[row * input + place] += weight);
    }
    let matrix = context.float_tensor(dtype, &[output, input], &matrix)?;
    let product = context.builder().contract(x, matrix, &[], &[(axis, 1)])?;
    // The resized axis is the last.
    let mut permutation: Vec<usize> = (0..rank - 1).collect();
    permutation.insert(axis, rank - 1);
    Ok(context.builder().transpose(product, &permutation)?)
}
