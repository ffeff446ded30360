//! Concatenations, and pads that take part in other movements.

use super::slices::Cut;
use super::{Rule, Tag};
use dlc_ir::Op;
use dlc_types::Dim;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "concat_of_concat",
        tag: Tag::Exact,
        law: "concat(concat(a, b), c) = concat(a, b, c) along one axis",
        ops: &["concat"],
        apply: |terms, op, operands, _| {
            let parts_of = |part| {
                terms.find(part, |inner, parts| (inner == op && parts.len() > 1).then(|| parts.to_vec()))
            };
            let place = operands.iter().position(|&part| parts_of(part).is_some())?;
            let mut flat = operands.to_vec();
            flat.splice(place..=place, parts_of(operands[place])?);
            terms.add(op.clone(), &flat)
        },
    },
    Rule {
        name: "concat_of_constant",
        tag: Tag::Exact,
        law: "concat(x, c) = pad(x, c), likewise in front, c one number",
        ops: &["concat"],
        apply: |terms, op, operands, class| {
            let (&Op::Concat { axis }, &[a, b]) = (op, operands) else { return None };
            let (x, constant, front) = match (terms.splat(a), terms.splat(b)) {
                (None, Some(_)) => (a, b, false),
                (Some(_), None) => (b, a, true),
                _ => return None,
            };
            let mut counts = [vec![0; terms.rank(class)], vec![0; terms.rank(class)]];
            counts[usize::from(!front)][axis] = terms.shape(constant)[axis].fixed()?;
            let scalar = dlc_types::TensorType::scalar(terms.ty(class).dtype);
            let value = terms.filled(&scalar, terms.splat(constant)?)?;
            let [low, high] = counts;
            terms.add(Op::Pad { low, high }, &[x, value])
        },
    },
    Rule {
        name: "slice_of_padding",
        tag: Tag::Exact,
        law: "slice(pad(x)) = pad(slice(x)) with less padding; steps of 1",
        ops: &["slice"],
        apply: |terms, op, operands, _| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (x, value, low) = terms.find(operands[0], |op, operands| match op {
                Op::Pad { low, .. } => Some((operands[0], operands[1], low.clone())),
                _ => None,
            })?;
            let shape = terms.shape(x).clone();
            let mut cut = Cut::whole(&shape);
            let (mut front, mut back) = (vec![0; low.len()], vec![0; low.len()]);
            for axis in 0..low.len() {
                let Dim::Fixed(size) = shape[axis] else { continue };
                let (start, limit) = (outer.starts[axis], outer.limits[axis]);
                let end = low[axis].checked_add(size)?;
                // Something of x is kept; what is cut off or padded is told apart on either side.
                if outer.strides[axis] != 1 || start >= end || limit <= low[axis] {
                    return None;
                }
                front[axis] = low[axis].saturating_sub(start);
                back[axis] = limit.saturating_sub(end);
                cut.starts[axis] = start.saturating_sub(low[axis]);
                cut.limits[axis] = limit.min(end) - low[axis];
            }
            let kept = cut.apply(terms, x)?;
            terms.add(Op::Pad { low: front, high: back }, &[kept, value])
        },
    },
    Rule {
        name: "dilate_of_dilate",
        tag: Tag::Exact,
        law: "dilate(dilate(x, a), b) = dilate(x, a b)",
        ops: &["dilate"],
        apply: |terms, op, operands, _| {
            let Op::Dilate { factors: outer } = op else { return None };
            let (x, inner) = terms.find(operands[0], |op, operands| match op {
                Op::Dilate { factors } => Some((operands[0], factors.clone())),
                _ => None,
            })?;
            let factors: Option<Vec<usize>> =
                outer.iter().zip(&inner).map(|(&a, &b)| a.checked_mul(b)).collect();
            terms.add(Op::Dilate { factors: factors? }, &[x])
        },
    },
];
