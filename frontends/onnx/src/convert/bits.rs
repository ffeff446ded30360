//! Bits: BitShift, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot, BitCast.
//!
//! History: BitShift came with opset 11 for unsigned integers, and took signed ones with 28; the bitwise
//! operators came with 18, BitCast with 26.

use super::arithmetic::{operands, unary};
use super::{Context, Operator, Stop};
use crate::{Array, Element};
use dlc_ir::{Binary, Op, Unary};
use dlc_types::DType;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("BitShift", 11, shift),
    Operator::new("BitwiseAnd", 18, |context| binary(context, Binary::And)),
    Operator::new("BitwiseOr", 18, |context| binary(context, Binary::Or)),
    Operator::new("BitwiseXor", 18, |context| binary(context, Binary::Xor)),
    Operator::new("BitwiseNot", 18, |context| unary(context, Unary::Not)),
    Operator::new("BitCast", 26, bit_cast),
];

fn binary(context: &mut Context<'_, '_>, function: Binary) -> Result<(), Stop> {
    let (a, b) = operands(context)?;
    let result = context.builder().binary(function, a, b)?;
    context.set_output(0, result)
}

fn shift(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    match context.text_or("direction", "")? {
        "LEFT" => binary(context, Binary::ShiftLeft),
        "RIGHT" => binary(context, Binary::ShiftRight),
        other => Err(context.invalid(format!("there is no direction `{other}`"))),
    }
}

/// What the graph cannot read in another type is read anew once its bytes are known.
fn bit_cast(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (source, _) = context.input_type(0)?;
    let target = context.element("to")?.ok_or_else(|| context.invalid("its attribute `to` is missing"))?;
    if source.bits() != target.bits() || Element::Text == target {
        return Err(context.invalid(format!("the bits of {source} are not those of {target}")));
    }
    let number = |element: Element| element.dtype().filter(|dtype| *dtype != DType::Bool);
    if let (Some(_), Some(dtype)) = (number(source), number(target)) {
        let x = context.input(0)?;
        let result = context.builder().add_node(Op::Bitcast(dtype), &[x])?;
        return context.set_output(0, result);
    }
    let known = context.need(0)?;
    let read = Array::new(target, known.dims().to_vec(), known.bytes().to_vec()).map_err(Stop::Invalid)?;
    context.set_known(0, read)
}
