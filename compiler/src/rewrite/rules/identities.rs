//! Identities of elementwise functions: neutral elements, inverses, idempotence.

use super::{Rule, Tag};
use dlc_ir::{Binary, Op, Unary};
use dlc_types::DType;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "add_zero",
        tag: Tag::Exact,
        law: "x + 0 = x",
        ops: &["add"],
        apply: |terms, _, operands, _| {
            let (a, b) = (operands[0], operands[1]);
            if terms.is_splat(b, 0.0) { Some(a) } else { terms.is_splat(a, 0.0).then_some(b) }
        },
    },
    Rule {
        name: "subtract_zero",
        tag: Tag::Exact,
        law: "x - 0 = x, 0 - x = -x",
        ops: &["sub"],
        apply: |terms, _, operands, _| {
            if terms.is_splat(operands[1], 0.0) {
                return Some(operands[0]);
            }
            if terms.is_splat(operands[0], 0.0) { terms.negate(operands[1]) } else { None }
        },
    },
    Rule {
        name: "subtract_self",
        tag: Tag::FastMath,
        law: "x - x = 0",
        ops: &["sub"],
        apply: |terms, _, operands, class| {
            if terms.same(operands[0], operands[1]) { terms.filled_like(class, 0.0) } else { None }
        },
    },
    Rule {
        name: "multiply_one",
        tag: Tag::Exact,
        law: "x * 1 = x, x / 1 = x, x * -1 = -x, x / -1 = -x",
        ops: &["mul", "div"],
        apply: |terms, op, operands, _| {
            let (a, b) = (operands[0], operands[1]);
            let commutes = *op == Op::Binary(Binary::Multiply);
            for (x, factor) in [(Some(a), b), (commutes.then_some(b), a)] {
                let Some(x) = x else { continue };
                if terms.is_splat(factor, 1.0) {
                    return Some(x);
                }
                if terms.is_splat(factor, -1.0) {
                    return terms.negate(x);
                }
            }
            None
        },
    },
    Rule {
        name: "multiply_zero",
        tag: Tag::FastMath,
        law: "x * 0 = 0",
        ops: &["mul"],
        apply: |terms, _, operands, class| {
            let zero = operands.iter().any(|&operand| terms.is_splat(operand, 0.0));
            if zero { terms.filled_like(class, 0.0) } else { None }
        },
    },
    Rule {
        name: "divide_self",
        tag: Tag::FastMath,
        law: "x / x = 1",
        ops: &["div"],
        apply: |terms, _, operands, class| {
            let same = terms.same(operands[0], operands[1]) && terms.is_float(class);
            if same { terms.filled_like(class, 1.0) } else { None }
        },
    },
    Rule {
        name: "negate_negate",
        tag: Tag::Exact,
        law: "-(-x) = x",
        ops: &["neg"],
        apply: |terms, _, operands, _| terms.unary_of(operands[0], Unary::Negate),
    },
    Rule {
        name: "negate_difference",
        tag: Tag::Exact,
        law: "-(a - b) = b - a",
        ops: &["neg"],
        apply: |terms, _, operands, _| {
            let (a, b) = terms.binary_of(operands[0], Binary::Subtract)?;
            terms.minus(b, a)
        },
    },
    Rule {
        name: "add_negated",
        tag: Tag::Exact,
        law: "a + -b = a - b, -a + b = b - a",
        ops: &["add"],
        apply: |terms, _, operands, _| {
            let (a, b) = (operands[0], operands[1]);
            if let Some(b) = terms.unary_of(b, Unary::Negate) {
                return terms.minus(a, b);
            }
            let a = terms.unary_of(a, Unary::Negate)?;
            terms.minus(b, a)
        },
    },
    Rule {
        name: "subtract_negated",
        tag: Tag::Exact,
        law: "a - -b = a + b",
        ops: &["sub"],
        apply: |terms, _, operands, _| {
            let b = terms.unary_of(operands[1], Unary::Negate)?;
            terms.plus(operands[0], b)
        },
    },
    Rule {
        name: "negated_factors",
        tag: Tag::Exact,
        law: "-a * -b = a * b, -a / -b = a / b",
        ops: &["mul", "div"],
        apply: |terms, op, operands, class| {
            if !terms.is_float(class) {
                return None;
            }
            let a = terms.unary_of(operands[0], Unary::Negate)?;
            let b = terms.unary_of(operands[1], Unary::Negate)?;
            terms.add(op.clone(), &[a, b])
        },
    },
    Rule {
        name: "abs_of_sign",
        tag: Tag::Exact,
        law: "|-x| = |x|, |x| = x for x >= 0",
        ops: &["abs"],
        apply: |terms, _, operands, class| {
            if terms.is_nonnegative(operands[0]) {
                return Some(operands[0]);
            }
            if !terms.is_float(class) {
                return None;
            }
            let x = terms.unary_of(operands[0], Unary::Negate)?;
            terms.unary(Unary::Abs, x)
        },
    },
    Rule {
        name: "relu_of_nonnegative",
        tag: Tag::Exact,
        law: "relu(x) = x for x >= 0, so relu(relu(x)) = relu(x)",
        ops: &["relu"],
        apply: |terms, _, operands, _| terms.is_nonnegative(operands[0]).then_some(operands[0]),
    },
    Rule {
        name: "max_zero",
        tag: Tag::Exact,
        law: "max(x, 0) = relu(x)",
        ops: &["max"],
        apply: |terms, _, operands, _| {
            let (a, b) = (operands[0], operands[1]);
            if terms.is_splat(b, 0.0) {
                return terms.unary(Unary::Relu, a);
            }
            if terms.is_splat(a, 0.0) { terms.unary(Unary::Relu, b) } else { None }
        },
    },
    Rule {
        name: "same_operands",
        tag: Tag::Exact,
        law: "max(x, x) = min(x, x) = x and x = x or x = x, select(c, x, x) = x",
        ops: &["max", "min", "and", "or", "select"],
        apply: |terms, _, operands, _| {
            let last = operands.len() - 1;
            terms.same(operands[last - 1], operands[last]).then_some(operands[last])
        },
    },
    Rule {
        name: "select_constant",
        tag: Tag::Exact,
        law: "select(true, a, b) = a, select(false, a, b) = b",
        ops: &["select"],
        apply: |terms, _, operands, _| {
            terms.splat(operands[0]).map(|value| operands[if value != 0.0 { 1 } else { 2 }])
        },
    },
    Rule {
        name: "select_not",
        tag: Tag::Exact,
        law: "select(not c, a, b) = select(c, b, a)",
        ops: &["select"],
        apply: |terms, _, operands, _| {
            let condition = terms.unary_of(operands[0], Unary::Not)?;
            terms.add(Op::Select, &[condition, operands[2], operands[1]])
        },
    },
    Rule {
        name: "not_not",
        tag: Tag::Exact,
        law: "not not x = x",
        ops: &["not"],
        apply: |terms, _, operands, _| terms.unary_of(operands[0], Unary::Not),
    },
    Rule {
        name: "logic_constant",
        tag: Tag::Exact,
        law: "x and true = x, x or false = x, x and false = false, x or true = true",
        ops: &["and", "or"],
        apply: |terms, op, operands, class| {
            if terms.ty(class).dtype != DType::Bool {
                return None;
            }
            let (a, b) = (operands[0], operands[1]);
            let neutral = if *op == Op::Binary(Binary::And) { 1.0 } else { 0.0 };
            let (x, constant, value) = terms
                .splat(b)
                .map(|value| (a, b, value))
                .or_else(|| terms.splat(a).map(|value| (b, a, value)))?;
            Some(if value == neutral { x } else { constant })
        },
    },
    Rule {
        name: "cast_to_same",
        tag: Tag::Exact,
        law: "cast(x) = x to x's own type",
        ops: &["cast"],
        apply: |terms, _, operands, class| (terms.ty(operands[0]) == terms.ty(class)).then_some(operands[0]),
    },
];
