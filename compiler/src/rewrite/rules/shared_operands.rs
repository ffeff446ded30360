//! Layers that read the same value become one: `x A`, `x B`, `x C` are parts of `x [A|B|C]`, which reads x once and
//! starts one kernel. Query, key and value of attention are such layers, and so are the branches of an
//! inception block.
//!
//! Only layers of the function itself are joined, not those that rules made of them. Joining the weights costs their bytes in every call, and the cost says whether that is worth it. Weights alone
//! are joined: joining activations moves more than it saves, and could run in a circle.

use super::super::terms::{Class, Terms};
use super::contraction::{contraction_of, free_axes};
use super::slices::Cut;
use super::{Rule, Tag};
use dlc_ir::Op;

/// Most layers that become one.
const MOST: usize = 8;

/// Along which axis weights are joined, and along which axis of the result that shows.
fn joint(terms: &Terms, op: &Op, weights: Class, result: Class) -> Option<(usize, usize)> {
    match op {
        Op::Contract(contraction) => {
            let last = *free_axes(contraction, 1, terms.rank(weights)).last()?;
            Some((last, terms.rank(result).checked_sub(1)?))
        }
        Op::Convolve(convolution) => (convolution.groups == 1).then_some((0, 1)),
        _ => None,
    }
}

/// Whether weights may be joined with others.
fn is_part(terms: &Terms, weights: Class, like: Class, axis: usize) -> bool {
    let joined = terms.find(weights, |op, _| matches!(op, Op::Concat { .. }).then_some(())).is_some();
    let (one, other) = (terms.ty(weights), terms.ty(like));
    let fits = one.dtype == other.dtype
        && one.shape.rank() == other.shape.rank()
        && (0..one.shape.rank()).all(|it| it == axis || one.shape[it] == other.shape[it]);
    !joined && fits && terms.is_persistent(weights)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "merge_layers",
        tag: Tag::Rounding,
        law: "contract(x, a) = part of contract(x, concat(a, b, …)), where contract(x, b), … exist; convolve likewise; weights persistent",
        ops: &["contract", "convolve"],
        apply: |terms, op, operands, class| {
            let (x, weights) = (operands[0], operands[1]);
            let (axis, result_axis) = joint(terms, op, weights, class)?;
            if terms.is_persistent(x) || !is_part(terms, weights, weights, axis) {
                return None;
            }
            let mut parts: Vec<Class> = Vec::new();
            for part in terms.partners(x, op) {
                if is_part(terms, part, weights, axis) && !parts.iter().any(|&it| terms.same(it, part)) {
                    parts.push(part);
                }
            }
            if !(2..=MOST).contains(&parts.len()) || !parts.iter().any(|&part| terms.same(part, weights)) {
                return None;
            }
            let size = |terms: &Terms, part: Class| terms.shape(part)[axis].fixed();
            let before = parts.iter().take_while(|&&part| !terms.same(part, weights));
            let start: usize = before.map(|&part| size(terms, part)).sum::<Option<usize>>()?;
            let limit = start.checked_add(size(terms, weights)?)?;
            let joined = terms.add(Op::Concat { axis }, &parts)?;
            let product = terms.add(op.clone(), &[x, joined])?;
            let mut cut = Cut::whole(terms.shape(product));
            cut.starts[result_axis] = start;
            cut.limits[result_axis] = limit;
            cut.apply(terms, product)
        },
    },
    Rule {
        name: "slice_of_contraction",
        tag: Tag::Rounding,
        law: "slice(contract(a, b)) = contract(slice(a), slice(b)), free axes are cut",
        ops: &["slice"],
        apply: |terms, op, operands, _| {
            let outer = Cut::of(op, terms.shape(operands[0]))?;
            let (a, b, contraction) = contraction_of(terms, operands[0])?;
            let whole = Cut::whole(terms.shape(operands[0]));
            let batch = contraction.batch.len();
            let cut_at = |axis: usize| {
                (outer.starts[axis], outer.limits[axis], outer.strides[axis])
                    != (whole.starts[axis], whole.limits[axis], whole.strides[axis])
            };
            if (0..batch).any(cut_at) {
                return None;
            }
            let mut next = batch;
            let mut sliced = [a, b];
            for (side, operand) in sliced.iter_mut().enumerate() {
                let mut cut = Cut::whole(terms.shape(*operand));
                for axis in free_axes(&contraction, side, terms.rank(*operand)) {
                    cut.starts[axis] = outer.starts[next];
                    cut.limits[axis] = outer.limits[next];
                    cut.strides[axis] = outer.strides[next];
                    next += 1;
                }
                *operand = cut.apply(terms, *operand)?;
            }
            terms.add(Op::Contract(contraction), &sliced)
        },
    },
];
