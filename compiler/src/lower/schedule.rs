//! The order of work, and where threads must meet.
//!
//! Values are computed in the order of nodes, except that new values of parameters and states, which
//! are written over the old ones, come last, with all that reads them: all readers of the old values are done by
//! then. The new momentum of a parameter and the parameter's new value, which reads it, share a kernel. Barriers
//! are set once memory has places: before a launch that touches bytes which an earlier launch since the
//! last barrier wrote, or writes bytes which one read. Launches of a single point share a thread and do
//! not wait for one another.

use super::Lowering;
use super::storage::Outputs;
use dlc_ir::{NodeId, Op};
use dlc_kernel::{BufferId, Launch, Program, Storage, Turns};
use std::collections::BTreeSet;

/// Stored values in the order in which they are computed, grouped where a kernel computes several:
/// reductions of one kind over the same axes of operands of one type that read a stored value in common
/// and need nothing that comes between them.
pub(crate) fn groups(lowering: &Lowering<'_>, outputs: &Outputs) -> Vec<Vec<NodeId>> {
    let in_kernels: BTreeSet<NodeId> =
        lowering.fused.values().flat_map(|fusion| fusion.sums.iter().copied()).collect();
    let stored = || {
        let nodes = lowering.function().nodes.indices();
        nodes.filter(|id| lowering.stored[*id] && !in_kernels.contains(id))
    };
    let mut late: BTreeSet<NodeId> = outputs.updates.clone();
    for id in stored() {
        let sums = lowering.fused.get(&id).into_iter().flat_map(|fusion| fusion.sums.iter().copied());
        let mut parts = std::iter::once(id).chain(sums);
        if parts.any(|part| stored_reads(lowering, part).iter().any(|read| late.contains(read))) {
            late.insert(id);
        }
    }
    let first = stored().filter(|id| !late.contains(id));
    let order: Vec<NodeId> = first.chain(stored().filter(|id| late.contains(id))).collect();
    let mut taken: BTreeSet<NodeId> = BTreeSet::new();
    let mut groups = Vec::new();
    for (position, &id) in order.iter().enumerate() {
        if taken.contains(&id) {
            continue;
        }
        let mut group = vec![id];
        if let Some(next) = next_update(lowering, outputs, &order[position..]) {
            group.push(next);
        }
        if let Op::Reduce { .. } = lowering.node(id).op {
            let reads = stored_reads(lowering, id);
            for &other in &order[position + 1..] {
                let sibling = !taken.contains(&other) && same_reduction(lowering, id, other);
                let theirs = if sibling { stored_reads(lowering, other) } else { continue };
                let ready = theirs.iter().all(|read| taken.contains(read));
                if ready && theirs.iter().any(|read| reads.contains(read)) {
                    group.push(other);
                }
            }
        }
        taken.extend(&group);
        taken.extend(lowering.fused.get(&id).into_iter().flat_map(|fusion| &fusion.sums));
        groups.push(group);
    }
    groups
}

/// The update behind the first one in an order, where both can be computed in one kernel: it reads the first
/// at its own element, as a parameter's update reads the new momentum. Nothing comes between them, so nothing
/// misses what the second overwrites.
fn next_update(lowering: &Lowering<'_>, outputs: &Outputs, order: &[NodeId]) -> Option<NodeId> {
    let &[first, second, ..] = order else { return None };
    let plain = |id: NodeId| {
        outputs.updates.contains(&id)
            && lowering.node(id).op.is_elementwise()
            && !lowering.fused.contains_key(&id)
    };
    let alike = lowering.ty(first).shape == lowering.ty(second).shape
        && lowering.places[first].as_ref().map(|place| &place.layout.strides)
            == lowering.places[second].as_ref().map(|place| &place.layout.strides);
    let joined = lowering.options.fuse_epilogues && plain(first) && plain(second) && alike;
    (joined && reads_in_place(lowering, second, first)).then_some(second)
}

/// Whether a value is read by another's kernel, and at its own element alone.
fn reads_in_place(lowering: &Lowering<'_>, root: NodeId, value: NodeId) -> bool {
    let mut found = false;
    let mut pending = vec![(root, true)];
    let mut seen = BTreeSet::new();
    while let Some((id, in_place)) = pending.pop() {
        if id == value {
            if !in_place {
                return false;
            }
            found = true;
        } else if (id == root || !lowering.stored[id]) && seen.insert((id, in_place)) {
            let node = lowering.node(id);
            let still = in_place && node.op.is_elementwise();
            pending.extend(node.operands.iter().map(|&operand| (operand, still)));
        }
    }
    found
}

/// Whether two values are reductions that can run in the same loops.
fn same_reduction(lowering: &Lowering<'_>, one: NodeId, other: NodeId) -> bool {
    let (a, b) = (lowering.node(one), lowering.node(other));
    matches!((&a.op, &b.op), (Op::Reduce { .. }, Op::Reduce { .. }))
        && a.op == b.op
        && lowering.ty(a.operands[0]) == lowering.ty(b.operands[0])
}

/// The stored values that the kernel of a value reads.
fn stored_reads(lowering: &Lowering<'_>, id: NodeId) -> BTreeSet<NodeId> {
    let mut reads = BTreeSet::new();
    let mut pending: Vec<NodeId> = lowering.node(id).operands.clone();
    let mut seen = BTreeSet::new();
    while let Some(next) = pending.pop() {
        if !seen.insert(next) {
            continue;
        }
        if lowering.stored[next] {
            reads.insert(next);
        } else {
            pending.extend(&lowering.node(next).operands);
        }
    }
    reads
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
    let mut flags: Vec<bool> = Vec::with_capacity(program.launches.len());
    let times = program.times();
    for position in 0..program.launches.len() {
        if let Some(sequence) = program.sequence(&program.launches[position])
            && (sequence.turns == Turns::Together || times[position] < position)
        {
            flags.push(sequence.turns == Turns::Together);
            if times[position] == position {
                touched.clear();
                touched.extend(accesses(program, &times, position));
            }
            continue;
        }
        let accesses = accesses(program, &times, position);
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

/// What a launch touches, or all launches of the sequence that it begins.
fn accesses(program: &Program, times: &[usize], position: usize) -> Vec<Access> {
    let launches =
        program.launches.iter().zip(times).skip(position).take_while(|&(_, &time)| time == position);
    let of_launch = |(launch, _): (&Launch, &usize)| {
        let kernel = &program.kernels[launch.kernel];
        let single = launch.part.is_none() && kernel.is_single_point();
        let operands = launch.arguments.iter().zip(&kernel.operands);
        let accesses: Vec<Access> =
            operands.map(|(&buffer, operand)| Access { buffer, writes: operand.writes, single }).collect();
        accesses
    };
    launches.flat_map(of_launch).collect()
}

fn overlap(program: &Program, a: BufferId, b: BufferId) -> bool {
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
