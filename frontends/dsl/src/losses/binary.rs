//! Losses of yes or no.

use super::{clamp, class_vector, equal_pair, mean_of_all, operand_of, warn_about};
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, InferError, NodeId, Op, Unary};

pub(super) fn binary_cross_entropy(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (logits, y) = equal_pair(el, arguments)?;
    let weight = positive_weight(el, arguments, logits)?;
    if operand_of(el, logits, |op| *op == Op::Unary(Unary::Sigmoid)).is_some() {
        warn_about(el, arguments, "sigmoid");
    }
    el.build(arguments.span, |builder| match weight {
        None => binary_of_logits(builder, logits, y),
        Some(weight) => weighted_binary_of_logits(builder, logits, y, weight),
    })
    .map(Value::Tensor)
}

/// `mean(max(x, 0) - x * y + log(1 + exp(-|x|)))`
fn binary_of_logits(builder: &mut Builder, x: NodeId, y: NodeId) -> Result<NodeId, InferError> {
    let positive = builder.unary(Unary::Relu, x)?;
    let product = builder.mul(x, y)?;
    let difference = builder.sub(positive, product)?;
    let magnitude = builder.unary(Unary::Abs, x)?;
    let negative = builder.neg(magnitude)?;
    let exponential = builder.unary(Unary::Exp, negative)?;
    let tail = builder.unary(Unary::LogOnePlus, exponential)?;
    let sum = builder.add(difference, tail)?;
    mean_of_all(builder, sum)
}

pub(super) fn binary_cross_entropy_probabilities(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    _: &str,
) -> Eval<Value> {
    let (p, y) = equal_pair(el, arguments)?;
    let logits = operand_of(el, p, |op| *op == Op::Unary(Unary::Sigmoid));
    el.build(arguments.span, |builder| {
        if let Some(logits) = logits {
            return binary_of_logits(builder, logits, y);
        }
        let p = clamp(builder, p)?;
        let log_p = builder.unary(Unary::Log, p)?;
        let negative = builder.neg(p)?;
        let rest = builder.shift(negative, 1.0)?;
        let log_rest = builder.unary(Unary::Log, rest)?;
        let negative = builder.neg(y)?;
        let rest_y = builder.shift(negative, 1.0)?;
        let hit = builder.mul(y, log_p)?;
        let miss = builder.mul(rest_y, log_rest)?;
        let sum = builder.add(hit, miss)?;
        let loss = builder.neg(sum)?;
        mean_of_all(builder, loss)
    })
    .map(Value::Tensor)
}

/// `pos_weight`, a number or one per class, in the shape of the logits.
fn positive_weight(el: &mut Elaborator<'_>, arguments: &Arguments, logits: NodeId) -> Eval<Option<NodeId>> {
    match arguments.get("pos_weight") {
        None => Ok(None),
        Some((Value::List(_), _)) => {
            let Some(weights) = class_vector(el, arguments, "pos_weight", logits)? else { return Ok(None) };
            let shape = el.builder.shape(logits).clone();
            el.build(arguments.span, |builder| builder.broadcast_along(weights, shape, 1)).map(Some)
        }
        Some(_) => {
            let weight = arguments.float_within(el, "pos_weight", 1.0, 0.0..=1e12)?;
            el.build(arguments.span, |builder| builder.splat_like(logits, weight)).map(Some)
        }
    }
}

/// `mean((1 - y) x + (1 + (w - 1) y) (log(1 + exp(-|x|)) + max(-x, 0)))`, as PyTorch does.
fn weighted_binary_of_logits(
    builder: &mut Builder,
    x: NodeId,
    y: NodeId,
    weight: NodeId,
) -> Result<NodeId, InferError> {
    let magnitude = builder.unary(Unary::Abs, x)?;
    let negative = builder.neg(magnitude)?;
    let exponential = builder.unary(Unary::Exp, negative)?;
    let tail = builder.unary(Unary::LogOnePlus, exponential)?;
    let opposite = builder.neg(x)?;
    let below = builder.unary(Unary::Relu, opposite)?;
    let miss = builder.add(tail, below)?;
    let surplus = builder.shift(weight, -1.0)?;
    let surplus = builder.mul(surplus, y)?;
    let factor = builder.shift(surplus, 1.0)?;
    let miss = builder.mul(factor, miss)?;
    let against = builder.neg(y)?;
    let against = builder.shift(against, 1.0)?;
    let hit = builder.mul(against, x)?;
    let sum = builder.add(hit, miss)?;
    mean_of_all(builder, sum)
}

/// `mean(max(0, margin - x y))` for targets of -1 and 1: Cortes, Vapnik, "Support-Vector Networks", 1995.
pub(super) fn hinge(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let margin = arguments.float_within(el, "margin", 1.0, 0.0..=1e12)?;
    let (prediction, y) = equal_pair(el, arguments)?;
    el.build(arguments.span, |builder| {
        let product = builder.mul(prediction, y)?;
        let negative = builder.neg(product)?;
        let missing = builder.shift(negative, margin)?;
        let loss = builder.unary(Unary::Relu, missing)?;
        mean_of_all(builder, loss)
    })
    .map(Value::Tensor)
}
