//! Derivatives of the general dot product: two more of them.

use super::movement::inverse;
use super::tape::{Rule, Tape};
use dlc_ir::{Contraction, NodeId};

/// How the axes of both operands and of the result correspond.
struct Axes {
    /// Free axes of the left operand, in order.
    left: Vec<usize>,
    /// Free axes of the right operand, in order.
    right: Vec<usize>,
    /// Number of batch axes, which lead the result.
    batch: usize,
}

impl Axes {
    fn of(contraction: &Contraction, left_rank: usize, right_rank: usize) -> Axes {
        let pairs = || contraction.batch.iter().chain(&contraction.contract);
        Axes {
            left: (0..left_rank).filter(|&axis| pairs().all(|pair| pair.0 != axis)).collect(),
            right: (0..right_rank).filter(|&axis| pairs().all(|pair| pair.1 != axis)).collect(),
            batch: contraction.batch.len(),
        }
    }
}

/// `y = contract(left, right)`
pub(super) fn contract(tape: &mut Tape, contraction: &Contraction, operands: &[NodeId], g: NodeId) -> Rule {
    let (left, right) = (operands[0], operands[1]);
    let axes = Axes::of(contraction, tape.build.shape(left).rank(), tape.build.shape(right).rank());
    if tape.needs(left) {
        let gradient = left_gradient(tape, contraction, &axes, right, g)?;
        tape.contribute(left, gradient)?;
    }
    if tape.needs(right) {
        let gradient = right_gradient(tape, contraction, &axes, left, g)?;
        tape.contribute(right, gradient)?;
    }
    Ok(())
}

/// The gradient with the right operand, summed over the right operand's free axes.
fn left_gradient(
    tape: &mut Tape,
    contraction: &Contraction,
    axes: &Axes,
    right: NodeId,
    g: NodeId,
) -> Rule<NodeId> {
    let batch: Vec<_> = contraction.batch.iter().enumerate().map(|(i, pair)| (i, pair.1)).collect();
    let first = axes.batch + axes.left.len();
    let summed: Vec<_> = axes.right.iter().enumerate().map(|(i, &axis)| (first + i, axis)).collect();
    let product = tape.build.contract(g, right, &batch, &summed)?;
    // Axes of the product: batch, left's free ones, then right's contracted ones in right's order.
    let mut contracted = contraction.contract.clone();
    contracted.sort_by_key(|pair| pair.1);
    let order = contraction.batch.iter().map(|pair| pair.0).chain(axes.left.iter().copied());
    let order: Vec<usize> = order.chain(contracted.iter().map(|pair| pair.0)).collect();
    Ok(tape.build.transpose(product, &inverse(&order))?)
}

/// The left operand with the gradient, summed over the left operand's free axes.
fn right_gradient(
    tape: &mut Tape,
    contraction: &Contraction,
    axes: &Axes,
    left: NodeId,
    g: NodeId,
) -> Rule<NodeId> {
    let batch: Vec<_> = contraction.batch.iter().enumerate().map(|(i, pair)| (pair.0, i)).collect();
    let summed: Vec<_> = axes.left.iter().enumerate().map(|(i, &axis)| (axis, axes.batch + i)).collect();
    let product = tape.build.contract(left, g, &batch, &summed)?;
    // Axes of the product: batch, left's contracted ones in left's order, then right's free ones.
    let mut contracted = contraction.contract.clone();
    contracted.sort_by_key(|pair| pair.0);
    let order = contraction.batch.iter().map(|pair| pair.1).chain(contracted.iter().map(|pair| pair.1));
    let order: Vec<usize> = order.chain(axes.right.iter().copied()).collect();
    Ok(tape.build.transpose(product, &inverse(&order))?)
}
