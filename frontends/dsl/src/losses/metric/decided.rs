//! Shares of right decisions.

use super::super::mean_of_all;
use super::super::{
    CLASS, check_classes, class_scores, equal_pair, ignored_label, is_class_index, maker, nothing_to_ignore,
    poisoned, target, without_classes,
};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{ArgReduction, Binary, Comparison, NodeId, Op, Unary};
use dlc_recipe::Measure;
use dlc_types::{DType, Diagnostic, Dim, Shape, TensorType};

/// How a prediction decides.
pub(super) enum Decision {
    /// The largest score along the second axis.
    Largest,
    /// Above this number is yes.
    Threshold(f64),
}

impl Decision {
    /// Several classes (second axis above 1): the largest score. One score: above 0, or 0.5 behind `sigmoid`.
    /// Several scores behind `sigmoid` decide one by one.
    pub(super) fn of(el: &Elaborator<'_>, prediction: NodeId) -> Decision {
        let is_probability = *maker(el, prediction) == Op::Unary(Unary::Sigmoid);
        let classes = el.builder.shape(prediction).0.get(1).copied().unwrap_or(Dim::Fixed(1));
        match (is_probability, classes == Dim::Fixed(1)) {
            (true, _) => Decision::Threshold(0.5),
            (false, true) => Decision::Threshold(0.0),
            (false, false) => Decision::Largest,
        }
    }
}

/// The classes of labels and of largest scores, both `i32` in the shape of the scores without their class axis.
pub(super) fn classes(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    prediction: NodeId,
) -> Eval<(NodeId, NodeId)> {
    let label = label(el, arguments, prediction)?;
    let decided = el.build(arguments.span, |builder| builder.arg_reduce(ArgReduction::Max, prediction, 1))?;
    Ok((label, decided))
}

/// The classes of labels, `i32`, whether they are given as numbers or one-hot.
pub(super) fn label(el: &mut Elaborator<'_>, arguments: &Arguments, prediction: NodeId) -> Eval<NodeId> {
    let shape = el.builder.shape(prediction).clone();
    let label = target(el, arguments, TensorType::new(CLASS, without_classes(&shape)))?;
    let is_index = is_class_index(el, label);
    if is_index {
        check_classes(el, arguments, prediction, label)?;
    } else if el.builder.shape(label) != &shape {
        let (scores, found) = (el.builder.ty(prediction).clone(), el.builder.ty(label).clone());
        let numbers = without_classes(&shape);
        let message = format!(
            "`{}` of {scores} takes class numbers i32{numbers} or labels {scores}, got {found}",
            arguments.callee
        );
        let given = matches!(arguments.get("target"), Some((Value::Tensor(_), _)));
        let help = if found.shape == numbers && given {
            "class numbers are integers: declare the field as such, `i32[N]`"
        } else {
            "one-hot labels have one number per score"
        };
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span, format!("{} against {}", scores.shape, found.shape))
                .help(help),
        );
    }
    el.build(arguments.span, |builder| {
        if is_index { builder.cast(label, CLASS) } else { builder.arg_reduce(ArgReduction::Max, label, 1) }
    })
}

/// Yes or no of predictions and labels, as numbers of the prediction's type: (label, decision).
pub(super) fn yes_or_no(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    threshold: f64,
) -> Eval<(NodeId, NodeId)> {
    let (prediction, y) = equal_pair(el, arguments)?;
    let dtype = el.dtype(prediction);
    let mut above = |value: NodeId, bound: f64| {
        el.build(arguments.span, |builder| {
            let bound = builder.splat_like(value, bound)?;
            let above = builder.compare(Comparison::Greater, value, bound)?;
            builder.cast(above, dtype)
        })
    };
    Ok((above(y, 0.5)?, above(prediction, threshold)?))
}

/// Both shapes, for a message: that of a target without a type is not known.
pub(super) fn against(el: &Elaborator<'_>, arguments: &Arguments, prediction: &Shape) -> String {
    match arguments.get("target") {
        Some((Value::Tensor(target), _)) => format!("{prediction} against {}", el.builder.shape(*target)),
        _ => prediction.to_string(),
    }
}

