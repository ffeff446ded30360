//! MaxUnpool: puts each value where MaxPool found it, and 0 elsewhere.
//!
//! Indices count in the tensor that the window attributes infer; a larger `output_shape` only adds zeros behind.
//!
//! Where windows do not overlap, an element of the result lies under one window at most, and takes that window's
//! value if its index names the element.

use super::sliding::{pads, spatial, steps};
use super::{Context, Operator, Stop};
use dlc_ir::{Comparison, NodeId, Op};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("MaxUnpool", 9, max_unpool)];

/// `[N, C, windows…]` with each element repeated over its window of `stride` elements, and cut or filled up to
/// `sizes`.
fn spread(
    context: &mut Context<'_, '_>,
    x: NodeId,
    strides: &[usize],
    sizes: &[usize],
    fill: f64,
) -> Result<NodeId, Stop> {
    let dims = context.shape(x).dims().to_vec();
    let (mut apart, mut joined, mut axes) = (dims[..2].to_vec(), dims[..2].to_vec(), vec![0, 1]);
    for (dim, &stride) in dims[2..].iter().zip(strides) {
        axes.push(apart.len());
        apart.extend([*dim, Dim::Fixed(stride)]);
        joined.push(dim.times(Dim::Fixed(stride)).ok_or_else(|| context.invalid("its output is too large"))?);
    }
    let wide = context.builder().broadcast(x, Shape(apart), &axes)?;
    let wide = context.builder().reshape(wide, Shape(joined))?;
    let have = spatial(context, wide)?;
    let limits = [vec![usize::MAX; 2], have.iter().zip(sizes).map(|(&a, &b)| a.min(b)).collect()].concat();
    let rank = limits.len();
    let high = [vec![0; 2], have.iter().zip(sizes).map(|(&a, &b)| b.saturating_sub(a)).collect()].concat();
    let op = Op::Slice { starts: vec![0; rank], limits, strides: vec![1; rank] };
    let cut = context.builder().add_node(op, &[wide])?;
    let dtype = context.dtype(x);
    let fill = context.builder().scalar(dtype, fill)?;
    Ok(context.builder().add_node(Op::Pad { low: vec![0; rank], high }, &[cut, fill])?)
}

fn max_unpool(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, places) = (context.input(0)?, context.input(1)?);
    let inputs = spatial(context, x)?;
    let axes = inputs.len();
    let sizes = context.sizes("kernel_shape")?.filter(|sizes| sizes.len() == axes);
    let sizes = sizes.ok_or_else(|| context.invalid(format!("its kernel_shape must be {axes} numbers")))?;
    let (strides, padding) = (steps(context, "strides", axes)?, pads(context, axes)?);
    if strides.iter().zip(&sizes).any(|(stride, size)| stride < size) || padding.iter().any(|&p| p != (0, 0))
    {
        return Err(context.not_done("MaxUnpool with windows that overlap or are padded"));
    }
    let inferred: Vec<usize> =
        (0..axes).map(|axis| (inputs[axis].max(1) - 1).saturating_mul(strides[axis]) + sizes[axis]).collect();
    let values = spread(context, x, &strides, &inferred, 0.0)?;
    let places = context.builder().cast(places, DType::I64)?;
    let places = spread(context, places, &strides, &inferred, -1.0)?;
    let shape = context.shape(values);
    let mut own = context.iota(DType::I64, &shape, 0)?;
    for axis in 1..shape.rank() {
        let size = context.size(shape[axis])?;
        let step = context.iota(DType::I64, &shape, axis)?;
        own = context.builder().scale(own, size as f64)?;
        own = context.builder().add(own, step)?;
    }
    let builder = context.builder();
    let named = builder.compare(Comparison::Equal, places, own)?;
    let zero = builder.splat_like(values, 0.0)?;
    let mut result = builder.select(named, values, zero)?;
    if let Some(wanted) = context.optional_ints(2)? {
        let have = context.shape(result);
        let mut high = vec![0; have.rank()];
        for axis in 2..have.rank() {
            let size = context.size(have[axis])?;
            let more = wanted.get(axis).and_then(|&wanted| usize::try_from(wanted).ok()?.checked_sub(size));
            high[axis] = more.ok_or_else(|| context.invalid(format!("{have} does not fit {wanted:?}")))?;
        }
        let dtype = context.dtype(result);
        let zero = context.builder().scalar(dtype, 0.0)?;
        result = context.builder().add_node(Op::Pad { low: vec![0; have.rank()], high }, &[result, zero])?;
    }
    context.set_output(0, result)
}
