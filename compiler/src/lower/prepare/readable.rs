//! What a contraction can read in place: which axis of a base an axis of a view is, and whether strides tell the way.

use super::Prepared;
use crate::lower::view::pieces;
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

pub(super) fn input_is_readable(prepared: &Prepared, input: NodeId, groups: usize) -> bool {
    let base = prepared.base(input);
    let op = &prepared.function.nodes[base].op;
    if op.is_external() || matches!(op, Op::Constant(_)) {
        return false;
    }
    let rank = prepared.shape(input).rank();
    let spatial_axes_are_kept = (2..rank).all(|axis| base_axis(prepared, input, axis).is_some());
    let shown = merged_groups(prepared, input, groups).filter(|_| groups > 1).unwrap_or(input);
    spatial_axes_are_kept && told_by_strides(prepared, shown)
}

pub(super) fn kernel_is_readable(prepared: &Prepared, kernel: NodeId) -> bool {
    let base = prepared.base(kernel);
    let op = &prepared.function.nodes[base].op;
    if base == kernel {
        return !matches!(op, Op::Input { .. } | Op::Constant(_));
    }
    let rank = prepared.shape(kernel).rank();
    !op.is_external()
        && !matches!(op, Op::Constant(_))
        && (0..rank).all(|axis| base_axis(prepared, kernel, axis).is_some())
        && base_axis(prepared, kernel, 0) == Some(1)
}

/// The axis of the base that an axis of a view is, if the way there is by transposes and by reshapes
/// that leave the trailing axes alone.
pub(in crate::lower) fn base_axis(prepared: &Prepared, node: NodeId, axis: usize) -> Option<usize> {
    if prepared.is_base(node) {
        return Some(axis);
    }
    let operand = prepared.function.nodes[node].operands[0];
    match &prepared.function.nodes[node].op {
        Op::Transpose { permutation } => base_axis(prepared, operand, permutation[axis]),
        Op::Reshape => {
            let (from, to) = (prepared.shape(operand), prepared.shape(node));
            let trailing = to.rank() - axis;
            let same = trailing <= from.rank() && from.dims()[from.rank() - trailing..] == to.dims()[axis..];
            if same { base_axis(prepared, operand, from.rank() - trailing) } else { None }
        }
        _ => None,
    }
}

/// The operand of the reshape that merged `groups` with the channels of each group, if that is how the
/// channel axis of `input` came about.
pub(in crate::lower) fn merged_groups(prepared: &Prepared, input: NodeId, groups: usize) -> Option<NodeId> {
    let node = &prepared.function.nodes[input];
    if prepared.is_base(input) || !matches!(node.op, Op::Reshape) {
        return None;
    }
    let shape = prepared.shape(input);
    let operand = node.operands[0];
    let from = prepared.shape(operand);
    let fits = from.rank() == shape.rank() + 1
        && from[0] == shape[0]
        && from[1] == Dim::Fixed(groups)
        && from.dims()[3..] == shape.dims()[2..];
    fits.then_some(operand)
}

/// Whether the way from a value to its base is by strides alone in any layout of the base: reshapes
/// that merge axes depend on the layout, and a reversed batch has no fixed first element.
pub(super) fn told_by_strides(prepared: &Prepared, node: NodeId) -> bool {
    if prepared.is_base(node) {
        return true;
    }
    let this = &prepared.function.nodes[node];
    let told = match &this.op {
        Op::Reshape => splits_only(prepared.shape(this.operands[0]), prepared.shape(node)),
        Op::Reverse { axes } => axes.iter().all(|&axis| !prepared.shape(node)[axis].is_batch()),
        _ => true,
    };
    told && told_by_strides(prepared, this.operands[0])
}

/// Whether a reshape does no more than divide axes.
fn splits_only(old: &Shape, new: &Shape) -> bool {
    pieces(old, new).is_some_and(|pieces| {
        pieces.iter().all(|piece| piece.old.clone().filter(|&axis| old[axis] != Dim::Fixed(1)).count() <= 1)
    })
}

/// Whether an axis is the innermost of its base when the base lies row-major.
pub(super) fn is_innermost(prepared: &Prepared, node: NodeId, axis: usize) -> bool {
    if prepared.shape(node)[axis] == Dim::Fixed(1) {
        return true;
    }
    if prepared.is_base(node) {
        return match prepared.copies.get(&node) {
            Some(Some(order)) => order.last() == Some(&axis),
            _ => axis + 1 == prepared.shape(node).rank(),
        };
    }
    let operand = prepared.function.nodes[node].operands[0];
    match &prepared.function.nodes[node].op {
        Op::Transpose { permutation } => is_innermost(prepared, operand, permutation[axis]),
        _ => false,
    }
}
