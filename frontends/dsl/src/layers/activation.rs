//! Activations.

use super::LayerSpec;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Comparison, Op, Unary};

const X: &[Parameter<'static>] = &[("x", true)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("relu", X, |el, arguments, _| unary(el, arguments, Unary::Relu)),
    LayerSpec::new("sigmoid", X, |el, arguments, _| unary(el, arguments, Unary::Sigmoid)),
    LayerSpec::new("tanh", X, |el, arguments, _| unary(el, arguments, Unary::Tanh)),
    LayerSpec::new("leaky_relu", &[("x", true), ("slope", false)], leaky_relu),
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
