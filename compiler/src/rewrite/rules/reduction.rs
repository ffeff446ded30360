//! Reductions of repeated, moved, scaled and negated elements, and reductions of reductions.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::{Binary, Op, Reduction, Unary};
use dlc_types::{Dim, Shape};

/// Kind and axes of a reduction.
fn reduction(op: &Op) -> Option<(Reduction, &[usize])> {
    match op {
        Op::Reduce { kind, axes } => Some((*kind, axes)),
        _ => None,
    }
}

/// Axes of the operand that stay.
fn kept(rank: usize, axes: &[usize]) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(axis)).collect()
}

fn sum_operand(terms: &Terms, class: Class) -> Option<(Class, Vec<usize>)> {
    terms.find(class, |op, operands| match op {
        Op::Reduce { kind: Reduction::Sum, axes } => Some((operands[0], axes.clone())),
        _ => None,
    })
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "reduce_of_single",
        tag: Tag::Exact,
        law: "reduce(x, axes of size 1) = reshape(x)",
        ops: &["reduce"],
        apply: |terms, op, operands, class| {
            let (_, axes) = reduction(op)?;
            let shape = terms.shape(operands[0]);
            if axes.iter().any(|&axis| shape[axis] != Dim::Fixed(1)) {
                return None;
            }
            terms.reshape(operands[0], terms.shape(class).clone())
        },
    },
    Rule {
        name: "sum_of_sum",
        tag: Tag::Rounding,
        law: "reduce(reduce(x, a), b) = reduce(x, a and b), the same kind",
        ops: &["reduce"],
        apply: |terms, op, operands, _| {
            let (kind, outer) = reduction(op)?;
            let (x, inner) = terms.find(operands[0], |op, operands| match op {
                Op::Reduce { kind: other, axes } if *other == kind => Some((operands[0], axes.clone())),
                _ => None,
            })?;
            let kept = kept(terms.rank(x), &inner);
            let mut axes: Vec<usize> = outer.iter().map(|&axis| kept[axis]).chain(inner).collect();
            axes.sort_unstable();
            terms.reduce(kind, x, &axes)
        },
    },
    Rule {
        name: "reduce_of_transpose",
        tag: Tag::Rounding,
        law: "reduce(transpose(x)) = transpose(reduce(x))",
        ops: &["reduce"],
        apply: |terms, op, operands, _| {
            let (kind, outer) = reduction(op)?;
            let (x, permutation) = terms.transpose_of(operands[0])?;
            let mut axes: Vec<usize> = outer.iter().map(|&axis| permutation[axis]).collect();
            axes.sort_unstable();
            let reduced = terms.reduce(kind, x, &axes)?;
            let before = kept(permutation.len(), &axes);
            let order: Option<Vec<usize>> = kept(permutation.len(), outer)
                .iter()
                .map(|&axis| before.iter().position(|&other| other == permutation[axis]))
                .collect();
            terms.transpose(reduced, &order?)
        },
    },
    Rule {
        name: "reduce_of_broadcast",
        tag: Tag::Rounding,
        law: "sum(broadcast(x)) = n x, max(broadcast(x)) = x over repeated axes, n fixed and above 0",
        ops: &["reduce"],
        apply: |terms, op, operands, class| {
            let (kind, reduced) = reduction(op)?;
            let (x, axes) = terms.broadcast_of(operands[0])?;
            let (small, wide) = (terms.shape(x).clone(), terms.shape(operands[0]).clone());
            let source = |axis: usize| axes.iter().position(|&to| to == axis);
            let repeated = |axis: usize| source(axis).is_none_or(|from| small[from] == Dim::Fixed(1));
            if !terms.is_float(x) || !reduced.iter().all(|&axis| repeated(axis)) {
                return None;
            }
            let count: usize = reduced.iter().map(|&axis| wide[axis].fixed()).product::<Option<usize>>()?;
            if count == 0 || kind == Reduction::Product {
                return None;
            }
            // Axes of size 1 that stretched into a reduced axis vanish with it.
            let from: Vec<usize> = (0..axes.len()).filter(|&from| !reduced.contains(&axes[from])).collect();
            let squeezed = terms.reshape(x, Shape(from.iter().map(|&from| small[from]).collect()))?;
            let left = kept(wide.rank(), reduced);
            let places: Option<Vec<usize>> =
                from.iter().map(|&from| left.iter().position(|&axis| axis == axes[from])).collect();
            let value = match kind {
                Reduction::Sum => {
                    let factor = terms.filled_like(squeezed, count as f64)?;
                    terms.times(squeezed, factor)?
                }
                _ => squeezed,
            };
            terms.broadcast(value, terms.shape(class).clone(), &places?)
        },
    },
    Rule {
        name: "sum_of_negated",
        tag: Tag::Exact,
        law: "sum(-x) = -sum(x)",
        ops: &["reduce"],
        apply: |terms, op, operands, _| {
            let (Reduction::Sum, axes) = reduction(op)? else { return None };
            let x = terms.unary_of(operands[0], Unary::Negate)?;
            let sum = terms.reduce(Reduction::Sum, x, axes)?;
            terms.negate(sum)
        },
    },
    Rule {
        name: "sum_of_scaled",
        tag: Tag::Rounding,
        law: "sum(x * c) = sum(x) * c, c a finite number",
        ops: &["reduce"],
        apply: |terms, op, operands, class| {
            let (Reduction::Sum, axes) = reduction(op)? else { return None };
            let (x, factor) = terms.with_constant(operands[0], Binary::Multiply)?;
            if !terms.is_float(x) || !factor.is_finite() || factor == 0.0 {
                return None;
            }
            let sum = terms.reduce(Reduction::Sum, x, axes)?;
            let factor = terms.filled_like(class, factor)?;
            terms.times(sum, factor)
        },
    },
    Rule {
        name: "sum_of_broadcast_factor",
        tag: Tag::FastMath,
        law: "sum(x * broadcast(f)) = sum(x) * broadcast(f), f constant along the axes",
        ops: &["reduce"],
        apply: |terms, op, operands, class| {
            let (Reduction::Sum, reduced) = reduction(op)? else { return None };
            let (a, b) = terms.binary_of(operands[0], Binary::Multiply)?;
            let outside = |terms: &Terms, side: Class| {
                let (f, axes) = terms.broadcast_of(side)?;
                (!reduced.iter().any(|axis| axes.contains(axis))).then_some((f, axes))
            };
            let (x, (f, axes)) = match (outside(terms, b), outside(terms, a)) {
                (Some(found), _) => (a, found),
                (None, Some(found)) => (b, found),
                (None, None) => return None,
            };
            if !terms.is_float(x) {
                return None;
            }
            let left = kept(terms.rank(operands[0]), reduced);
            let places: Option<Vec<usize>> =
                axes.iter().map(|to| left.iter().position(|axis| axis == to)).collect();
            let sum = terms.reduce(Reduction::Sum, x, reduced)?;
            let factor = terms.broadcast(f, terms.shape(class).clone(), &places?)?;
            terms.times(sum, factor)
        },
    },
    Rule {
        name: "add_of_sums",
        tag: Tag::Rounding,
        law: "sum(x, a) + sum(y, a) = sum(x + y, a), x and y of one shape",
        ops: &["add"],
        apply: |terms, _, operands, class| {
            let (x, axes) = sum_operand(terms, operands[0])?;
            let (y, others) = sum_operand(terms, operands[1])?;
            if axes != others || terms.ty(x) != terms.ty(y) || !terms.is_float(class) {
                return None;
            }
            let sum = terms.plus(x, y)?;
            terms.reduce(Reduction::Sum, sum, &axes)
        },
    },
];
