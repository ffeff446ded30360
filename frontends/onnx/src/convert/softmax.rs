//! Softmax, LogSoftmax and Hardmax along one axis.
//!
//! History: before opset 13 they ran over all axes from `axis` on; the upgrade flattens those.

use super::{Context, Operator, Stop};
use dlc_ir::{ArgReduction, Comparison, NodeId, Op};
use dlc_types::{DType, TensorType};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Softmax", 1, |context| along_axis(context, |axis| Op::Softmax { axis })),
    Operator::new("LogSoftmax", 1, |context| along_axis(context, |axis| Op::LogSoftmax { axis })),
    Operator::new("Hardmax", 1, hardmax),
];

fn operand(context: &mut Context<'_, '_>) -> Result<(NodeId, usize), Stop> {
    let x = context.input(0)?;
    let axis = context.int_or("axis", -1)?;
    Ok((x, context.axis(axis, context.rank(x))?))
}

fn along_axis(context: &mut Context<'_, '_>, op: fn(usize) -> Op) -> Result<(), Stop> {
    let (x, axis) = operand(context)?;
    let result = context.builder().add_node(op(axis), &[x])?;
    context.set_output(0, result)
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
