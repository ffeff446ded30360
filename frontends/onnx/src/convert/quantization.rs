//! Integers that stand for floats: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
//!
//! `q = saturate(round(x / scale) + zero point)` and `x = (q - zero point) * scale`, with one scale for the whole
//! tensor, for each element of an axis, or for each block of an axis. float8 and integers of less than a byte are
//! the host's.
//!
//! History: QuantizeLinear and DequantizeLinear came with opset 10; an axis with 13, float8 with 19, blocks with
//! 21, `precision` with 23; DynamicQuantizeLinear came with 11.

use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Comparison, NodeId, Reduction, Unary};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("QuantizeLinear", 10, quantize),
    Operator::new("DequantizeLinear", 10, dequantize),
    Operator::new("DynamicQuantizeLinear", 11, quantize_dynamically),
];

/// Least and largest number of a quantised type.
fn range(dtype: DType) -> Option<(f64, f64)> {
    Some(match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::U16 => (0.0, 65535.0),
        DType::I16 => (-32768.0, 32767.0),
        _ => return None,
    })
}

/// Rounded to the nearest integer (ties to even), moved by the zero point and brought into the range of a type.
/// `x` and the zero point are floats of one type and shape.
pub(super) fn saturated(
    context: &mut Context<'_, '_>,
    x: NodeId,
    zero: Option<NodeId>,
    dtype: DType,
) -> Result<NodeId, Stop> {
    let (low, high) = range(dtype).ok_or_else(|| context.not_done(format!("quantising to {dtype}")))?;
    let builder = context.builder();
    let mut rounded = builder.unary(Unary::Round, x)?;
    if let Some(zero) = zero {
        rounded = builder.add(rounded, zero)?;
    }
    let (low, high) = (builder.splat_like(rounded, low)?, builder.splat_like(rounded, high)?);
    let above = builder.binary(Binary::Max, rounded, low)?;
    let within = builder.binary(Binary::Min, above, high)?;
    Ok(builder.cast(within, dtype)?)
}

/// A scale or zero point over the tensor: of the whole, per element of an axis, or per block of an axis.
fn spread(context: &mut Context<'_, '_>, value: NodeId, shape: &Shape) -> Result<NodeId, Stop> {
    let own = context.shape(value);
    if own.elements() == Some(Dim::Fixed(1)) {
        let value = context.builder().reshape(value, Shape::scalar())?;
        return Ok(context.builder().broadcast_scalar(value, shape.clone())?);
    }
    let axis = context.int_or("axis", 1)?;
    let axis = context.axis(axis, shape.rank())?;
    let block = context.int_or("block_size", 0)?;
    if own.rank() == 1 && block == 0 {
        return Ok(context.builder().broadcast_along(value, shape.clone(), axis)?);
    }
    let block = usize::try_from(block).unwrap_or(0);
    let size = context.fixed(shape[axis], "an axis of blocks")?;
    let fits = |other: usize| other == axis || own[other] == shape[other];
    let fits = block > 0 && own.rank() == shape.rank() && (0..own.rank()).all(fits);
    if !fits || own[axis] != Dim::Fixed(size.div_ceil(block)) {
        return Err(context.invalid(format!("{own} are no scales for {shape} in blocks of {block}")));
    }
    let count = size.div_ceil(block);
    let mut apart = own.clone();
    apart.0.insert(axis + 1, Dim::Fixed(block));
    let axes: Vec<usize> = (0..own.rank()).map(|other| other + usize::from(other > axis)).collect();
    let value = context.builder().broadcast(value, apart, &axes)?;
    let mut whole = own;
    whole.0[axis] = Dim::Fixed(count.saturating_mul(block));
    let value = context.builder().reshape(value, whole)?;
    context.part(value, axis, 0, size)
}

/// The type of the result is the zero point's, or told, or `u8`.
fn quantize(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let target = if context.has_input(2) {
        context.input_type(2)?.0
    } else {
        match context.int_or("output_dtype", 0)? {
            0 => crate::Element::U8,
            _ => context.element("output_dtype")?.unwrap_or(crate::Element::U8),
        }
    };
    let target = target.dtype().ok_or(Stop::Host)?;
    let (x, scale, zero) = (context.input(0)?, context.input(1)?, context.optional(2)?);
    let precision = match context.int_or("precision", 0)? {
        0 => context.dtype(scale),
        _ => context.element("precision")?.and_then(crate::Element::dtype).unwrap_or(DType::F32),
    };
    let shape = context.shape(x);
    let x = context.builder().cast(x, precision)?;
    let scale = context.builder().cast(scale, precision)?;
    let scale = spread(context, scale, &shape)?;
    let divided = context.builder().div(x, scale)?;
    // A zero point of 16 bits has no place in the short floats.
    let wide = if precision == DType::F64 { DType::F64 } else { DType::F32 };
    let divided = context.builder().cast(divided, wide)?;
    let zero = match zero {
        Some(zero) => {
            let zero = context.builder().cast(zero, wide)?;
            Some(spread(context, zero, &shape)?)
        }
        None => None,
    };
    let result = saturated(context, divided, zero, target)?;
    context.set_output(0, result)
}

fn dequantize(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, scale, zero) = (context.input(0)?, context.input(1)?, context.optional(2)?);
    let target = match context.int_or("output_dtype", 0)? {
        0 => context.dtype(scale),
        _ => context.element("output_dtype")?.and_then(crate::Element::dtype).ok_or(Stop::Host)?,
    };
    let shape = context.shape(x);
    let mut moved = context.builder().cast(x, DType::I32)?;
    if let Some(zero) = zero {
        let zero = context.builder().cast(zero, DType::I32)?;
        let zero = spread(context, zero, &shape)?;
        moved = context.builder().sub(moved, zero)?;
    }
    let wide = if target == DType::F64 { DType::F64 } else { DType::F32 };
    let moved = context.builder().cast(moved, wide)?;
    let scale = context.builder().cast(scale, wide)?;
    let scale = spread(context, scale, &shape)?;
    let result = context.builder().mul(moved, scale)?;
    let result = context.builder().cast(result, target)?;
    context.set_output(0, result)
}

/// `u8`, with a range that holds all elements and 0.
fn quantize_dynamically(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    let axes: Vec<usize> = (0..shape.rank()).collect();
    let builder = context.builder();
    let (largest, least) =
        (builder.reduce(Reduction::Max, x, &axes)?, builder.reduce(Reduction::Min, x, &axes)?);
    let none = builder.splat_like(largest, 0.0)?;
    let (largest, least) =
        (builder.binary(Binary::Max, largest, none)?, builder.binary(Binary::Min, least, none)?);
    let extent = builder.sub(largest, least)?;
    let flat = builder.compare(Comparison::Equal, largest, least)?;
    let one = builder.splat_like(extent, 1.0)?;
    let extent = builder.select(flat, one, extent)?;
    let steps = builder.splat_like(extent, 255.0)?;
    let scale = builder.div(extent, steps)?;
    let low = builder.div(least, scale)?;
    let below = builder.neg(low)?;
    let zero = saturated(context, below, None, DType::U8)?;
    context.set_output(1, scale)?;
    context.set_output(2, zero)?;
    let builder = context.builder();
    let spread = builder.broadcast_scalar(scale, shape.clone())?;
    let divided = builder.div(x, spread)?;
    let zero = builder.cast(zero, DType::F32)?;
    let zero = builder.broadcast_scalar(zero, shape)?;
    let result = saturated(context, divided, Some(zero), DType::U8)?;
    context.set_output(0, result)
}
