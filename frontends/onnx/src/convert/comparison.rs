//! Comparisons, logic, and choices by them.
//!
//! History: comparisons took integers from opset 7 or 9 on; LessOrEqual and GreaterOrEqual came with 12.

use super::arithmetic::operands;
use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Comparison, Unary};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Equal", 1, |context| compare(context, Comparison::Equal)),
    Operator::new("Less", 1, |context| compare(context, Comparison::Less)),
    Operator::new("LessOrEqual", 12, |context| compare(context, Comparison::LessEqual)),
    Operator::new("Greater", 1, |context| compare(context, Comparison::Greater)),
    Operator::new("GreaterOrEqual", 12, |context| compare(context, Comparison::GreaterEqual)),
    Operator::new("And", 1, |context| logic(context, Binary::And)),
    Operator::new("Or", 1, |context| logic(context, Binary::Or)),
    Operator::new("Xor", 1, |context| compare(context, Comparison::NotEqual)),
    Operator::new("Not", 1, |context| super::arithmetic::unary(context, Unary::Not)),
    Operator::new("IsNaN", 9, is_nan),
    Operator::new("IsInf", 10, is_infinite),
    Operator::new("Where", 9, choose),
    Operator::new("Clip", 1, clip),
];

fn compare(context: &mut Context<'_, '_>, comparison: Comparison) -> Result<(), Stop> {
    let (a, b) = operands(context)?;
    let result = context.builder().compare(comparison, a, b)?;
    context.set_output(0, result)
}

fn logic(context: &mut Context<'_, '_>, function: Binary) -> Result<(), Stop> {
    let (a, b) = operands(context)?;
    let result = context.builder().binary(function, a, b)?;
    context.set_output(0, result)
}

fn is_nan(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let result = context.builder().compare(Comparison::NotEqual, x, x)?;
    context.set_output(0, result)
}

fn is_infinite(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let (negative, positive) =
        (context.flag("detect_negative", true)?, context.flag("detect_positive", true)?);
    let builder = context.builder();
    let infinity = builder.splat_like(x, f64::INFINITY)?;
    let value = match (negative, positive) {
        (true, true) => builder.unary(Unary::Abs, x)?,
        (true, false) => builder.unary(Unary::Negate, x)?,
        _ => x,
    };
    let comparison = if negative || positive { Comparison::Equal } else { Comparison::Greater };
    let result = builder.compare(comparison, value, infinity)?;
    context.set_output(0, result)
}

fn choose(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let operands = context.inputs()?;
    if operands.len() != 3 {
        return Err(context.invalid("it must have three inputs"));
    }
    let operands = context.broadcast_all(&operands)?;
    let result = context.builder().select(operands[0], operands[1], operands[2])?;
    context.set_output(0, result)
}

/// Both bounds may be left out; where they cross, the upper one wins.
fn clip(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let mut x = context.input(0)?;
    let shape = context.shape(x);
    for (position, function) in [(1, Binary::Max), (2, Binary::Min)] {
        if let Some(bound) = context.optional(position)? {
            let bound = context.broadcast_to(bound, &shape)?;
            x = context.builder().binary(function, x, bound)?;
        }
    }
    context.set_output(0, x)
}
