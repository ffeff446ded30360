//! MaxUnpool: puts each value where MaxPool found it, and 0 elsewhere.
//!
//! History: opset 9, unchanged since. Indices count in the tensor that the window attributes infer; a larger
//! `output_shape` only adds zeros behind.

use super::sliding::{pads, spatial, steps};
use super::{Context, Operator, Stop};
use dlc_ir::{Op, ScatterKind};
use dlc_types::{DType, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("MaxUnpool", 9, max_unpool)];

/// The spatial extents that were pooled, as far as the attributes tell.
fn inferred(context: &Context<'_, '_>, inputs: &[usize]) -> Result<Vec<usize>, Stop> {
    let axes = inputs.len();
    let sizes = context.sizes("kernel_shape")?.filter(|sizes| sizes.len() == axes);
    let sizes = sizes.ok_or_else(|| context.invalid(format!("its kernel_shape must be {axes} numbers")))?;
    let (strides, padding) = (steps(context, "strides", axes)?, pads(context, axes)?);
    let extent = |axis: usize| {
        let reach = inputs[axis].checked_sub(1)?.checked_mul(strides[axis])?.checked_add(sizes[axis])?;
        reach.checked_sub(padding[axis].0)?.checked_sub(padding[axis].1).filter(|&extent| extent > 0)
    };
    (0..axes).map(|axis| extent(axis).ok_or_else(|| context.invalid("its windows give no extent"))).collect()
}

fn max_unpool(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, places) = (context.input(0)?, context.input(1)?);
    let shape = context.dims(x)?;
    let spatial = inferred(context, &spatial(context, x)?)?;
    let dims = [&shape[..2], spatial.as_slice()].concat();
    let count = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let count = count.filter(|&count| i32::try_from(count).is_ok());
    let count = count.ok_or_else(|| context.not_done(format!("a result of the extents {dims:?}")))?;
    let updates = Shape::fixed(&[shape.iter().product()]);
    let dtype = context.dtype(x);
    let builder = context.builder();
    let flat = builder.reshape(x, updates.clone())?;
    let places = builder.cast(places, DType::I32)?;
    let places = builder.reshape(places, updates)?;
    let zeros = builder.splat(dtype, Shape::fixed(&[count]), 0.0)?;
    let op = Op::Scatter { axis: 0, kind: ScatterKind::Set };
    let result = builder.add_node(op, &[zeros, places, flat])?;
    let mut result = builder.reshape(result, Shape::fixed(&dims))?;
    if let Some(wanted) = context.optional_ints(2)? {
        let more = |(&wanted, &have): (&i64, &usize)| usize::try_from(wanted).ok()?.checked_sub(have);
        let high: Option<Vec<usize>> = wanted.iter().zip(&dims).map(more).collect();
        let high = high.filter(|high| high.len() == dims.len());
        let high = high.ok_or_else(|| context.invalid(format!("{dims:?} does not fit {wanted:?}")))?;
        let zero = context.builder().scalar(dtype, 0.0)?;
        let op = Op::Pad { low: vec![0; dims.len()], high };
        result = context.builder().add_node(op, &[result, zero])?;
    }
    context.set_output(0, result)
}
