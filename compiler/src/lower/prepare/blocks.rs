//! Weights in blocks: a large matrix, or the kernel of a convolution with many outputs, is copied so that a few of its
//! columns stand together.
//!
//! Rows of such weights lie so far apart that they compete for the same places in a cache; a block's rows do not, and a
//! block stays in the second cache while the rows of the other operand pass. The copy is an identity reshape that
//! a contraction pays for more copies is not asked here but by thresholds on sizes. Threads without caches of their own
//! take weights as they lie.

use super::Prepared;
use dlc_ir::{Function, Node, NodeId, Op, Type};
use dlc_types::{Dim, Shape, TensorType};

/// Outputs whose weights for one input stand together, from which rows of weights lie so far apart that
/// they compete for the same places in a cache.
const FAR_APART: usize = 256;

/// The number of outputs to a block, if the kernel of a convolution is better copied into blocks: its
/// values are weights, and it has many outputs.
pub(super) fn block_of_outputs(prepared: &Prepared, kernel: NodeId, groups: usize) -> Option<usize> {
    let outputs = prepared.shape(kernel)[0].fixed().filter(|&outputs| groups == 1 && outputs >= FAR_APART)?;
    let reads_weights = prepared.shape(kernel)[1].fixed().is_some() && prepared.threads.have_caches();
    // Small maps have few rows to a tile, which wider blocks make up for.
    [64, 32].into_iter().find(|block| reads_weights && outputs.is_multiple_of(*block) && outputs >= 8 * block)
}

/// Columns of a block, by preference: few columns leave registers for many rows, but read the rows more often.
const COLUMNS: [usize; 3] = [64, 32, 16];
/// Bytes of a block that stay in the second cache while rows of the other operand pass.
const NEAR: usize = 512 << 10;
/// Bytes of a matrix from which its blocks pay.
const LARGE: usize = 512 << 10;

/// The columns of a block, where a matrix is better copied into blocks of columns: one that does not change between
/// calls, so that it is copied once, and whose rows compete for the same places in a cache.
pub(super) fn block_of_columns(prepared: &Prepared, matrix: NodeId, columns: usize) -> Option<usize> {
    let ty = prepared.function.nodes[matrix].ty.tensor()?;
    let (count, elements) = (ty.shape[columns].fixed()?, ty.shape.elements()?.fixed()?);
    let bytes = elements.checked_mul(ty.dtype.size())?;
    let large = count >= FAR_APART && bytes >= LARGE && !prepared.trains && prepared.threads.have_caches();
    if !large || !persists(&prepared.function, matrix, 16) {
        return None;
    }
    let mut fitting = COLUMNS.into_iter().filter(|block| count.is_multiple_of(*block));
    let narrowest = fitting.clone().next_back()?;
    Some(fitting.find(|block| bytes / count * block <= NEAR).unwrap_or(narrowest))
}

impl Prepared {
    /// A value copied into blocks along one axis, `[columns / block, rows…, block]` in memory, where `columns` is the
    /// axis and `rows` are all others.
    pub(super) fn blocked(&mut self, value: NodeId, columns: usize, block: usize, rows: &[usize]) -> NodeId {
        let Node { ty, origin, .. } = self.function.nodes[value].clone();
        let Type::Tensor(TensorType { dtype, shape }) = &ty else { return value };
        let Some(count) = shape[columns].fixed() else { return value };
        let mut dims = shape.dims().to_vec();
        dims[columns] = Dim::Fixed(count / block);
        dims.insert(columns + 1, Dim::Fixed(block));
        let rows = rows.iter().map(|&axis| if axis > columns { axis + 1 } else { axis });
        let order: Vec<usize> = std::iter::once(columns).chain(rows).chain([columns + 1]).collect();
        let split = Type::Tensor(TensorType::new(*dtype, Shape(dims)));
        let reshape = |operand: NodeId, ty: Type| Node {
            op: Op::Reshape,
            operands: vec![operand],
            ty,
            origin: origin.clone(),
        };
        let key = (value, order.clone());
        let copy = self.shared.get(&key).copied().unwrap_or_else(|| {
            let copy = self.function.nodes.push(reshape(value, split));
            self.shared.insert(key, copy);
            self.copies.insert(copy, Some(order));
            copy
        });
        self.function.nodes.push(reshape(copy, ty))
    }
}

/// The blocked copy that the kernel of a convolution, or the right operand of a contraction, is a view of, if it is
/// one.
pub(crate) fn blocked_kernel(prepared: &Prepared, kernel: NodeId) -> Option<NodeId> {
    let node = &prepared.function.nodes[kernel];
    if prepared.is_base(kernel) || !matches!(node.op, Op::Reshape) {
        return None;
    }
    let copy = node.operands[0];
    let split = prepared.shape(copy).rank() == prepared.shape(kernel).rank() + 1;
    (prepared.copies.contains_key(&copy) && split).then_some(copy)
}

/// Whether a value depends on parameters and states alone, within so many steps.
fn persists(function: &Function, id: NodeId, steps: usize) -> bool {
    let node = &function.nodes[id];
    match &node.op {
        Op::Parameter { .. } | Op::State { .. } | Op::Constant(_) => true,
        Op::Input { .. } | Op::Random { .. } | Op::Extent(_) => false,
        _ => steps > 0 && node.operands.iter().all(|&operand| persists(function, operand, steps - 1)),
    }
}
