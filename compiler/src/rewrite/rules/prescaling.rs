//! Scales and shifts *before* a convolution or a dense layer move into its weights and its bias: a batch-norm,
//! or a normalised input, in front of the layer that reads it.
//!
//! Weights and statistics are taken to be finite; x may be anything. A shift does not go through padding: the
//! zeros at the border are not shifted.

use super::super::terms::{Class, Terms};
use super::normalization::{WithBroadcast, binary_with_broadcast};
use super::{Rule, Tag};
use dlc_ir::{Binary, Contraction, Convolution, Op, Reduction};

/// The kernel times a factor per input channel.
fn scaled_kernel(
    terms: &mut Terms,
    convolution: &Convolution,
    kernel: Class,
    factor: Class,
) -> Option<Class> {
    let shape = terms.shape(kernel).clone();
    // Each group has one input channel and one output channel, or all channels are of one group.
    let depthwise = terms.shape(factor)[0] == shape[0] && shape[1] == dlc_types::Dim::Fixed(1);
    let axis = match convolution.groups {
        1 => 1,
        _ if depthwise => 0,
        _ => return None,
    };
    let wide = terms.broadcast(factor, shape, &[axis])?;
    terms.times(kernel, wide)
}

/// `x op broadcast(p)` with p persistent and along one axis of x, and the axis.
fn per_axis(terms: &Terms, class: Class, function: Binary) -> Option<(Class, Class, usize)> {
    let WithBroadcast { x, repeated, axes } = binary_with_broadcast(terms, class, function)?;
    let [axis] = axes[..] else { return None };
    let full = terms.shape(repeated)[0] == terms.shape(class)[axis];
    (full && terms.is_persistent(repeated) && !terms.is_persistent(x)).then_some((x, repeated, axis))
}

/// The axis of the right operand that the left operand's axis is summed with.
fn summed_with(contraction: &Contraction, left: usize) -> Option<usize> {
    contraction.contract.iter().find(|pair| pair.0 == left).map(|pair| pair.1)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "scale_before_convolution",
        tag: Tag::Rounding,
        law: "convolve(x * broadcast(f), w) = convolve(x, w * broadcast(f)), f per channel; w and f persistent",
        ops: &["convolve"],
        apply: |terms, op, operands, _| {
            let Op::Convolve(convolution) = op else { return None };
            let (x, factor, axis) = per_axis(terms, operands[0], Binary::Multiply)?;
            if axis != 1 || !terms.is_persistent(operands[1]) {
                return None;
            }
            let kernel = scaled_kernel(terms, convolution, operands[1], factor)?;
            terms.add(op.clone(), &[x, kernel])
        },
    },
    Rule {
        name: "shift_before_convolution",
        tag: Tag::Rounding,
        law: "convolve(x + broadcast(s), w) = convolve(x, w) + broadcast(sum(w * broadcast(s))), nothing padded; w and s persistent",
        ops: &["convolve"],
        apply: |terms, op, operands, class| {
            let Op::Convolve(convolution) = op else { return None };
            let (x, shift, axis) = per_axis(terms, operands[0], Binary::Add)?;
            let dense = convolution.padding.iter().all(|&(low, high)| low <= 0 && high <= 0)
                && convolution.input_dilation.iter().all(|&factor| factor == 1);
            if axis != 1 || !dense || !terms.is_persistent(operands[1]) {
                return None;
            }
            let product = scaled_kernel(terms, convolution, operands[1], shift)?;
            let others: Vec<usize> = (1..terms.rank(product)).collect();
            let bias = terms.reduce(Reduction::Sum, product, &others)?;
            let result = terms.add(op.clone(), &[x, operands[1]])?;
            let bias = terms.broadcast(bias, terms.shape(class).clone(), &[1])?;
            terms.plus(result, bias)
        },
    },
    Rule {
        name: "scale_before_contraction",
        tag: Tag::Rounding,
        law: "contract(x * broadcast(f), w) = contract(x, w * broadcast(f)), f along a summed axis; w and f persistent",
        ops: &["contract"],
        apply: |terms, op, operands, _| {
            let Op::Contract(contraction) = op else { return None };
            let (x, factor, axis) = per_axis(terms, operands[0], Binary::Multiply)?;
            let place = summed_with(contraction, axis)?;
            if !terms.is_persistent(operands[1]) {
                return None;
            }
            let wide = terms.broadcast(factor, terms.shape(operands[1]).clone(), &[place])?;
            let matrix = terms.times(operands[1], wide)?;
            terms.add(op.clone(), &[x, matrix])
        },
    },
    Rule {
        name: "shift_before_contraction",
        tag: Tag::Rounding,
        law: "contract(x + broadcast(s), w) = contract(x, w) + broadcast(contract(s, w)), s along the summed axis; w and s persistent",
        ops: &["contract"],
        apply: |terms, op, operands, class| {
            let Op::Contract(contraction) = op else { return None };
            let (x, shift, axis) = per_axis(terms, operands[0], Binary::Add)?;
            let place = summed_with(contraction, axis)?;
            let alone = contraction.batch.is_empty() && contraction.contract.len() == 1;
            if !alone || !terms.is_persistent(operands[1]) {
                return None;
            }
            let sum = Contraction { batch: Vec::new(), contract: vec![(0, place)] };
            let bias = terms.add(Op::Contract(sum), &[shift, operands[1]])?;
            let result = terms.add(op.clone(), &[x, operands[1]])?;
            let rank = terms.rank(class);
            let axes: Vec<usize> = (rank + 1 - terms.rank(operands[1])..rank).collect();
            let bias = terms.broadcast(bias, terms.shape(class).clone(), &axes)?;
            terms.plus(result, bias)
        },
    },
];
