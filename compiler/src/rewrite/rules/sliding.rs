//! Convolutions and windows: padding, dilation and slices around them become their own attributes.
//!
//! A zero that padding or dilation put there is no factor: these rules drop its product with whatever it
//! meets, infinity included, as the definition of the convolution does.

use super::super::terms::{Class, Terms};
use super::slices::Cut;
use super::{Rule, Tag};
use dlc_ir::{Convolution, Op, WindowKind};
use dlc_types::Dim;

/// Axes of input and kernel before the spatial ones.
const LEADING: usize = 2;

/// Operand, factors of a dilation of spatial axes alone.
fn spatial_dilation(terms: &Terms, class: Class) -> Option<(Class, Vec<usize>)> {
    terms.find(class, |op, operands| match op {
        Op::Dilate { factors } if factors[..LEADING].iter().all(|&factor| factor == 1) => {
            Some((operands[0], factors[LEADING..].to_vec()))
        }
        _ => None,
    })
}

fn products(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    a.iter().zip(b).map(|(&a, &b)| a.checked_mul(b)).collect()
}

/// Operand, value, low and high of a pad in the class.
fn pad_of(terms: &Terms, class: Class) -> Option<(Class, Class, Vec<usize>, Vec<usize>)> {
    terms.find(class, |op, operands| match op {
        Op::Pad { low, high } => Some((operands[0], operands[1], low.clone(), high.clone())),
        _ => None,
    })
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "dilated_kernel",
        tag: Tag::Exact,
        law: "convolve(x, dilate(w, f)) = convolve(x, w) with kernel dilation times f",
        ops: &["convolve"],
        apply: |terms, op, operands, _| {
            let Op::Convolve(convolution) = op else { return None };
            let (kernel, factors) = spatial_dilation(terms, operands[1])?;
            let kernel_dilation = products(&convolution.kernel_dilation, &factors)?;
            terms.add(
                Op::Convolve(Convolution { kernel_dilation, ..convolution.clone() }),
                &[operands[0], kernel],
            )
        },
    },
    Rule {
        name: "dilated_input",
        tag: Tag::Exact,
        law: "convolve(dilate(x, f), w) = convolve(x, w) with input dilation times f",
        ops: &["convolve"],
        apply: |terms, op, operands, _| {
            let Op::Convolve(convolution) = op else { return None };
            let (x, factors) = spatial_dilation(terms, operands[0])?;
            let input_dilation = products(&convolution.input_dilation, &factors)?;
            terms.add(Op::Convolve(Convolution { input_dilation, ..convolution.clone() }), &[x, operands[1]])
        },
    },
    Rule {
        name: "padded_input",
        tag: Tag::Exact,
        law: "convolve(pad(x, 0), w) = convolve(x, w) with more padding; spatial axes alone are padded",
        ops: &["convolve"],
        apply: |terms, op, operands, _| {
            let Op::Convolve(convolution) = op else { return None };
            let (x, value, low, high) = pad_of(terms, operands[0])?;
            let leading = low[..LEADING].iter().chain(&high[..LEADING]).all(|&count| count == 0);
            if !leading || !terms.is_splat(value, 0.0) {
                return None;
            }
            let mut padding = convolution.padding.clone();
            for (axis, sides) in padding.iter_mut().enumerate() {
                let zeros =
                    |count: usize| i64::try_from(count.checked_mul(convolution.input_dilation[axis])?).ok();
                // Padding without an element between would lose the gaps that dilation makes.
                if terms.shape(x)[axis + LEADING] == Dim::Fixed(0) {
                    return None;
                }
                sides.0 = sides.0.checked_add(zeros(low[axis + LEADING])?)?;
                sides.1 = sides.1.checked_add(zeros(high[axis + LEADING])?)?;
            }
            terms.add(Op::Convolve(Convolution { padding, ..convolution.clone() }), &[x, operands[1]])
        },
    },
    Rule {
        name: "padded_window",
        tag: Tag::Exact,
        law: "window sum(pad(x, 0)), window max(pad(x, -inf)) = the same of x with more padding",
        ops: &["reduce_window"],
        apply: |terms, op, operands, _| {
            let Op::ReduceWindow { kind, window } = op else { return None };
            let (x, value, low, high) = pad_of(terms, operands[0])?;
            let neutral = match kind {
                WindowKind::Sum => 0.0,
                WindowKind::Max => f64::NEG_INFINITY,
            };
            if !terms.is_splat(value, neutral) {
                return None;
            }
            let mut window = window.clone();
            for (axis, sides) in window.padding.iter_mut().enumerate() {
                sides.0 = sides.0.checked_add(low[axis])?;
                sides.1 = sides.1.checked_add(high[axis])?;
            }
            terms.add(Op::ReduceWindow { kind: *kind, window }, &[x])
        },
    },
    Rule {
        name: "slice_of_convolution",
        tag: Tag::Exact,
        law: "slice(convolve(x, w)) = convolve(x, w) with other padding and stride; spatial axes are cut",
        ops: &["slice"],
        apply: |terms, op, operands, class| {
            let cut = Cut::of(op, terms.shape(operands[0]))?;
            let (x, kernel, convolution) = terms.find(operands[0], |op, operands| match op {
                Op::Convolve(convolution) => Some((operands[0], operands[1], convolution.clone())),
                _ => None,
            })?;
            let result = terms.shape(operands[0]);
            for axis in 0..LEADING {
                let whole = cut.starts[axis] == 0
                    && cut.strides[axis] == 1
                    && result[axis].fixed().is_none_or(|size| size == cut.limits[axis]);
                if !whole {
                    return None;
                }
            }
            let mut sliced = convolution.clone();
            for axis in 0..convolution.strides.len() {
                let at = axis + LEADING;
                let Dim::Fixed(count) = terms.shape(class)[at] else { continue };
                let number = |value: usize| i64::try_from(value).ok();
                let span = |size: usize, factor: usize| {
                    number((size.checked_sub(1)?).checked_mul(factor)?.checked_add(1)?)
                };
                let taps = span(terms.shape(kernel)[at].fixed()?, convolution.kernel_dilation[axis])?;
                let input = span(terms.shape(x)[at].fixed()?, convolution.input_dilation[axis])?;
                let stride = number(convolution.strides[axis])?;
                sliced.strides[axis] = convolution.strides[axis].checked_mul(cut.strides[at])?;
                let low =
                    convolution.padding[axis].0.checked_sub(number(cut.starts[at])?.checked_mul(stride)?)?;
                let reach = number(count.checked_sub(1)?)?.checked_mul(number(sliced.strides[axis])?)?;
                let high = reach.checked_add(taps)?.checked_sub(input)?.checked_sub(low)?;
                sliced.padding[axis] = (low, high);
            }
            terms.add(Op::Convolve(sliced), &[x, kernel])
        },
    },
];
