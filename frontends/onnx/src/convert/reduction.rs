//! Reductions along axes.
//!
//! History: `axes` became an input with opset 13 (ReduceSum) and 18 (the others), with
//! `noop_with_empty_axes`; bool came to ReduceMax and ReduceMin with 20; `select_last_index` to ArgMax and
//! ArgMin with 12.

use super::{Context, Operator, Stop};
use dlc_ir::{ArgReduction, Builder, Comparison, InferError, NodeId, Reduction, Unary};
use dlc_types::{DType, Dim, Shape};

type Built = Result<NodeId, InferError>;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("ReduceSum", 1, |context| reduce(context, |builder, x, axes| builder.sum(x, axes))),
    Operator::new("ReduceMean", 1, |context| reduce(context, |builder, x, axes| builder.mean(x, axes))),
    Operator::new("ReduceMax", 1, |context| extreme(context, Reduction::Max)),
    Operator::new("ReduceMin", 1, |context| extreme(context, Reduction::Min)),
    Operator::new("ReduceProd", 1, |context| {
        reduce(context, |builder, x, axes| builder.reduce(Reduction::Product, x, axes))
    }),
    Operator::new("ReduceL1", 1, |context| reduce(context, l1)),
    Operator::new("ReduceL2", 1, |context| reduce(context, l2)),
    Operator::new("ReduceSumSquare", 1, |context| reduce(context, sum_square)),
    Operator::new("ReduceLogSum", 1, |context| reduce(context, log_sum)),
    Operator::new("ReduceLogSumExp", 1, |context| reduce(context, log_sum_exp)),
    Operator::new("ArgMax", 1, |context| arg_extreme(context, ArgReduction::Max)),
    Operator::new("ArgMin", 1, |context| arg_extreme(context, ArgReduction::Min)),
];

/// The axes, and whether the function is left out altogether.
fn axes(context: &Context<'_, '_>, rank: usize) -> Result<Vec<usize>, Stop> {
    let given = context.optional_ints(1)?.unwrap_or_default();
    if !given.is_empty() {
        return context.axes(&given, rank);
    }
    Ok(if context.flag("noop_with_empty_axes", false)? { Vec::new() } else { (0..rank).collect() })
}

/// The value with reduced axes put back as 1, if `keepdims` asks for it.
fn kept(context: &mut Context<'_, '_>, x: NodeId, value: NodeId, axes: &[usize]) -> Result<NodeId, Stop> {
    if !context.flag("keepdims", true)? {
        return Ok(value);
    }
    let mut dims = context.shape(x).dims().to_vec();
    axes.iter().for_each(|&axis| dims[axis] = Dim::Fixed(1));
    Ok(context.builder().reshape(value, Shape(dims))?)
}

fn reduce(
    context: &mut Context<'_, '_>,
    function: fn(&mut Builder, NodeId, &[usize]) -> Built,
) -> Result<(), Stop> {
    let x = context.input(0)?;
    let axes = axes(context, context.rank(x))?;
    let value = function(context.builder(), x, &axes)?;
    let result = kept(context, x, value, &axes)?;
    context.set_output(0, result)
}

/// Bool is compared as a number. The largest of no elements is the least number, which is below `true`.
fn extreme(context: &mut Context<'_, '_>, kind: Reduction) -> Result<(), Stop> {
    let x = context.input(0)?;
    let axes = axes(context, context.rank(x))?;
    let dtype = context.dtype(x);
    let number = if dtype == DType::Bool { DType::I32 } else { dtype };
    let x = context.builder().cast(x, number)?;
    let value = context.builder().reduce(kind, x, &axes)?;
    let value = if dtype == DType::Bool {
        let zero = context.builder().splat_like(value, 0.0)?;
        context.builder().compare(Comparison::Greater, value, zero)?
    } else {
        value
    };
    let result = kept(context, x, value, &axes)?;
    context.set_output(0, result)
}

fn l1(builder: &mut Builder, x: NodeId, axes: &[usize]) -> Built {
    let size = builder.unary(Unary::Abs, x)?;
    builder.sum(size, axes)
}

fn sum_square(builder: &mut Builder, x: NodeId, axes: &[usize]) -> Built {
    let square = builder.mul(x, x)?;
    builder.sum(square, axes)
}

/// Integers have no root of their own.
fn through_floats(
    builder: &mut Builder,
    x: NodeId,
    function: impl Fn(&mut Builder, NodeId) -> Built,
) -> Built {
    let dtype = builder.ty(x).dtype;
    let wide = builder.cast(x, if dtype.is_float() { dtype } else { DType::F64 })?;
    let result = function(builder, wide)?;
    builder.cast(result, dtype)
}

fn l2(builder: &mut Builder, x: NodeId, axes: &[usize]) -> Built {
    let square = sum_square(builder, x, axes)?;
    through_floats(builder, square, |builder, x| builder.unary(Unary::Sqrt, x))
}

fn log_sum(builder: &mut Builder, x: NodeId, axes: &[usize]) -> Built {
    let sum = builder.sum(x, axes)?;
    through_floats(builder, sum, |builder, x| builder.unary(Unary::Log, x))
}

/// `m + log(sum(exp(x - m)))`, with `m` the largest element where that is finite, else 0.
fn log_sum_exp(builder: &mut Builder, x: NodeId, axes: &[usize]) -> Built {
    through_floats(builder, x, |builder, x| {
        let shape = builder.shape(x).clone();
        let largest = builder.reduce(Reduction::Max, x, axes)?;
        let size = builder.unary(Unary::Abs, largest)?;
        let bound = builder.splat_like(size, f64::INFINITY)?;
        let finite = builder.compare(Comparison::Less, size, bound)?;
        let zero = builder.splat_like(largest, 0.0)?;
        let shift = builder.select(finite, largest, zero)?;
        let spread = builder.broadcast_reduced(shift, shape, axes)?;
        let difference = builder.sub(x, spread)?;
        let power = builder.unary(Unary::Exp, difference)?;
        let sum = builder.sum(power, axes)?;
        let logarithm = builder.unary(Unary::Log, sum)?;
        builder.add(logarithm, shift)
    })
}

fn arg_extreme(context: &mut Context<'_, '_>, kind: ArgReduction) -> Result<(), Stop> {
    let x = context.input(0)?;
    let axis = context.int_or("axis", 0)?;
    let axis = context.axis(axis, context.rank(x))?;
    let last = context.flag("select_last_index", false)?;
    let place = if last {
        let Dim::Fixed(size) = context.shape(x)[axis] else {
            return Err(context.not_done("select_last_index along the batch"));
        };
        let builder = context.builder();
        let reversed = builder.add_node(dlc_ir::Op::Reverse { axes: vec![axis] }, &[x])?;
        let place = builder.arg_reduce(kind, reversed, axis)?;
        let end = builder.splat_like(place, size.saturating_sub(1) as f64)?;
        builder.sub(end, place)?
    } else {
        context.builder().arg_reduce(kind, x, axis)?
    };
    let place = context.builder().cast(place, DType::I64)?;
    let result = kept(context, x, place, &[axis])?;
    context.set_output(0, result)
}
