//! Which ops of the lowered graph each launch computes.
//!
//! A launch computes the values whose buffers it writes, and with them every value on the way there that
//! has no buffer. What it reads are stored values. A launch that only joins partial results, or copies a
//! value to a place of the caller's, computes no op of the graph.

use dlc_compiler::lower::Lowered;
use dlc_ir::{Function, NodeId, Op};
use dlc_kernel::{BufferId, Launch, Operand};
use std::collections::{BTreeMap, BTreeSet};

/// The ops of one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchGroup {
    /// The value that the launch computes or helps to compute.
    pub purpose: NodeId,
    /// Values that it stores, in order.
    pub stores: Vec<NodeId>,
    /// All ops that it computes, in order, those that it stores among them. Empty for a launch that works
    /// on partial results or copies.
    pub members: Vec<NodeId>,
    /// Stored values that its ops read, in order.
    pub reads: Vec<NodeId>,
}

/// Whether an op only shows its operand through other strides.
pub(crate) fn is_movement(op: &Op) -> bool {
    matches!(
        op,
        Op::Transpose { .. } | Op::Reverse { .. } | Op::Slice { .. } | Op::Reshape | Op::Broadcast { .. }
    )
}

/// Whether an op is arithmetic: neither a movement nor known without computing.
pub(crate) fn is_arithmetic(op: &Op) -> bool {
    !is_movement(op)
        && !op.is_external()
        && !matches!(op, Op::Constant(_) | Op::Extent(_) | Op::Iota { .. } | Op::Project(_))
}

/// The groups of all launches of a program, in order.
pub fn launch_groups(lowered: &Lowered) -> Vec<LaunchGroup> {
    let mut computed: BTreeMap<BufferId, Vec<NodeId>> = BTreeMap::new();
    for (&id, (buffer, _)) in &lowered.values {
        let op = &lowered.function.nodes[id].op;
        if !op.is_external() && !matches!(op, Op::Constant(_)) {
            computed.entry(*buffer).or_default().push(id);
        }
    }
    let launches = lowered.program.launches.iter().zip(&lowered.purposes);
    launches.map(|(launch, &purpose)| group(lowered, &computed, launch, purpose)).collect()
}

/// What an op of a group is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Made {
    /// Of nothing that is stored: constants, coordinates.
    OfNothing,
    /// Of stored values that the launch does not read, so another launch has computed it.
    Elsewhere,
    /// Of values that the launch reads.
    Here,
}

fn group(
    lowered: &Lowered,
    computed: &BTreeMap<BufferId, Vec<NodeId>>,
    launch: &Launch,
    purpose: NodeId,
) -> LaunchGroup {
    let nodes = &lowered.function.nodes;
    let kernel = &lowered.program.kernels[launch.kernel];
    let buffers = |wanted: fn(&Operand) -> bool| -> BTreeSet<BufferId> {
        let operands = kernel.operands.iter().zip(&launch.arguments);
        operands.filter(|(operand, _)| wanted(operand)).map(|(_, &buffer)| buffer).collect()
    };
    let (read, written) = (buffers(|operand| operand.reads), buffers(|operand| operand.writes));
    let within = |id: NodeId, set: &BTreeSet<BufferId>| {
        lowered.values.get(&id).is_some_and(|(buffer, _)| set.contains(buffer))
    };
    if within(purpose, &read) && !within(purpose, &written) {
        return LaunchGroup { purpose, stores: Vec::new(), members: Vec::new(), reads: vec![purpose] };
    }
    let stores: Vec<NodeId> =
        written.iter().filter_map(|buffer| computed.get(buffer)).flatten().copied().collect();
    let roots: BTreeSet<NodeId> = stores.iter().copied().chain([purpose]).collect();
    let closure = unstored_closure(lowered, &roots);
    let mut made: BTreeMap<NodeId, Made> = BTreeMap::new();
    for &id in &closure {
        let of_operand = |operand: &NodeId| match made.get(operand) {
            Some(_) if roots.contains(operand) => Made::Here,
            Some(&made) => made,
            None if within(*operand, &read) => Made::Here,
            None => Made::Elsewhere,
        };
        let all = nodes[id].operands.iter().map(of_operand).max();
        made.insert(id, all.unwrap_or(Made::OfNothing));
    }
    let members = used_members(&lowered.function, &roots, &made);
    let operands = members.iter().flat_map(|&id| nodes[id].operands.iter().copied());
    let reads: BTreeSet<NodeId> =
        operands.filter(|operand| !closure.contains(operand) && within(*operand, &read)).collect();
    LaunchGroup {
        purpose,
        stores,
        members: members.into_iter().collect(),
        reads: reads.into_iter().collect(),
    }
}

