//! Derivatives of windowed reductions and of their adjoints.

use super::tape::{Fault, Rule, Tape};
use dlc_ir::{NodeId, Op, Window, WindowKind};

/// `y = reduce_window(kind, x)`
pub(super) fn reduce(tape: &mut Tape, kind: WindowKind, window: &Window, x: NodeId, g: NodeId) -> Rule {
    let ty = tape.build.ty(x).clone();
    let mut operands = vec![g];
    if kind == WindowKind::Max {
        operands.push(tape.build.add_node(Op::WindowArgMax { window: window.clone() }, &[x])?);
    }
    let gradient = tape.build.declare(Op::WindowScatter { window: window.clone() }, &operands, ty)?;
    tape.contribute(x, gradient)
}

/// The adjoint of the adjoint: the windowed sum.
pub(super) fn scatter(tape: &mut Tape, window: &Window, operands: &[NodeId], g: NodeId) -> Rule {
    if operands.len() > 1 {
        return Err(Fault::SecondDerivativeOfMaxPooling);
    }
    let gradient = tape.build.reduce_window(WindowKind::Sum, g, window.clone())?;
    tape.contribute(operands[0], gradient)
}
