//! Activations.

use super::LayerSpec;
use super::initializer::InitializerRule;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Op, Unary};
use dlc_types::{Dim, Shape, TensorType};

const X: &[Parameter<'static>] = &[("x", true)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("relu", X, |el, arguments, _| unary(el, arguments, Unary::Relu)),
    LayerSpec::new("sigmoid", X, |el, arguments, _| unary(el, arguments, Unary::Sigmoid)),
    LayerSpec::new("tanh", X, |el, arguments, _| unary(el, arguments, Unary::Tanh)),
    LayerSpec::new("leaky_relu", &[("x", true), ("slope", false)], leaky_relu),
    LayerSpec::new("prelu", &[("x", true), ("per_channel", false), ("init", false)], prelu).owning(),
    LayerSpec::new("elu", &[("x", true), ("alpha", false)], elu),
    LayerSpec::new("selu", X, |el, arguments, _| composed(el, arguments, selu)),
    LayerSpec::new("silu", X, |el, arguments, _| composed(el, arguments, silu)),
    LayerSpec::new("mish", X, |el, arguments, _| composed(el, arguments, mish)),
    LayerSpec::new("softplus", &[("x", true), ("beta", false)], softplus),
    LayerSpec::new("hard_sigmoid", X, |el, arguments, _| composed(el, arguments, hard_sigmoid)),
    LayerSpec::new("hard_swish", X, |el, arguments, _| composed(el, arguments, hard_swish)),
    LayerSpec::new("hard_tanh", &[("x", true), ("low", false), ("high", false)], hard_tanh),
    LayerSpec::new("gelu", X, gelu),
    LayerSpec::new("softmax", &[("x", true), ("axis", false)], softmax),
    LayerSpec::new("log_softmax", &[("x", true), ("axis", false)], log_softmax),
];

fn unary(el: &mut Elaborator<'_>, arguments: &Arguments, function: Unary) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    el.build(arguments.span, |builder| builder.unary(function, x)).map(Value::Tensor)
}

/// `x > 0 ? x : slope * x`
fn leaky_relu(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let slope = arguments.float_or(el, "slope", 0.01)?;
    el.build(arguments.span, |builder| {
        let zeros = builder.splat_like(x, 0.0)?;
        let positive = builder.compare(Comparison::Greater, x, zeros)?;
        let scaled = builder.scale(x, slope)?;
        builder.select(positive, x, scaled)
    })
    .map(Value::Tensor)
}

fn composed(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    function: fn(&mut Builder, NodeId) -> Result<NodeId, InferError>,
) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    el.build(arguments.span, |builder| function(builder, x)).map(Value::Tensor)
}

/// `max(x, 0) + slope * min(x, 0)` with a slope that is trained, one or one per channel: He, Zhang, Ren, Sun,
/// "Delving Deep into Rectifiers", ICCV 2015.
fn prelu(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    let span = arguments.span;
    let count = match (arguments.bool_or(el, "per_channel", false)?, ty.shape.0.get(1)) {
        (false, _) => 1,
        (true, Some(&Dim::Fixed(channels))) => channels,
        (true, _) => {
            let message = format!("`prelu` per channel takes [N, channels, …], got {ty}");
            return el.fail_at(codes::RANK, message, span, "no channels");
        }
    };
    let rule = arguments.initializer(el, "init", InitializerRule::Constant(0.25))?;
    let slope_ty = TensorType::new(ty.dtype, Shape::fixed(&[count]));
    let slope = el.parameter(&format!("{path}.slope"), slope_ty, rule.with_fans(1, 1), span)?;
    el.build(span, |builder| {
        let slope = if count == 1 {
            let scalar = builder.reshape(slope, Shape(Vec::new()))?;
            builder.broadcast_scalar(scalar, ty.shape.clone())?
        } else {
            builder.broadcast_along(slope, ty.shape.clone(), 1)?
        };
        let above = builder.unary(Unary::Relu, x)?;
        let zeros = builder.splat_like(x, 0.0)?;
        let below = builder.binary(Binary::Min, x, zeros)?;
        let scaled = builder.mul(slope, below)?;
        builder.add(above, scaled)
    })
    .map(Value::Tensor)
}

fn elu(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let alpha = arguments.float_within(el, "alpha", 1.0, 0.0..=1e6)?;
    el.build(arguments.span, |builder| exponential_below(builder, x, alpha)).map(Value::Tensor)
}