/// The roots and all that they are made of down to stored values.
fn unstored_closure(lowered: &Lowered, roots: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let mut closure = BTreeSet::new();
    let mut pending: Vec<NodeId> = roots.iter().copied().collect();
    while let Some(id) = pending.pop() {
        if closure.insert(id) {
            let operands = lowered.function.nodes[id].operands.iter().copied();
            pending.extend(operands.filter(|operand| !lowered.values.contains_key(operand)));
        }
    }
    closure
}

/// The ops that the roots need and that are not computed elsewhere.
fn used_members(
    function: &Function,
    roots: &BTreeSet<NodeId>,
    made: &BTreeMap<NodeId, Made>,
) -> BTreeSet<NodeId> {
    let mut members = BTreeSet::new();
    let mut wanted = roots.clone();
    for (&id, &made) in made.iter().rev() {
        if made != Made::Elsewhere && wanted.contains(&id) {
            members.insert(id);
            wanted.extend(&function.nodes[id].operands);
        }
    }
    members
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
    use super::*;
    use crate::load_text;
    use dlc_compiler::{CompileOptions, FunctionKind, compile};

    const TEXT: &str = "dlc 1\nmodel m(x: f32[N, 20]) -> (y) {\n  y = x |> dense(12) as a |> relu() |> dense(3) as b \
                        |> softmax()\n}\ndata d {\n  source = synthetic(samples = 64, classes = 3) -> (x, t)\n  \
                        batch = 32\n}\ntrain m on d {\n  loss = cross_entropy(y, t)\n  \
                        optimizer = adam(lr = 0.1)\n  epochs = 1\n}\n";

    #[test]
    fn every_op_belongs_to_a_launch_and_stored_values_to_one_that_stores_them() {
        let options = CompileOptions {
            functions: vec![FunctionKind::Predict, FunctionKind::Train],
            ..CompileOptions::new(32)
        };
        for fuse_epilogues in [false, true] {
            let options = CompileOptions { fuse_epilogues, ..options.clone() };
            let compilation = compile(&load_text("m.dsl", TEXT, &[]).unwrap().model, &options).unwrap();
            for function in &compilation.functions {
                let lowered = &function.lowered;
                let groups = launch_groups(lowered);
                assert_eq!(groups.len(), lowered.program.launches.len());
                for (id, node) in lowered.function.nodes.iter().filter(|(_, node)| is_arithmetic(&node.op)) {
                    let owners = groups.iter().filter(|group| group.members.contains(&id)).count();
                    assert!(owners > 0, "{id} {} of {} is computed nowhere", node.op, function.name);
                    if lowered.values.contains_key(&id) {
                        assert!(groups.iter().any(|group| group.stores.contains(&id)), "{id} is not stored");
                    }
                }
                for group in &groups {
                    assert!(group.members.iter().all(|id| !group.reads.contains(id)), "{group:?}");
                    assert!(group.reads.iter().all(|id| lowered.values.contains_key(id)), "{group:?}");
                }
            }
        }
    }

    #[test]
    fn a_rectifier_in_an_epilogue_belongs_to_the_contraction() {
        let options = CompileOptions {
            functions: vec![FunctionKind::Predict],
            fuse_epilogues: true,
            ..CompileOptions::new(4)
        };
        let compilation = compile(&load_text("m.dsl", TEXT, &[]).unwrap().model, &options).unwrap();
        let lowered = &compilation.functions[0].lowered;
        let groups = launch_groups(lowered);
        let names: Vec<Vec<&str>> = groups
            .iter()
            .map(|group| group.members.iter().map(|&id| lowered.function.nodes[id].op.name()))
            .map(|names| names.filter(|name| ["contract", "add", "relu"].contains(name)).collect())
            .collect();
        assert_eq!(names[0], ["contract", "add", "relu"]);
    }
}
