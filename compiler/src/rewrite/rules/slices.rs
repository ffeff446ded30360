//! Slices, pads and concats of each other.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::Op;
use dlc_types::{Dim, Shape};

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
pub(super) fn is_dense(cut: &Cut) -> bool {
    cut.strides.iter().all(|&stride| stride == 1)
}

pub(super) const RULES: &[Rule] = &[
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
];