/// `max(x, 0) + alpha * (exp(min(x, 0)) - 1)`, whose exponential cannot overflow: Clevert, Unterthiner,
/// Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear Units", ICLR 2016.
fn exponential_below(builder: &mut Builder, x: NodeId, alpha: f64) -> Result<NodeId, InferError> {
    let above = builder.unary(Unary::Relu, x)?;
    let zeros = builder.splat_like(x, 0.0)?;
    let below = builder.binary(Binary::Min, x, zeros)?;
    let exponential = builder.unary(Unary::Exp, below)?;
    let bent = builder.shift(exponential, -1.0)?;
    let bent = builder.scale(bent, alpha)?;
    builder.add(above, bent)
}

/// Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017.
fn selu(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let bent = exponential_below(builder, x, 1.673_263_242_354_377_2)?;
    builder.scale(bent, 1.050_700_987_355_480_5)
}

/// `x * sigmoid(x)`: Elfwing, Uchibe, Doya, "Sigmoid-Weighted Linear Units", 2017.
fn silu(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let share = builder.unary(Unary::Sigmoid, x)?;
    builder.mul(x, share)
}

/// `x * tanh(log(1 + exp(x)))`: Misra, "Mish", BMVC 2020.
fn mish(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let soft = smooth_rectifier(builder, x)?;
    let share = builder.unary(Unary::Tanh, soft)?;
    builder.mul(x, share)
}

/// `log(1 + exp(beta x)) / beta`
fn softplus(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let beta = arguments.float_within(el, "beta", 1.0, 1e-6..=1e6)?;
    el.build(arguments.span, |builder| {
        let scaled = if beta == 1.0 { x } else { builder.scale(x, beta)? };
        let soft = smooth_rectifier(builder, scaled)?;
        if beta == 1.0 { Ok(soft) } else { builder.scale(soft, 1.0 / beta) }
    })
    .map(Value::Tensor)
}

/// `log(1 + exp(x))` as `max(x, 0) + log(1 + exp(-|x|))`.
fn smooth_rectifier(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let above = builder.unary(Unary::Relu, x)?;
    let magnitude = builder.unary(Unary::Abs, x)?;
    let negative = builder.neg(magnitude)?;
    let exponential = builder.unary(Unary::Exp, negative)?;
    let tail = builder.unary(Unary::LogOnePlus, exponential)?;
    builder.add(above, tail)
}

/// `min(max(x, low), high)`
fn clamp(builder: &mut Builder, x: NodeId, low: f64, high: f64) -> Result<NodeId, InferError> {
    let (low, high) = (builder.splat_like(x, low)?, builder.splat_like(x, high)?);
    let above = builder.binary(Binary::Max, x, low)?;
    builder.binary(Binary::Min, above, high)
}

/// `min(max(x + 3, 0), 6) / 6`: Howard et al., "Searching for MobileNetV3", ICCV 2019.
fn hard_sigmoid(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let shifted = builder.shift(x, 3.0)?;
    let bounded = clamp(builder, shifted, 0.0, 6.0)?;
    builder.scale(bounded, 1.0 / 6.0)
}

/// `x * hard_sigmoid(x)`
fn hard_swish(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let share = hard_sigmoid(builder, x)?;
    builder.mul(x, share)
}

fn hard_tanh(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let low = arguments.float_or(el, "low", -1.0)?;
    let high = arguments.float_or(el, "high", 1.0)?;
    if low >= high {
        let message = format!("`hard_tanh` keeps what lies from {low} to {high}, which is nothing");
        return el.fail_at(codes::RANGE, message, arguments.span, "low must be below high");
    }
    el.build(arguments.span, |builder| clamp(builder, x, low, high)).map(Value::Tensor)
}

/// `x / 2 * (1 + erf(x / sqrt(2)))`: Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016.
fn gelu(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    el.build(arguments.span, |builder| {
        let scaled = builder.scale(x, std::f64::consts::FRAC_1_SQRT_2)?;
        let erf = builder.unary(Unary::Erf, scaled)?;
        let weight = builder.shift(erf, 1.0)?;
        let half = builder.scale(x, 0.5)?;
        builder.mul(half, weight)
    })
    .map(Value::Tensor)
}

fn softmax(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let axis = arguments.axis(el, "axis", -1, el.builder.shape(x).rank())?;
    el.build(arguments.span, |builder| builder.add_node(Op::Softmax { axis }, &[x])).map(Value::Tensor)
}

fn log_softmax(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let axis = arguments.axis(el, "axis", -1, el.builder.shape(x).rank())?;
    el.build(arguments.span, |builder| builder.add_node(Op::LogSoftmax { axis }, &[x])).map(Value::Tensor)
}
