//! Derivatives of elementwise ops.
//!
//! Where the derivative is a function of the result, the rule reads the result, so that the operand need
//! not live until the backward pass.

use super::tape::{Rule, Tape};
use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Op, Unary};

type Built = Result<NodeId, InferError>;

/// `y = function(x)`
pub(super) fn unary(tape: &mut Tape, function: Unary, x: NodeId, y: NodeId, gradient: NodeId) -> Rule {
    if !tape.needs(x) {
        return Ok(());
    }
    match unary_gradient(&mut tape.build, function, x, y, gradient)? {
        Some(dx) => tape.contribute(x, dx),
        None => Ok(()),
    }
}

fn unary_gradient(
    b: &mut Builder,
    function: Unary,
    x: NodeId,
    y: NodeId,
    g: NodeId,
) -> Result<Option<NodeId>, InferError> {
    let dx = match function {
        Unary::Negate => b.neg(g)?,
        Unary::Abs => {
            let sign = b.unary(Unary::Sign, x)?;
            b.mul(g, sign)?
        }
        Unary::Exp => b.mul(g, y)?,
        Unary::Log => b.div(g, x)?,
        Unary::LogOnePlus => {
            let argument = b.shift(x, 1.0)?;
            b.div(g, argument)?
        }
        Unary::Sqrt => {
            let half = b.scale(g, 0.5)?;
            b.div(half, y)?
        }
        Unary::ReciprocalSqrt => {
            let square = b.mul(y, y)?;
            let cube = b.mul(square, y)?;
            let slope = b.scale(cube, -0.5)?;
            b.mul(g, slope)?
        }
        Unary::Tanh => {
            let square = b.mul(y, y)?;
            let slope = one_minus(b, square)?;
            b.mul(g, slope)?
        }
        Unary::Sigmoid => {
            let rest = one_minus(b, y)?;
            let slope = b.mul(y, rest)?;
            b.mul(g, slope)?
        }
        Unary::Erf => erf_gradient(b, x, g)?,
        Unary::Relu => {
            let zero = b.splat_like(y, 0.0)?;
            let positive = b.compare(Comparison::Greater, y, zero)?;
            b.select(positive, g, zero)?
        }
        Unary::Cos => {
            let sine = b.unary(Unary::Sin, x)?;
            let product = b.mul(g, sine)?;
            b.neg(product)?
        }
        Unary::Sin => {
            let cosine = b.unary(Unary::Cos, x)?;
            b.mul(g, cosine)?
        }
        Unary::Tan => {
            let square = b.mul(y, y)?;
            let slope = b.shift(square, 1.0)?;
            b.mul(g, slope)?
        }
        Unary::Asin | Unary::Acos => {
            let slope = root_of_complement(b, x)?;
            let quotient = b.div(g, slope)?;
            if function == Unary::Asin { quotient } else { b.neg(quotient)? }
        }
        Unary::Atan => {
            let square = b.mul(x, x)?;
            let below = b.shift(square, 1.0)?;
            b.div(g, below)?
        }
        Unary::Sinh | Unary::Cosh => {
            let other = if function == Unary::Sinh { Unary::Cosh } else { Unary::Sinh };
            let slope = b.unary(other, x)?;
            b.mul(g, slope)?
        }
        Unary::Asinh | Unary::Acosh => {
            let square = b.mul(x, x)?;
            let square = b.shift(square, if function == Unary::Asinh { 1.0 } else { -1.0 })?;
            let root = b.unary(Unary::Sqrt, square)?;
            b.div(g, root)?
        }
        Unary::Atanh => {
            let square = b.mul(x, x)?;
            let below = one_minus(b, square)?;
            b.div(g, below)?
        }
        Unary::Sign | Unary::Floor | Unary::Ceil | Unary::Round | Unary::Not => return Ok(None),
    };
    Ok(Some(dx))
}

fn one_minus(b: &mut Builder, x: NodeId) -> Built {
    let one = b.splat_like(x, 1.0)?;
    b.sub(one, x)
}

/// `sqrt(1 - x^2)`
fn root_of_complement(b: &mut Builder, x: NodeId) -> Built {
    let square = b.mul(x, x)?;
    let rest = one_minus(b, square)?;
    b.unary(Unary::Sqrt, rest)
}

/// `erf'(x) = 2 / sqrt(pi) * exp(-x^2)`
fn erf_gradient(b: &mut Builder, x: NodeId, g: NodeId) -> Built {
    let square = b.mul(x, x)?;
    let exponent = b.neg(square)?;
    let bell = b.unary(Unary::Exp, exponent)?;
    let slope = b.scale(bell, std::f64::consts::FRAC_2_SQRT_PI)?;
    b.mul(g, slope)
}

