//! Products of quantised tensors: MatMulInteger, QLinearMatMul, ConvInteger, QLinearConv.
//!
//! Zero points are taken away in `i32`, where products and sums are exact (and wrap, as the operators' definitions
//! do); the QLinear forms multiply the result by the scales in `f32` and quantise it again. Padding stands for the
//! zero point, since it is added behind.
//!
//! History: all came with opset 10; QLinearMatMul took scales of other floats with 21.

use super::convolution::convolved;
use super::product::matrix_product;
use super::quantization::saturated;
use super::{Context, Operator, Stop};
use dlc_ir::NodeId;
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("MatMulInteger", 10, matmul_integer),
    Operator::new("QLinearMatMul", 10, quantized_matmul),
    Operator::new("ConvInteger", 10, conv_integer),
    Operator::new("QLinearConv", 10, quantized_conv),
];

/// Where the elements of a vector of scales or zero points belong; those of other ranks broadcast.
#[derive(Clone, Copy)]
enum Along {
    Rows,
    Columns,
    /// The first axis, the output channels of a kernel.
    Kernels,
    /// The second axis.
    Channels,
}

/// A scale or zero point in the shape of the tensor.
fn spread(context: &mut Context<'_, '_>, value: NodeId, shape: &Shape, along: Along) -> Result<NodeId, Stop> {
    let own = context.shape(value);
    if own.elements() == Some(Dim::Fixed(1)) {
        let value = context.builder().reshape(value, Shape::scalar())?;
        return Ok(context.builder().broadcast_scalar(value, shape.clone())?);
    }
    if own.rank() != 1 {
        return context.broadcast_to(value, shape);
    }
    let rank = shape.rank();
    let axis = match along {
        Along::Rows => rank.checked_sub(2),
        Along::Columns => rank.checked_sub(1),
        Along::Kernels => Some(0),
        Along::Channels => Some(1),
    };
    let Some(axis) = axis.filter(|&axis| axis < rank) else {
        return Err(context.invalid(format!("{own} does not tell something of {shape}")));
    };
    Ok(context.builder().broadcast_along(value, shape.clone(), axis)?)
}

/// An input less its zero point, which may be left out, in `i32`.
fn centred(context: &mut Context<'_, '_>, input: usize, zero: usize, along: Along) -> Result<NodeId, Stop> {
    let x = context.input(input)?;
    let shape = context.shape(x);
    let x = context.builder().cast(x, DType::I32)?;
    let Some(zero) = context.optional(zero)? else { return Ok(x) };
    let zero = context.builder().cast(zero, DType::I32)?;
    let zero = spread(context, zero, &shape, along)?;
    Ok(context.builder().sub(x, zero)?)
}

fn matmul_integer(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let a = centred(context, 0, 2, Along::Rows)?;
    let b = centred(context, 1, 3, Along::Columns)?;
    let result = matrix_product(context, a, b)?;
    context.set_output(0, result)
}

fn conv_integer(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = centred(context, 0, 2, Along::Channels)?;
    let kernel = centred(context, 1, 3, Along::Kernels)?;
    let result = convolved(context, x, kernel)?;
    context.set_output(0, result)
}

/// Whole numbers times both scales over that of the result, quantised. `first` and `second` are the inputs of the
/// factors' scales, with the axes of the result that they belong to.
fn requantized(
    context: &mut Context<'_, '_>,
    whole: NodeId,
    first: (usize, Along),
    second: (usize, Along),
) -> Result<(), Stop> {
    let shape = context.shape(whole);
    let (scale, zero) = (context.input(6)?, context.input(7)?);
    let target = context.dtype(zero);
    let over =
        |context: &mut Context<'_, '_>, value: NodeId, along: Along| spread(context, value, &shape, along);
    let (a, b) = (context.input(first.0)?, context.input(second.0)?);
    let (a, b) = (over(context, a, first.1)?, over(context, b, second.1)?);
    let scale = over(context, scale, first.1)?;
    let product = context.builder().mul(a, b)?;
    let factor = context.builder().div(product, scale)?;
    let factor = context.builder().cast(factor, DType::F32)?;
    let value = context.builder().cast(whole, DType::F32)?;
    let value = context.builder().mul(value, factor)?;
    let zero = context.builder().cast(zero, DType::F32)?;
    let zero = over(context, zero, first.1)?;
    let result = saturated(context, value, Some(zero), target)?;
    context.set_output(0, result)
}

fn quantized_matmul(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let a = centred(context, 0, 2, Along::Rows)?;
    let b = centred(context, 3, 5, Along::Columns)?;
    let product = matrix_product(context, a, b)?;
    requantized(context, product, (1, Along::Rows), (4, Along::Columns))
}

fn quantized_conv(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = centred(context, 0, 2, Along::Channels)?;
    let kernel = centred(context, 3, 5, Along::Kernels)?;
    let mut whole = convolved(context, x, kernel)?;
    if let Some(bias) = context.optional(8)? {
        let shape = context.shape(whole);
        let bias = context.builder().broadcast_along(bias, shape, 1)?;
        whole = context.builder().add(whole, bias)?;
    }
    requantized(context, whole, (1, Along::Channels), (4, Along::Channels))
}