/// Where labels count, if there is one that does not.
pub(super) fn counts(el: &mut Elaborator<'_>, arguments: &Arguments, label: NodeId) -> Eval<Option<NodeId>> {
    let Some(ignored) = ignored_label(el, arguments)? else { return Ok(None) };
    if let Some(&Value::Tensor(target)) = arguments.get("target").map(|(value, _)| value)
        && !is_class_index(el, target)
    {
        let ty = el.builder.ty(target).clone();
        return nothing_to_ignore(el, arguments, &ty);
    }
    let made = el.build(arguments.span, |builder| {
        let ignored = builder.splat_like(label, ignored as f64)?;
        builder.compare(Comparison::NotEqual, label, ignored)
    });
    made.map(Some)
}

/// The share of right decisions.
pub(super) fn accuracy(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let prediction = arguments.float_tensor(el, "prediction")?;
    let (label, decided) = match Decision::of(el, prediction) {
        Decision::Threshold(threshold) => yes_or_no(el, arguments, threshold)?,
        Decision::Largest => classes(el, arguments, prediction)?,
    };
    share(el, arguments, (prediction, label), |builder| builder.compare(Comparison::Equal, decided, label))
}

/// The share of labels among the `k` largest scores. Of equal scores the later class counts as larger.
pub(super) fn top_k(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let prediction = class_scores(el, arguments)?;
    let k = match arguments.get("k") {
        None => 5,
        Some(_) => arguments.size(el, "k")?,
    };
    let ty = el.builder.ty(prediction).clone();
    if let Some(classes) = ty.shape.0[1].fixed().filter(|&classes| k >= classes) {
        let message = format!("the label is always among the {k} largest of the {classes} scores of {ty}");
        return el.fail(
            Diagnostic::error(codes::RANGE, message)
                .at(arguments.span_of("k"), "not below the number of classes")
                .help("`k` is 5 where it is not given"),
        );
    }
    let label = label(el, arguments, prediction)?;
    share(el, arguments, (prediction, label), |builder| {
        let number = builder.declare(Op::Iota { axis: 1 }, &[], TensorType::new(CLASS, ty.shape.clone()))?;
        let label = builder.broadcast_reduced(label, ty.shape.clone(), &[1])?;
        let mask = builder.compare(Comparison::Equal, number, label)?;
        let zeros = builder.splat_like(prediction, 0.0)?;
        let own = builder.select(mask, prediction, zeros)?;
        let own = builder.sum(own, &[1])?;
        let own = builder.broadcast_reduced(own, ty.shape.clone(), &[1])?;
        let larger = builder.compare(Comparison::Greater, prediction, own)?;
        let equal = builder.compare(Comparison::Equal, prediction, own)?;
        let later = builder.compare(Comparison::Greater, number, label)?;
        let (larger, later) = (builder.cast(larger, ty.dtype)?, builder.cast(later, ty.dtype)?);
        let tied = builder.select(equal, later, zeros)?;
        let before = builder.add(larger, tied)?;
        let rank = builder.sum(before, &[1])?;
        let bound = builder.splat_like(rank, k as f64)?;
        builder.compare(Comparison::Less, rank, bound)
    })
}

/// The mean of truths, in the prediction's type; where labels may be ignored, their sum and the number of those that
/// count.
fn share(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    (prediction, label): (NodeId, NodeId),
    hits: impl FnOnce(&mut dlc_ir::Builder) -> Result<NodeId, dlc_ir::InferError>,
) -> Eval<Value> {
    let dtype = el.dtype(prediction);
    if !dtype.is_float() {
        return poisoned();
    }
    let Some(counts) = counts(el, arguments, label)? else {
        let made = el.build(arguments.span, |builder| {
            let hits = hits(builder)?;
            let hits = builder.cast(hits, dtype)?;
            mean_of_all(builder, hits)
        });
        return made.map(Value::Tensor);
    };
    let sums = el.build(arguments.span, |builder| {
        let hits = hits(builder)?;
        let hits = builder.binary(Binary::And, hits, counts)?;
        let mut sums = Vec::new();
        for truths in [hits, counts] {
            let truths = builder.cast(truths, DType::F32)?;
            let axes: Vec<usize> = (0..builder.shape(truths).rank()).collect();
            let sum = builder.sum(truths, &axes)?;
            sums.push(builder.reshape(sum, Shape::fixed(&[1]))?);
        }
        builder.add_node(Op::Concat { axis: 0 }, &sums)
    });
    sums.map(|sums| Value::Metric(Measure::Share, sums))
}