/// `y = function(left, right)`. The gradient of an extreme goes to the operand that won, and with a tie to
/// the left one.
pub(super) fn binary(
    tape: &mut Tape,
    function: Binary,
    [left, right]: [NodeId; 2],
    y: NodeId,
    g: NodeId,
) -> Rule {
    let (need_left, need_right) = (tape.needs(left), tape.needs(right));
    let b = &mut tape.build;
    let (d_left, d_right) = match function {
        Binary::Add => (Some(g), Some(g)),
        Binary::Subtract => (Some(g), if need_right { Some(b.neg(g)?) } else { None }),
        Binary::Multiply => (
            if need_left { Some(b.mul(g, right)?) } else { None },
            if need_right { Some(b.mul(g, left)?) } else { None },
        ),
        Binary::Divide => {
            let quotient = b.div(g, right)?;
            (Some(quotient), if need_right { Some(negated_product(b, quotient, y)?) } else { None })
        }
        Binary::Max | Binary::Min => {
            let wins = if function == Binary::Max { Comparison::GreaterEqual } else { Comparison::LessEqual };
            let wins = b.compare(wins, left, right)?;
            let zero = b.splat_like(g, 0.0)?;
            (
                if need_left { Some(b.select(wins, g, zero)?) } else { None },
                if need_right { Some(b.select(wins, zero, g)?) } else { None },
            )
        }
        Binary::Power => (
            if need_left { Some(power_base(b, left, right, g)?) } else { None },
            if need_right { Some(power_exponent(b, left, y, g)?) } else { None },
        ),
        Binary::Remainder => {
            (Some(g), if need_right { Some(remainder_divisor(b, left, right, g)?) } else { None })
        }
        Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => (None, None),
    };
    for (operand, gradient) in [(left, d_left), (right, d_right)] {
        if let Some(gradient) = gradient {
            tape.contribute(operand, gradient)?;
        }
    }
    Ok(())
}

/// `d(a - b trunc(a / b))/db = -trunc(a / b)`, the quotient by what is left.
fn remainder_divisor(b: &mut Builder, left: NodeId, right: NodeId, g: NodeId) -> Built {
    let rest = b.binary(Binary::Remainder, left, right)?;
    let whole = b.sub(left, rest)?;
    let quotient = b.div(whole, right)?;
    let quotient = b.unary(Unary::Round, quotient)?;
    negated_product(b, g, quotient)
}

fn negated_product(b: &mut Builder, x: NodeId, y: NodeId) -> Built {
    let product = b.mul(x, y)?;
    b.neg(product)
}

/// `d(a^p)/da = p * a^(p - 1)`, and 0 for `p = 0` whatever `a` is.
fn power_base(b: &mut Builder, base: NodeId, exponent: NodeId, g: NodeId) -> Built {
    if let Some(value) = splat_value(b, exponent) {
        let slope = if value == 2.0 {
            b.scale(base, 2.0)?
        } else if value == 0.0 {
            b.splat_like(base, 0.0)?
        } else {
            let less = b.splat_like(base, value - 1.0)?;
            let power = b.binary(Binary::Power, base, less)?;
            b.scale(power, value)?
        };
        return b.mul(g, slope);
    }
    let less = b.shift(exponent, -1.0)?;
    let power = b.binary(Binary::Power, base, less)?;
    let slope = b.mul(exponent, power)?;
    let zero = b.splat_like(exponent, 0.0)?;
    let is_zero = b.compare(Comparison::Equal, exponent, zero)?;
    let slope = b.select(is_zero, zero, slope)?;
    b.mul(g, slope)
}

/// `d(a^p)/dp = a^p * log(a)`, and 0 for `a = 0`.
fn power_exponent(b: &mut Builder, base: NodeId, y: NodeId, g: NodeId) -> Built {
    let zero = b.splat_like(base, 0.0)?;
    let one = b.splat_like(base, 1.0)?;
    let is_zero = b.compare(Comparison::Equal, base, zero)?;
    // The logarithm of 1 stands in for that of 0, whose infinity a later product could turn into NaN.
    let safe = b.select(is_zero, one, base)?;
    let log = b.unary(Unary::Log, safe)?;
    let slope = b.mul(y, log)?;
    b.mul(g, slope)
}

/// The one value of a constant, or of a broadcast constant.
fn splat_value(b: &Builder, value: NodeId) -> Option<f64> {
    let nodes = &b.function().nodes;
    let mut node = &nodes[value];
    if matches!(node.op, Op::Broadcast { .. }) {
        node = &nodes[node.operands[0]];
    }
    match &node.op {
        Op::Constant(literal) => literal.as_scalar(),
        _ => None,
    }
}

/// `select(condition, a, b)`
pub(super) fn select(tape: &mut Tape, operands: &[NodeId], g: NodeId) -> Rule {
    let condition = operands[0];
    let zero = tape.build.splat_like(g, 0.0)?;
    if tape.needs(operands[1]) {
        let gradient = tape.build.select(condition, g, zero)?;
        tape.contribute(operands[1], gradient)?;
    }
    if tape.needs(operands[2]) {
        let gradient = tape.build.select(condition, zero, g)?;
        tape.contribute(operands[2], gradient)?;
    }
    Ok(())
}

/// Between float types the gradient is converted back.
pub(super) fn cast(tape: &mut Tape, x: NodeId, g: NodeId) -> Rule {
    if !tape.needs(x) {
        return Ok(());
    }
    let dtype = tape.build.ty(x).dtype;
    let gradient = tape.build.cast(g, dtype)?;
    tape.contribute(x, gradient)
}
