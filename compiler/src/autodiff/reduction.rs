//! Derivatives of reductions and running sums.

use super::tape::{Fault, Rule, Tape};
use dlc_ir::{Builder, Comparison, InferError, NodeId, Op, Reduction};
use dlc_types::Shape;

/// `y = reduce(kind, x)`
pub(super) fn reduce(
    tape: &mut Tape,
    kind: Reduction,
    axes: &[usize],
    x: NodeId,
    y: NodeId,
    g: NodeId,
) -> Rule {
    let shape = tape.build.shape(x).clone();
    let b = &mut tape.build;
    let gradient = match kind {
        Reduction::Sum => b.broadcast_reduced(g, shape, axes)?,
        Reduction::Max | Reduction::Min => extreme(b, shape, axes, x, y, g)?,
        Reduction::Product => product(b, shape, axes, x, g)?,
    };
    tape.contribute(x, gradient)
}

/// To the elements that equal the extreme, divided evenly among them.
fn extreme(
    b: &mut Builder,
    shape: Shape,
    axes: &[usize],
    x: NodeId,
    y: NodeId,
    g: NodeId,
) -> Result<NodeId, InferError> {
    let extreme = b.broadcast_reduced(y, shape.clone(), axes)?;
    let equal = b.compare(Comparison::Equal, x, extreme)?;
    let zero = b.splat_like(x, 0.0)?;
    let one = b.splat_like(x, 1.0)?;
    let ones = b.select(equal, one, zero)?;
    let count = b.sum(ones, axes)?;
    let share = b.div(g, count)?;
    let share = b.broadcast_reduced(share, shape, axes)?;
    b.select(equal, share, zero)
}

/// The product of the other elements: that of all divided by this one, with zeros counted apart. Where
/// one element is zero, only that one has a derivative; where two are, none has.
fn product(
    b: &mut Builder,
    shape: Shape,
    axes: &[usize],
    x: NodeId,
    g: NodeId,
) -> Result<NodeId, InferError> {
    let zero = b.splat_like(x, 0.0)?;
    let one = b.splat_like(x, 1.0)?;
    let is_zero = b.compare(Comparison::Equal, x, zero)?;
    let nonzero = b.select(is_zero, one, x)?;
    let ones = b.select(is_zero, one, zero)?;
    let product = b.reduce(Reduction::Product, nonzero, axes)?;
    let zeros = b.sum(ones, axes)?;
    let scaled = b.mul(g, product)?;
    let scaled = b.broadcast_reduced(scaled, shape.clone(), axes)?;
    let zeros = b.broadcast_reduced(zeros, shape, axes)?;
    let others = b.div(scaled, nonzero)?;
    let other_zeros = b.sub(zeros, ones)?;
    let none = b.compare(Comparison::Equal, other_zeros, zero)?;
    b.select(none, others, zero)
}

/// Of a running sum the running sum in the other direction.
pub(super) fn cumulative(
    tape: &mut Tape,
    kind: Reduction,
    x: NodeId,
    (axis, reverse): (usize, bool),
    g: NodeId,
) -> Rule {
    if kind != Reduction::Sum {
        return Err(Fault::Unsupported("of running reductions only sums have a derivative"));
    }
    let gradient = tape.build.add_node(Op::Cumulative { kind, axis, reverse: !reverse }, &[g])?;
    tape.contribute(x, gradient)
}
