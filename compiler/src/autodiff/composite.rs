//! Derivatives of composite ops, better than those of their parts.

use super::tape::{Rule, Tape};
use dlc_ir::{NodeId, Reduction, Unary};
use dlc_types::{Dim, Shape};

/// The tuple (y, mean, variance) of `batch_norm(x, scale, shift)`, `y = (x - mean) r scale + shift` with
/// `r = 1 / sqrt(variance + epsilon)`.
///
/// With `S = sum(g (x - mean))` over all axes but the channel's and `m` elements per channel:
/// `d shift = sum(g)`, `d scale = r S`, and
/// `dx = scale r (g - sum(g) / m - (x - mean) r^2 S / m) + d mean / m + 2 (x - mean) d variance / m`,
/// evaluated as `A g + B (x - mean) + C` with `A`, `B`, `C` per channel.
pub(super) fn batch_norm(
    tape: &mut Tape,
    node: NodeId,
    operands: &[NodeId],
    slots: &[Option<NodeId>],
    axis: usize,
    epsilon: f64,
) -> Rule {
    let (x, scale, shift) = (operands[0], operands[1], operands[2]);
    let shape = tape.build.shape(x).clone();
    let others: Vec<usize> = (0..shape.rank()).filter(|&other| other != axis).collect();
    let mean = tape.projection(node, 1)?;
    let wide_mean = tape.build.broadcast_along(mean, shape.clone(), axis)?;
    let centred = tape.build.sub(x, wide_mean)?;
    let mut terms = Terms { linear: None, constant: None };
    let mut own = None;
    if let Some(g) = slots[0] {
        let variance = tape.projection(node, 2)?;
        let b = &mut tape.build;
        let total = b.sum(g, &others)?;
        let product = b.mul(g, centred)?;
        let moment = b.sum(product, &others)?;
        let stable = b.shift(variance, epsilon)?;
        let reciprocal = b.unary(Unary::ReciprocalSqrt, stable)?;
        let scaled_moment = b.mul(moment, reciprocal)?;
        tape.contribute(shift, total)?;
        tape.contribute(scale, scaled_moment)?;
        if tape.needs(x) {
            let b = &mut tape.build;
            let factor = b.mul(scale, reciprocal)?;
            let slope = b.mul(factor, reciprocal)?;
            let slope = b.mul(slope, scaled_moment)?;
            let offset = b.mul(factor, total)?;
            terms = Terms { linear: Some(b.neg(slope)?), constant: Some(b.neg(offset)?) };
            let wide = b.broadcast_along(factor, shape.clone(), axis)?;
            own = Some(b.mul(wide, g)?);
        }
    }
    if !tape.needs(x) {
        return Ok(());
    }
    if let Some(g) = slots[1] {
        terms.constant = Some(plus(tape, terms.constant, g)?);
    }
    if let Some(g) = slots[2] {
        let doubled = tape.build.scale(g, 2.0)?;
        terms.linear = Some(plus(tape, terms.linear, doubled)?);
    }
    let gradient = terms.apply(tape, own, centred, &shape, axis, &others)?;
    tape.contribute(x, gradient)
}

/// Factors per channel, times the number of elements per channel.
struct Terms {
    /// Of `x - mean`.
    linear: Option<NodeId>,
    /// Of one.
    constant: Option<NodeId>,
}

impl Terms {
    /// `own + linear / m * centred + constant / m`
    fn apply(
        &self,
        tape: &mut Tape,
        own: Option<NodeId>,
        centred: NodeId,
        shape: &Shape,
        axis: usize,
        others: &[usize],
    ) -> Rule<NodeId> {
        let dtype = tape.build.ty(centred).dtype;
        let count = others.iter().try_fold(Dim::Fixed(1), |product, &other| product.times(shape[other]));
        let count = count
            .ok_or(super::tape::Fault::Unsupported("the statistics run over the square of the batch"))?;
        let count = tape.build.extent(count, dtype)?;
        let mut total = own;
        if let Some(linear) = self.linear {
            let wide = per_element(tape, linear, count, shape, axis)?;
            let term = tape.build.mul(wide, centred)?;
            total = Some(plus(tape, total, term)?);
        }
        if let Some(constant) = self.constant {
            let wide = per_element(tape, constant, count, shape, axis)?;
            total = Some(plus(tape, total, wide)?);
        }
        match total {
            Some(total) => Ok(total),
            None => Ok(tape.build.splat_like(centred, 0.0)?),
        }
    }
}

/// `value / count` along the channels of a shape.
fn per_element(tape: &mut Tape, value: NodeId, count: NodeId, shape: &Shape, axis: usize) -> Rule<NodeId> {
    let channels = tape.build.shape(value).clone();
    let count = tape.build.broadcast_scalar(count, channels)?;
    let share = tape.build.div(value, count)?;
    Ok(tape.build.broadcast_along(share, shape.clone(), axis)?)
}

fn plus(tape: &mut Tape, sum: Option<NodeId>, term: NodeId) -> Rule<NodeId> {
    match sum {
        Some(sum) => Ok(tape.build.add(sum, term)?),
        None => Ok(term),
    }
}

/// `dx = y (g - sum(g y))`
pub(super) fn softmax(tape: &mut Tape, x: NodeId, y: NodeId, axis: usize, g: NodeId) -> Rule {
    let shape = tape.build.shape(x).clone();
    let b = &mut tape.build;
    let product = b.mul(g, y)?;
    let total = b.reduce(Reduction::Sum, product, &[axis])?;
    let total = b.broadcast_reduced(total, shape, &[axis])?;
    let difference = b.sub(g, total)?;
    let gradient = b.mul(y, difference)?;
    tape.contribute(x, gradient)
}

/// `dx = g - exp(y) sum(g)`
pub(super) fn log_softmax(tape: &mut Tape, x: NodeId, y: NodeId, axis: usize, g: NodeId) -> Rule {
    let shape = tape.build.shape(x).clone();
    let b = &mut tape.build;
    let total = b.reduce(Reduction::Sum, g, &[axis])?;
    let total = b.broadcast_reduced(total, shape, &[axis])?;
    let probability = b.unary(Unary::Exp, y)?;
    let share = b.mul(probability, total)?;
    let gradient = b.sub(g, share)?;
    tape.contribute(x, gradient)
}
