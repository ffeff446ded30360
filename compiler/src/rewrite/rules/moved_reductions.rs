//! Reductions of reshaped and padded elements, and slices of reductions.

use super::slices::Cut;
use super::{Rule, Tag};
use dlc_ir::{Op, Reduction};
use dlc_types::{Dim, Shape};

/// For every axis of the reshaped value the axes of the source that it consists of, if each is made of whole
/// axes.
fn groups(source: &Shape, reshaped: &Shape) -> Option<Vec<Vec<usize>>> {
    let mut next = 0;
    let mut groups = Vec::new();
    for &dim in reshaped.dims() {
        let (mut size, mut group) = (Dim::Fixed(1), Vec::new());
        while size != dim {
            size = size.times(*source.dims().get(next)?)?;
            group.push(next);
            next += 1;
        }
        groups.push(group);
    }
    // Axes of size 1 may be left over at the end.
    source.dims()[next..].iter().all(|&dim| dim == Dim::Fixed(1)).then_some(groups)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "reduce_of_reshape",
        tag: Tag::Rounding,
        law: "reduce(reshape(x), joined axes) = reduce(x, the axes that were joined)",
        ops: &["reduce"],
        apply: |terms, op, operands, class| {
            let Op::Reduce { kind, axes } = op else { return None };
            let x = terms.reshape_of(operands[0])?;
            let groups = groups(terms.shape(x), terms.shape(operands[0]))?;
            let mut reduced: Vec<usize> = axes.iter().flat_map(|&axis| groups[axis].clone()).collect();
            reduced.sort_unstable();
            let value = terms.reduce(*kind, x, &reduced)?;
            terms.reshape(value, terms.shape(class).clone())
        },
    },
    Rule {
        name: "sum_of_pad",
        tag: Tag::Rounding,
        law: "sum(pad(x, 0)) = sum(x) over all padded axes",
        ops: &["reduce"],
        apply: |terms, op, operands, _| {
            let Op::Reduce { kind: Reduction::Sum, axes } = op else { return None };
            let (x, value, padded) = terms.find(operands[0], |op, operands| match op {
                Op::Pad { low, high } => {
                    let padded = (0..low.len()).filter(|&axis| low[axis] + high[axis] > 0);
                    Some((operands[0], operands[1], padded.collect::<Vec<usize>>()))
                }
                _ => None,
            })?;
            let all = padded.iter().all(|axis| axes.contains(axis)) && terms.is_splat(value, 0.0);
            if all { terms.reduce(Reduction::Sum, x, axes) } else { None }
        },
    },
    Rule {
        name: "slice_of_reduction",
        tag: Tag::Rounding,
        law: "slice(reduce(x)) = reduce(slice(x))",
        ops: &["slice"],
        apply: |terms, op, operands, _| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (x, reduction, axes) = terms.find(operands[0], |op, operands| match op {
                Op::Reduce { axes, .. } => Some((operands[0], op.clone(), axes.clone())),
                _ => None,
            })?;
            let mut cut = Cut::whole(terms.shape(x));
            let kept = (0..terms.rank(x)).filter(|axis| !axes.contains(axis));
            for (place, axis) in kept.enumerate() {
                cut.starts[axis] = outer.starts[place];
                cut.limits[axis] = outer.limits[place];
                cut.strides[axis] = outer.strides[place];
            }
            let kept = cut.apply(terms, x)?;
            terms.add(reduction, &[kept])
        },
    },
];
