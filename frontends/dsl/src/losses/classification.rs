//! Losses of classes: logarithms of probabilities at the classes of labels, weighed.

use super::{
    CLASS, check_classes, clamp, class_scores, class_vector, equal_pair, ignored_label, is_class_index,
    mean_of_all, nothing_to_ignore, operand_of, target, warn_about, without_classes,
};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, Comparison, InferError, NodeId, Op, Unary};
use dlc_types::{Diagnostic, TensorType};

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

/// The negative logarithm at the label's class, of logarithms of probabilities.
pub(super) fn negative_log_likelihood(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    _: &str,
) -> Eval<Value> {
    let logarithms = class_scores(el, arguments)?;
    if operand_of(el, logarithms, |op| matches!(op, Op::Softmax { .. })).is_some() {
        let message = "`nll` takes logarithms of probabilities, but this is the result of `softmax`";
        el.reporter.push(
            Diagnostic::warning(codes::LOSS, message)
                .at(arguments.span_of("prediction"), "probabilities")
                .help("use `log_softmax(axis = 1)`"),
        );
    }
    of_logarithms(el, arguments, logarithms)
}

/// `sum(p (log p - log q))` per sample, and 0 where `p` is 0; of `log q` and `p`. Kullback, Leibler, "On
/// Information and Sufficiency", 1951.
pub(super) fn kl_divergence(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (logarithms, p) = equal_pair(el, arguments)?;
    el.build(arguments.span, |builder| {
        let zero = builder.splat_like(p, 0.0)?;
        let one = builder.splat_like(p, 1.0)?;
        let some = builder.compare(Comparison::Greater, p, zero)?;
        let safe = builder.select(some, p, one)?;
        let own = builder.unary(Unary::Log, safe)?;
        let difference = builder.sub(own, logarithms)?;
        let product = builder.mul(p, difference)?;
        let loss = builder.select(some, product, zero)?;
        let rest: Vec<usize> = (1..builder.shape(loss).rank()).collect();
        let per_sample = builder.sum(loss, &rest)?;
        mean_of_all(builder, per_sample)
    })
    .map(Value::Tensor)
}

/// What the positions and classes of a loss count.
struct Weighing {
    /// Weight of each class, `[classes]`.
    weights: Option<NodeId>,
    /// Share of every label that is spread over all classes.
    smoothing: f64,
    /// The label of positions that do not count.
    ignored: Option<i64>,
}

impl Weighing {
    fn read(el: &mut Elaborator<'_>, arguments: &Arguments, scores: NodeId) -> Eval<Weighing> {
        let ignored = ignored_label(el, arguments)?;
        Ok(Weighing {
            weights: class_vector(el, arguments, "weights", scores)?,
            smoothing: arguments.float_within(el, "label_smoothing", 0.0, 0.0..=1.0)?,
            ignored,
        })
    }

    fn is_plain(&self) -> bool {
        self.weights.is_none() && self.smoothing == 0.0 && self.ignored.is_none()
    }
}

