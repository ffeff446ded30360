//! Losses of numbers: squares, magnitudes, and what lies between.

use super::{equal_pair, mean_of_all};
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Binary, Builder, InferError, NodeId, Unary};

pub(super) fn mse(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (prediction, y) = equal_pair(el, arguments)?;
    el.build(arguments.span, |builder| {
        let difference = builder.sub(prediction, y)?;
        let square = builder.mul(difference, difference)?;
        mean_of_all(builder, square)
    })
    .map(Value::Tensor)
}

pub(super) fn mae(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (prediction, y) = equal_pair(el, arguments)?;
    el.build(arguments.span, |builder| {
        let difference = builder.sub(prediction, y)?;
        let magnitude = builder.unary(Unary::Abs, difference)?;
        mean_of_all(builder, magnitude)
    })
    .map(Value::Tensor)
}

/// `d^2 / 2` within `delta` of 0, else `delta (|d| - delta / 2)`: Huber, "Robust Estimation of a Location
/// Parameter", 1964.
pub(super) fn huber(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let delta = arguments.float_within(el, "delta", 1.0, 1e-12..=1e12)?;
    let (prediction, y) = equal_pair(el, arguments)?;
    el.build(arguments.span, |builder| rounded_magnitude(builder, prediction, y, delta)).map(Value::Tensor)
}

/// Huber's loss over `beta`: `d^2 / (2 beta)` within `beta` of 0, else `|d| - beta / 2`.
pub(super) fn smooth_l1(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let beta = arguments.float_within(el, "beta", 1.0, 1e-12..=1e12)?;
    let (prediction, y) = equal_pair(el, arguments)?;
    el.build(arguments.span, |builder| {
        let loss = rounded_magnitude(builder, prediction, y, beta)?;
        builder.scale(loss, 1.0 / beta)
    })
    .map(Value::Tensor)
}

/// With `m = min(|d|, delta)`: `m (|d| - m / 2)`, which is both branches in one.
fn rounded_magnitude(
    builder: &mut Builder,
    prediction: NodeId,
    y: NodeId,
    delta: f64,
) -> Result<NodeId, InferError> {
    let difference = builder.sub(prediction, y)?;
    let magnitude = builder.unary(Unary::Abs, difference)?;
    let bound = builder.splat_like(magnitude, delta)?;
    let near = builder.binary(Binary::Min, magnitude, bound)?;
    let half = builder.scale(near, 0.5)?;
    let rest = builder.sub(magnitude, half)?;
    let loss = builder.mul(near, rest)?;
    mean_of_all(builder, loss)
}
