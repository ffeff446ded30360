//! DFT and STFT, as contractions with the cosines and sines of all angles.
//!
//! History: the axis of DFT was an attribute (default 1) before opset 20 and is an input (default -2) since.
//!
//! Angles are whole parts of a turn, so cosines and sines come from tables with one element per part. Sums run in
//! `f64`: what cancels should leave nothing.
//!
//! In a run, small transforms of complex `f32` are left to the host. A spectrum is mostly elements that cancel, and what
//! is left of them is rounding noise of the order in which they were summed; users and the standard cases hold it against
//! NumPy's, whose order of operations the host follows. Sums in `f64` are nearer to the truth, and so
//! differ from that noise.

use super::Purpose;
use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{DType, Dim, Shape};
use std::f64::consts::TAU;

pub(super) const OPERATORS: &[Operator] = &[Operator::new("DFT", 17, dft), Operator::new("STFT", 17, stft)];

/// The longest transform whose angles are numbered in `i32`.
const LIMIT: usize = 32768;

/// Elements up to which a run leaves a transform to the host.
const HOSTED: usize = 1 << 16;

/// A transform of an axis.
struct Transform {
    /// Elements that are transformed.
    input: usize,
    /// Elements of the result.
    output: usize,
    /// Parts of a turn.
    length: usize,
    inverse: bool,
}

impl Transform {
    /// A table of all parts of a turn, gathered to `[input, output]`.
    fn matrix(&self, context: &mut Context<'_, '_>, table: &[f64]) -> Result<NodeId, Stop> {
        let shape = Shape::fixed(&[self.input, self.output]);
        let (row, column) = (context.iota(DType::I32, &shape, 0)?, context.iota(DType::I32, &shape, 1)?);
        let table = context.float_tensor(DType::F64, &[self.length], table)?;
        let builder = context.builder();
        let angle = builder.mul(row, column)?;
        let length = builder.splat_like(angle, self.length as f64)?;
        let turns = builder.div(angle, length)?;
        let whole = builder.mul(turns, length)?;
        let part = builder.sub(angle, whole)?;
        Ok(builder.add_node(Op::Gather { axis: 0 }, &[table, part])?)
    }

    /// The transform along `axis` of real and imaginary parts, each without an axis for that; the transformed axis
    /// is the last of the results.
    fn apply(
        &self,
        context: &mut Context<'_, '_>,
        (real, imaginary): (NodeId, Option<NodeId>),
        axis: usize,
    ) -> Result<(NodeId, NodeId), Stop> {
        let dtype = context.dtype(real);
        let real = context.builder().cast(real, DType::F64)?;
        let imaginary = imaginary.map(|part| context.builder().cast(part, DType::F64)).transpose()?;
        let angle = |part: usize| TAU * part as f64 / self.length as f64;
        let scale = if self.inverse { 1.0 / self.length as f64 } else { 1.0 };
        let sign = if self.inverse { scale } else { -scale };
        let cosines: Vec<f64> = (0..self.length).map(|part| scale * angle(part).cos()).collect();
        let sines: Vec<f64> = (0..self.length).map(|part| sign * angle(part).sin()).collect();
        let (cosines, sines) = (self.matrix(context, &cosines)?, self.matrix(context, &sines)?);
        let builder = context.builder();
        let mut product = |a, b| builder.contract(a, b, &[], &[(axis, 0)]);
        let (mut first, mut second) = (product(real, cosines)?, product(real, sines)?);
        if let Some(imaginary) = imaginary {
            let (cross, own) = (product(imaginary, sines)?, product(imaginary, cosines)?);
            first = builder.sub(first, cross)?;
            second = builder.add(second, own)?;
        }
        Ok((builder.cast(first, dtype)?, builder.cast(second, dtype)?))
    }
}

/// One of the parts of `[…, 2]` or `[…, 1]`.
fn component(context: &mut Context<'_, '_>, x: NodeId, index: usize) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    let rank = shape.rank();
    let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
    (starts[rank - 1], limits[rank - 1]) = (index, index + 1);
    let builder = context.builder();
    let one = builder.add_node(Op::Slice { starts, limits, strides: vec![1; rank] }, &[x])?;
    Ok(builder.reshape(one, Shape(shape.dims()[..rank - 1].to_vec()))?)
}

