//! Axes of size 1: what they stand between does not see them.
//!
//! Frameworks without one-dimensional layers insert such an axis and use two-dimensional ones; the rules here
//! move the insertion outwards until it meets its removal.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::{Convolution, Op};
use dlc_types::{Dim, Shape};

const ONE: Dim = Dim::Fixed(1);

/// Axes that are longer than 1.
pub(super) fn long_axes(shape: &Shape) -> Vec<usize> {
    (0..shape.rank()).filter(|&axis| shape[axis] != ONE).collect()
}

/// Whether two shapes differ in axes of size 1 alone.
pub(super) fn differ_in_single_axes(one: &Shape, other: &Shape) -> bool {
    let (a, b) = (long_axes(one), long_axes(other));
    a.len() == b.len() && a.iter().zip(&b).all(|(&a, &b)| one[a] == other[b])
}

/// The operand of a reshape in the class that inserts or removes axes of size 1 alone.
fn inserted_into(terms: &Terms, class: Class) -> Option<Class> {
    let shape = terms.shape(class);
    terms.find(class, |op, operands| {
        let fits = matches!(op, Op::Reshape) && differ_in_single_axes(terms.shape(operands[0]), shape);
        fits.then(|| operands[0])
    })
}

/// The convolution without one spatial axis.
fn without_axis(convolution: &Convolution, axis: usize) -> Convolution {
    let mut result = convolution.clone();
    result.strides.remove(axis);
    result.padding.remove(axis);
    result.input_dilation.remove(axis);
    result.kernel_dilation.remove(axis);
    result
}

fn without(shape: &Shape, axis: usize) -> Shape {
    let mut dims = shape.dims().to_vec();
    dims.remove(axis);
    Shape(dims)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "transpose_of_single_axes",
        tag: Tag::Exact,
        law: "transpose(x) = reshape(x), where only axes of size 1 change places with others",
        ops: &["transpose"],
        apply: |terms, op, operands, class| {
            let Op::Transpose { permutation } = op else { return None };
            let shape = terms.shape(operands[0]);
            let kept = permutation.iter().filter(|&&axis| shape[axis] != ONE).is_sorted();
            if !kept || permutation.is_sorted() {
                return None;
            }
            terms.reshape(operands[0], terms.shape(class).clone())
        },
    },
    Rule {
        name: "transpose_of_inserted_axes",
        tag: Tag::Exact,
        law: "transpose(reshape(x)) = reshape(transpose(x)), where the reshape inserts or removes axes of size 1",
        ops: &["transpose"],
        apply: |terms, op, operands, class| {
            let Op::Transpose { permutation } = op else { return None };
            let x = inserted_into(terms, operands[0])?;
            let (before, after) = (long_axes(terms.shape(x)), long_axes(terms.shape(operands[0])));
            if before.len() != terms.rank(x) {
                return None;
            }
            let order: Vec<usize> =
                permutation.iter().filter_map(|axis| after.iter().position(|other| other == axis)).collect();
            let moved = terms.transpose(x, &order)?;
            terms.reshape(moved, terms.shape(class).clone())
        },
    },
    Rule {
        name: "convolution_of_single_axis",
        tag: Tag::Exact,
        law: "convolve(x, w) = the same without a spatial axis that has size 1 in x and w",
        ops: &["convolve"],
        apply: |terms, op, operands, class| {
            let Op::Convolve(convolution) = op else { return None };
            let (x, w) = (terms.shape(operands[0]).clone(), terms.shape(operands[1]).clone());
            let spatial = convolution.strides.len();
            let axis = (0..spatial).find(|&axis| {
                x[axis + 2] == ONE && w[axis + 2] == ONE && convolution.padding[axis] == (0, 0)
            })?;
            if spatial < 2 {
                return None;
            }
            let input = terms.reshape(operands[0], without(&x, axis + 2))?;
            let kernel = terms.reshape(operands[1], without(&w, axis + 2))?;
            let result = terms.add(Op::Convolve(without_axis(convolution, axis)), &[input, kernel])?;
            terms.reshape(result, terms.shape(class).clone())
        },
    },
];
