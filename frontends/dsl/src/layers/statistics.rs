//! Normalisation by statistics of each sample: layer, group, instance and RMS norm. No running statistics, so
//! training and inference are the same.

use super::LayerSpec;
use super::initializer::InitializerRule;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, InferError, NodeId, Unary};
use dlc_types::{Diagnostic, Dim, Shape, TensorType};

const BY_AXES: &[Parameter<'static>] = &[("x", true), ("axes", false), ("epsilon", false), ("affine", false)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("layer_norm", BY_AXES, layer_norm).owning(),
    LayerSpec::new("rms_norm", BY_AXES, rms_norm).owning(),
    LayerSpec::new(
        "group_norm",
        &[("x", true), ("groups", true), ("epsilon", false), ("affine", false)],
        group_norm,
    )
    .owning(),
    LayerSpec::new("instance_norm", &[("x", true), ("epsilon", false), ("affine", false)], instance_norm)
        .owning(),
];

/// Over the last `axes` axes: Ba, Kiros, Hinton, "Layer Normalization", 2016.
fn layer_norm(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let (x, axes, sizes) = last_axes(el, arguments)?;
    let epsilon = arguments.float_within(el, "epsilon", 1e-5, 0.0..=1.0)?;
    let y = el.build(arguments.span, |builder| normalized(builder, x, &axes, epsilon))?;
    let y = scaled(el, arguments, y, path, &sizes, axes[0])?;
    shifted(el, arguments, y, path, &sizes, axes[0]).map(Value::Tensor)
}

/// `x / sqrt(mean(x^2) + epsilon)` over the last `axes` axes: Zhang, Sennrich, "Root Mean Square Layer
/// Normalization", NeurIPS 2019.
fn rms_norm(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let (x, axes, sizes) = last_axes(el, arguments)?;
    let epsilon = arguments.float_within(el, "epsilon", 1e-6, 0.0..=1.0)?;
    let y = el.build(arguments.span, |builder| over_deviation(builder, x, &axes, epsilon))?;
    scaled(el, arguments, y, path, &sizes, axes[0]).map(Value::Tensor)
}

/// Over groups of channels: Wu, He, "Group Normalization", ECCV 2018.
fn group_norm(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let (x, channels) = with_channels(el, arguments)?;
    let groups = arguments.size(el, "groups")?;
    if channels % groups != 0 {
        let ty = el.builder.ty(x).clone();
        let message = format!("{groups} groups do not divide the {channels} channels of {ty}");
        return el.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(arguments.span_of("groups"), format!("{channels} against {groups}"))
                .note("every group has the same number of channels"),
        );
    }
    let epsilon = arguments.float_within(el, "epsilon", 1e-5, 0.0..=1.0)?;
    let y = el.build(arguments.span, |builder| {
        let shape = builder.shape(x).clone();
        let mut divided = shape.0.clone();
        divided[1] = Dim::Fixed(groups);
        divided.insert(2, Dim::Fixed(channels / groups));
        let axes: Vec<usize> = (2..divided.len()).collect();
        let grouped = builder.reshape(x, Shape(divided))?;
        let y = normalized(builder, grouped, &axes, epsilon)?;
        builder.reshape(y, shape)
    })?;
    let y = scaled(el, arguments, y, path, &[channels], 1)?;
    shifted(el, arguments, y, path, &[channels], 1).map(Value::Tensor)
}

/// Over the map of each channel: Ulyanov, Vedaldi, Lempitsky, "Instance Normalization", 2016. Without scale
/// and shift unless asked for, as in PyTorch.
fn instance_norm(el: &mut Elaborator<'_>, arguments: &Arguments, path: &str) -> Eval<Value> {
    let (x, channels) = with_channels(el, arguments)?;
    let rank = el.builder.shape(x).rank();
    if rank < 3 {
        let message = format!("`instance_norm` takes [N, channels, …], got {}", el.builder.ty(x));
        return el.fail_at(codes::RANK, message, arguments.span, "channels have no extent");
    }
    let epsilon = arguments.float_within(el, "epsilon", 1e-5, 0.0..=1.0)?;
    let axes: Vec<usize> = (2..rank).collect();
    let y = el.build(arguments.span, |builder| normalized(builder, x, &axes, epsilon))?;
    if !arguments.bool_or(el, "affine", false)? {
        return Ok(Value::Tensor(y));
    }
    let y = scaled(el, arguments, y, path, &[channels], 1)?;
    shifted(el, arguments, y, path, &[channels], 1).map(Value::Tensor)
}

