//! What a value depends on, as a function of its own, if that is little and all of it is known.

use crate::Array;
use dlc_ir::{Builder, Function, Node, NodeId, Op, OutputRole};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes that are followed.
const NODE_LIMIT: usize = 512;

/// Elements that a node may have.
const ELEMENT_LIMIT: usize = 4096;

/// A function without inputs that computes one value.
pub(super) struct Cone {
    pub(super) function: Function,
    /// Whether the value is another for another batch.
    pub(super) depends_on_batch: bool,
}

impl Cone {
    /// `leaf` gives the value of an external node, if it is at hand.
    pub(super) fn new(
        function: &Function,
        wanted: NodeId,
        leaf: &dyn Fn(&Op) -> Option<Array>,
    ) -> Option<Cone> {
        let mut needed = BTreeSet::from([wanted]);
        let mut order = Vec::new();
        // Operands stand before users, so the last one that is left is needed by none of the others.
        while let Some(id) = needed.pop_last() {
            let node = function.nodes.get(id)?;
            order.push(id);
            let small = |ty: &dlc_types::TensorType| {
                ty.shape.as_fixed().is_some_and(|dims| {
                    let count = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
                    count.is_some_and(|count| count <= ELEMENT_LIMIT)
                })
            };
            if order.len() > NODE_LIMIT || !node.ty.tensor().is_some_and(small) {
                return None;
            }
            needed.extend(node.operands.iter().copied());
        }
        let mut depends_on_batch = false;
        let mut builder = Builder::new("known");
        let mut moved: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for &id in order.iter().rev() {
            let Node { op, operands, ty, .. } = &function.nodes[id];
            let operands: Option<Vec<NodeId>> =
                operands.iter().map(|operand| moved.get(operand).copied()).collect();
            let new = match op {
                Op::Input { .. } | Op::Parameter { .. } | Op::State { .. } => {
                    builder.constant(leaf(op)?.literal()?).ok()?
                }
                Op::Random { .. } => return None,
                Op::Extent(dim) => {
                    depends_on_batch |= dim.is_batch();
                    builder.declare(op.clone(), &[], ty.tensor()?.clone()).ok()?
                }
                _ => builder.declare(op.clone(), &operands?, ty.tensor()?.clone()).ok()?,
            };
            moved.insert(id, new);
        }
        builder.output(OutputRole::Output, "value", *moved.get(&wanted)?);
        Some(Cone { function: builder.finish(), depends_on_batch })
    }
}
