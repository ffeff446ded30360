//! Movements of movements: two become one, or none.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::Op;
use dlc_types::{Dim, Shape, TensorType};

/// Starts, ends and strides of a slice as numbers; axes of batch size are whole.
pub(super) struct Cut {
    pub(super) starts: Vec<usize>,
    pub(super) limits: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl Cut {
    /// The slice that takes everything.
    pub(super) fn whole(shape: &Shape) -> Cut {
        let rank = shape.rank();
        let limits = shape.dims().iter().map(|dim| dim.fixed().unwrap_or(usize::MAX)).collect();
        Cut { starts: vec![0; rank], limits, strides: vec![1; rank] }
    }

    /// The attributes of a slice, `end` resolved.
    pub(super) fn of(op: &Op, operand: &Shape) -> Option<Cut> {
        let Op::Slice { starts, limits, strides } = op else { return None };
        let resolve = |(&limit, dim): (&usize, &Dim)| match dim {
            Dim::Fixed(size) => limit.min(*size),
            Dim::Batch(_) => limit,
        };
        let limits = limits.iter().zip(operand.dims()).map(resolve).collect();
        Some(Cut { starts: starts.clone(), limits, strides: strides.clone() })
    }

    /// Adds the slice; the operand itself where everything is taken.
    pub(super) fn apply(self, terms: &mut Terms, x: Class) -> Option<Class> {
        let shape = terms.shape(x);
        let whole = Cut::whole(shape);
        if (&self.starts, &self.limits, &self.strides) == (&whole.starts, &whole.limits, &whole.strides) {
            return Some(x);
        }
        terms.add(Op::Slice { starts: self.starts, limits: self.limits, strides: self.strides }, &[x])
    }
}

/// Operand and attributes of a slice in the class.
pub(super) fn slice_of(terms: &Terms, class: Class) -> Option<(Class, Cut)> {
    terms.find(class, |op, operands| {
        let &x = operands.first()?;
        Some((x, Cut::of(op, terms.shape(x))?))
    })
}

/// A slice that takes single steps along every axis.
fn is_dense(cut: &Cut) -> bool {
    cut.strides.iter().all(|&stride| stride == 1)
}

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
        name: "slice_of_slice",
        tag: Tag::Exact,
        law: "slice(slice(x)) = slice(x)",
        ops: &["slice"],
        apply: |terms, op, operands, class| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (x, inner) = slice_of(terms, operands[0])?;
            let mut cut = Cut::whole(terms.shape(x));
            for (axis, dim) in terms.shape(class).dims().iter().enumerate() {
                let Dim::Fixed(size) = *dim else { continue };
                cut.strides[axis] = inner.strides[axis].checked_mul(outer.strides[axis])?;
                cut.starts[axis] = inner.starts[axis] + outer.starts[axis] * inner.strides[axis];
                let last = size.checked_sub(1)?.checked_mul(cut.strides[axis])?;
                cut.limits[axis] = cut.starts[axis].checked_add(last)?.checked_add(1)?;
                if size == 1 {
                    cut.strides[axis] = 1;
                }
            }
            cut.apply(terms, x)
        },
    },
    Rule {
        name: "slice_of_broadcast",
        tag: Tag::Exact,
        law: "slice(broadcast(x)) = broadcast(slice(x)), no slice where only repeated axes are cut",
        ops: &["slice"],
        apply: |terms, op, operands, class| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (x, axes) = terms.broadcast_of(operands[0])?;
            let shape = terms.shape(x).clone();
            let mut cut = Cut::whole(&shape);
            for (from, &to) in axes.iter().enumerate() {
                if shape[from] != Dim::Fixed(1) {
                    cut.starts[from] = outer.starts[to];
                    cut.limits[from] = outer.limits[to];
                    cut.strides[from] = outer.strides[to];
                }
            }
            let cut = cut.apply(terms, x)?;
            terms.broadcast(cut, terms.shape(class).clone(), &axes)
        },
    },
    Rule {
        name: "slice_of_pad",
        tag: Tag::Exact,
        law: "slice(pad(x)) = slice(x) where no padding is taken; steps of 1",
        ops: &["slice"],
        apply: |terms, op, operands, _| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (x, low) = terms.find(operands[0], |op, operands| match op {
                Op::Pad { low, .. } => Some((operands[0], low.clone())),
                _ => None,
            })?;
            let mut cut = Cut::whole(terms.shape(x));
            for (axis, dim) in terms.shape(x).dims().iter().enumerate() {
                let Dim::Fixed(size) = *dim else { continue };
                let start = outer.starts[axis].checked_sub(low[axis])?;
                let limit = outer.limits[axis].checked_sub(low[axis])?;
                if limit > size || start > limit {
                    return None;
                }
                cut.starts[axis] = start;
                cut.limits[axis] = limit;
                cut.strides[axis] = outer.strides[axis];
            }
            cut.apply(terms, x)
        },
    },
    Rule {
        name: "pad_of_pad",
        tag: Tag::Exact,
        law: "pad(pad(x, v), v) = pad(x, v)",
        ops: &["pad"],
        apply: |terms, op, operands, _| {
            let Op::Pad { low, high } = op else { return None };
            let (x, value, inner_low, inner_high) = terms.find(operands[0], |op, operands| match op {
                Op::Pad { low, high } => Some((operands[0], operands[1], low.clone(), high.clone())),
                _ => None,
            })?;
            let equal = terms.same(value, operands[1])
                || terms.splat(value).is_some() && terms.splat(value) == terms.splat(operands[1]);
            if !equal {
                return None;
            }
            let sum = |a: &[usize], b: &[usize]| -> Option<Vec<usize>> {
                a.iter().zip(b).map(|(&a, &b)| a.checked_add(b)).collect()
            };
            let (low, high) = (sum(low, &inner_low)?, sum(high, &inner_high)?);
            terms.add(Op::Pad { low, high }, &[x, value])
        },
    },
    Rule {
        name: "slice_of_concat",
        tag: Tag::Exact,
        law: "slice(concat(…, x, …)) = slice(x) where one part is taken from; steps of 1 along the joint",
        ops: &["slice"],
        apply: |terms, op, operands, _| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (axis, parts) = terms.find(operands[0], |op, operands| match op {
                Op::Concat { axis } => Some((*axis, operands.to_vec())),
                _ => None,
            })?;
            if outer.strides[axis] != 1 || outer.starts[axis] == outer.limits[axis] {
                return None;
            }
            let mut before = 0;
            for part in parts {
                let size = terms.shape(part)[axis].fixed()?;
                if outer.starts[axis] >= before && outer.limits[axis] <= before + size {
                    let mut cut = outer;
                    cut.starts[axis] -= before;
                    cut.limits[axis] -= before;
                    return cut.apply(terms, part);
                }
                before += size;
            }
            None
        },
    },
    Rule {
        name: "concat_of_slices",
        tag: Tag::Exact,
        law: "concat(x[a..b], x[b..c]) = x[a..c]; steps of 1, other axes cut alike",
        ops: &["concat"],
        apply: |terms, op, operands, _| {
            let Op::Concat { axis } = *op else { return None };
            let (x, mut joined) = slice_of(terms, operands[0])?;
            for &part in &operands[1..] {
                let (other, next) = slice_of(terms, part)?;
                let others_agree = (0..joined.starts.len()).filter(|&it| it != axis).all(|it| {
                    (joined.starts[it], joined.limits[it], joined.strides[it])
                        == (next.starts[it], next.limits[it], next.strides[it])
                });
                let adjacent = joined.limits[axis] == next.starts[axis];
                let dense = joined.strides[axis] == 1 && next.strides[axis] == 1;
                if !terms.same(x, other) || !others_agree || !adjacent || !dense {
                    return None;
                }
                joined.limits[axis] = next.limits[axis];
            }
            joined.apply(terms, x)
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
