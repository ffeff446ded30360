//! Metrics that follow from squared errors.

use super::super::equal_pair;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, InferError, NodeId, Op, Reduction};
use dlc_recipe::Measure;
use dlc_types::{Dim, Shape};

/// The root of the mean squared error; of several outputs the mean of their roots.
pub(super) fn rmse(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (prediction, y) = equal_pair(el, arguments)?;
    let squares = el.build(arguments.span, |builder| squared_errors(builder, prediction, y))?;
    Ok(Value::Metric(Measure::RootMeanSquare, squares))
}

/// The share of the target's variance that the prediction explains; of several outputs the mean.
pub(super) fn r2(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (prediction, y) = equal_pair(el, arguments)?;
    let moments = el.build(arguments.span, |builder| {
        let squares = squared_errors(builder, prediction, y)?;
        // Far from zero a mean has few digits of what varies; that of distances from some target has them all.
        let shape = builder.shape(y).clone();
        let origin = builder.reduce(Reduction::Max, y, &[0])?;
        let all = builder.broadcast_reduced(origin, shape.clone(), &[0])?;
        let distance = builder.sub(y, all)?;
        let mean = builder.mean(distance, &[0])?;
        let center = builder.broadcast_reduced(mean, shape, &[0])?;
        let variance = squared_errors(builder, distance, center)?;
        let mut shape = vec![Dim::Fixed(1)];
        shape.extend(builder.shape(mean).0.iter().copied());
        let mut rows = Vec::new();
        for row in [squares, origin, mean, variance] {
            rows.push(builder.reshape(row, Shape(shape.clone()))?);
        }
        builder.add_node(Op::Concat { axis: 0 }, &rows)
    })?;
    Ok(Value::Metric(Measure::RSquared, moments))
}

/// Means over the batch of squared differences, per output.
fn squared_errors(builder: &mut Builder, a: NodeId, b: NodeId) -> Result<NodeId, InferError> {
    let difference = builder.sub(a, b)?;
    let square = builder.mul(difference, difference)?;
    builder.mean(square, &[0])
}