/// Minus the mean over all positions of the logarithm at the label's class.
fn of_logarithms(el: &mut Elaborator<'_>, arguments: &Arguments, logarithms: NodeId) -> Eval<Value> {
    let ty = el.builder.ty(logarithms).clone();
    let weighing = Weighing::read(el, arguments, logarithms)?;
    let label = target(el, arguments, TensorType::new(CLASS, without_classes(&ty.shape)))?;
    if is_class_index(el, label) {
        check_classes(el, arguments, logarithms, label)?;
        return el
            .build(arguments.span, |builder| match weighing.is_plain() {
                true => of_classes(builder, logarithms, label, &ty),
                false => of_weighed_classes(builder, logarithms, label, &ty, &weighing),
            })
            .map(Value::Tensor);
    }
    if el.builder.ty(label) != &ty {
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
    if weighing.ignored.is_some() {
        return nothing_to_ignore(el, arguments, &ty);
    }
    el.build(arguments.span, |builder| of_shares(builder, logarithms, label, &ty, &weighing))
        .map(Value::Tensor)
}

/// Labels are class numbers, and all positions count alike.
fn of_classes(
    builder: &mut Builder,
    logarithms: NodeId,
    label: NodeId,
    ty: &TensorType,
) -> Result<NodeId, InferError> {
    let mask = class_mask(builder, label, ty)?;
    let zeros = builder.splat_like(logarithms, 0.0)?;
    let chosen = builder.select(mask, logarithms, zeros)?;
    let chosen = builder.sum(chosen, &[1])?;
    let negative = builder.neg(chosen)?;
    mean_of_all(builder, negative)
}

/// Labels are class numbers: the weighed sum over the sum of the weights at the labels, as PyTorch divides.
/// Where nothing counts, the loss is 0.
fn of_weighed_classes(
    builder: &mut Builder,
    logarithms: NodeId,
    label: NodeId,
    ty: &TensorType,
    weighing: &Weighing,
) -> Result<NodeId, InferError> {
    let label = builder.cast(label, CLASS)?;
    let mask = class_mask(builder, label, ty)?;
    let zeros = builder.splat_like(logarithms, 0.0)?;
    let weighed = match weighing.weights {
        None => logarithms,
        Some(weights) => {
            let weights = builder.broadcast_along(weights, ty.shape.clone(), 1)?;
            builder.mul(weights, logarithms)?
        }
    };
    // Per position: the weighed logarithm at the label, that of all classes, the weight of the label.
    let chosen = builder.select(mask, weighed, zeros)?;
    let mut chosen = builder.sum(chosen, &[1])?;
    let mut spread = builder.sum(weighed, &[1])?;
    let mut weight = match weighing.weights {
        None => builder.splat_like(chosen, 1.0)?,
        Some(weights) => {
            let weights = builder.broadcast_along(weights, ty.shape.clone(), 1)?;
            let weights = builder.select(mask, weights, zeros)?;
            builder.sum(weights, &[1])?
        }
    };
    if let Some(ignored) = weighing.ignored {
        let ignored = builder.splat_like(label, ignored as f64)?;
        let counts = builder.compare(Comparison::NotEqual, label, ignored)?;
        let none = builder.splat_like(chosen, 0.0)?;
        for value in [&mut chosen, &mut spread, &mut weight] {
            *value = builder.select(counts, *value, none)?;
        }
    }
    let mut sum = chosen;
    if weighing.smoothing > 0.0 {
        let kept = builder.scale(chosen, 1.0 - weighing.smoothing)?;
        let classes = ty.shape[1].fixed().unwrap_or(1) as f64;
        let spread = builder.scale(spread, weighing.smoothing / classes)?;
        sum = builder.add(kept, spread)?;
    }
    let all: Vec<usize> = (0..builder.shape(sum).rank()).collect();
    let (sum, weight) = (builder.sum(sum, &all)?, builder.sum(weight, &all)?);
    let (zero, one) = (builder.scalar(ty.dtype, 0.0)?, builder.scalar(ty.dtype, 1.0)?);
    let some = builder.compare(Comparison::Greater, weight, zero)?;
    let weight = builder.select(some, weight, one)?;
    let mean = builder.div(sum, weight)?;
    builder.neg(mean)
}

/// Labels are shares of all classes: the mean over positions, as PyTorch divides.
fn of_shares(
    builder: &mut Builder,
    logarithms: NodeId,
    label: NodeId,
    ty: &TensorType,
    weighing: &Weighing,
) -> Result<NodeId, InferError> {
    let mut label = label;
    if weighing.smoothing > 0.0 {
        let kept = builder.scale(label, 1.0 - weighing.smoothing)?;
        label = builder.shift(kept, weighing.smoothing / ty.shape[1].fixed().unwrap_or(1) as f64)?;
    }
    if let Some(weights) = weighing.weights {
        let weights = builder.broadcast_along(weights, ty.shape.clone(), 1)?;
        label = builder.mul(weights, label)?;
    }
    let product = builder.mul(label, logarithms)?;
    let chosen = builder.sum(product, &[1])?;
    let negative = builder.neg(chosen)?;
    mean_of_all(builder, negative)
}

/// True where an element's class is the label's.
fn class_mask(builder: &mut Builder, label: NodeId, ty: &TensorType) -> Result<NodeId, InferError> {
    let label = builder.cast(label, CLASS)?;
    let axes: Vec<usize> = (0..ty.shape.rank()).filter(|&axis| axis != 1).collect();
    let label = builder.broadcast(label, ty.shape.clone(), &axes)?;
    let classes = builder.declare(Op::Iota { axis: 1 }, &[], TensorType::new(CLASS, ty.shape.clone()))?;
    builder.compare(Comparison::Equal, classes, label)
}