/// Real and imaginary part.
fn components(context: &mut Context<'_, '_>, x: NodeId) -> Result<(NodeId, Option<NodeId>), Stop> {
    let shape = context.shape(x);
    match shape.dims().last() {
        Some(Dim::Fixed(1)) => Ok((component(context, x, 0)?, None)),
        Some(Dim::Fixed(2)) => Ok((component(context, x, 0)?, Some(component(context, x, 1)?))),
        _ => Err(context.invalid(format!("the last axis of {shape} holds no real or complex numbers"))),
    }
}

/// Real and imaginary part as the last axis.
fn joined(context: &mut Context<'_, '_>, real: NodeId, imaginary: NodeId) -> Result<NodeId, Stop> {
    let rank = context.rank(real);
    let (real, imaginary) = (context.with_axes(real, &[rank])?, context.with_axes(imaginary, &[rank])?);
    Ok(context.builder().add_node(Op::Concat { axis: rank }, &[real, imaginary])?)
}

/// Cut or filled with zeros behind to `length` elements.
fn fitted(context: &mut Context<'_, '_>, x: NodeId, axis: usize, length: usize) -> Result<NodeId, Stop> {
    let (rank, dtype) = (context.rank(x), context.dtype(x));
    let size = context.size(context.shape(x)[axis])?;
    let (mut limits, mut high) = (vec![usize::MAX; rank], vec![0; rank]);
    limits[axis] = size.min(length);
    high[axis] = length.saturating_sub(size);
    let builder = context.builder();
    let op = Op::Slice { starts: vec![0; rank], limits, strides: vec![1; rank] };
    let cut = builder.add_node(op, &[x])?;
    let zero = builder.scalar(dtype, 0.0)?;
    Ok(builder.add_node(Op::Pad { low: vec![0; rank], high }, &[cut, zero])?)
}

fn length(context: &Context<'_, '_>, length: i64) -> Result<usize, Stop> {
    match usize::try_from(length) {
        Ok(length) if (1..=LIMIT).contains(&length) => Ok(length),
        Ok(length) if length > LIMIT => Err(context.not_done(format!("a transform of {length} elements"))),
        _ => Err(context.invalid(format!("there is no transform of {length} elements"))),
    }
}

/// Whether a run has a small complex transform of `f32` done by the host.
fn left_to_host(context: &Context<'_, '_>, x: NodeId) -> Result<bool, Stop> {
    let shape = context.shape(x);
    let complex = shape.dims().last() == Some(&Dim::Fixed(2));
    if context.purpose() != Purpose::Stage || context.dtype(x) != DType::F32 || !complex {
        return Ok(false);
    }
    let mut elements = 1_usize;
    for &dim in shape.dims() {
        elements = elements.saturating_mul(context.size(dim)?);
    }
    Ok(elements <= HOSTED)
}

fn dft(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    context.need_rank(x, 2)?;
    let shape = context.shape(x);
    let rank = shape.rank();
    let axis = match context.int("axis")? {
        Some(axis) => axis,
        None if context.has_input(2) => context.need_int(2)?,
        None => -2,
    };
    let axis = context.axis(axis, rank)?;
    if axis == rank - 1 {
        return Err(context.invalid("its axis is that of the real and imaginary parts"));
    }
    let (inverse, one_sided) = (context.flag("inverse", false)?, context.flag("onesided", false)?);
    if !one_sided && left_to_host(context, x)? {
        return Err(Stop::Host);
    }
    let have = context.size(shape[axis])?;
    let told = if context.has_input(1) { Some(context.need_int(1)?) } else { None };
    let default = if inverse && one_sided { 2 * (have as i64 - 1) } else { have as i64 };
    let length = length(context, told.unwrap_or(default))?;
    let half = length / 2 + 1;
    // The inverse of one side reads that side alone.
    let from_half = inverse && one_sided;
    let input = if from_half { half } else { length };
    let x = fitted(context, x, axis, input)?;
    let (real, imaginary) = components(context, x)?;
    let output = if one_sided && !inverse { half } else { length };
    let transform = Transform { input, output, length, inverse };
    let (first, second) = if from_half {
        let (real, imaginary) = doubled(context, (real, imaginary), axis, length)?;
        transform.apply(context, (real, imaginary), axis)?
    } else {
        transform.apply(context, (real, imaginary), axis)?
    };
    let result = match from_half {
        true => context.with_axes(first, &[rank - 1])?,
        false => joined(context, first, second)?,
    };
    // The transformed axis stands behind the others.
    let mut permutation: Vec<usize> = (0..rank - 2).collect();
    permutation.insert(axis, rank - 2);
    permutation.push(rank - 1);
    let result = context.builder().transpose(result, &permutation)?;
    context.set_output(0, result)
}

