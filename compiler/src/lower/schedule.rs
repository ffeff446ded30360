//! The order of work, and where threads must meet.
//!
//! Values are computed in the order of nodes, except that new values of parameters and states, which
//! are written over the old ones, come last: all readers of the old values are done by then. Barriers
//! are set once memory has places: before a launch that touches bytes which an earlier launch since the
//! last barrier wrote, or writes bytes which one read. Launches of a single point share a thread and do
//! not wait for one another.

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

/// One operand of a launch.
struct Access {
    buffer: BufferId,
    writes: bool,
    /// Whether the launch has a single point.
    single: bool,
}

/// Sets the barrier flag of every launch.
pub(crate) fn set_barriers(program: &mut Program) {
    let mut touched: Vec<Access> = Vec::new();
    let mut flags = Vec::with_capacity(program.launches.len());
    for launch in &program.launches {
        let kernel = &program.kernels[launch.kernel];
        let single = kernel.is_single_point();
        let accesses: Vec<Access> = launch
            .arguments
            .iter()
            .zip(&kernel.operands)
            .map(|(&buffer, operand)| Access { buffer, writes: operand.writes, single })
            .collect();
        let conflict = accesses.iter().any(|now| {
            touched.iter().any(|before| {
                (now.writes || before.writes)
                    && !(now.single && before.single)
                    && overlap(program, now.buffer, before.buffer)
            })
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
