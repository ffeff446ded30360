//! Normalisation by the statistics of the operand itself: LayerNormalization, RMSNormalization,
//! InstanceNormalization, GroupNormalization, MeanVarianceNormalization, LpNormalization, LRN.
//!
//! History: GroupNormalization had a scale and a bias per group in opset 18 and has them per channel since 21; both
//! are told apart by their length. LpNormalization gives 0 where the norm is 0. `stash_type` is the type that
//! LayerNormalization, RMSNormalization and GroupNormalization compute in.

use super::pooling::{powers, root};
use super::{Context, Operator, Stop};
use crate::Element;
use dlc_ir::{Binary, Comparison, NodeId, Unary, Window, WindowKind};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("LayerNormalization", 1, layer),
    Operator::new("RMSNormalization", 23, root_mean_square),
    Operator::new("SimplifiedLayerNormalization", 1, root_mean_square),
    Operator::new("InstanceNormalization", 1, instance),
    Operator::new("GroupNormalization", 18, group),
    Operator::new("MeanVarianceNormalization", 9, mean_variance),
    Operator::new("LpNormalization", 1, lp),
    Operator::new("LRN", 1, local_response),
];

/// A value of mean 0 and variance 1 along axes, and what it was made with; those have size 1 along the axes.
struct Normal {
    value: NodeId,
    mean: NodeId,
    inverse: NodeId,
}

fn normal(context: &mut Context<'_, '_>, x: NodeId, axes: &[usize], epsilon: f64) -> Result<Normal, Stop> {
    let shape = context.shape(x);
    let mean = context.builder().mean(x, axes)?;
    let mean = context.with_axes(mean, axes)?;
    let wide = context.broadcast_to(mean, &shape)?;
    let centered = context.builder().sub(x, wide)?;
    let (value, inverse) = scaled(context, centered, axes, epsilon)?;
    Ok(Normal { value, mean, inverse })
}

/// `x / sqrt(mean(x²) + epsilon)` and the factor.
fn scaled(
    context: &mut Context<'_, '_>,
    x: NodeId,
    axes: &[usize],
    epsilon: f64,
) -> Result<(NodeId, NodeId), Stop> {
    let shape = context.shape(x);
    let builder = context.builder();
    let square = builder.mul(x, x)?;
    let variance = builder.mean(square, axes)?;
    let shifted = builder.shift(variance, epsilon)?;
    let inverse = builder.unary(Unary::ReciprocalSqrt, shifted)?;
    let inverse = context.with_axes(inverse, axes)?;
    let wide = context.broadcast_to(inverse, &shape)?;
    Ok((context.builder().mul(x, wide)?, inverse))
}

/// The type to compute in, and the type that statistics are given in.
fn stash(context: &Context<'_, '_>, dtype: DType) -> Result<(DType, DType), Stop> {
    let told = context.element("stash_type")?.unwrap_or(Element::F32);
    let told = told.dtype().filter(|told| told.is_float());
    let told = told.ok_or_else(|| context.invalid("its stash_type is no float type"))?;
    // A wider operand loses nothing.
    Ok((if dtype == DType::F64 { dtype } else { told }, told))
}

/// `value * scale + bias`, where the latter two are there; inputs 1 and 2.
fn affine(context: &mut Context<'_, '_>, value: NodeId) -> Result<NodeId, Stop> {
    let (shape, dtype) = (context.shape(value), context.dtype(value));
    let mut result = value;
    for (position, function) in [(1, Binary::Multiply), (2, Binary::Add)] {
        if let Some(operand) = context.optional(position)? {
            let operand = context.builder().cast(operand, dtype)?;
            let operand = context.broadcast_to(operand, &shape)?;
            result = context.builder().binary(function, result, operand)?;
        }
    }
    Ok(result)
}

/// The axes from `axis` on.
fn trailing(context: &Context<'_, '_>, x: NodeId) -> Result<Vec<usize>, Stop> {
    let rank = context.rank(x);
    Ok((context.axis(context.int_or("axis", -1)?, rank)?..rank).collect())
}

fn layer(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let axes = trailing(context, x)?;
    let dtype = context.dtype(x);
    let (wide, statistics) = stash(context, dtype)?;
    let x = context.builder().cast(x, wide)?;
    let epsilon = context.float_or("epsilon", 1e-5)?;
    let Normal { value, mean, inverse } = normal(context, x, &axes, epsilon)?;
    let value = context.builder().cast(value, dtype)?;
    let result = affine(context, value)?;
    context.set_output(0, result)?;
    for (position, statistic) in [(1, mean), (2, inverse)] {
        let statistic = context.builder().cast(statistic, statistics)?;
        context.set_output(position, statistic)?;
    }
    Ok(())
}

fn root_mean_square(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let axes = trailing(context, x)?;
    let dtype = context.dtype(x);
    let (wide, statistics) = stash(context, dtype)?;
    let x = context.builder().cast(x, wide)?;
    let epsilon = context.float_or("epsilon", 1e-5)?;
    let (value, inverse) = scaled(context, x, &axes, epsilon)?;
    let value = context.builder().cast(value, dtype)?;
    let result = affine(context, value)?;
    context.set_output(0, result)?;
    let inverse = context.builder().cast(inverse, statistics)?;
    context.set_output(1, inverse)
}

