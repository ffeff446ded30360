//! What a reverse step needs of the forward one, and where it comes from.
//!
//! From what is wanted one walks back. The walk ends at what is there anyway: carries, slices, invariants, what a step
//! leaves or gives. It ends, too, at what is expensive, which the forward scan stacks. All between is computed again.
//! Where a single elementwise value is all that is made of an expensive one, that value is stacked instead.

use super::step::Step;
use dlc_ir::{NodeId, Op, Scan};
use std::collections::{BTreeMap, BTreeSet};

/// Where the walk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// The operand of that number, the same in all steps.
    Invariant(usize),
    /// A slice of the operand of that number.
    Slice(usize),
    /// The gradient of a carry.
    CarrySeed,
    /// The gradient of the result of that number.
    Seed(usize),
    /// A value that the forward scan stacks.
    Stacked,
}

/// The nodes of a reverse step.
pub(super) struct Residuals {
    /// All of them, in order, leaves included.
    pub(super) order: Vec<NodeId>,
    /// Those that are not computed.
    pub(super) leaves: BTreeMap<NodeId, Leaf>,
}

impl Residuals {
    /// What a reverse step needs to compute some values.
    pub(super) fn of(step: &Step, scan: &Scan, wanted: &[NodeId]) -> Residuals {
        let free = free(step, scan);
        let mut chosen: BTreeSet<NodeId> = BTreeSet::new();
        loop {
            let found = walk(step, &free, &chosen, wanted);
            let mut users: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
            for &id in found.order.iter().filter(|id| !found.leaves.contains_key(id)) {
                for &operand in &step.function.nodes[id].operands {
                    users.entry(operand).or_default().insert(id);
                }
            }
            let only_user = |(id, leaf): (&NodeId, &Leaf)| {
                let made = *leaf == Leaf::Stacked && !free.contains_key(id) && !wanted.contains(id);
                let user = *users.get(id).filter(|users| made && users.len() == 1)?.first()?;
                let node = &step.function.nodes[user];
                let fits =
                    step.is_own(user) && node.op.is_elementwise() && size(step, user) <= size(step, *id);
                fits.then_some(user)
            };
            match found.leaves.iter().find_map(only_user) {
                Some(user) if chosen.insert(user) => {}
                _ => return found,
            }
        }
    }
}

/// Bytes of a value for a batch of a hundred.
fn size(step: &Step, id: NodeId) -> usize {
    step.function.nodes[id].ty.tensor().map_or(usize::MAX, |ty| {
        ty.shape.at(100).iter().fold(ty.dtype.size(), |product, &size| product.saturating_mul(size))
    })
}

/// What is there anyway.
fn free(step: &Step, scan: &Scan) -> BTreeMap<NodeId, Leaf> {
    let mut free = BTreeMap::new();
    for result in scan.results() {
        free.insert(result, Leaf::Stacked);
    }
    for carry in 0..scan.carries {
        free.extend(scan.next(carry).map(|next| (next, Leaf::Stacked)));
    }
    for carry in 0..scan.carries {
        free.extend(scan.reader(carry).map(|id| (id, Leaf::Stacked)));
    }
    for (id, name) in scan.body.externals() {
        let number = |prefix: &str| name.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
        if let Some(slice) = number("slice.") {
            free.insert(id, Leaf::Slice(scan.carries + slice));
        } else if let Some(invariant) = number("invariant.") {
            free.insert(id, Leaf::Invariant(scan.carries + scan.slices + invariant));
        }
    }
    free.extend(step.carry_seeds.iter().map(|&seed| (seed, Leaf::CarrySeed)));
    free.extend(step.result_seeds.iter().map(|(&result, &seed)| (seed, Leaf::Seed(result))));
    free
}

fn walk(
    step: &Step,
    free: &BTreeMap<NodeId, Leaf>,
    chosen: &BTreeSet<NodeId>,
    wanted: &[NodeId],
) -> Residuals {
    let mut seen: BTreeSet<NodeId> = BTreeSet::new();
    let mut leaves = BTreeMap::new();
    let mut pending = wanted.to_vec();
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = &step.function.nodes[id];
        let stacked = step.is_own(id) && step.varies[id] && (is_expensive(&node.op) || chosen.contains(&id));
        match free.get(&id) {
            Some(&leaf) => drop(leaves.insert(id, leaf)),
            None if stacked => drop(leaves.insert(id, Leaf::Stacked)),
            None => pending.extend(&node.operands),
        }
    }
    Residuals { order: seen.into_iter().collect(), leaves }
}

/// Whether an op is better stacked than done again.
fn is_expensive(op: &Op) -> bool {
    op.is_collective()
        || matches!(op, Op::Random { .. } | Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::Project(_))
}
