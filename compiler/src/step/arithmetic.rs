//! The arithmetic of update rules: tensors with numbers that all their elements share.
//!
//! Shared numbers are `f32` scalars, computed once a step and then repeated over each parameter.

use dlc_ir::{Builder, InferError, NodeId, Unary};
use dlc_types::DType;

type Result<T> = std::result::Result<T, InferError>;

/// A scalar repeated over the shape of a tensor, in its element type.
pub(super) fn like(b: &mut Builder, scalar: NodeId, tensor: NodeId) -> Result<NodeId> {
    let ty = b.ty(tensor).clone();
    let scalar = b.cast(scalar, ty.dtype)?;
    b.broadcast_scalar(scalar, ty.shape)
}

/// `scalar * x`
pub(super) fn times(b: &mut Builder, scalar: NodeId, x: NodeId) -> Result<NodeId> {
    let scalar = like(b, scalar, x)?;
    b.mul(scalar, x)
}

/// `old + share * (new - old)`, the form that PyTorch evaluates.
pub(super) fn towards(b: &mut Builder, old: NodeId, new: NodeId, share: NodeId) -> Result<NodeId> {
    let share = like(b, share, old)?;
    let difference = b.sub(new, old)?;
    let change = b.mul(share, difference)?;
    b.add(old, change)
}

/// `keep * old + (1 - keep) * x^2`
pub(super) fn mean_square(b: &mut Builder, old: NodeId, x: NodeId, keep: f64) -> Result<NodeId> {
    let kept = b.scale(old, keep)?;
    let square = b.mul(x, x)?;
    let added = b.scale(square, 1.0 - keep)?;
    b.add(kept, added)
}

/// `gradient + decay * weight`, the gradient of an L2 penalty with it.
pub(super) fn penalized(b: &mut Builder, gradient: NodeId, weight: NodeId, decay: f64) -> Result<NodeId> {
    if decay == 0.0 {
        return Ok(gradient);
    }
    let penalty = b.scale(weight, decay)?;
    b.add(gradient, penalty)
}

/// `(1 - rate * decay) * weight`: decay apart from the gradient.
pub(super) fn shrunk(b: &mut Builder, weight: NodeId, rate: NodeId, decay: f64) -> Result<NodeId> {
    if decay == 0.0 {
        return Ok(weight);
    }
    let lost = b.scale(rate, -decay)?;
    let kept = b.shift(lost, 1.0)?;
    times(b, kept, weight)
}

/// `1 - x`
pub(super) fn rest(b: &mut Builder, x: NodeId) -> Result<NodeId> {
    let one = b.splat_like(x, 1.0)?;
    b.sub(one, x)
}

/// The root of the sum of squares, an `f32` scalar.
pub(super) fn norm(b: &mut Builder, x: NodeId) -> Result<NodeId> {
    let total = square_sum(b, x)?;
    b.unary(Unary::Sqrt, total)
}

/// The sum of squares, an `f32` scalar.
pub(super) fn square_sum(b: &mut Builder, x: NodeId) -> Result<NodeId> {
    let square = b.mul(x, x)?;
    let axes: Vec<usize> = (0..b.shape(x).rank()).collect();
    let total = b.sum(square, &axes)?;
    b.cast(total, DType::F32)
}

/// `base^exponent` of a number known now, as `exp(exponent * log(base))`; its logarithm is rounded once.
pub(super) fn power(b: &mut Builder, base: f64, exponent: NodeId) -> Result<NodeId> {
    let scaled = b.scale(exponent, base.ln())?;
    b.unary(Unary::Exp, scaled)
}

/// The natural logarithm of a decay, rounded once; `None` for a decay of 0.
pub(super) fn log(b: &mut Builder, beta: f64) -> Result<Option<NodeId>> {
    if beta == 0.0 { Ok(None) } else { b.scalar(DType::F32, beta.ln()).map(Some) }
}

/// `1 - beta^count`, as `-expm1(z) = -tanh(z / 2) (exp(z) + 1)` of `z = count * log(beta)`: with
/// `beta = 0.999` the plain difference would lose three digits in the first steps.
pub(super) fn bias_correction(b: &mut Builder, log_beta: Option<NodeId>, count: NodeId) -> Result<NodeId> {
    let Some(log_beta) = log_beta else {
        return b.scalar(DType::F32, 1.0);
    };
    let exponent = b.mul(count, log_beta)?;
    let half = b.scale(exponent, -0.5)?;
    let tangent = b.unary(Unary::Tanh, half)?;
    let power = b.unary(Unary::Exp, exponent)?;
    let sum = b.shift(power, 1.0)?;
    b.mul(tangent, sum)
}
