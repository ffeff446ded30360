//! Which stored values a kernel computes again instead of loading them.
//!
//! A kernel that loads an activation and, besides, all that the activation was made of - the output of a
//! convolution that a batch-norm's gradient needs anyway, say, and numbers per channel - has the activation
//! for a few operations: loading it would cost a pass over memory. The same operations on the same numbers
//! give the same bits.
//!
//! Only values over the batch are computed again, and only by kernels of such values: kernels of new
//! parameters run after others that overwrite old ones, and must see what they were given.

use super::Lowering;
use super::prepare::is_movement;
use dlc_ir::{NodeId, Op};
use dlc_types::Shape;
use std::collections::BTreeSet;

/// Operations that cost less than a load from afar.
const CHEAP: usize = 8;
/// A value with so many times fewer elements stays in a near cache.
const SMALL: usize = 16;

/// The stored values that a kernel of some expressions computes again; `own` is the one it is for, `bound` are
/// those that it has anyway.
pub(crate) fn recomputed(
    lowering: &Lowering<'_>,
    roots: &[NodeId],
    own: Option<NodeId>,
    bound: &[NodeId],
) -> BTreeSet<NodeId> {
    let mut again = BTreeSet::new();
    let over_batch = |id: NodeId| lowering.ty(id).shape.dims().iter().any(|dim| dim.is_batch());
    if !lowering.options.fuse_epilogues || !roots.iter().all(|&root| over_batch(root)) {
        return again;
    }
    let mut leaves = BTreeSet::new();
    for &root in roots {
        match bound.contains(&root) || lowering.stored[root] && own != Some(root) {
            true => drop(leaves.insert(root)),
            false => drop(made_of(lowering, root, &mut leaves)),
        }
    }
    leaves.extend(bound);
    for &leaf in leaves.clone().iter().rev() {
        let op = &lowering.node(leaf).op;
        if bound.contains(&leaf) || !op.is_elementwise() || !over_batch(leaf) {
            continue;
        }
        let mut parts = BTreeSet::new();
        let Some(work) = made_of(lowering, leaf, &mut parts) else { continue };
        let shape = &lowering.ty(leaf).shape;
        let at_hand = |part: &NodeId| {
            leaves.contains(part) && !again.contains(part) || is_small(&lowering.ty(*part).shape, shape)
        };
        if work <= CHEAP && parts.iter().all(at_hand) {
            again.insert(leaf);
        }
    }
    again
}

fn is_small(shape: &Shape, beside: &Shape) -> bool {
    /// The batch that values are compared at; any great one gives the same.
    const BATCH: usize = 128;
    let count =
        |shape: &Shape| shape.at(BATCH).iter().fold(1_usize, |product, &size| product.saturating_mul(size));
    count(shape).saturating_mul(SMALL) <= count(beside)
}

/// Adds the stored values that a value is computed from, and counts the operations per element; nothing where
/// they are more than elementwise ones, or where a large value would be read at other places than its own.
fn made_of(lowering: &Lowering<'_>, id: NodeId, leaves: &mut BTreeSet<NodeId>) -> Option<usize> {
    let mut work = 0_usize;
    let mut pending = vec![(id, false)];
    let mut seen = BTreeSet::new();
    let mut elementwise = true;
    while let Some((next, moved)) = pending.pop() {
        if !seen.insert((next, moved)) {
            continue;
        }
        let node = lowering.node(next);
        if next != id && lowering.stored[next] {
            leaves.insert(next);
            elementwise &= !moved || is_small(&lowering.ty(next).shape, &lowering.ty(id).shape);
            continue;
        }
        let moves = is_movement(&node.op);
        elementwise &=
            moves || node.op.is_elementwise() || matches!(node.op, Op::Constant(_) | Op::Extent(_));
        work += usize::from(node.op.is_elementwise());
        pending.extend(node.operands.iter().map(|&operand| (operand, moved || moves)));
    }
    elementwise.then_some(work)
}
