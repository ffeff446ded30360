//! Contractions: transposes absorbed, factors pulled out, sums shared, 1x1 convolutions.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::{Binary, Contraction, Op};
use dlc_types::{Dim, Shape};

/// Axes of one operand that are neither batch nor contracted; `side` 0 is the left.
pub(super) fn free_axes(contraction: &Contraction, side: usize, rank: usize) -> Vec<usize> {
    let pairs = contraction.batch.iter().chain(&contraction.contract);
    let used: Vec<usize> = pairs.map(|&(left, right)| if side == 0 { left } else { right }).collect();
    (0..rank).filter(|axis| !used.contains(axis)).collect()
}

/// Operands and axes of a contraction in the class.
pub(super) fn contraction_of(terms: &Terms, class: Class) -> Option<(Class, Class, Contraction)> {
    terms.find(class, |op, operands| match op {
        Op::Contract(contraction) => Some((operands[0], operands[1], contraction.clone())),
        _ => None,
    })
}

/// The contraction with the transpose of one operand taken into its axes.
fn absorb(terms: &mut Terms, contraction: &Contraction, operands: &[Class], side: usize) -> Option<Class> {
    let (x, permutation) = terms.transpose_of(operands[side])?;
    let moved = |pairs: &[(usize, usize)]| -> Vec<(usize, usize)> {
        let of = |&(left, right): &(usize, usize)| {
            if side == 0 { (permutation[left], right) } else { (left, permutation[right]) }
        };
        pairs.iter().map(of).collect()
    };
    let absorbed = Contraction { batch: moved(&contraction.batch), contract: moved(&contraction.contract) };
    let other = terms.rank(operands[1 - side]);
    let before = free_axes(contraction, side, permutation.len());
    let after = free_axes(&absorbed, side, permutation.len());
    // The free axes stand in the order of the operand, so a result axis may be elsewhere now.
    let start = contraction.batch.len() + if side == 0 { 0 } else { free_axes(contraction, 0, other).len() };
    let total = contraction.batch.len() + before.len() + free_axes(contraction, 1 - side, other).len();
    let mut order: Vec<usize> = (0..total).collect();
    for (place, &axis) in before.iter().enumerate() {
        order[start + place] = start + after.iter().position(|&it| it == permutation[axis])?;
    }
    let pair = if side == 0 { [x, operands[1]] } else { [operands[0], x] };
    let product = terms.add(Op::Contract(absorbed), &pair)?;
    terms.transpose(product, &order)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "contract_left_transpose",
        tag: Tag::Rounding,
        law: "contract(transpose(a), b) = transpose(contract(a, b)) with other axes",
        ops: &["contract"],
        apply: |terms, op, operands, _| {
            let Op::Contract(contraction) = op else { return None };
            absorb(terms, contraction, operands, 0)
        },
    },
    Rule {
        name: "contract_right_transpose",
        tag: Tag::Rounding,
        law: "contract(a, transpose(b)) = transpose(contract(a, b)) with other axes",
        ops: &["contract"],
        apply: |terms, op, operands, _| {
            let Op::Contract(contraction) = op else { return None };
            absorb(terms, contraction, operands, 1)
        },
    },
    Rule {
        name: "transpose_of_contract",
        tag: Tag::Rounding,
        law: "transpose(contract(a, b)) = contract(b, a), where the free axes of a and b change places",
        ops: &["transpose"],
        apply: |terms, op, operands, _| {
            let Op::Transpose { permutation } = op else { return None };
            let (a, b, contraction) = contraction_of(terms, operands[0])?;
            let batch = contraction.batch.len();
            let left = free_axes(&contraction, 0, terms.rank(a)).len();
            let total = permutation.len();
            let swapped = (0..batch).chain(batch + left..total).chain(batch..batch + left);
            if !permutation.iter().copied().eq(swapped) {
                return None;
            }
            let swap = |pairs: &[(usize, usize)]| pairs.iter().map(|&(left, right)| (right, left)).collect();
            let swapped =
                Contraction { batch: swap(&contraction.batch), contract: swap(&contraction.contract) };
            terms.add(Op::Contract(swapped), &[b, a])
        },
    },
    Rule {
        name: "product_of_scaled",
        tag: Tag::Rounding,
        law: "contract(x * c, w) = contract(x, w) * c, convolve likewise; c a normal number",
        ops: &["contract", "convolve"],
        apply: |terms, op, operands, class| {
            let scaled = |side: usize| Some((side, terms.with_constant(operands[side], Binary::Multiply)?));
            let (side, (x, factor)) = scaled(0).or_else(|| scaled(1))?;
            if !terms.is_float(x) || !(factor as f32).is_normal() || terms.splat(x).is_some() {
                return None;
            }
            let pair = if side == 0 { [x, operands[1]] } else { [operands[0], x] };
            let product = terms.add(op.clone(), &pair)?;
            let factor = terms.filled_like(class, factor)?;
            terms.times(product, factor)
        },
    },
    Rule {
        name: "add_products_of_shared",
        tag: Tag::FastMath,
        law: "contract(x, v) + contract(x, w) = contract(x, v + w), convolve likewise, - likewise",
        ops: &["add", "sub"],
        apply: |terms, op, operands, _| {
            let product = |class: Class| {
                terms.find(class, |op, operands| match op {
                    Op::Contract(_) | Op::Convolve(_) => Some((op.clone(), operands[0], operands[1])),
                    _ => None,
                })
            };
            let (one, x, v) = product(operands[0])?;
            let (other, y, w) = product(operands[1])?;
            if one != other || !terms.same(x, y) || terms.ty(v) != terms.ty(w) {
                return None;
            }
            let sum = terms.add(op.clone(), &[v, w])?;
            terms.add(one, &[x, sum])
        },
    },
    Rule {
        name: "pointwise_convolution",
        tag: Tag::Rounding,
        law: "convolve(x, w) = contract(x, w) over channels: 1x1, stride 1, no padding, one group",
        ops: &["convolve"],
        apply: |terms, op, operands, _| {
            let Op::Convolve(convolution) = op else { return None };
            let kernel = terms.shape(operands[1]).clone();
            let plain = convolution.groups == 1
                && convolution.strides.iter().all(|&stride| stride == 1)
                && convolution.input_dilation.iter().all(|&factor| factor == 1)
                && convolution.padding.iter().all(|&padding| padding == (0, 0))
                && kernel.dims()[2..].iter().all(|&taps| taps == Dim::Fixed(1));
            if !plain {
                return None;
            }
            let matrix = terms.reshape(operands[1], Shape(kernel.dims()[..2].to_vec()))?;
            let contraction = Contraction { batch: Vec::new(), contract: vec![(1, 1)] };
            let product = terms.add(Op::Contract(contraction), &[operands[0], matrix])?;
            // [N, spatial…, O] as [N, O, spatial…]
            let last = kernel.rank() - 1;
            let order: Vec<usize> = [0, last].into_iter().chain(1..last).collect();
            terms.transpose(product, &order)
        },
    },
];
