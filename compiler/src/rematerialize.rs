//! Rematerialization: values of the forward pass that the backward pass computes again instead of keeping them.
//!
//! Input form: a legalized function, nodes in the order of work. Output form: the same, with copies of forward nodes in
//! front of the first node behind the forward pass that reads them; who reads a copy keeps nothing of the original alive.
//! It stands behind rewriting, which takes equal nodes for one, and in front of lowering, which keeps the order of nodes
//! and gives a place to whatever is alive.
//!
//! The forward pass is what the loss is made of. Values without the batch, and what tuples hold, are kept always. A copy
//! computes the same from the same, random draws included, since these are counted by position and step.
//!
//! Source: T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.

use dlc_ir::{Function, Node, NodeId, Op, OutputRole, Type};
use dlc_types::IndexVec;
use dlc_types::index::EntityIndex;
use std::collections::{BTreeMap, BTreeSet};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Results of products, scans and sorts: all else costs a pass over memory at most.
    Costly,
    /// What goes from one of so many parts of the forward pass to later ones; the backward pass does each part again, but
    /// for the last.
    Parts(usize),
}

/// The plans for a function, those that compute least again first.
pub fn plans(function: &Function) -> Vec<Plan> {
    let costly = costly_of(function, &forward_of(function)).len();
    let parts = [2, 3, 4, 6, 8, 12, 16, 24, 32].into_iter().filter(|&parts| parts <= costly);
    std::iter::once(Plan::Costly).chain(parts.map(Plan::Parts)).collect()
}

/// The function by a plan; itself where it has no loss.
pub fn rematerialize(function: &Function, plan: Plan) -> Function {
    let forward = forward_of(function);
    let kept = kept(function, &forward, plan);
    let result = Function { nodes: IndexVec::new(), ..function.clone() };
    let mut work = Work { function, result, moved: Vec::new(), copies: BTreeMap::new() };
    let is_dropped = |id: NodeId| forward.contains(&id) && !kept.contains(&id);
    for (id, node) in function.nodes.iter() {
        if !forward.contains(&id) {
            let late: Vec<NodeId> = node.operands.iter().copied().filter(|&one| is_dropped(one)).collect();
            late.into_iter().for_each(|one| work.copy(one, &is_dropped));
        }
        let operands = node.operands.iter().map(|&operand| {
            let copy = work.copies.get(&operand).filter(|_| !forward.contains(&id));
            copy.copied().unwrap_or(work.moved[operand.as_usize()])
        });
        let node = Node { operands: operands.collect(), ..node.clone() };
        work.moved.push(work.result.nodes.push(node));
    }
    for output in &mut work.result.outputs {
        output.value = work.moved[output.value.as_usize()];
    }
    work.result
}

/// A function on the way.
struct Work<'a> {
    function: &'a Function,
    result: Function,
    /// Where the nodes so far have gone.
    moved: Vec<NodeId>,
    /// The copies of nodes that are computed again.
    copies: BTreeMap<NodeId, NodeId>,
}

impl Work<'_> {
    /// Computes a node again, with whatever it is made of that is not kept either.
    fn copy(&mut self, id: NodeId, is_dropped: &dyn Fn(NodeId) -> bool) {
        let (mut needed, mut pending) = (BTreeSet::new(), vec![id]);
        while let Some(next) = pending.pop() {
            if !self.copies.contains_key(&next) && needed.insert(next) {
                let operands = self.function.nodes[next].operands.iter().copied();
                pending.extend(operands.filter(|&operand| is_dropped(operand)));
            }
        }
        for id in needed {
            let node = &self.function.nodes[id];
            let operands = node.operands.iter().map(|operand| {
                let copy = self.copies.get(operand).copied();
                copy.unwrap_or(self.moved[operand.as_usize()])
            });
            let copy = Node { operands: operands.collect(), ..node.clone() };
            self.copies.insert(id, self.result.nodes.push(copy));
        }
    }
}

/// What the loss is made of.
fn forward_of(function: &Function) -> BTreeSet<NodeId> {
    let losses = function.outputs.iter().filter(|output| output.role == OutputRole::Loss);
    let mut pending: Vec<NodeId> = losses.map(|output| output.value).collect();
    let mut forward = BTreeSet::new();
    while let Some(id) = pending.pop() {
        if forward.insert(id) {
            pending.extend(&function.nodes[id].operands);
        }
    }
    forward
}

/// Forward nodes that take long.
fn costly_of(function: &Function, forward: &BTreeSet<NodeId>) -> Vec<NodeId> {
    let is_costly = |op: &Op| {
        matches!(op, Op::Contract(_) | Op::Convolve(_) | Op::Scan(_) | Op::ArgSort { .. } | Op::Project(_))
    };
    forward.iter().copied().filter(|&id| is_costly(&function.nodes[id].op)).collect()
}

/// Forward nodes whose values stay.
fn kept(function: &Function, forward: &BTreeSet<NodeId>, plan: Plan) -> BTreeSet<NodeId> {
    let is_small = |id: NodeId| match &function.nodes[id].ty {
        Type::Tensor(ty) => !ty.shape.dims().iter().any(|dim| dim.is_batch()),
        Type::Tuple(_) => true,
    };
    let stays = |id: NodeId| {
        let op = &function.nodes[id].op;
        is_small(id) || op.is_external() || matches!(op, Op::Constant(_) | Op::Project(_))
    };
    let mut kept: BTreeSet<NodeId> = forward.iter().copied().filter(|&id| stays(id)).collect();
    let costly = costly_of(function, forward);
    match plan {
        Plan::Costly => kept.extend(costly),
        Plan::Parts(parts) => {
            let bounds: Vec<NodeId> =
                (1..parts.max(1)).map(|part| costly[part * costly.len() / parts]).collect();
            for &reader in forward {
                // What a node of a later part reads has to get there.
                let crosses = |read: NodeId| bounds.iter().any(|&bound| read < bound && bound <= reader);
                kept.extend(function.nodes[reader].operands.iter().copied().filter(|&read| crosses(read)));
            }
            let last = bounds.last().copied();
            kept.extend(forward.iter().copied().filter(|&id| last.is_none_or(|last| id >= last)));
        }
    }
    kept
}
