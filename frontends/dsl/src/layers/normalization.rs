//! Batch normalisation and dropout: the layers that differ between training and inference.

use super::LayerSpec;
use super::initializer::InitializerRule;
use crate::codes;
use crate::elaborate::arguments::Arguments;
use crate::elaborate::{Elaborator, Mode};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Op, Unary, training};
use dlc_types::{DType, Diagnostic, Dim, Shape, Span, TensorType};

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("batch_norm", &[("x", true), ("momentum", false), ("epsilon", false)], batch_norm)
        .owning(),
    LayerSpec::new("dropout", &[("x", true), ("rate", true)], dropout),
];

/// The values of one batch-norm instance.
struct Statistics {
    scale: NodeId,
    shift: NodeId,
    mean: NodeId,
    variance: NodeId,
}

fn batch_norm(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let momentum = arguments.float_within(el, "momentum", 0.1, 0.0..=1.0)?;
    let epsilon = arguments.float_within(el, "epsilon", 1e-5, 0.0..=1.0)?;
    let ty = el.builder.ty(x).clone();
    let span = arguments.span;
    let Some(&Dim::Fixed(channels)) = ty.shape.0.get(1) else {
        let message = format!("`batch_norm` takes [N, channels, …], got {ty}");
        return el.fail(
            Diagnostic::error(codes::RANK, message)
                .at(span, "no channels")
                .note("channels are the second axis"),
        );
    };
    let per_channel = TensorType::new(ty.dtype, Shape::fixed(&[channels]));
    let one = InitializerRule::Constant(1.0).with_fans(1, 1);
    let zero = InitializerRule::Constant(0.0).with_fans(1, 1);
    let (mean_name, variance_name) = (format!("{path}.mean"), format!("{path}.variance"));
    let statistics = Statistics {
        scale: el.parameter(&format!("{path}.scale"), per_channel.clone(), one, span)?,
        shift: el.parameter(&format!("{path}.shift"), per_channel.clone(), zero, span)?,
        mean: el.state(&mean_name, per_channel.clone(), 0.0, span)?,
        variance: el.state(&variance_name, per_channel, 1.0, span)?,
    };
    if el.mode == Mode::Inference {
        return el.build(span, |builder| by_running(builder, x, &statistics, epsilon)).map(Value::Tensor);
    }
    let mut updates = None;
    let y = el.build(span, |builder| {
        let (y, mean, variance) = by_batch(builder, x, &statistics, epsilon, momentum)?;
        updates = Some((mean, variance));
        Ok(y)
    })?;
    if let Some((mean, variance)) = updates {
        el.update_state(&mean_name, mean);
        el.update_state(&variance_name, variance);
    }
    Ok(Value::Tensor(y))
}

/// `(x - mean) * scale / sqrt(variance + epsilon) + shift` with the running statistics.
fn by_running(
    builder: &mut Builder,
    x: NodeId,
    statistics: &Statistics,
    epsilon: f64,
) -> Result<NodeId, InferError> {
    let shape = builder.shape(x).clone();
    let variance = builder.shift(statistics.variance, epsilon)?;
    let root = builder.unary(Unary::ReciprocalSqrt, variance)?;
    let factor = builder.mul(root, statistics.scale)?;
    let mean = builder.broadcast_along(statistics.mean, shape.clone(), 1)?;
    let factor = builder.broadcast_along(factor, shape.clone(), 1)?;
    let shift = builder.broadcast_along(statistics.shift, shape, 1)?;
    let centred = builder.sub(x, mean)?;
    let scaled = builder.mul(centred, factor)?;
    builder.add(scaled, shift)
}

/// Normalised x, next running mean and next running variance. The running variance takes the unbiased
/// variance of the batch, as PyTorch does; a batch with one value per channel counts as it is.
fn by_batch(
    builder: &mut Builder,
    x: NodeId,
    statistics: &Statistics,
    epsilon: f64,
    momentum: f64,
) -> Result<(NodeId, NodeId, NodeId), InferError> {
    let tuple =
        builder.add_node(Op::BatchNorm { axis: 1, epsilon }, &[x, statistics.scale, statistics.shift])?;
    let y = builder.project(tuple, 0)?;
    let mean = builder.project(tuple, 1)?;
    let variance = builder.project(tuple, 2)?;
    let ty = builder.ty(x).clone();
    let count = ty
        .shape
        .0
        .iter()
        .enumerate()
        .filter(|&(axis, _)| axis != 1)
        .try_fold(Dim::Fixed(1), |product, (_, &dim)| product.times(dim))
        .ok_or_else(|| InferError::new("the statistics run over the square of the batch"))?;
    let count = builder.extent(count, ty.dtype)?;
    let less_one = builder.shift(count, -1.0)?;
    let one = builder.scalar(ty.dtype, 1.0)?;
    let less_one = builder.binary(Binary::Max, less_one, one)?;
    let correction = builder.div(count, less_one)?;
    let correction = builder.broadcast_scalar(correction, builder.shape(variance).clone())?;
    let unbiased = builder.mul(variance, correction)?;
    let mean = running(builder, statistics.mean, mean, momentum)?;
    let variance = running(builder, statistics.variance, unbiased, momentum)?;
    Ok((y, mean, variance))
}

/// `(1 - momentum) * old + momentum * new`
fn running(builder: &mut Builder, old: NodeId, new: NodeId, momentum: f64) -> Result<NodeId, InferError> {
    let old = builder.scale(old, 1.0 - momentum)?;
    let new = builder.scale(new, momentum)?;
    builder.add(old, new)
}

/// Zeroes a share `rate` of the elements in training and scales the rest by `1 / (1 - rate)`.
fn dropout(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.float_tensor(el, "x")?;
    let rate = arguments.float_or(el, "rate", 0.0)?;
    if !(0.0..1.0).contains(&rate) {
        let message = format!("`rate` of `dropout` is {rate}; it is at least 0 and below 1");
        return el.fail_at(codes::RANGE, message, arguments.span_of("rate"), "out of range");
    }
    drop_share(el, x, rate, arguments.span).map(Value::Tensor)
}

/// Zeroes a share of the elements in training; the same tensor in inference.
pub(super) fn drop_share(el: &mut Elaborator<'_>, x: NodeId, rate: f64, span: Span) -> Eval<NodeId> {
    if el.mode == Mode::Inference || rate == 0.0 {
        return Ok(x);
    }
    let seed = el.step_state(training::SEED, TensorType::scalar(DType::I64), span)?;
    let step = el.step_state(training::STEP, TensorType::scalar(DType::I32), span)?;
    let stream = el.streams;
    el.streams += 1;
    el.build(span, |builder| {
        let ty = builder.ty(x).clone();
        let draws = TensorType::new(DType::F32, ty.shape);
        let uniform = builder.declare(Op::Random { stream }, &[seed, step], draws)?;
        let threshold = builder.splat_like(uniform, rate)?;
        let keep = builder.compare(Comparison::GreaterEqual, uniform, threshold)?;
        let scaled = builder.scale(x, 1.0 / (1.0 - rate))?;
        let zeros = builder.splat_like(x, 0.0)?;
        builder.select(keep, scaled, zeros)
    })
}
