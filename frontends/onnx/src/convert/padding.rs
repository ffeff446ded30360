//! Pad and CenterCropPad.
//!
//! History: `pads` and the value were attributes before opset 11 (`paddings` in opset 1); `axes` came with 18,
//! the mode `wrap` with 19.
//!
//! Negative pads cut off first; the other pads are then what the mode makes of what is left.

use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

pub(super) const OPERATORS: &[Operator] =
    &[Operator::new("Pad", 1, pad), Operator::new("CenterCropPad", 18, center_crop_pad)];

/// What is added, or cut off where negative, per axis.
fn pads(context: &Context<'_, '_>, rank: usize) -> Result<Vec<(i64, i64)>, Stop> {
    let pads = context.need_ints(1)?;
    let axes = match context.optional_ints(3)? {
        Some(axes) => {
            axes.iter().map(|&axis| context.axis(axis, rank)).collect::<Result<Vec<usize>, Stop>>()?
        }
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(context.invalid(format!("its pads must be {} numbers, not {pads:?}", 2 * axes.len())));
    }
    let mut result = vec![(0, 0); rank];
    for (position, &axis) in axes.iter().enumerate() {
        result[axis] = (pads[position], pads[axes.len() + position]);
    }
    Ok(result)
}

/// Cuts off what negative pads tell; the pads that are left.
fn cut(
    context: &mut Context<'_, '_>,
    x: NodeId,
    pads: &[(i64, i64)],
) -> Result<(NodeId, Vec<(usize, usize)>), Stop> {
    let shape = context.shape(x);
    let (mut starts, mut limits) = (vec![0; pads.len()], vec![usize::MAX; pads.len()]);
    let mut added = Vec::with_capacity(pads.len());
    for (axis, &(low, high)) in pads.iter().enumerate() {
        let positive = |pad: i64| usize::try_from(pad).unwrap_or(0);
        added.push((positive(low), positive(high)));
        if low >= 0 && high >= 0 {
            continue;
        }
        let size = context.size(shape[axis])?;
        let gone = |pad: i64| usize::try_from(pad.saturating_neg()).unwrap_or(0);
        let left = size.checked_sub(gone(high)).filter(|&end| end >= gone(low));
        limits[axis] = left.ok_or_else(|| {
            context.invalid(format!("its pads cut more off axis {axis} of {shape} than there is"))
        })?;
        starts[axis] = gone(low);
    }
    if pads.iter().all(|&(low, high)| low >= 0 && high >= 0) {
        return Ok((x, added));
    }
    let op = Op::Slice { starts, limits, strides: vec![1; pads.len()] };
    Ok((context.builder().add_node(op, &[x])?, added))
}

/// With a value, zero if none is told, around it.
fn filled(
    context: &mut Context<'_, '_>,
    x: NodeId,
    value: Option<usize>,
    pads: &[(usize, usize)],
) -> Result<NodeId, Stop> {
    if pads.iter().all(|&pad| pad == (0, 0)) {
        return Ok(x);
    }
    let (low, high) = pads.iter().copied().unzip();
    let dtype = context.dtype(x);
    let value = match value {
        Some(position) => {
            let value = context.input(position)?;
            context.builder().reshape(value, Shape::scalar())?
        }
        None => context.builder().scalar(dtype, 0.0)?,
    };
    Ok(context.builder().add_node(Op::Pad { low, high }, &[x, value])?)
}

/// Where the element at place `index` of the result comes from, `low` elements having been added in front.
fn source(mode: &str, size: usize, low: usize, index: usize) -> usize {
    let (size, place) = (size as i64, index as i64 - low as i64);
    let source = match mode {
        "edge" => place.clamp(0, size - 1),
        "wrap" => place.rem_euclid(size),
        // Back and forth without repeating the ends.
        _ if size == 1 => 0,
        _ => {
            let turn = place.rem_euclid(2 * (size - 1));
            turn.min(2 * (size - 1) - turn)
        }
    };
    source as usize
}

fn pad(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let pads = pads(context, context.rank(x))?;
    let mode = context.text_or("mode", "constant")?;
    let (mut result, added) = cut(context, x, &pads)?;
    if mode == "constant" {
        let value = context.has_input(2).then_some(2);
        let result = filled(context, result, value, &added)?;
        return context.set_output(0, result);
    }
    if !matches!(mode, "edge" | "reflect" | "wrap") {
        return Err(context.invalid(format!("`{mode}` is no way to pad")));
    }
    for (axis, &(low, high)) in added.iter().enumerate() {
        if (low, high) == (0, 0) {
            continue;
        }
        let size = context.size(context.shape(result)[axis])?;
        let total = size.checked_add(low).and_then(|sum| sum.checked_add(high));
        let total = total.filter(|&total| size > 0 && i32::try_from(total).is_ok());
        let total = total.ok_or_else(|| {
            context.invalid(format!("axis {axis} of {size} elements cannot be padded by ({low}, {high})"))
        })?;
        let places: Vec<usize> = (0..total).map(|index| source(mode, size, low, index)).collect();
        result = context.gathered(result, axis, &places)?;
    }
    context.set_output(0, result)
}

/// Cuts or fills both ends of the axes alike; the odd element is cut off or added behind.
fn center_crop_pad(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    let rank = shape.rank();
    let wanted = context.need_ints(1)?;
    let axes = match context.ints("axes")? {
        Some(axes) => {
            axes.iter().map(|&axis| context.axis(axis, rank)).collect::<Result<Vec<usize>, Stop>>()?
        }
        None => (0..rank).collect(),
    };
    if wanted.len() != axes.len() {
        return Err(context.invalid(format!("its shape {wanted:?} must have {} numbers", axes.len())));
    }
    let mut pads = vec![(0, 0); rank];
    for (&axis, &size) in axes.iter().zip(&wanted) {
        if size < 0 {
            return Err(context.invalid(format!("{wanted:?} is no shape")));
        }
        let Dim::Fixed(have) = shape[axis] else { return Err(context.not_done("a part of the batch")) };
        let more = size.saturating_sub(have as i64);
        let low = more / 2;
        pads[axis] = (low, more - low);
    }
    let (inner, added) = cut(context, x, &pads)?;
    let result = filled(context, inner, None, &added)?;
    context.set_output(0, result)
}

#[cfg(test)]
mod tests {
    use super::source;

    fn sources(mode: &str, size: usize, low: usize, high: usize) -> Vec<usize> {
        (0..size + low + high).map(|index| source(mode, size, low, index)).collect()
    }

    #[test]
    fn modes_reach_further_than_the_axis() {
        assert_eq!(sources("reflect", 3, 4, 3), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(sources("wrap", 3, 4, 2), [2, 0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(sources("edge", 2, 2, 1), [0, 0, 0, 1, 1]);
        assert_eq!(sources("reflect", 1, 2, 1), [0; 4]);
    }
}