/// One side with all frequencies twice but those that have no other side, whose imaginary part is nothing.
fn doubled(
    context: &mut Context<'_, '_>,
    (real, imaginary): (NodeId, Option<NodeId>),
    axis: usize,
    length: usize,
) -> Result<(NodeId, Option<NodeId>), Stop> {
    let single = |frequency: usize| frequency == 0 || 2 * frequency == length;
    let half = length / 2 + 1;
    let mut weighted = |x: NodeId, once: f64| {
        let weights: Vec<f64> = (0..half).map(|place| if single(place) { once } else { 2.0 }).collect();
        let (dtype, shape) = (context.dtype(x), context.shape(x));
        let weights = context.float_tensor(dtype, &[half], &weights)?;
        let weights = context.builder().broadcast_along(weights, shape, axis)?;
        Ok::<NodeId, Stop>(context.builder().mul(x, weights)?)
    };
    Ok((weighted(real, 1.0)?, imaginary.map(|imaginary| weighted(imaginary, 0.0)).transpose()?))
}

fn stft(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    if shape.rank() != 3 {
        return Err(context.invalid(format!("{} is no batch of signals", context.ty(x))));
    }
    let step = context.need_int(1)?;
    let step = usize::try_from(step).ok().filter(|&step| step > 0);
    let step = step.ok_or_else(|| context.invalid("its frame_step must be 1 or more"))?;
    let window = context.optional(2)?;
    let have = context.size(shape[1])?;
    let told = if context.has_input(3) { Some(context.need_int(3)?) } else { None };
    let told = match (told, window) {
        (Some(told), _) => told,
        (None, Some(window)) => context.sizes_from(window, 0)?.first().map_or(0, |&size| size as i64),
        (None, None) => have as i64,
    };
    let length = length(context, told)?;
    let room = have.checked_sub(length);
    let room = room.ok_or_else(|| context.invalid(format!("a frame of {length} in a signal of {have}")))?;
    let frames = room / step + 1;
    if i32::try_from(have).is_err() {
        return Err(context.not_done(format!("a signal of {have} elements")));
    }
    let shape = Shape::fixed(&[frames, length]);
    let (frame, place) = (context.iota(DType::I32, &shape, 0)?, context.iota(DType::I32, &shape, 1)?);
    let first = context.builder().scale(frame, step as f64)?;
    let places = context.builder().add(first, place)?;
    let (real, imaginary) = components(context, x)?;
    let mut framed = |x: NodeId| {
        let x = context.builder().add_node(Op::Gather { axis: 1 }, &[x, places])?;
        let Some(window) = window else { return Ok::<NodeId, Stop>(x) };
        let (dtype, shape) = (context.dtype(x), context.shape(x));
        let window = context.builder().cast(window, dtype)?;
        let window = context.builder().broadcast_along(window, shape, 2)?;
        Ok(context.builder().mul(x, window)?)
    };
    let (real, imaginary) = (framed(real)?, imaginary.map(framed).transpose()?);
    let output = if context.flag("onesided", true)? { length / 2 + 1 } else { length };
    let transform = Transform { input: length, output, length, inverse: false };
    let (first, second) = transform.apply(context, (real, imaginary), 2)?;
    let result = joined(context, first, second)?;
    context.set_output(0, result)
}
