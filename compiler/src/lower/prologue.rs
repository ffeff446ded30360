//! Puts launches that depend on parameters and states alone in front of the others, where the runtime can
//! leave them out as long as those do not change.
//!
//! Input: launches in order, before memory is planned. Output: the same launches, those of the prologue first
//! ([`Program::prologue`]). Weights that a batch-norm is folded into, transposed copies and the like are
//! computed once after training or loading, instead of in every prediction. A function that changes
//! parameters or states itself has no prologue.

use dlc_ir::NodeId;
use dlc_kernel::{BufferId, Program, Storage};
use std::collections::BTreeSet;

/// Moves the launches of the prologue to the front, with their purposes.
pub(crate) fn hoist(program: &mut Program, purposes: &mut Vec<NodeId>) {
    let mut varying: BTreeSet<BufferId> = BTreeSet::new();
    let mut fixed = Vec::with_capacity(program.launches.len());
    for launch in &program.launches {
        let kernel = &program.kernels[launch.kernel];
        let operands = || launch.arguments.iter().copied().zip(&kernel.operands);
        let storage = |id: BufferId| program.buffers[id].storage;
        if operands().any(|(id, operand)| operand.writes && matches!(storage(id), Storage::Persistent(_))) {
            return;
        }
        let varies = kernel.depends_on_batch()
            || !launch.rounds.is_empty()
            || operands().any(|(id, _)| varying.contains(&id) || matches!(storage(id), Storage::Binding(_)));
        if varies {
            varying.extend(operands().filter(|(_, operand)| operand.writes).map(|(id, _)| id));
        }
        fixed.push(!varies);
    }
    // A buffer that launches of both kinds write belongs to the later one.
    for (fixed, launch) in fixed.iter_mut().zip(&program.launches) {
        *fixed &= launch.arguments.iter().all(|id| !varying.contains(id));
    }
    let count = fixed.len();
    let order: Vec<usize> =
        (0..count).filter(|&at| fixed[at]).chain((0..count).filter(|&at| !fixed[at])).collect();
    program.prologue = fixed.iter().filter(|&&fixed| fixed).count();
    program.launches = order.iter().map(|&at| program.launches[at].clone()).collect();
    *purposes = order.iter().map(|&at| purposes[at]).collect();
}
