//! Movements of movements: two become one, or none.

use super::slices::{Cut, is_dense};
use super::{Rule, Tag};
use dlc_ir::Op;
use dlc_types::{Dim, Shape, TensorType};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "movement_of_nothing",
        tag: Tag::Exact,
        law: "a transpose, reshape, broadcast, slice, pad, dilate, reverse or reduce that changes nothing = x",
        ops: &["transpose", "reshape", "broadcast", "slice", "pad", "dilate", "reverse", "reduce", "concat"],
        apply: |terms, op, operands, class| {
            let same = terms.ty(operands[0]) == terms.ty(class);
            let shape = terms.shape(operands[0]);
            let nothing = match op {
                Op::Transpose { permutation } => permutation.iter().copied().eq(0..permutation.len()),
                Op::Reverse { axes } => axes.iter().all(|&axis| shape[axis] == Dim::Fixed(1)),
                Op::Reduce { axes, .. } => axes.is_empty(),
                Op::Concat { .. } => operands.len() == 1,
                Op::Slice { .. } => {
                    let cut = Cut::of(op, shape)?;
                    same && cut.starts.iter().all(|&start| start == 0) && is_dense(&cut)
                }
                Op::Reshape | Op::Broadcast { .. } | Op::Pad { .. } | Op::Dilate { .. } => same,
                _ => false,
            };
            nothing.then_some(operands[0])
        },
    },
    Rule {
        name: "transpose_of_transpose",
        tag: Tag::Exact,
        law: "transpose(transpose(x, p), q) = transpose(x, p then q)",
        ops: &["transpose"],
        apply: |terms, op, operands, _| {
            let Op::Transpose { permutation: outer } = op else { return None };
            let (x, inner) = terms.transpose_of(operands[0])?;
            let both: Vec<usize> = outer.iter().map(|&axis| inner[axis]).collect();
            terms.transpose(x, &both)
        },
    },
    Rule {
        name: "broadcast_of_broadcast",
        tag: Tag::Exact,
        law: "broadcast(broadcast(x)) = broadcast(x)",
        ops: &["broadcast"],
        apply: |terms, op, operands, class| {
            let Op::Broadcast { axes: outer } = op else { return None };
            let (x, inner) = terms.broadcast_of(operands[0])?;
            let axes: Vec<usize> = inner.iter().map(|&axis| outer[axis]).collect();
            terms.broadcast(x, terms.shape(class).clone(), &axes)
        },
    },
    Rule {
        name: "broadcast_of_inserted_axes",
        tag: Tag::Exact,
        law: "broadcast(reshape(x)) = broadcast(x), where the reshape only inserts or removes axes of size 1",
        ops: &["broadcast"],
        apply: |terms, op, operands, class| {
            let Op::Broadcast { axes } = op else { return None };
            let x = terms.reshape_of(operands[0])?;
            let (source, shape) = (terms.shape(x).clone(), terms.shape(operands[0]).clone());
            let long = |shape: &Shape| -> Vec<usize> {
                (0..shape.rank()).filter(|&axis| shape[axis] != Dim::Fixed(1)).collect()
            };
            let (from, to) = (long(&source), long(&shape));
            let same = from.len() == to.len() && from.iter().zip(&to).all(|(&a, &b)| source[a] == shape[b]);
            if !same || from.len() != source.rank() {
                return None;
            }
            let axes: Vec<usize> = to.iter().map(|&axis| axes[axis]).collect();
            terms.broadcast(x, terms.shape(class).clone(), &axes)
        },
    },
    Rule {
        name: "broadcast_of_single_axes",
        tag: Tag::Exact,
        law: "broadcast(x) = broadcast(reshape(x)) without the axes of size 1",
        ops: &["broadcast"],
        apply: |terms, op, operands, class| {
            let Op::Broadcast { axes } = op else { return None };
            let shape = terms.shape(operands[0]).clone();
            let long: Vec<usize> = (0..shape.rank()).filter(|&axis| shape[axis] != Dim::Fixed(1)).collect();
            if long.len() == shape.rank() {
                return None;
            }
            let squeezed = Shape(long.iter().map(|&axis| shape[axis]).collect());
            let places: Vec<usize> = long.iter().map(|&axis| axes[axis]).collect();
            let x = terms.reshape(operands[0], squeezed)?;
            terms.broadcast(x, terms.shape(class).clone(), &places)
        },
    },
    Rule {
        name: "reshape_of_reshape",
        tag: Tag::Exact,
        law: "reshape(reshape(x)) = reshape(x)",
        ops: &["reshape"],
        apply: |terms, _, operands, class| {
            let x = terms.reshape_of(operands[0])?;
            terms.reshape(x, terms.shape(class).clone())
        },
    },
    Rule {
        name: "transpose_of_broadcast",
        tag: Tag::Exact,
        law: "transpose(broadcast(x)) = broadcast(transpose(x))",
        ops: &["transpose"],
        apply: |terms, op, operands, class| {
            let Op::Transpose { permutation } = op else { return None };
            let (x, axes) = terms.broadcast_of(operands[0])?;
            // Result axis r shows broadcast axis permutation[r], which operand axis i fills if axes[i] is it.
            let mut places = Vec::new();
            let mut order = Vec::new();
            for (place, from) in permutation.iter().enumerate() {
                if let Some(axis) = axes.iter().position(|axis| axis == from) {
                    places.push(place);
                    order.push(axis);
                }
            }
            let moved = terms.transpose(x, &order)?;
            terms.broadcast(moved, terms.shape(class).clone(), &places)
        },
    },
    Rule {
        name: "reverse_of_reverse",
        tag: Tag::Exact,
        law: "reverse(reverse(x, a), b) = reverse(x, axes in one of a and b)",
        ops: &["reverse"],
        apply: |terms, op, operands, _| {
            let Op::Reverse { axes: outer } = op else { return None };
            let (x, inner) = terms.find(operands[0], |op, operands| match op {
                Op::Reverse { axes } => Some((operands[0], axes.clone())),
                _ => None,
            })?;
            let mut axes: Vec<usize> = outer.iter().copied().filter(|axis| !inner.contains(axis)).collect();
            axes.extend(inner.iter().copied().filter(|axis| !outer.contains(axis)));
            axes.sort_unstable();
            if axes.is_empty() { Some(x) } else { terms.add(Op::Reverse { axes }, &[x]) }
        },
    },
    Rule {
        name: "reverse_of_broadcast",
        tag: Tag::Exact,
        law: "reverse(broadcast(x), repeated axes) = broadcast(x)",
        ops: &["reverse"],
        apply: |terms, op, operands, _| {
            let Op::Reverse { axes: reversed } = op else { return None };
            terms.find(operands[0], |op, inner| {
                let Op::Broadcast { axes } = op else { return None };
                let shape = terms.shape(inner[0]);
                let repeated = |axis| {
                    axes.iter().position(|to| to == axis).is_none_or(|from| shape[from] == Dim::Fixed(1))
                };
                reversed.iter().all(repeated).then_some(operands[0])
            })
        },
    },
    Rule {
        name: "gather_of_iota",
        tag: Tag::Exact,
        law: "gather(x, 0, 1, 2, …) = x, as many indices as x has along the axis",
        ops: &["gather"],
        apply: |terms, op, operands, class| {
            let Op::Gather { axis } = *op else { return None };
            let counts = terms.find(operands[1], |op, _| matches!(op, Op::Iota { .. }).then_some(()));
            let whole: &TensorType = terms.ty(operands[0]);
            let (size, indices) = (whole.shape[axis], terms.shape(operands[1]));
            let same = whole == terms.ty(class) && indices.dims() == [size];
            (counts.is_some() && same).then_some(operands[0])
        },
    },
];
