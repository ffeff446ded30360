//! What training minimises.

use super::{CLASS, check_classes, class_scores, equal_pair, is_class_index, target, without_classes};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Op, Unary};
use dlc_types::{Diagnostic, TensorType};

/// Probabilities are kept this far from 0 and 1 before their logarithm.
const MARGIN: f64 = 1e-7;

/// The operand of the op that made a value.
fn operand_of(el: &Elaborator<'_>, node: NodeId, accept: impl Fn(&Op) -> bool) -> Option<NodeId> {
    let node = &el.builder.function().nodes[node];
    if accept(&node.op) { node.operands.first().copied() } else { None }
}

fn warn_about(el: &mut Elaborator<'_>, arguments: &Arguments, made_by: &str) {
    let callee = &arguments.callee;
    let message = format!("`{callee}` takes logits, but this is the result of `{made_by}`");
    el.reporter.push(
        Diagnostic::warning(codes::LOSS, message)
            .at(arguments.span_of("prediction"), "probabilities")
            .help(format!("use `{callee}_probabilities`, or drop the `{made_by}`")),
    );
}

pub(super) fn cross_entropy(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let logits = class_scores(el, arguments)?;
    if operand_of(el, logits, |op| matches!(op, Op::Softmax { .. })).is_some() {
        warn_about(el, arguments, "softmax");
    }
    of_logits(el, arguments, logits)
}

fn of_logits(el: &mut Elaborator<'_>, arguments: &Arguments, logits: NodeId) -> Eval<Value> {
    let logarithms =
        el.build(arguments.span, |builder| builder.add_node(Op::LogSoftmax { axis: 1 }, &[logits]))?;
    of_logarithms(el, arguments, logarithms)
}

pub(super) fn cross_entropy_probabilities(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    _: &str,
) -> Eval<Value> {
    let probabilities = class_scores(el, arguments)?;
    if let Some(logits) = operand_of(el, probabilities, |op| *op == Op::Softmax { axis: 1 }) {
        return of_logits(el, arguments, logits);
    }
    let logarithms = el.build(arguments.span, |builder| {
        let clamped = clamp(builder, probabilities)?;
        builder.unary(Unary::Log, clamped)
    })?;
    of_logarithms(el, arguments, logarithms)
}

/// Minus the mean over all positions of the logarithm at the label's class.
fn of_logarithms(el: &mut Elaborator<'_>, arguments: &Arguments, logarithms: NodeId) -> Eval<Value> {
    let ty = el.builder.ty(logarithms).clone();
    let label = target(el, arguments, TensorType::new(CLASS, without_classes(&ty.shape)))?;
    if is_class_index(el, label) {
        check_classes(el, arguments, logarithms, label)?;
    } else if el.builder.ty(label) != &ty {
        let message =
            format!("`{}` of {ty} cannot take the label {}", arguments.callee, el.builder.ty(label));
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span, format!("{} against {}", el.builder.shape(label), ty.shape))
                .note(
                    "labels are class numbers (i32, without the class axis) or one-hot with the scores' type",
                ),
        );
    }
    let is_index = is_class_index(el, label);
    el.build(arguments.span, |builder| {
        let chosen = if is_index {
            let mask = class_mask(builder, label, &ty)?;
            let zeros = builder.splat_like(logarithms, 0.0)?;
            builder.select(mask, logarithms, zeros)?
        } else {
            builder.mul(label, logarithms)?
        };
        let chosen = builder.sum(chosen, &[1])?;
        let negative = builder.neg(chosen)?;
        mean_of_all(builder, negative)
    })
    .map(Value::Tensor)
}

/// True where an element's class is the label's.
fn class_mask(builder: &mut Builder, label: NodeId, ty: &TensorType) -> Result<NodeId, InferError> {
    let label = builder.cast(label, CLASS)?;
    let axes: Vec<usize> = (0..ty.shape.rank()).filter(|&axis| axis != 1).collect();
    let label = builder.broadcast(label, ty.shape.clone(), &axes)?;
    let classes = builder.declare(Op::Iota { axis: 1 }, &[], TensorType::new(CLASS, ty.shape.clone()))?;
    builder.compare(Comparison::Equal, classes, label)
}

pub(super) fn mean_of_all(builder: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let axes: Vec<usize> = (0..builder.shape(x).rank()).collect();
    builder.mean(x, &axes)
}

fn clamp(builder: &mut Builder, p: NodeId) -> Result<NodeId, InferError> {
    let low = builder.splat_like(p, MARGIN)?;
    let high = builder.splat_like(p, 1.0 - MARGIN)?;
    let p = builder.binary(Binary::Max, p, low)?;
    builder.binary(Binary::Min, p, high)
}

pub(super) fn binary_cross_entropy(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (logits, y) = equal_pair(el, arguments)?;
    if operand_of(el, logits, |op| *op == Op::Unary(Unary::Sigmoid)).is_some() {
        warn_about(el, arguments, "sigmoid");
    }
    el.build(arguments.span, |builder| binary_of_logits(builder, logits, y)).map(Value::Tensor)
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
