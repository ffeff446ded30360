//! Blocks of an image as channels and back: SpaceToDepth, DepthToSpace, Col2Im.
//!
//! History: DepthToSpace got `mode` with opset 11, SpaceToDepth later; Col2Im came with 18.

use super::sliding::{pads, span, steps};
use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("SpaceToDepth", 1, space_to_depth),
    Operator::new("DepthToSpace", 1, depth_to_space),
    Operator::new("Col2Im", 18, column_to_image),
];

/// `[N, C, H, W]` of the input, its block size, and whether blocks stand behind the channels (`CRD`).
fn image(context: &mut Context<'_, '_>) -> Result<(NodeId, Dim, [usize; 3], usize, bool), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    if shape.rank() != 4 {
        return Err(context.invalid(format!("it needs 4 axes, not {}", context.ty(x))));
    }
    let sizes = [context.size(shape[1])?, context.size(shape[2])?, context.size(shape[3])?];
    let block = usize::try_from(context.required_int("blocksize")?).ok().filter(|&block| block > 0);
    let block = block.ok_or_else(|| context.invalid("its blocksize must be 1 or more"))?;
    let channels_first = match context.text_or("mode", "DCR")? {
        "DCR" => false,
        "CRD" => true,
        other => return Err(context.invalid(format!("`{other}` is no mode"))),
    };
    Ok((x, shape[0], sizes, block, channels_first))
}

/// Reshaped, transposed and reshaped; the first axis keeps its extent.
fn rearranged(
    context: &mut Context<'_, '_>,
    x: NodeId,
    apart: &[usize],
    permutation: &[usize],
    joined: &[usize],
) -> Result<(), Stop> {
    let first = context.shape(x)[0];
    let shape = |sizes: &[usize]| {
        Shape([first].into_iter().chain(sizes.iter().map(|&size| Dim::Fixed(size))).collect())
    };
    let builder = context.builder();
    let parted = builder.reshape(x, shape(apart))?;
    let moved = builder.transpose(parted, permutation)?;
    let result = builder.reshape(moved, shape(joined))?;
    context.set_output(0, result)
}

fn space_to_depth(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, _, [channels, height, width], block, channels_first) = image(context)?;
    let (rows, columns) = (height / block, width / block);
    let depth = channels.saturating_mul(block).saturating_mul(block);
    let permutation = if channels_first { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    rearranged(context, x, &[channels, rows, block, columns, block], &permutation, &[depth, rows, columns])
}

fn depth_to_space(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, _, [depth, height, width], block, channels_first) = image(context)?;
    let channels = block.checked_mul(block).map_or(0, |square| depth / square);
    let (apart, permutation) = if channels_first {
        ([channels, block, block, height, width], [0, 1, 4, 2, 5, 3])
    } else {
        ([block, block, channels, height, width], [0, 3, 4, 1, 5, 2])
    };
    let joined = [channels, height.saturating_mul(block), width.saturating_mul(block)];
    rearranged(context, x, &apart, &permutation, &joined)
}

