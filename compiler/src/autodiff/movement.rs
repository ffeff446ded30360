//! Derivatives of ops that move elements: each is the transposed movement.

use super::tape::{Fault, Rule, Tape};
use dlc_ir::{NodeId, Op};
use dlc_types::Dim;

/// Repetition sums.
pub(super) fn broadcast(tape: &mut Tape, x: NodeId, axes: &[usize], g: NodeId) -> Rule {
    let from = tape.build.shape(x).clone();
    let to = tape.build.shape(g).clone();
    let repeated = |axis: usize| match axes.iter().position(|&target| target == axis) {
        Some(source) => from[source] != to[axis],
        None => true,
    };
    let summed: Vec<usize> = (0..to.rank()).filter(|&axis| repeated(axis)).collect();
    let total = tape.build.sum(g, &summed)?;
    let gradient = tape.build.reshape(total, from)?;
    tape.contribute(x, gradient)
}

/// Back to the old shape.
pub(super) fn reshape(tape: &mut Tape, x: NodeId, g: NodeId) -> Rule {
    let shape = tape.build.shape(x).clone();
    let gradient = tape.build.reshape(g, shape)?;
    tape.contribute(x, gradient)
}

/// The inverse permutation.
pub(super) fn transpose(tape: &mut Tape, x: NodeId, permutation: &[usize], g: NodeId) -> Rule {
    let gradient = tape.build.transpose(g, &inverse(permutation))?;
    tape.contribute(x, gradient)
}

/// `inverse[permutation[i]] = i`
pub(super) fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (position, &axis) in permutation.iter().enumerate() {
        inverse[axis] = position;
    }
    inverse
}

/// Zeros between and around the elements that were taken.
pub(super) fn slice(tape: &mut Tape, x: NodeId, starts: &[usize], strides: &[usize], g: NodeId) -> Rule {
    let from = tape.build.shape(x).clone();
    let taken = tape.build.shape(g).clone();
    if taken.dims().contains(&Dim::Fixed(0)) {
        let gradient = tape.build.splat_like(x, 0.0)?;
        return tape.contribute(x, gradient);
    }
    let mut high = vec![0; from.rank()];
    for axis in 0..from.rank() {
        if let (Some(size), Some(count)) = (from[axis].fixed(), taken[axis].fixed()) {
            high[axis] = size.saturating_sub(starts[axis] + (count - 1) * strides[axis] + 1);
        }
    }
    let mut gradient = g;
    if strides.iter().any(|&stride| stride > 1) {
        gradient = tape.build.add_node(Op::Dilate { factors: strides.to_vec() }, &[gradient])?;
    }
    if starts.iter().chain(&high).any(|&count| count > 0) {
        let dtype = tape.build.ty(x).dtype;
        let zero = tape.build.scalar(dtype, 0.0)?;
        gradient = tape.build.add_node(Op::Pad { low: starts.to_vec(), high }, &[gradient, zero])?;
    }
    tape.contribute(x, gradient)
}

/// The inner part belongs to the operand, the rest to the padding value.
pub(super) fn pad(tape: &mut Tape, operands: &[NodeId], low: &[usize], g: NodeId) -> Rule {
    let (x, value) = (operands[0], operands[1]);
    let from = tape.build.shape(x).clone();
    let limits = low.iter().zip(from.dims()).map(|(&start, dim)| match dim.fixed() {
        Some(size) => start + size,
        None => usize::MAX,
    });
    let op = Op::Slice { starts: low.to_vec(), limits: limits.collect(), strides: vec![1; low.len()] };
    let inner = tape.build.add_node(op, &[g])?;
    tape.contribute(x, inner)?;
    if tape.needs(value) {
        let axes: Vec<usize> = (0..from.rank()).collect();
        let all = tape.build.sum(g, &axes)?;
        let own = tape.build.sum(inner, &axes)?;
        let rest = tape.build.sub(all, own)?;
        tape.contribute(value, rest)?;
    }
    Ok(())
}

/// Every `factor`-th element.
pub(super) fn dilate(tape: &mut Tape, x: NodeId, factors: &[usize], g: NodeId) -> Rule {
    let rank = factors.len();
    let op = Op::Slice { starts: vec![0; rank], limits: vec![usize::MAX; rank], strides: factors.to_vec() };
    let gradient = tape.build.add_node(op, &[g])?;
    tape.contribute(x, gradient)
}

/// Reversal is its own transpose.
pub(super) fn reverse(tape: &mut Tape, x: NodeId, axes: &[usize], g: NodeId) -> Rule {
    let gradient = tape.build.add_node(Op::Reverse { axes: axes.to_vec() }, &[g])?;
    tape.contribute(x, gradient)
}

/// Each operand gets its slice.
pub(super) fn concat(tape: &mut Tape, operands: &[NodeId], axis: usize, g: NodeId) -> Rule {
    if let [only] = operands {
        return tape.contribute(*only, g);
    }
    let rank = tape.build.shape(g).rank();
    let mut start = 0;
    for &operand in operands {
        let Some(size) = tape.build.shape(operand)[axis].fixed() else {
            return Err(Fault::Unsupported("the operands are joined along the batch"));
        };
        if tape.needs(operand) {
            let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
            starts[axis] = start;
            limits[axis] = start + size;
            let gradient = tape.build.add_node(Op::Slice { starts, limits, strides: vec![1; rank] }, &[g])?;
            tape.contribute(operand, gradient)?;
        }
        start += size;
    }
    Ok(())
}