/// Inputs 1 and 2, one number per channel, on the second axis of `value`.
fn affine_of_channels(context: &mut Context<'_, '_>, value: NodeId) -> Result<NodeId, Stop> {
    let shape = context.shape(value);
    let dtype = context.dtype(value);
    let (scale, bias) = (context.input(1)?, context.input(2)?);
    let builder = context.builder();
    let (scale, bias) = (builder.cast(scale, dtype)?, builder.cast(bias, dtype)?);
    let scale = builder.broadcast_along(scale, shape.clone(), 1)?;
    let bias = builder.broadcast_along(bias, shape, 1)?;
    let product = builder.mul(value, scale)?;
    Ok(builder.add(product, bias)?)
}

fn instance(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    context.need_rank(x, 3)?;
    let axes: Vec<usize> = (2..context.rank(x)).collect();
    let epsilon = context.float_or("epsilon", 1e-5)?;
    let Normal { value, .. } = normal(context, x, &axes, epsilon)?;
    let result = affine_of_channels(context, value)?;
    context.set_output(0, result)
}

fn group(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    context.need_rank(x, 2)?;
    let (shape, dtype) = (context.shape(x), context.dtype(x));
    let groups = usize::try_from(context.required_int("num_groups")?).unwrap_or(0);
    let channels = context.size(shape[1])?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(context.invalid(format!("{channels} channels do not divide into {groups} groups")));
    }
    let (wide, _) = stash(context, dtype)?;
    let mut dims = shape.dims().to_vec();
    dims.splice(1..2, [Dim::Fixed(groups), Dim::Fixed(channels / groups)]);
    let builder = context.builder();
    let parted = builder.cast(x, wide)?;
    let parted = builder.reshape(parted, Shape(dims.clone()))?;
    let axes: Vec<usize> = (2..dims.len()).collect();
    let epsilon = context.float_or("epsilon", 1e-5)?;
    let Normal { value, .. } = normal(context, parted, &axes, epsilon)?;
    let value = context.builder().cast(value, dtype)?;
    let (_, numbers) = context.input_type(1)?;
    let per_group = numbers == [Dim::Fixed(groups)] && groups != channels;
    let result = if per_group {
        affine_of_channels(context, value)?
    } else {
        let value = context.builder().reshape(value, shape.clone())?;
        affine_of_channels(context, value)?
    };
    let result = context.builder().reshape(result, shape)?;
    context.set_output(0, result)
}

fn mean_variance(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    let axes = context.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    let axes = context.axes(&axes, shape.rank())?;
    let builder = context.builder();
    let mean = builder.mean(x, &axes)?;
    let mean = builder.broadcast_reduced(mean, shape.clone(), &axes)?;
    let centered = builder.sub(x, mean)?;
    let square = builder.mul(centered, centered)?;
    let variance = builder.mean(square, &axes)?;
    let deviation = builder.unary(Unary::Sqrt, variance)?;
    let deviation = builder.shift(deviation, 1e-9)?;
    let deviation = builder.broadcast_reduced(deviation, shape, &axes)?;
    let result = builder.div(centered, deviation)?;
    context.set_output(0, result)
}

fn lp(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    let axis = context.axis(context.int_or("axis", -1)?, shape.rank())?;
    let p = context.int_or("p", 2)?;
    if p != 1 && p != 2 {
        return Err(context.invalid(format!("its p is {p}, and must be 1 or 2")));
    }
    let power = powers(context, x, p as f64)?;
    let sum = context.builder().sum(power, &[axis])?;
    let norm = root(context, sum, p as f64)?;
    let builder = context.builder();
    let norm = builder.broadcast_reduced(norm, shape, &[axis])?;
    let zero = builder.splat_like(norm, 0.0)?;
    let quotient = builder.div(x, norm)?;
    let none = builder.compare(Comparison::Equal, norm, zero)?;
    let result = builder.select(none, zero, quotient)?;
    context.set_output(0, result)
}

/// `x / (bias + alpha / size * sum of squares of neighbouring channels)^beta`
fn local_response(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    context.need_rank(x, 2)?;
    let rank = context.rank(x);
    let size = usize::try_from(context.required_int("size")?).ok().filter(|&size| size > 0);
    let size = size.ok_or_else(|| context.invalid("its size must be 1 or more"))?;
    let (alpha, beta) = (context.float_or("alpha", 1e-4)?, context.float_or("beta", 0.75)?);
    let bias = context.float_or("bias", 1.0)?;
    let (mut sizes, mut padding) = (vec![1; rank], vec![(0, 0); rank]);
    sizes[1] = size;
    padding[1] = ((size - 1) / 2, size / 2);
    let window = Window { sizes, strides: vec![1; rank], dilations: vec![1; rank], padding };
    let builder = context.builder();
    let square = builder.mul(x, x)?;
    let sum = builder.reduce_window(WindowKind::Sum, square, window)?;
    let scaled = builder.scale(sum, alpha / size as f64)?;
    let base = builder.shift(scaled, bias)?;
    let beta = builder.splat_like(base, beta)?;
    let power = builder.binary(Binary::Power, base, beta)?;
    let result = builder.div(x, power)?;
    context.set_output(0, result)
}
