//! Movements and elementwise functions change places: repetition comes last, so that the function is
//! computed on fewer elements, and transposes and reshapes move towards the outputs, where they meet what
//! absorbs them.

use super::super::terms::{Class, Terms};
use super::single_axes::{differ_in_single_axes, long_axes};
use super::{Rule, Tag};
use dlc_ir::Op;
use dlc_types::{Shape, TensorType};

/// The operands before a movement that all of them have in common. An operand that is one number
/// everywhere has every movement.
fn before(
    terms: &mut Terms,
    operands: &[Class],
    moved: impl Fn(&mut Terms, Class) -> Option<Class>,
) -> Option<Vec<Class>> {
    let sources: Vec<Option<Class>> = operands.iter().map(|&operand| moved(terms, operand)).collect();
    let shape: Shape = terms.shape(sources.iter().copied().flatten().next()?).clone();
    let mut result = Vec::with_capacity(operands.len());
    for (&operand, source) in operands.iter().zip(sources) {
        let source = match source {
            Some(source) if *terms.shape(source) == shape => source,
            _ => {
                let value = terms.splat(operand)?;
                let ty = TensorType::new(terms.ty(operand).dtype, shape.clone());
                terms.filled(&ty, value)?
            }
        };
        result.push(source);
    }
    Some(result)
}

/// The broadcast whose transpose a broadcast is.
fn before_transpose(terms: &mut Terms, class: Class, permutation: &[usize]) -> Option<Class> {
    let (x, axes) = terms.broadcast_of(class)?;
    let places: Vec<usize> = axes.iter().map(|&axis| permutation[axis]).collect();
    let shape = terms.shape(class).clone();
    let mut dims = shape.dims().to_vec();
    for (axis, &place) in permutation.iter().enumerate() {
        dims[place] = shape[axis];
    }
    if places.is_sorted() { terms.broadcast(x, Shape(dims), &places) } else { None }
}

/// The broadcast whose reshape to the class's shape a broadcast is, where both differ in axes of size 1.
fn before_reshape(terms: &mut Terms, class: Class, shape: &Shape) -> Option<Class> {
    let after = terms.shape(class).clone();
    let (x, axes) = terms.broadcast_of(class)?;
    let (from, to) = (long_axes(&after), long_axes(shape));
    if !differ_in_single_axes(&after, shape) {
        return None;
    }
    let place = |axis: &usize| Some(to[from.iter().position(|other| other == axis)?]);
    let places: Option<Vec<usize>> = axes.iter().map(place).collect();
    terms.broadcast(x, shape.clone(), &places?)
}