/// `(x - mean) / sqrt(variance + epsilon)` over the axes, with the biased variance.
fn normalized(builder: &mut Builder, x: NodeId, axes: &[usize], epsilon: f64) -> Result<NodeId, InferError> {
    let shape = builder.shape(x).clone();
    let mean = builder.mean(x, axes)?;
    let mean = builder.broadcast_reduced(mean, shape, axes)?;
    let centred = builder.sub(x, mean)?;
    over_deviation(builder, centred, axes, epsilon)
}

/// `x / sqrt(mean(x^2) + epsilon)`
fn over_deviation(
    builder: &mut Builder,
    x: NodeId,
    axes: &[usize],
    epsilon: f64,
) -> Result<NodeId, InferError> {
    let shape = builder.shape(x).clone();
    let square = builder.mul(x, x)?;
    let variance = builder.mean(square, axes)?;
    let stable = builder.shift(variance, epsilon)?;
    let factor = builder.unary(Unary::ReciprocalSqrt, stable)?;
    let factor = builder.broadcast_reduced(factor, shape, axes)?;
    builder.mul(x, factor)
}

/// The tensor, its last axes, and their sizes.
fn last_axes(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(NodeId, Vec<usize>, Vec<usize>)> {
    let x = arguments.float_tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    let rank = ty.shape.rank();
    let count = match arguments.get("axes") {
        None => 1,
        Some(_) => arguments.size(el, "axes")?,
    };
    let sizes: Option<Vec<usize>> =
        rank.checked_sub(count).and_then(|first| ty.shape.0[first..].iter().map(|dim| dim.fixed()).collect());
    match sizes {
        Some(sizes) => Ok((x, (rank - count..rank).collect(), sizes)),
        None => {
            let callee = &arguments.callee;
            let message = format!("`{callee}` over the last {count} axes does not fit {ty}");
            el.fail(
                Diagnostic::error(codes::RANK, message)
                    .at(arguments.span, format!("rank {rank}"))
                    .note("the batch is the first axis, and no statistics run over it"),
            )
        }
    }
}

fn with_channels(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(NodeId, usize)> {
    let x = arguments.float_tensor(el, "x")?;
    if let Some(&Dim::Fixed(channels)) = el.builder.shape(x).0.get(1) {
        return Ok((x, channels));
    }
    let message = format!("`{}` takes [N, channels, …], got {}", arguments.callee, el.builder.ty(x));
    el.fail(
        Diagnostic::error(codes::RANK, message)
            .at(arguments.span, "no channels")
            .note("channels are the second axis"),
    )
}

/// `y * scale`, with one factor per element of the axes from `first` on.
fn scaled(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    y: NodeId,
    path: &str,
    sizes: &[usize],
    first: usize,
) -> Eval<NodeId> {
    affine(el, arguments, y, &format!("{path}.scale"), 1.0, sizes, first, |b, y, scale| b.mul(y, scale))
}

/// `y + shift`
fn shifted(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    y: NodeId,
    path: &str,
    sizes: &[usize],
    first: usize,
) -> Eval<NodeId> {
    affine(el, arguments, y, &format!("{path}.shift"), 0.0, sizes, first, |b, y, shift| b.add(y, shift))
}

#[allow(clippy::too_many_arguments, reason = "the two callers above name them")]
fn affine(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    y: NodeId,
    name: &str,
    initial: f64,
    sizes: &[usize],
    first: usize,
    join: fn(&mut Builder, NodeId, NodeId) -> Result<NodeId, InferError>,
) -> Eval<NodeId> {
    if !arguments.bool_or(el, "affine", true)? {
        return Ok(y);
    }
    let ty = TensorType::new(el.dtype(y), Shape::fixed(sizes));
    let rule = InitializerRule::Constant(initial).with_fans(1, 1);
    let value = el.parameter(name, ty, rule, arguments.span)?;
    el.build(arguments.span, |builder| {
        let shape = builder.shape(y).clone();
        let axes: Vec<usize> = (first..first + sizes.len()).collect();
        let value = builder.broadcast(value, shape, &axes)?;
        join(builder, y, value)
    })
}
