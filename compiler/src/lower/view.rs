//! Values that are other values seen through strides: transposes, slices, reversals, repetitions and
//! reshapes that move nothing.
//!
//! A contraction reads its operands through such a view, which is why a gradient that is "the same
//! convolution with transposed operands" costs no copy. A view is found by walking from a node to the
//! *base* that has a buffer of its own; where a step cannot be told by strides there is no view.

use super::layout::Layout;
use dlc_ir::{Function, NodeId, Op};
use dlc_types::{Dim, Shape};

/// A value as strides over the buffer of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The value that has the buffer.
    pub base: NodeId,
    /// Element of the buffer at coordinate zero.
    pub offset: i64,
    /// Distance in elements, per logical axis of the viewing value.
    pub strides: Vec<i64>,
}

/// The nodes from `node` to its base, ends included: steps that may be views end at the first node for
/// which `is_base` holds or that is no movement op.
pub(super) fn base_of(function: &Function, node: NodeId, is_base: &dyn Fn(NodeId) -> bool) -> NodeId {
    let mut current = node;
    while !is_base(current) {
        match function.nodes[current].op {
            Op::Transpose { .. }
            | Op::Reverse { .. }
            | Op::Slice { .. }
            | Op::Reshape
            | Op::Broadcast { .. } => {
                current = function.nodes[current].operands[0];
            }
            _ => return current,
        }
    }
    current
}

/// The view of `node`, if there is one. `layout_of` tells the layout of nodes that have a buffer.
pub(super) fn view_of<'a>(
    function: &Function,
    node: NodeId,
    layout_of: &dyn Fn(NodeId) -> Option<&'a Layout>,
) -> Option<View> {
    if let Some(layout) = layout_of(node) {
        return Some(View { base: node, offset: layout.origin, strides: layout.strides.clone() });
    }
    let this = &function.nodes[node];
    let shape = &function.tensor_type(node).shape;
    let operand = *this.operands.first()?;
    let inner = view_of(function, operand, layout_of)?;
    let operand_shape = &function.tensor_type(operand).shape;
    match &this.op {
        Op::Transpose { permutation } => {
            let strides = permutation.iter().map(|&axis| inner.strides[axis]).collect();
            Some(View { strides, ..inner })
        }
        Op::Reverse { axes } => {
            let mut view = inner;
            for &axis in axes {
                let last = operand_shape[axis].fixed()?.checked_sub(1)?;
                view.offset += view.strides[axis] * i64::try_from(last).ok()?;
                view.strides[axis] = -view.strides[axis];
            }
            Some(view)
        }
        Op::Slice { starts, strides, .. } => {
            let mut view = inner;
            for axis in 0..shape.rank() {
                view.offset += view.strides[axis] * i64::try_from(starts[axis]).ok()?;
                view.strides[axis] *= i64::try_from(strides[axis]).ok()?;
            }
            Some(view)
        }
        Op::Broadcast { axes } => {
            let mut strides = vec![0; shape.rank()];
            for (axis, &target) in axes.iter().enumerate() {
                if operand_shape[axis] == shape[target] {
                    strides[target] = inner.strides[axis];
                }
            }
            Some(View { strides, ..inner })
        }
        Op::Reshape => {
            let strides = reshape_strides(operand_shape, &inner.strides, shape)?;
            Some(View { strides, ..inner })
        }
        _ => None,
    }
}

/// Strides of a reshaped view, where the new axes can be told by strides over the old ones.
///
/// Both shapes are cut into the shortest pieces of equal products. Within a piece the old axes must be
/// neighbours in memory, so that they count as one; the new axes then divide it.
pub(super) fn reshape_strides(old: &Shape, old_strides: &[i64], new: &Shape) -> Option<Vec<i64>> {
    let mut strides = Vec::with_capacity(new.rank());
    for piece in pieces(old, new)? {
        let long: Vec<usize> = piece.old.clone().filter(|&axis| old[axis] != Dim::Fixed(1)).collect();
        for pair in long.windows(2) {
            let length = i64::try_from(old[pair[1]].fixed()?).ok()?;
            if old_strides[pair[0]] != old_strides[pair[1]] * length {
                return None;
            }
        }
        let mut distance = long.last().map_or(0, |&axis| old_strides[axis]);
        let mut reversed = Vec::new();
        for axis in piece.new.clone().rev() {
            reversed.push(distance);
            match new[axis] {
                Dim::Fixed(length) => distance *= i64::try_from(length).ok()?,
                // In front of the batch there may be axes of length one, along which nothing moves.
                Dim::Batch(_)
                    if new.dims()[piece.new.start..axis].iter().all(|&dim| dim == Dim::Fixed(1)) => {}
                Dim::Batch(_) => return None,
            }
        }
        strides.extend(reversed.into_iter().rev());
    }
    Some(strides)
}

/// Axes of two shapes whose products agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Axes of the old shape.
    pub old: std::ops::Range<usize>,
    /// Axes of the new shape.
    pub new: std::ops::Range<usize>,
}

/// Cuts two shapes of equal element count into the shortest pieces of equal products.
pub(super) fn pieces(old: &Shape, new: &Shape) -> Option<Vec<Piece>> {
    let mut result = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.rank() || j < new.rank() {
        let (first_old, first_new) = (i, j);
        let mut products = (Dim::Fixed(1), Dim::Fixed(1));
        if i < old.rank() {
            products.0 = old[i];
            i += 1;
        }
        if j < new.rank() {
            products.1 = new[j];
            j += 1;
        }
        while products.0 != products.1 {
            let grow_old = match (products.0, products.1) {
                (Dim::Fixed(a), Dim::Fixed(b)) | (Dim::Batch(a), Dim::Batch(b)) => a < b,
                (Dim::Fixed(_), Dim::Batch(_)) => true,
                (Dim::Batch(_), Dim::Fixed(_)) => false,
            };
            if grow_old && i < old.rank() {
                products.0 = products.0.times(old[i])?;
                i += 1;
            } else if !grow_old && j < new.rank() {
                products.1 = products.1.times(new[j])?;
                j += 1;
            } else {
                return None;
            }
        }
        while i < old.rank() && old[i] == Dim::Fixed(1) {
            i += 1;
        }
        while j < new.rank() && new[j] == Dim::Fixed(1) {
            j += 1;
        }
        result.push(Piece { old: first_old..i, new: first_new..j });
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_memory_merge_and_split() {
        let old = Shape(vec![Dim::N, Dim::Fixed(4), Dim::Fixed(6)]);
        let new = Shape(vec![Dim::N, Dim::Fixed(2), Dim::Fixed(12)]);
        assert_eq!(reshape_strides(&old, &[24, 6, 1], &new), Some(vec![24, 12, 1]));
        assert_eq!(reshape_strides(&old, &[24, 1, 4], &new), None);
    }

    #[test]
    fn a_batch_piece_keeps_its_stride() {
        let old = Shape(vec![Dim::N, Dim::Fixed(64), Dim::Fixed(1), Dim::Fixed(1)]);
        let new = Shape(vec![Dim::N, Dim::Fixed(64)]);
        assert_eq!(reshape_strides(&old, &[64, 1, 64, 64], &new), Some(vec![64, 1]));
    }
}
