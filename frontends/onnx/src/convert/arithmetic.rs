//! Arithmetic of two or more tensors, and sign.
//!
//! History: before opset 7 the second operand's axes began at `axis` (left by the upgrade); before 8 Min, Max,
//! Sum and Mean did not broadcast; integers came to Add, Sub, Mul, Div with 7, to Min and Max with 12.

use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Builder, Comparison, NodeId, Unary};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Add", 1, |context| binary(context, Binary::Add)),
    Operator::new("Sub", 1, |context| binary(context, Binary::Subtract)),
    Operator::new("Mul", 1, |context| binary(context, Binary::Multiply)),
    Operator::new("Div", 1, |context| binary(context, Binary::Divide)),
    Operator::new("Pow", 1, power),
    Operator::new("Mod", 10, modulo),
    Operator::new("Min", 1, |context| variadic(context, Binary::Min)),
    Operator::new("Max", 1, |context| variadic(context, Binary::Max)),
    Operator::new("Sum", 1, |context| variadic(context, Binary::Add)),
    Operator::new("Mean", 1, mean),
    Operator::new("Abs", 1, |context| unary(context, Unary::Abs)),
    Operator::new("Neg", 1, |context| unary(context, Unary::Negate)),
    Operator::new("Sign", 9, |context| unary(context, Unary::Sign)),
];

/// Both operands in the shape that they broadcast to.
pub(super) fn operands(context: &mut Context<'_, '_>) -> Result<(NodeId, NodeId), Stop> {
    let (a, mut b) = (context.input(0)?, context.input(1)?);
    if let Some(axis) = context.int("axis")? {
        b = aligned(context, a, b, axis)?;
    }
    let both = context.broadcast_all(&[a, b])?;
    Ok((both[0], both[1]))
}

/// `b` with axes of size 1 behind its own, so that these begin at `axis` of `a`.
pub(super) fn aligned(
    context: &mut Context<'_, '_>,
    a: NodeId,
    b: NodeId,
    axis: i64,
) -> Result<NodeId, Stop> {
    let (rank, shape) = (context.rank(a), context.shape(b));
    let axis = if shape.rank() == 0 { rank } else { context.axis(axis, rank)? };
    let Some(behind) = rank.checked_sub(axis + shape.rank()) else {
        return Err(Stop::Invalid(format!("{shape} does not fit {rank} axes from axis {axis} on")));
    };
    let mut dims = shape.dims().to_vec();
    dims.extend(vec![Dim::Fixed(1); behind]);
    Ok(context.builder().reshape(b, Shape(dims))?)
}

pub(super) fn unary(context: &mut Context<'_, '_>, function: Unary) -> Result<(), Stop> {
    let x = context.input(0)?;
    let result = context.builder().unary(function, x)?;
    context.set_output(0, result)
}

fn binary(context: &mut Context<'_, '_>, function: Binary) -> Result<(), Stop> {
    let (a, b) = operands(context)?;
    let result = context.builder().binary(function, a, b)?;
    context.set_output(0, result)
}

/// All operands, combined from the first to the last.
fn combined(context: &mut Context<'_, '_>, function: Binary) -> Result<NodeId, Stop> {
    let operands = context.inputs()?;
    let operands = context.broadcast_all(&operands)?;
    let Some((&first, rest)) = operands.split_first() else {
        return Err(context.invalid("it has no input"));
    };
    rest.iter().try_fold(first, |sum, &next| Ok(context.builder().binary(function, sum, next)?))
}

fn variadic(context: &mut Context<'_, '_>, function: Binary) -> Result<(), Stop> {
    let result = combined(context, function)?;
    context.set_output(0, result)
}

fn mean(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let sum = combined(context, Binary::Add)?;
    let count = context.input_count() as f64;
    let count = context.builder().splat_like(sum, count)?;
    let result = context.builder().div(sum, count)?;
    context.set_output(0, result)
}

/// The result has the type of the base. Since opset 12 base and exponent may have different types.
fn power(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (mut base, mut exponent) = (context.input(0)?, context.input(1)?);
    if let Some(axis) = context.int("axis")? {
        exponent = aligned(context, base, exponent, axis)?;
    }
    let dtype = context.dtype(base);
    let wide = match (dtype, context.dtype(exponent)) {
        (base, exponent) if base == exponent && base.is_float() => base,
        (base, exponent) if base.is_float() && !matches!(exponent, DType::F64) => base,
        _ => DType::F64,
    };
    base = context.builder().cast(base, wide)?;
    exponent = context.builder().cast(exponent, wide)?;
    let both = context.broadcast_all(&[base, exponent])?;
    let mut result = context.builder().binary(Binary::Power, both[0], both[1])?;
    if dtype.is_integer() {
        result = whole_power(context.builder(), result)?;
    }
    let result = context.builder().cast(result, dtype)?;
    context.set_output(0, result)
}

/// What is left of `a` when multiples of `b` are taken away: towards zero with `fmod = 1`, as C's `fmod`, and
/// downwards with `fmod = 0`, as Python's `%`.
fn modulo(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (a, b) = operands(context)?;
    let downwards = !context.flag("fmod", false)?;
    let builder = context.builder();
    let mut result = builder.binary(Binary::Remainder, a, b)?;
    if downwards {
        let zero = builder.splat_like(result, 0.0)?;
        let below = builder.compare(Comparison::Less, result, zero)?;
        let divisor_below = builder.compare(Comparison::Less, b, zero)?;
        let differ = builder.compare(Comparison::NotEqual, below, divisor_below)?;
        let inexact = builder.compare(Comparison::NotEqual, result, zero)?;
        let wrong = builder.binary(Binary::And, differ, inexact)?;
        let other = builder.add(result, b)?;
        result = builder.select(wrong, other, result)?;
    }
    context.set_output(0, result)
}

/// A power of an integer as an integer: truncated, but where it is a whole number up to rounding.
fn whole_power(builder: &mut Builder, power: NodeId) -> Result<NodeId, Stop> {
    let rounded = builder.unary(Unary::Round, power)?;
    let distance = builder.sub(power, rounded)?;
    let (distance, size) = (builder.unary(Unary::Abs, distance)?, builder.unary(Unary::Abs, power)?);
    let tolerance = builder.scale(size, 1e-9)?;
    let near = builder.compare(Comparison::LessEqual, distance, tolerance)?;
    Ok(builder.select(near, rounded, power)?)
}
