//! Metrics that follow from a confusion matrix.

use super::super::{CLASS, nothing_to_ignore};
use super::decided::{Decision, against, classes, counts, yes_or_no};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, Comparison, InferError, NodeId, Op};
use dlc_recipe::{Average, Measure};
use dlc_types::{DType, Diagnostic, Dim, Shape, TensorType};

/// How many classes a confusion matrix may tell apart: its square must stay small.
const MAX_CLASSES: usize = 4096;

pub(super) fn confusion_matrix(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (matrix, _) = matrix(el, arguments)?;
    Ok(Value::Metric(Measure::Confusion, matrix))
}

pub(super) fn precision(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    averaged(el, arguments, Measure::Precision)
}

pub(super) fn recall(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    averaged(el, arguments, Measure::Recall)
}

pub(super) fn f1(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    averaged(el, arguments, Measure::F1)
}

pub(super) fn mean_iou(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (matrix, _) = matrix(el, arguments)?;
    let average = average(el, arguments, Average::Macro)?;
    Ok(Value::Metric(Measure::IntersectionOverUnion(average), matrix))
}

fn averaged(el: &mut Elaborator<'_>, arguments: &Arguments, measure: fn(Average) -> Measure) -> Eval<Value> {
    let (matrix, classes) = matrix(el, arguments)?;
    let usual = if classes == 2 { Average::Binary } else { Average::Macro };
    let average = average(el, arguments, usual)?;
    if average == Average::Binary && classes != 2 {
        let message =
            format!("`average = binary` of `{}` needs two classes, not {classes}", arguments.callee);
        return el.fail(
            Diagnostic::error(codes::RANGE, message)
                .at(arguments.span_of("average"), "more than yes and no")
                .help("use macro, micro, weighted or per_class"),
        );
    }
    Ok(Value::Metric(measure(average), matrix))
}

fn average(el: &mut Elaborator<'_>, arguments: &Arguments, usual: Average) -> Eval<Average> {
    match arguments.values.get("average") {
        None => Ok(usual),
        Some((Value::None | Value::Symbol("per_class"), _)) => Ok(Average::PerClass),
        Some((Value::Symbol("binary"), _)) => Ok(Average::Binary),
        Some((Value::Symbol("macro"), _)) => Ok(Average::Macro),
        Some((Value::Symbol("micro"), _)) => Ok(Average::Micro),
        Some((Value::Symbol("weighted"), _)) => Ok(Average::Weighted),
        Some(_) => arguments.mismatch(el, "average", "binary, macro, micro, weighted or per_class"),
    }
}

/// How many samples of each class (row) were taken for each class (column), and the number of classes. A label
/// outside the classes is in no row.
fn matrix(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(NodeId, usize)> {
    let prediction = arguments.float_tensor(el, "prediction")?;
    let shape = el.builder.shape(prediction).clone();
    let (label, decided, count) = match Decision::of(el, prediction) {
        Decision::Threshold(threshold) => {
            if shape.0.iter().skip(1).any(|&dim| dim != Dim::Fixed(1)) {
                let message = format!(
                    "`{}` tells classes of one decision per sample apart, but {} holds several yes-or-no decisions",
                    arguments.callee,
                    el.builder.ty(prediction)
                );
                return el.fail(
                    Diagnostic::error(codes::SHAPE, message)
                        .at(arguments.span, against(el, arguments, &shape))
                        .help("`accuracy` takes them one by one; else measure one column, as in `f1(y[:, 0:1], t[:, 0:1])`"),
                );
            }
            let (label, decided) = yes_or_no(el, arguments, threshold)?;
            if arguments.get("ignore").is_some() {
                let ty = el.builder.ty(label).clone();
                return nothing_to_ignore(el, arguments, &ty);
            }
            (label, decided, 2)
        }
        Decision::Largest => {
            let Some(count) = shape.0.get(1).and_then(|dim| dim.fixed()).filter(|&n| n <= MAX_CLASSES) else {
                let message = format!("`{}` tells at most {MAX_CLASSES} classes apart", arguments.callee);
                return el.fail_at(
                    codes::TOO_LARGE,
                    message,
                    arguments.span_of("prediction"),
                    format!("{shape}"),
                );
            };
            let (label, decided) = classes(el, arguments, prediction)?;
            (without_ignored(el, arguments, label)?, decided, count)
        }
    };
    let matrix = el.build(arguments.span, |builder| {
        let rank = builder.shape(label).rank();
        let label = one_hot(builder, label, count)?;
        let decided = one_hot(builder, decided, count)?;
        let all: Vec<(usize, usize)> = (0..rank).map(|axis| (axis, axis)).collect();
        builder.contract(label, decided, &[], &all)
    })?;
    Ok((matrix, count))
}

/// Class numbers with one that is no class in the place of the ignored one.
fn without_ignored(el: &mut Elaborator<'_>, arguments: &Arguments, label: NodeId) -> Eval<NodeId> {
    let Some(counts) = counts(el, arguments, label)? else { return Ok(label) };
    el.build(arguments.span, |builder| {
        let none = builder.splat_like(label, -1.0)?;
        builder.select(counts, label, none)
    })
}

/// Class numbers as rows of zeros with a one, `f32`, on a new last axis.
fn one_hot(builder: &mut Builder, class: NodeId, count: usize) -> Result<NodeId, InferError> {
    let class = builder.cast(class, CLASS)?;
    let mut shape = builder.shape(class).clone();
    let axes: Vec<usize> = (0..shape.rank()).collect();
    shape.0.push(Dim::Fixed(count));
    let axis = axes.len();
    let class = builder.broadcast(class, Shape(shape.0.clone()), &axes)?;
    let number = builder.declare(Op::Iota { axis }, &[], TensorType::new(CLASS, shape))?;
    let is = builder.compare(Comparison::Equal, class, number)?;
    builder.cast(is, DType::F32)
}
