//! The order of work, and where threads must meet.
//!
//! Values are computed in the order of nodes, except that new values of parameters and states, which
//! are written over the old ones, come last: all readers of the old values are done by then. Barriers
//! are set once memory has places: before a launch that touches bytes which an earlier launch since the
//! last barrier wrote, or writes bytes which one read.

use super::Lowering;
use super::storage::Outputs;
use dlc_ir::NodeId;
use dlc_kernel::{BufferId, Program, Storage};

/// Stored values in the order in which they are computed.
pub(crate) fn order(lowering: &Lowering<'_>, outputs: &Outputs) -> Vec<NodeId> {
    let stored = || lowering.function().nodes.indices().filter(|&id| lowering.stored[id]);
    let first = stored().filter(|id| !outputs.updates.contains(id));
    first.chain(stored().filter(|id| outputs.updates.contains(id))).collect()
}

/// Sets the barrier flag of every launch.
pub(crate) fn set_barriers(program: &mut Program) {
    let mut touched: Vec<(BufferId, bool)> = Vec::new();
    let mut flags = Vec::with_capacity(program.launches.len());
    for launch in &program.launches {
        let kernel = &program.kernels[launch.kernel];
        let accesses: Vec<(BufferId, bool)> = launch
            .arguments
            .iter()
            .zip(&kernel.operands)
            .map(|(&buffer, operand)| (buffer, operand.writes))
            .collect();
        let conflict = accesses.iter().any(|&(buffer, writes)| {
            touched.iter().any(|&(other, wrote)| (writes || wrote) && overlap(program, buffer, other))
        });
        if conflict {
            touched.clear();
        }
        touched.extend(accesses);
        flags.push(conflict);
    }
    for (launch, flag) in program.launches.iter_mut().zip(flags) {
        launch.barrier = flag;
    }
}

fn overlap(program: &Program, a: BufferId, b: BufferId) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (&program.buffers[a], &program.buffers[b]);
    let meet = |x: usize, y: usize| x < y + b.bytes && y < x + a.bytes;
    match (a.storage, b.storage) {
        (Storage::Arena(x), Storage::Arena(y)) | (Storage::Persistent(x), Storage::Persistent(y)) => {
            meet(x, y)
        }
        (Storage::Binding(x), Storage::Binding(y)) => x == y,
        _ => false,
    }
}
