//! Cheaper forms of the same function: products for quotients, roots and logarithms in one op, and common
//! factors.

use super::{Rule, Tag};
use dlc_ir::{Binary, Op, Unary};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "divide_by_broadcast",
        tag: Tag::Rounding,
        law: "x / broadcast(s) = x * broadcast(1 / s)",
        ops: &["div"],
        apply: |terms, _, operands, class| {
            if !terms.is_float(class) || terms.splat(operands[1]).is_some() {
                return None;
            }
            let (s, axes) = terms.broadcast_of(operands[1])?;
            let one = terms.filled_like(s, 1.0)?;
            let reciprocal = terms.binary(Binary::Divide, one, s)?;
            let factor = terms.broadcast(reciprocal, terms.shape(class).clone(), &axes)?;
            terms.times(operands[0], factor)
        },
    },
    Rule {
        name: "multiply_by_reciprocal",
        tag: Tag::Rounding,
        law: "x * (1 / y) = x / y",
        ops: &["mul"],
        apply: |terms, _, operands, _| {
            let reciprocal = |side: usize| {
                let (one, y) = terms.binary_of(operands[side], Binary::Divide)?;
                terms.is_splat(one, 1.0).then_some((operands[1 - side], y))
            };
            let (x, y) = reciprocal(1).or_else(|| reciprocal(0))?;
            if !terms.is_float(x) {
                return None;
            }
            terms.binary(Binary::Divide, x, y)
        },
    },
    Rule {
        name: "divide_by_root",
        tag: Tag::Rounding,
        law: "x / sqrt(y) = x * rsqrt(y)",
        ops: &["div"],
        apply: |terms, _, operands, _| {
            let y = terms.unary_of(operands[1], Unary::Sqrt)?;
            let reciprocal = terms.unary(Unary::ReciprocalSqrt, y)?;
            if terms.is_splat(operands[0], 1.0) {
                Some(reciprocal)
            } else {
                terms.times(operands[0], reciprocal)
            }
        },
    },
    Rule {
        name: "power_of_constant",
        tag: Tag::Rounding,
        law: "x^1 = x, x^2 = x x, x^3 = x x x, x^4 = (x x)(x x), x^-1 = 1 / x, for x > 0 also x^1/2 = sqrt(x), x^-1/2 = rsqrt(x)",
        ops: &["pow"],
        apply: |terms, _, operands, class| {
            let x = operands[0];
            let positive = terms.facts(x).range.0 > 0.0;
            match terms.splat(operands[1])? {
                1.0 => Some(x),
                0.5 if positive => terms.unary(Unary::Sqrt, x),
                -0.5 if positive => terms.unary(Unary::ReciprocalSqrt, x),
                -1.0 => {
                    let one = terms.filled_like(class, 1.0)?;
                    terms.binary(Binary::Divide, one, x)
                }
                exponent @ (2.0 | 3.0 | 4.0) => {
                    let square = terms.times(x, x)?;
                    match exponent {
                        2.0 => Some(square),
                        3.0 => terms.times(square, x),
                        _ => terms.times(square, square),
                    }
                }
                _ => None,
            }
        },
    },
    Rule {
        name: "log_one_plus",
        tag: Tag::Rounding,
        law: "log(1 + x) = log1p(x)",
        ops: &["log"],
        apply: |terms, _, operands, _| {
            let (x, one) = terms.with_constant(operands[0], Binary::Add)?;
            if one == 1.0 { terms.unary(Unary::LogOnePlus, x) } else { None }
        },
    },
    Rule {
        name: "log_of_exp",
        tag: Tag::Rounding,
        law: "log(exp(x)) = x",
        ops: &["log"],
        apply: |terms, _, operands, _| terms.unary_of(operands[0], Unary::Exp),
    },
    Rule {
        name: "exp_of_log",
        tag: Tag::FastMath,
        law: "exp(log(x)) = x for x >= 0",
        ops: &["exp"],
        apply: |terms, _, operands, _| terms.unary_of(operands[0], Unary::Log),
    },
    Rule {
        name: "select_positive",
        tag: Tag::FastMath,
        law: "select(x > 0, x, 0) = relu(x) where x is a number",
        ops: &["select"],
        apply: |terms, _, operands, _| {
            let (a, b) = terms.find(operands[0], |op, inner| match op {
                Op::Compare(dlc_ir::Comparison::Greater | dlc_ir::Comparison::GreaterEqual) => {
                    Some((inner[0], inner[1]))
                }
                _ => None,
            })?;
            let relu =
                terms.same(a, operands[1]) && terms.is_splat(b, 0.0) && terms.is_splat(operands[2], 0.0);
            if relu { terms.unary(Unary::Relu, a) } else { None }
        },
    },
    Rule {
        name: "factor_product",
        tag: Tag::FastMath,
        law: "a * b + a * c = a * (b + c), likewise for -",
        ops: &["add", "sub"],
        apply: |terms, op, operands, class| {
            if !terms.is_float(class) {
                return None;
            }
            let (a, b) = terms.binary_of(operands[0], Binary::Multiply)?;
            let (c, d) = terms.binary_of(operands[1], Binary::Multiply)?;
            let pairs = [(a, b, c, d), (a, b, d, c), (b, a, c, d), (b, a, d, c)];
            let (factor, one, _, other) = pairs.into_iter().find(|&(x, _, y, _)| terms.same(x, y))?;
            let sum = terms.add(op.clone(), &[one, other])?;
            terms.times(factor, sum)
        },
    },
    Rule {
        name: "factor_constant",
        tag: Tag::Rounding,
        law: "b * k + c * k = (b + c) * k, k a finite number, likewise for -",
        ops: &["add", "sub"],
        apply: |terms, op, operands, class| {
            let (b, k) = terms.with_constant(operands[0], Binary::Multiply)?;
            let (c, other) = terms.with_constant(operands[1], Binary::Multiply)?;
            if !terms.is_float(class) || k != other || !k.is_finite() {
                return None;
            }
            let sum = terms.add(op.clone(), &[b, c])?;
            let factor = terms.filled_like(class, k)?;
            terms.times(sum, factor)
        },
    },
];
