//! Activations that are no elementary functions.
//!
//! Each is what its operator's documentation says; defaults are those of the newest opset, which older ones
//! share.

use super::arithmetic::aligned;
use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Unary};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

type Built = Result<NodeId, InferError>;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("LeakyRelu", 1, leaky_relu),
    Operator::new("PRelu", 1, parametric_relu),
    Operator::new("ThresholdedRelu", 10, thresholded_relu),
    Operator::new("Elu", 1, |context| exponential(context, 1.0, 1.0, false)),
    Operator::new("Selu", 1, |context| {
        exponential(context, 1.673_263_192_176_818_8, 1.050_701_022_148_132_3, false)
    }),
    Operator::new("Celu", 12, |context| exponential(context, 1.0, 1.0, true)),
    Operator::new("HardSigmoid", 1, hard_sigmoid),
    Operator::new("HardSwish", 14, hard_swish),
    Operator::new("Softplus", 1, |context| super::elementary::composed(context, softplus)),
    Operator::new("Softsign", 1, |context| super::elementary::composed(context, softsign)),
    Operator::new("Mish", 18, |context| super::elementary::composed(context, mish)),
    Operator::new("Gelu", 20, gelu),
    Operator::new("Swish", 24, swish),
    Operator::new("SwiGLU", 28, swiglu),
    Operator::new("Shrink", 9, shrink),
];

/// Where `x < 0` the second, else the first.
fn by_sign(builder: &mut Builder, x: NodeId, above: NodeId, below: NodeId) -> Built {
    let zero = builder.splat_like(x, 0.0)?;
    let negative = builder.compare(Comparison::Less, x, zero)?;
    builder.select(negative, below, above)
}

fn leaky_relu(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, alpha) = (context.input(0)?, context.float_or("alpha", 0.01)?);
    let below = context.builder().scale(x, alpha)?;
    let result = by_sign(context.builder(), x, x, below)?;
    context.set_output(0, result)
}

fn parametric_relu(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, mut slope) = (context.input(0)?, context.input(1)?);
    if let Some(axis) = context.int("axis")?
        && context.rank(slope) == 1
        && context.rank(x) > 1
    {
        slope = aligned(context, x, slope, axis)?;
    }
    let shape = context.shape(x);
    let slope = context.broadcast_to(slope, &shape)?;
    let below = context.builder().mul(x, slope)?;
    let result = by_sign(context.builder(), x, x, below)?;
    context.set_output(0, result)
}

fn thresholded_relu(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, alpha) = (context.input(0)?, context.float_or("alpha", 1.0)?);
    let builder = context.builder();
    let (limit, zero) = (builder.splat_like(x, alpha)?, builder.splat_like(x, 0.0)?);
    let above = builder.compare(Comparison::Greater, x, limit)?;
    let result = builder.select(above, x, zero)?;
    context.set_output(0, result)
}

/// `gamma x` above 0, `gamma alpha (exp(x) - 1)` below; Celu divides the exponent by alpha.
fn exponential(context: &mut Context<'_, '_>, alpha: f64, gamma: f64, divided: bool) -> Result<(), Stop> {
    let input = context.input(0)?;
    let dtype = context.dtype(input);
    let (alpha, gamma) = (context.float_or("alpha", alpha)?, context.float_or("gamma", gamma)?);
    let builder = context.builder();
    // What is left of `exp(x) - 1` near 0 is rounded once.
    let x = builder.cast(input, dtype.computed_in())?;
    let zero = builder.splat_like(x, 0.0)?;
    let negative = builder.binary(Binary::Min, x, zero)?;
    let exponent = if divided { builder.scale(negative, 1.0 / alpha)? } else { negative };
    let power = builder.unary(Unary::Exp, exponent)?;
    let below = builder.shift(power, -1.0)?;
    let (below, above) = (builder.scale(below, gamma * alpha)?, builder.scale(x, gamma)?);
    let result = by_sign(builder, x, above, below)?;
    let result = builder.cast(result, dtype)?;
    context.set_output(0, result)
}

/// `max(0, min(1, alpha x + beta))`
pub(super) fn ramp(builder: &mut Builder, x: NodeId, alpha: f64, beta: f64) -> Built {
    let line = builder.scale(x, alpha)?;
    let line = builder.shift(line, beta)?;
    let (zero, one) = (builder.splat_like(x, 0.0)?, builder.splat_like(x, 1.0)?);
    let capped = builder.binary(Binary::Min, line, one)?;
    builder.binary(Binary::Max, capped, zero)
}

