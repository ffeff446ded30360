//! Softmax, LogSoftmax and Hardmax along one axis.
//!
//! History: before opset 13 they ran over all axes from `axis` on; the upgrade flattens those.

use super::{Context, Operator, Stop};
use dlc_ir::{ArgReduction, Comparison, NodeId, Op, Reduction, Unary};
use dlc_types::{DType, Dim, TensorType};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Softmax", 1, |context| {
        let (x, axis) = operand(context)?;
        let result = softmax(context, x, axis)?;
        context.set_output(0, result)
    }),
    Operator::new("LogSoftmax", 1, |context| {
        let (x, axis) = operand(context)?;
        let result = context.builder().add_node(Op::LogSoftmax { axis }, &[x])?;
        context.set_output(0, result)
    }),
    Operator::new("Hardmax", 1, hardmax),
];

fn operand(context: &mut Context<'_, '_>) -> Result<(NodeId, usize), Stop> {
    let x = context.input(0)?;
    let axis = context.int_or("axis", -1)?;
    Ok((x, context.axis(axis, context.rank(x))?))
}

/// Elements up to which the softmax of a 16-bit type rounds where the operator's definition does.
const SHORT_ROW: usize = 32;

/// The softmax along an axis.
pub(super) fn softmax(context: &mut Context<'_, '_>, x: NodeId, axis: usize) -> Result<NodeId, Stop> {
    let short = matches!(context.dtype(x), DType::F16 | DType::BF16);
    match context.shape(x)[axis] {
        Dim::Fixed(size @ 1..=SHORT_ROW) if short => stepwise(context, x, axis, size),
        _ => Ok(context.builder().add_node(Op::Softmax { axis }, &[x])?),
    }
}

/// The softmax in the type of its operand: each step is rounded to it, in bfloat16 even the sum after each element.
/// In long rows such a sum would lose what they add, so that it is for short ones alone.
fn stepwise(context: &mut Context<'_, '_>, x: NodeId, axis: usize, size: usize) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    let builder = context.builder();
    let largest = builder.reduce(Reduction::Max, x, &[axis])?;
    let largest = builder.broadcast_reduced(largest, shape.clone(), &[axis])?;
    let below = builder.sub(x, largest)?;
    let powers = builder.unary(Unary::Exp, below)?;
    let sum = if context.dtype(x) == DType::F16 {
        context.builder().sum(powers, &[axis])?
    } else {
        let mut sum = context.element_at(powers, axis, 0)?;
        for place in 1..size {
            let power = context.element_at(powers, axis, place)?;
            sum = context.builder().add(sum, power)?;
        }
        sum
    };
    let sum = context.builder().broadcast_reduced(sum, shape, &[axis])?;
    Ok(context.builder().div(powers, sum)?)
}

fn hardmax(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, axis) = operand(context)?;
    let TensorType { dtype, shape } = context.ty(x);
    let builder = context.builder();
    let place = builder.arg_reduce(ArgReduction::Max, x, axis)?;
    let place = builder.broadcast_reduced(place, shape.clone(), &[axis])?;
    let count = builder.declare(Op::Iota { axis }, &[], TensorType::new(DType::I32, shape))?;
    let hot = builder.compare(Comparison::Equal, place, count)?;
    let result = builder.cast(hot, dtype)?;
    context.set_output(0, result)
}
