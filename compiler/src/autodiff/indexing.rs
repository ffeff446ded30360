//! Derivatives of gather and scatter-add, each other's adjoints.

use super::tape::{Rule, Tape};
use dlc_ir::{NodeId, Op};

/// Operands: data, indices.
pub(super) fn gather(tape: &mut Tape, axis: usize, operands: &[NodeId], g: NodeId) -> Rule {
    let ty = tape.build.ty(operands[0]).clone();
    let gradient = tape.build.declare(Op::ScatterAdd { axis }, &[operands[1], g], ty)?;
    tape.contribute(operands[0], gradient)
}

/// Operands: indices, updates.
pub(super) fn scatter_add(tape: &mut Tape, axis: usize, operands: &[NodeId], g: NodeId) -> Rule {
    let gradient = tape.build.add_node(Op::Gather { axis }, &[g, operands[0]])?;
    tape.contribute(operands[1], gradient)
}
