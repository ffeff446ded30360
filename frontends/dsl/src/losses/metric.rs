//! What is reported beside the loss.

use super::{
    CLASS, check_classes, equal_pair, is_class_index, mean_of_all, poisoned, target, without_classes,
};
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{ArgReduction, Comparison, NodeId, Op, Unary};
use dlc_types::{Dim, TensorType};

/// The share of right decisions.
///
/// Several classes (second axis above 1): the largest score against the label. One score: above 0 (0.5
/// behind `sigmoid`) against a label above 0.5. Several scores behind `sigmoid` decide one by one.
pub(super) fn accuracy(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let prediction = arguments.float_tensor(el, "prediction")?;
    let ty = el.builder.ty(prediction).clone();
    let is_probability = el.builder.function().nodes[prediction].op == Op::Unary(Unary::Sigmoid);
    let classes = ty.shape.0.get(1).copied().unwrap_or(Dim::Fixed(1));
    if classes == Dim::Fixed(1) || is_probability {
        return by_threshold(el, arguments, if is_probability { 0.5 } else { 0.0 });
    }
    let label = target(el, arguments, TensorType::new(CLASS, without_classes(&ty.shape)))?;
    let is_index = is_class_index(el, label);
    if is_index {
        check_classes(el, arguments, prediction, label)?;
    } else if el.builder.shape(label) != &ty.shape {
        let wanted = format!("class numbers or one-hot labels {ty}");
        return arguments.mismatch(el, "target", &wanted);
    }
    let hits = el.build(arguments.span, |builder| {
        let decided = builder.arg_reduce(ArgReduction::Max, prediction, 1)?;
        let label = if is_index {
            builder.cast(label, CLASS)?
        } else {
            builder.arg_reduce(ArgReduction::Max, label, 1)?
        };
        builder.compare(Comparison::Equal, decided, label)
    })?;
    share(el, arguments, hits, &ty)
}

fn by_threshold(el: &mut Elaborator<'_>, arguments: &Arguments, threshold: f64) -> Eval<Value> {
    let (prediction, y) = equal_pair(el, arguments)?;
    let ty = el.builder.ty(prediction).clone();
    let hits = el.build(arguments.span, |builder| {
        let threshold = builder.splat_like(prediction, threshold)?;
        let decided = builder.compare(Comparison::Greater, prediction, threshold)?;
        let half = builder.splat_like(y, 0.5)?;
        let label = builder.compare(Comparison::Greater, y, half)?;
        let decided = builder.cast(decided, ty.dtype)?;
        let label = builder.cast(label, ty.dtype)?;
        builder.compare(Comparison::Equal, decided, label)
    })?;
    share(el, arguments, hits, &ty)
}

fn share(el: &mut Elaborator<'_>, arguments: &Arguments, hits: NodeId, ty: &TensorType) -> Eval<Value> {
    if !ty.dtype.is_float() {
        return poisoned();
    }
    el.build(arguments.span, |builder| {
        let hits = builder.cast(hits, ty.dtype)?;
        mean_of_all(builder, hits)
    })
    .map(Value::Tensor)
}