fn hard_sigmoid(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let (alpha, beta) = (context.float_or("alpha", 0.2)?, context.float_or("beta", 0.5)?);
    let result = ramp(context.builder(), x, alpha, beta)?;
    context.set_output(0, result)
}

fn hard_swish(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let factor = ramp(context.builder(), x, 1.0 / 6.0, 0.5)?;
    let result = context.builder().mul(x, factor)?;
    context.set_output(0, result)
}

/// `max(x, 0) + log1p(exp(-|x|))`
pub(super) fn softplus(builder: &mut Builder, x: NodeId) -> Built {
    let size = builder.unary(Unary::Abs, x)?;
    let negative = builder.neg(size)?;
    let power = builder.unary(Unary::Exp, negative)?;
    let logarithm = builder.unary(Unary::LogOnePlus, power)?;
    let above = builder.unary(Unary::Relu, x)?;
    builder.add(above, logarithm)
}

pub(super) fn softsign(builder: &mut Builder, x: NodeId) -> Built {
    let size = builder.unary(Unary::Abs, x)?;
    let divisor = builder.shift(size, 1.0)?;
    builder.div(x, divisor)
}

fn mish(builder: &mut Builder, x: NodeId) -> Built {
    let inner = softplus(builder, x)?;
    let tangent = builder.unary(Unary::Tanh, inner)?;
    builder.mul(x, tangent)
}

fn gelu(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let approximate = match context.text_or("approximate", "none")? {
        "none" => false,
        "tanh" => true,
        other => return Err(context.invalid(format!("its attribute `approximate` is `{other}`"))),
    };
    let builder = context.builder();
    let inner = if approximate {
        let square = builder.mul(x, x)?;
        let cube = builder.mul(square, x)?;
        let cube = builder.scale(cube, 0.044715)?;
        let sum = builder.add(x, cube)?;
        let scaled = builder.scale(sum, FRAC_2_PI.sqrt())?;
        builder.unary(Unary::Tanh, scaled)?
    } else {
        let scaled = builder.scale(x, FRAC_1_SQRT_2)?;
        builder.unary(Unary::Erf, scaled)?
    };
    let factor = builder.shift(inner, 1.0)?;
    let half = builder.scale(x, 0.5)?;
    let result = builder.mul(half, factor)?;
    context.set_output(0, result)
}

/// `x sigmoid(alpha x)`
fn gated(context: &mut Context<'_, '_>) -> Result<NodeId, Stop> {
    let (x, alpha) = (context.input(0)?, context.float_or("alpha", 1.0)?);
    let scaled = context.builder().scale(x, alpha)?;
    let gate = context.builder().unary(Unary::Sigmoid, scaled)?;
    Ok(context.builder().mul(x, gate)?)
}

fn swish(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let result = gated(context)?;
    context.set_output(0, result)
}

/// Shazeer, "GLU Variants Improve Transformer", 2020.
fn swiglu(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (gated, other) = (gated(context)?, context.input(1)?);
    let result = context.builder().mul(gated, other)?;
    context.set_output(0, result)
}

/// `x + bias` below `-lambd`, `x - bias` above `lambd`, 0 between.
fn shrink(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let (bias, limit) = (context.float_or("bias", 0.0)?, context.float_or("lambd", 0.5)?);
    let dtype = context.dtype(x);
    // Integers are compared with the limit as it is, so they go through floats.
    let wide = if dtype.is_float() { dtype } else { dlc_types::DType::F64 };
    let x = context.builder().cast(x, wide)?;
    let builder = context.builder();
    let (low, high) = (builder.splat_like(x, -limit)?, builder.splat_like(x, limit)?);
    let below = builder.compare(Comparison::Less, x, low)?;
    let above = builder.compare(Comparison::Greater, x, high)?;
    let (risen, sunk) = (builder.shift(x, bias)?, builder.shift(x, -bias)?);
    let zero = builder.splat_like(x, 0.0)?;
    let inner = builder.select(above, sunk, zero)?;
    let result = builder.select(below, risen, inner)?;
    let result = builder.cast(result, dtype)?;
    context.set_output(0, result)
}