/// Adds columns, which are blocks of an image, where the blocks overlap; one spatial axis after the other.
fn column_to_image(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let sizes = |context: &Context<'_, '_>, position: usize| {
        let values = context.need_ints(position)?;
        values
            .iter()
            .map(|&value| {
                usize::try_from(value).map_err(|_| context.invalid(format!("{values:?} is no shape")))
            })
            .collect::<Result<Vec<usize>, Stop>>()
    };
    let (image, block) = (sizes(context, 1)?, sizes(context, 2)?);
    let axes = image.len();
    let (strides, dilations) = (steps(context, "strides", axes)?, steps(context, "dilations", axes)?);
    let pads = pads(context, axes)?;
    let shape = context.shape(x);
    if shape.rank() != 3 || block.len() != axes {
        return Err(context.invalid(format!("{shape} holds no blocks {block:?} of an image {image:?}")));
    }
    let mut counts = Vec::with_capacity(axes);
    for axis in 0..axes {
        let span = span(context, block[axis], dilations[axis])?;
        let padded = pads[axis].0.checked_add(pads[axis].1).and_then(|sum| sum.checked_add(image[axis]));
        let room = padded.and_then(|padded| padded.checked_sub(span));
        let room = room.ok_or_else(|| context.invalid(format!("{block:?} does not fit {image:?}")))?;
        counts.push(room / strides[axis] + 1);
    }
    let taps = block.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let taps = taps.filter(|&taps| taps > 0).ok_or_else(|| context.invalid("its blocks are too large"))?;
    if block.iter().any(|&size| size > MOST_TAPS) {
        return Err(context.not_done(format!("blocks {block:?}: more than {MOST_TAPS} along an axis")));
    }
    let depth = context.size(shape[1])?;
    if depth < taps || !depth.is_multiple_of(taps) {
        return Err(context.invalid(format!("{shape} holds no blocks {block:?}")));
    }
    let channels = depth / taps;
    let mut dims = vec![shape[0], Dim::Fixed(channels)];
    dims.extend(block.iter().chain(&counts).map(|&size| Dim::Fixed(size)));
    let mut result = context.builder().reshape(x, Shape(dims))?;
    // The taps of the first axis that is left stand at axis 2. Each step takes one axis of taps away, so that the
    // next windows stand where the last ones stood.
    let place = 2 + axes;
    for axis in 0..axes {
        let along = Along { stride: strides[axis], dilation: dilations[axis], low: pads[axis].0 };
        result = overlapped(context, result, place, &along, block[axis], image[axis])?;
    }
    context.set_output(0, result)
}

/// Elements of a block along an axis that are written out at most: each is some nodes of its own.
const MOST_TAPS: usize = 4096;

/// How blocks lie along an axis.
struct Along {
    stride: usize,
    dilation: usize,
    low: usize,
}

/// Axis 2 has the taps, axis `place` the windows: their sum in place of the windows; axis 2 vanishes.
fn overlapped(
    context: &mut Context<'_, '_>,
    x: NodeId,
    place: usize,
    along: &Along,
    taps: usize,
    size: usize,
) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    let rank = shape.rank();
    let dtype = context.dtype(x);
    let zero = context.builder().scalar(dtype, 0.0)?;
    let mut without = shape.dims().to_vec();
    without.remove(2);
    let windows = context.size(shape[place])?;
    let mut sum: Option<NodeId> = None;
    for tap in 0..taps {
        let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
        (starts[2], limits[2]) = (tap, tap + 1);
        let mut factors = vec![1; rank - 1];
        factors[place - 1] = along.stride;
        let offset = tap * along.dilation;
        let length = (windows - 1) * along.stride + 1;
        let (mut low, mut high) = (vec![0; rank - 1], vec![0; rank - 1]);
        low[place - 1] = offset;
        high[place - 1] = (along.low + size).saturating_sub(offset + length);
        let builder = context.builder();
        let op = Op::Slice { starts, limits, strides: vec![1; rank] };
        let one = builder.add_node(op, &[x])?;
        let one = builder.reshape(one, Shape(without.clone()))?;
        let one = builder.add_node(Op::Dilate { factors }, &[one])?;
        let one = builder.add_node(Op::Pad { low, high }, &[one, zero])?;
        let (mut starts, mut limits) = (vec![0; rank - 1], vec![usize::MAX; rank - 1]);
        (starts[place - 1], limits[place - 1]) = (along.low, along.low + size);
        let op = Op::Slice { starts, limits, strides: vec![1; rank - 1] };
        let one = builder.add_node(op, &[one])?;
        sum = Some(match sum {
            None => one,
            Some(others) => builder.add(others, one)?,
        });
    }
    sum.ok_or_else(|| context.invalid("its blocks are empty"))
}
