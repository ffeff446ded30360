//! Metrics that follow from the order of all scores.

use super::super::equal_pair;
use super::decided::{against, label};
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{NodeId, Op};
use dlc_recipe::Measure;
use dlc_types::{DType, Diagnostic, Dim, Shape};

pub(super) fn auc(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    Ok(Value::Metric(Measure::AreaUnderCurve, scores(el, arguments)?))
}

pub(super) fn average_precision(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    Ok(Value::Metric(Measure::AveragePrecision, scores(el, arguments)?))
}

/// Scores and, behind them, the class: `f32[N, classes + 1]`, or `f32[N, 2]` of one score. Scores of several
/// classes are probabilities, since only those can be compared between samples.
fn scores(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<NodeId> {
    let prediction = arguments.float_tensor(el, "prediction")?;
    let shape = el.builder.shape(prediction).clone();
    let single = shape.0.iter().skip(1).all(|&dim| dim == Dim::Fixed(1));
    if !single && shape.rank() != 2 {
        let message = format!(
            "`{}` takes one score per sample or scores [N, classes], not {}",
            arguments.callee,
            el.builder.ty(prediction)
        );
        return el.fail(
            Diagnostic::error(codes::RANK, message)
                .at(arguments.span, against(el, arguments, &shape))
                .help("areas are of samples, not of places: take `mean_iou` or `f1`, or one score per sample, such as a mean over places"),
        );
    }
    let column = Shape(vec![Dim::N, Dim::Fixed(1)]);
    if single {
        let (prediction, y) = equal_pair(el, arguments)?;
        return el.build(arguments.span, |builder| {
            let mut parts = Vec::new();
            for part in [prediction, y] {
                let part = builder.reshape(part, column.clone())?;
                parts.push(builder.cast(part, DType::F32)?);
            }
            builder.add_node(Op::Concat { axis: 1 }, &parts)
        });
    }
    let label = label(el, arguments, prediction)?;
    let is_probability = matches!(el.builder.function().nodes[prediction].op, Op::Softmax { axis: 1 });
    el.build(arguments.span, |builder| {
        let scores = if is_probability {
            prediction
        } else {
            builder.add_node(Op::Softmax { axis: 1 }, &[prediction])?
        };
        let scores = builder.cast(scores, DType::F32)?;
        let label = builder.reshape(label, column)?;
        let label = builder.cast(label, DType::F32)?;
        builder.add_node(Op::Concat { axis: 1 }, &[scores, label])
    })
}
