//! Constants: folding, and chains of constant factors and terms.

use super::{Rule, Tag};
use dlc_ir::{Binary, Op, Unary};

/// Whether a number is a factor that neither kills nor blows up.
fn is_factor(value: f64) -> bool {
    value != 0.0 && (value as f32).is_normal()
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "fold_constant",
        tag: Tag::Rounding,
        law: "f(constants) = constant, where all elements are the same number",
        ops: &[
            "neg",
            "abs",
            "sign",
            "sqrt",
            "rsqrt",
            "exp",
            "log",
            "relu",
            "floor",
            "ceil",
            "round",
            "not",
            "add",
            "sub",
            "mul",
            "div",
            "max",
            "min",
            "and",
            "or",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "select",
            "cast",
            "reshape",
            "transpose",
            "slice",
            "reverse",
            "concat",
            "pad",
            "gather",
        ],
        apply: |terms, _, _, class| {
            let value = terms.splat(class)?;
            terms.filled_like(class, value)
        },
    },
    Rule {
        name: "merge_constant_factors",
        tag: Tag::Rounding,
        law: "(x * c) * d = x * (c * d), c and d normal numbers",
        ops: &["mul"],
        apply: |terms, op, operands, class| {
            if !terms.is_float(class) {
                return None;
            }
            let outer = |side: usize| Some((operands[1 - side], terms.splat(operands[side])?));
            let (inner, d) = outer(1).or_else(|| outer(0))?;
            let (x, c) = terms.with_constant(inner, Binary::Multiply)?;
            let product = terms.rounded(class, c * d);
            if terms.splat(x).is_some() || !is_factor(c) || !is_factor(d) || !is_factor(product) {
                return None;
            }
            let factor = terms.filled_like(class, product)?;
            terms.add(op.clone(), &[x, factor])
        },
    },
    Rule {
        name: "merge_constant_terms",
        tag: Tag::Rounding,
        law: "(x + c) + d = x + (c + d), c and d finite",
        ops: &["add"],
        apply: |terms, op, operands, class| {
            if !terms.is_float(class) {
                return None;
            }
            let outer = |side: usize| Some((operands[1 - side], terms.splat(operands[side])?));
            let (inner, d) = outer(1).or_else(|| outer(0))?;
            let (x, c) = terms.with_constant(inner, Binary::Add)?;
            let sum = terms.rounded(class, c + d);
            if terms.splat(x).is_some() || !c.is_finite() || !d.is_finite() || !sum.is_finite() {
                return None;
            }
            let term = terms.filled_like(class, sum)?;
            terms.add(op.clone(), &[x, term])
        },
    },
    Rule {
        name: "subtract_constant",
        tag: Tag::Exact,
        law: "x - c = x + (-c)",
        ops: &["sub"],
        apply: |terms, _, operands, class| {
            let value = terms.splat(operands[1]).filter(|_| terms.splat(operands[0]).is_none())?;
            let negated = terms.filled_like(class, -value)?;
            terms.plus(operands[0], negated)
        },
    },
    Rule {
        name: "divide_by_constant",
        tag: Tag::Rounding,
        law: "x / c = x * (1 / c), c and 1 / c normal numbers",
        ops: &["div"],
        apply: |terms, _, operands, class| {
            let divisor = terms.splat(operands[1]).filter(|_| terms.is_float(class))?;
            let reciprocal = terms.rounded(class, 1.0 / divisor);
            if !is_factor(divisor) || !is_factor(reciprocal) {
                return None;
            }
            let factor = terms.filled_like(class, reciprocal)?;
            terms.times(operands[0], factor)
        },
    },
    Rule {
        name: "negated_constant_factor",
        tag: Tag::Exact,
        law: "-(x * c) = x * (-c), -x * c = x * (-c)",
        ops: &["neg", "mul"],
        apply: |terms, op, operands, class| {
            let (x, c) = if *op == Op::Unary(Unary::Negate) {
                terms.with_constant(operands[0], Binary::Multiply)?
            } else {
                let side = usize::from(terms.splat(operands[1]).is_some());
                let c = terms.splat(operands[side])?;
                (terms.unary_of(operands[1 - side], Unary::Negate)?, c)
            };
            let factor = terms.filled_like(class, -c)?;
            terms.times(x, factor)
        },
    },
    Rule {
        name: "constant_factor_outwards",
        tag: Tag::Rounding,
        law: "(x * c) * y = (x * y) * c, c a normal number",
        ops: &["mul"],
        apply: |terms, _, operands, class| {
            if !terms.is_float(class) || operands.iter().any(|&operand| terms.splat(operand).is_some()) {
                return None;
            }
            let (side, (x, c)) = [0, 1]
                .into_iter()
                .find_map(|side| Some((side, terms.with_constant(operands[side], Binary::Multiply)?)))?;
            if !is_factor(c) {
                return None;
            }
            let product = terms.times(x, operands[1 - side])?;
            let factor = terms.filled_like(class, c)?;
            terms.times(product, factor)
        },
    },
    Rule {
        name: "factor_constant_term",
        tag: Tag::Rounding,
        law: "x * c + c = (x + 1) * c, x * c - c = (x - 1) * c, c a normal number",
        ops: &["add"],
        apply: |terms, _, operands, class| {
            let side = usize::from(terms.splat(operands[1]).is_some());
            let term = terms.splat(operands[side])?;
            let (x, c) = terms.with_constant(operands[1 - side], Binary::Multiply)?;
            if !terms.is_float(class) || !is_factor(c) || c.abs() != term.abs() || terms.splat(x).is_some() {
                return None;
            }
            let one = terms.filled_like(class, term / c)?;
            let sum = terms.plus(x, one)?;
            let factor = terms.filled_like(class, c)?;
            terms.times(sum, factor)
        },
    },
];
