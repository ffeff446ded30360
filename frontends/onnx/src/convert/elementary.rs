//! Elementary functions of one tensor, each an op of the graph.

use super::arithmetic::unary;
use super::{Context, Operator, Stop};
use dlc_ir::{Builder, InferError, NodeId, Unary};

type Built = Result<NodeId, InferError>;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Exp", 1, |context| unary(context, Unary::Exp)),
    Operator::new("Log", 1, |context| unary(context, Unary::Log)),
    Operator::new("Sqrt", 1, |context| unary(context, Unary::Sqrt)),
    Operator::new("Erf", 9, |context| unary(context, Unary::Erf)),
    Operator::new("Tanh", 1, |context| unary(context, Unary::Tanh)),
    Operator::new("Sigmoid", 1, |context| unary(context, Unary::Sigmoid)),
    Operator::new("Relu", 1, |context| unary(context, Unary::Relu)),
    Operator::new("Floor", 1, |context| unary(context, Unary::Floor)),
    Operator::new("Ceil", 1, |context| unary(context, Unary::Ceil)),
    Operator::new("Round", 11, |context| unary(context, Unary::Round)),
    Operator::new("Sin", 7, |context| unary(context, Unary::Sin)),
    Operator::new("Cos", 7, |context| unary(context, Unary::Cos)),
    Operator::new("Tan", 7, |context| unary(context, Unary::Tan)),
    Operator::new("Sinh", 9, |context| unary(context, Unary::Sinh)),
    Operator::new("Cosh", 9, |context| unary(context, Unary::Cosh)),
    Operator::new("Asin", 7, |context| unary(context, Unary::Asin)),
    Operator::new("Acos", 7, |context| unary(context, Unary::Acos)),
    Operator::new("Atan", 7, |context| unary(context, Unary::Atan)),
    Operator::new("Asinh", 9, |context| unary(context, Unary::Asinh)),
    Operator::new("Acosh", 9, |context| unary(context, Unary::Acosh)),
    Operator::new("Atanh", 9, |context| unary(context, Unary::Atanh)),
    Operator::new("Reciprocal", 1, |context| composed(context, reciprocal)),
];

/// A function that the graph has no op for.
pub(super) fn composed(
    context: &mut Context<'_, '_>,
    function: fn(&mut Builder, NodeId) -> Built,
) -> Result<(), Stop> {
    let x = context.input(0)?;
    let result = function(context.builder(), x)?;
    context.set_output(0, result)
}

pub(super) fn reciprocal(builder: &mut Builder, x: NodeId) -> Built {
    let one = builder.splat_like(x, 1.0)?;
    builder.div(one, x)
}
