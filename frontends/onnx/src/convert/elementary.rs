//! Elementary functions of one tensor.
//!
//! Functions that the graph has no op for are composed of those that it has, in forms that lose no digits
//! near zero.

use super::arithmetic::unary;
use super::{Context, Operator, Stop};
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Unary};
use std::f64::consts::{FRAC_PI_2, PI};

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
    Operator::new("Reciprocal", 1, |context| composed(context, reciprocal)),
    Operator::new("Tan", 7, |context| composed(context, tangent)),
    Operator::new("Sinh", 9, |context| composed(context, hyperbolic_sine)),
    Operator::new("Cosh", 9, |context| composed(context, hyperbolic_cosine)),
    Operator::new("Asin", 7, |context| composed(context, arc_sine)),
    Operator::new("Acos", 7, |context| composed(context, arc_cosine)),
    Operator::new("Atan", 7, |context| composed(context, arc_tangent)),
    Operator::new("Asinh", 9, |context| composed(context, area_sine)),
    Operator::new("Acosh", 9, |context| composed(context, area_cosine)),
    Operator::new("Atanh", 9, |context| composed(context, area_tangent)),
];

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

fn tangent(builder: &mut Builder, x: NodeId) -> Built {
    let (sine, cosine) = (builder.unary(Unary::Sin, x)?, builder.unary(Unary::Cos, x)?);
    builder.div(sine, cosine)
}

fn hyperbolic_cosine(builder: &mut Builder, x: NodeId) -> Built {
    let negative = builder.neg(x)?;
    let (grown, shrunk) = (builder.unary(Unary::Exp, x)?, builder.unary(Unary::Exp, negative)?);
    let sum = builder.add(grown, shrunk)?;
    builder.scale(sum, 0.5)
}

/// `tanh x cosh x`
fn hyperbolic_sine(builder: &mut Builder, x: NodeId) -> Built {
    let tangent = builder.unary(Unary::Tanh, x)?;
    let cosine = hyperbolic_cosine(builder, x)?;
    builder.mul(tangent, cosine)
}

/// The root of `1 - x^2`, as a product.
fn complement(builder: &mut Builder, x: NodeId) -> Built {
    let negative = builder.neg(x)?;
    let (below, above) = (builder.shift(negative, 1.0)?, builder.shift(x, 1.0)?);
    let product = builder.mul(below, above)?;
    builder.unary(Unary::Sqrt, product)
}

/// `2 atan(x / (1 + sqrt(1 - x^2)))`
fn arc_sine(builder: &mut Builder, x: NodeId) -> Built {
    let root = complement(builder, x)?;
    let divisor = builder.shift(root, 1.0)?;
    let quotient = builder.div(x, divisor)?;
    let half = arc_tangent(builder, quotient)?;
    builder.scale(half, 2.0)
}

/// `2 atan(sqrt(1 - x^2) / (1 + x))`, and pi at -1.
fn arc_cosine(builder: &mut Builder, x: NodeId) -> Built {
    let root = complement(builder, x)?;
    let divisor = builder.shift(x, 1.0)?;
    let quotient = builder.div(root, divisor)?;
    let half = arc_tangent(builder, quotient)?;
    let result = builder.scale(half, 2.0)?;
    let (end, pi) = (builder.splat_like(x, -1.0)?, builder.splat_like(x, PI)?);
    let at_end = builder.compare(Comparison::Equal, x, end)?;
    builder.select(at_end, pi, result)
}

/// For `|x| > 1`, `pi/2 - atan(1/x)`. Below, `atan x = 2 atan(x / (1 + sqrt(1 + x^2)))` twice brings the
/// argument under 0.2, where the series to the 23rd power is exact to a double's last digit.
fn arc_tangent(builder: &mut Builder, x: NodeId) -> Built {
    let size = builder.unary(Unary::Abs, x)?;
    let one = builder.splat_like(x, 1.0)?;
    let large = builder.compare(Comparison::Greater, size, one)?;
    let safe = builder.binary(Binary::Max, size, one)?;
    let inverse = builder.div(one, safe)?;
    let mut y = builder.select(large, inverse, size)?;
    for _ in 0..2 {
        let square = builder.mul(y, y)?;
        let sum = builder.shift(square, 1.0)?;
        let root = builder.unary(Unary::Sqrt, sum)?;
        let divisor = builder.shift(root, 1.0)?;
        y = builder.div(y, divisor)?;
    }
    let square = builder.mul(y, y)?;
    let mut series = builder.splat_like(x, -1.0 / 23.0)?;
    for odd in (1..23).step_by(2).rev() {
        let sign = if odd % 4 == 1 { 1.0 } else { -1.0 };
        series = builder.mul(series, square)?;
        series = builder.shift(series, sign / f64::from(odd))?;
    }
    let series = builder.mul(series, y)?;
    let small = builder.scale(series, 4.0)?;
    let right = builder.splat_like(x, FRAC_PI_2)?;
    let rest = builder.sub(right, small)?;
    let angle = builder.select(large, rest, small)?;
    let sign = builder.unary(Unary::Sign, x)?;
    builder.mul(angle, sign)
}

/// `sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2)))`
fn area_sine(builder: &mut Builder, x: NodeId) -> Built {
    let size = builder.unary(Unary::Abs, x)?;
    let square = builder.mul(x, x)?;
    let sum = builder.shift(square, 1.0)?;
    let root = builder.unary(Unary::Sqrt, sum)?;
    let divisor = builder.shift(root, 1.0)?;
    let quotient = builder.div(square, divisor)?;
    let argument = builder.add(size, quotient)?;
    let logarithm = builder.unary(Unary::LogOnePlus, argument)?;
    let sign = builder.unary(Unary::Sign, x)?;
    builder.mul(logarithm, sign)
}

/// With `t = x - 1`, `log1p(t + sqrt(2 t + t^2))`.
fn area_cosine(builder: &mut Builder, x: NodeId) -> Built {
    let t = builder.shift(x, -1.0)?;
    let square = builder.mul(t, t)?;
    let double = builder.scale(t, 2.0)?;
    let sum = builder.add(double, square)?;
    let root = builder.unary(Unary::Sqrt, sum)?;
    let argument = builder.add(t, root)?;
    builder.unary(Unary::LogOnePlus, argument)
}

/// `(log1p(x) - log1p(-x)) / 2`
fn area_tangent(builder: &mut Builder, x: NodeId) -> Built {
    let negative = builder.neg(x)?;
    let above = builder.unary(Unary::LogOnePlus, x)?;
    let below = builder.unary(Unary::LogOnePlus, negative)?;
    let difference = builder.sub(above, below)?;
    builder.scale(difference, 0.5)
}
