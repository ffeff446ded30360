//! Chains of contractions, and sums of contractions that share their weights.
//!
//! `(AB)C` and `A(BC)` differ in work by orders of magnitude where one side is thin. Which is cheaper is left to
//! the cost; both directions are here, and the terms they make are as few as there are ways to bracket.

use super::super::terms::Terms;
use super::contraction::{contraction_of, free_axes};
use super::{Rule, Tag};
use dlc_ir::{Contraction, Op};

/// Place of an item in a list.
fn place(list: &[usize], item: usize) -> Option<usize> {
    list.iter().position(|&other| other == item)
}

/// Whether the pairs run over all batch axes of an inner product, which come first in it.
fn covers_batch<'a>(axes: impl Iterator<Item = &'a usize> + Clone, count: usize) -> bool {
    axes.clone().count() == count && axes.into_iter().all(|&axis| axis < count)
}

/// The two contractions that take the place of an outer and an inner one, the inner one first.
struct Rebracketed {
    inner: Contraction,
    outer: Contraction,
}

/// `contract(contract(a, b), c)` as `contract(a, contract(b, c))`, where c meets only axes of b.
fn to_the_right(outer: &Contraction, inner: &Contraction, a: usize, b: usize) -> Option<Rebracketed> {
    let batch = inner.batch.len();
    let (free_a, free_b) = (free_axes(inner, 0, a), free_axes(inner, 1, b));
    if !covers_batch(outer.batch.iter().map(|(m, _)| m), batch) {
        return None;
    }
    let of_b = |m: usize| free_b.get(m.checked_sub(batch + free_a.len())?).copied();
    let met: Option<Vec<(usize, usize)>> = outer.contract.iter().map(|&(m, c)| Some((of_b(m)?, c))).collect();
    let shared = outer.batch.iter().map(|&(m, c)| (inner.batch[m].1, c)).collect();
    let first = Contraction { batch: shared, contract: met? };
    let left = free_axes(&first, 0, b);
    let summed: Option<Vec<(usize, usize)>> =
        inner.contract.iter().map(|&(a, b)| Some((a, batch + place(&left, b)?))).collect();
    let batch = outer.batch.iter().enumerate().map(|(index, &(m, _))| (inner.batch[m].0, index)).collect();
    Some(Rebracketed { inner: first, outer: Contraction { batch, contract: summed? } })
}

/// `contract(a, contract(b, c))` as `contract(contract(a, b), c)`, where a meets only axes of b.
fn to_the_left(outer: &Contraction, inner: &Contraction, a: usize, b: usize) -> Option<Rebracketed> {
    let batch = inner.batch.len();
    let free_b = free_axes(inner, 0, b);
    if !covers_batch(outer.batch.iter().map(|(_, m)| m), batch) {
        return None;
    }
    let of_b = |m: usize| free_b.get(m.checked_sub(batch)?).copied();
    let met: Option<Vec<(usize, usize)>> = outer.contract.iter().map(|&(a, m)| Some((a, of_b(m)?))).collect();
    let shared = outer.batch.iter().map(|&(a, m)| (a, inner.batch[m].0)).collect();
    let first = Contraction { batch: shared, contract: met? };
    let start = batch + free_axes(&first, 0, a).len();
    let left = free_axes(&first, 1, b);
    let summed: Option<Vec<(usize, usize)>> =
        inner.contract.iter().map(|&(b, c)| Some((start + place(&left, b)?, c))).collect();
    let batch = outer.batch.iter().enumerate().map(|(index, &(_, m))| (index, inner.batch[m].1)).collect();
    Some(Rebracketed { inner: first, outer: Contraction { batch, contract: summed? } })
}

fn sums(contraction: &Contraction) -> bool {
    !contraction.contract.is_empty()
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "chain_to_the_right",
        tag: Tag::FastMath,
        law: "(AB)C = A(BC)",
        ops: &["contract"],
        apply: |terms, op, operands, _| {
            let Op::Contract(outer) = op else { return None };
            let (a, b, inner) = contraction_of(terms, operands[0])?;
            if !sums(outer) || !sums(&inner) {
                return None;
            }
            let moved = to_the_right(outer, &inner, terms.rank(a), terms.rank(b))?;
            let product = terms.add(Op::Contract(moved.inner), &[b, operands[1]])?;
            terms.add(Op::Contract(moved.outer), &[a, product])
        },
    },
    Rule {
        name: "chain_to_the_left",
        tag: Tag::FastMath,
        law: "A(BC) = (AB)C",
        ops: &["contract"],
        apply: |terms, op, operands, _| {
            let Op::Contract(outer) = op else { return None };
            let (b, c, inner) = contraction_of(terms, operands[1])?;
            if !sums(outer) || !sums(&inner) {
                return None;
            }
            let moved = to_the_left(outer, &inner, terms.rank(operands[0]), terms.rank(b))?;
            let product = terms.add(Op::Contract(moved.inner), &[operands[0], b])?;
            terms.add(Op::Contract(moved.outer), &[product, c])
        },
    },
    Rule {
        name: "add_products_with_shared_weights",
        tag: Tag::Rounding,
        law: "contract(x, w) + contract(y, w) = contract(x + y, w), convolve likewise, - likewise; w persistent",
        ops: &["add", "sub"],
        apply: |terms, op, operands, _| {
            let product = |terms: &Terms, class| {
                terms.find(class, |op, operands| match op {
                    Op::Contract(_) | Op::Convolve(_) => Some((op.clone(), operands[0], operands[1])),
                    _ => None,
                })
            };
            let (one, x, v) = product(terms, operands[0])?;
            let (other, y, w) = product(terms, operands[1])?;
            if one != other || !terms.same(v, w) || !terms.is_persistent(w) || terms.ty(x) != terms.ty(y) {
                return None;
            }
            let sum = terms.add(op.clone(), &[x, y])?;
            terms.add(one, &[sum, w])
        },
    },
];