const ELEMENTWISE: &[&str] = &[
    "neg", "abs", "sign", "exp", "log", "log1p", "sqrt", "rsqrt", "tanh", "sigmoid", "erf", "relu", "floor",
    "ceil", "round", "cos", "sin", "not", "add", "sub", "mul", "div", "max", "min", "pow", "and", "or",
    "xor", "shl", "shr", "rem", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh",
    "eq", "ne", "lt", "le", "gt", "ge", "select", "cast",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "elementwise_of_broadcasts",
        tag: Tag::Exact,
        law: "f(broadcast(a), broadcast(b)) = broadcast(f(a, b)), broadcasts along the same axes",
        ops: ELEMENTWISE,
        apply: |terms, op, operands, class| {
            let axes = operands
                .iter()
                .filter(|&&operand| terms.splat(operand).is_none())
                .find_map(|&operand| terms.broadcast_of(operand))?
                .1;
            let sources = before(terms, operands, |terms, operand| {
                terms.find(operand, |op, inner| match op {
                    Op::Broadcast { axes: other } if *other == axes => Some(inner[0]),
                    _ => None,
                })
            })?;
            let value = terms.add(op.clone(), &sources)?;
            terms.broadcast(value, terms.shape(class).clone(), &axes)
        },
    },
    Rule {
        name: "elementwise_of_transposes",
        tag: Tag::Exact,
        law: "f(transpose(a), transpose(b)) = transpose(f(a, b)), the same permutation; a broadcast is the transpose of another",
        ops: ELEMENTWISE,
        apply: |terms, op, operands, _| {
            let permutation = operands.iter().find_map(|&operand| terms.transpose_of(operand))?.1;
            let sources = before(terms, operands, |terms, operand| {
                let transposed = terms.find(operand, |op, inner| match op {
                    Op::Transpose { permutation: other } if *other == permutation => Some(inner[0]),
                    _ => None,
                });
                transposed.or_else(|| before_transpose(terms, operand, &permutation))
            })?;
            let value = terms.add(op.clone(), &sources)?;
            terms.transpose(value, &permutation)
        },
    },
    Rule {
        name: "elementwise_of_reshapes",
        tag: Tag::Exact,
        law: "f(reshape(a), reshape(b)) = reshape(f(a, b)), a and b of one shape; a broadcast is the reshape of another, where only axes of size 1 differ",
        ops: ELEMENTWISE,
        apply: |terms, op, operands, class| {
            let first = operands.iter().find_map(|&operand| terms.reshape_of(operand))?;
            let shape = terms.shape(first).clone();
            let sources = before(terms, operands, |terms, operand| {
                terms.reshape_of(operand).or_else(|| before_reshape(terms, operand, &shape))
            })?;
            let value = terms.add(op.clone(), &sources)?;
            terms.reshape(value, terms.shape(class).clone())
        },
    },
    Rule {
        name: "slice_of_elementwise",
        tag: Tag::Exact,
        law: "slice(f(a, b)) = f(slice(a), slice(b))",
        ops: &["slice"],
        apply: |terms, op, operands, _| {
            let (function, sources) = terms.find(operands[0], |op, inner| {
                let one =
                    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Cast(_));
                one.then(|| (op.clone(), inner.to_vec()))
            })?;
            let mut sliced = Vec::with_capacity(sources.len());
            for source in sources {
                sliced.push(terms.add(op.clone(), &[source])?);
            }
            terms.add(function, &sliced)
        },
    },
    Rule {
        name: "movement_of_transpose",
        tag: Tag::Exact,
        law: "slice(transpose(x)) = transpose(slice(x)), pad, dilate and reverse likewise",
        ops: &["slice", "pad", "dilate", "reverse"],
        apply: |terms, op, operands, _| {
            let (x, permutation) = terms.transpose_of(operands[0])?;
            let mut sources = operands.to_vec();
            sources[0] = x;
            let moved = terms.add(with_axes(op, &permutation)?, &sources)?;
            terms.transpose(moved, &permutation)
        },
    },
    Rule {
        name: "transpose_of_pad",
        tag: Tag::Exact,
        law: "transpose(pad(x)) = pad(transpose(x)), dilate likewise: both can be taken into a convolution",
        ops: &["transpose"],
        apply: |terms, op, operands, _| {
            let Op::Transpose { permutation } = op else { return None };
            let (movement, sources) = terms.find(operands[0], |op, operands| {
                matches!(op, Op::Pad { .. } | Op::Dilate { .. }).then(|| (op.clone(), operands.to_vec()))
            })?;
            let mut inverse = vec![0; permutation.len()];
            for (place, &axis) in permutation.iter().enumerate() {
                inverse[axis] = place;
            }
            let mut moved = sources;
            moved[0] = terms.transpose(moved[0], permutation)?;
            terms.add(with_axes(&movement, &inverse)?, &moved)
        },
    },
];

/// The movement whose attribute of axis `axes[i]` is this one's of axis `i`.
fn with_axes(op: &Op, axes: &[usize]) -> Option<Op> {
    let moved = |values: &[usize]| {
        let mut result = vec![0; values.len()];
        for (&axis, &value) in axes.iter().zip(values) {
            result[axis] = value;
        }
        result
    };
    Some(match op {
        Op::Slice { starts, limits, strides } => {
            Op::Slice { starts: moved(starts), limits: moved(limits), strides: moved(strides) }
        }
        Op::Pad { low, high } => Op::Pad { low: moved(low), high: moved(high) },
        Op::Dilate { factors } => Op::Dilate { factors: moved(factors) },
        Op::Reverse { axes: reversed } => {
            let mut reversed: Vec<usize> = reversed.iter().map(|&axis| axes[axis]).collect();
            reversed.sort_unstable();
            Op::Reverse { axes: reversed }
        }
        _ => return None,
    })
}
