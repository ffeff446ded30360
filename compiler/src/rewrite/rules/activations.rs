//! Activations and losses in the spellings that people write, as the functions that they are; forms that
//! overflow for finite operands as forms that do not.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::{Binary, Comparison, Op, Reduction, Unary};

/// Operand and axes of a sum in the class.
fn sum_of(terms: &Terms, class: Class) -> Option<(Class, Vec<usize>)> {
    terms.find(class, |op, operands| match op {
        Op::Reduce { kind: Reduction::Sum, axes } => Some((operands[0], axes.clone())),
        _ => None,
    })
}

/// `x` less its largest element along the axes, and what was subtracted, of the reduced shape. Nothing is
/// subtracted where the largest is not finite, so NaN and infinity stay where they were.
fn shifted(terms: &mut Terms, x: Class, axes: &[usize]) -> Option<(Class, Class)> {
    if terms.facts(x).shifted || terms.facts(x).range.1 <= 0.0 || !terms.is_float(x) {
        return None;
    }
    let largest = terms.reduce(Reduction::Max, x, axes)?;
    let size = terms.unary(Unary::Abs, largest)?;
    let infinity = terms.filled_like(largest, f64::INFINITY)?;
    let finite = terms.add(Op::Compare(Comparison::Less), &[size, infinity])?;
    let zero = terms.filled_like(largest, 0.0)?;
    let shift = terms.add(Op::Select, &[finite, largest, zero])?;
    let kept: Vec<usize> = (0..terms.rank(x)).filter(|axis| !axes.contains(axis)).collect();
    let wide = terms.broadcast(shift, terms.shape(x).clone(), &kept)?;
    Some((terms.minus(x, wide)?, shift))
}

/// `-|x|`
fn minus_abs(terms: &mut Terms, x: Class) -> Option<Class> {
    let size = terms.unary(Unary::Abs, x)?;
    terms.negate(size)
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "sigmoid_of_parts",
        tag: Tag::Rounding,
        law: "a / (1 + exp(-x)) = a * sigmoid(x), so 1 / (1 + exp(-x)) = sigmoid(x)",
        ops: &["div"],
        apply: |terms, _, operands, _| {
            let (exponential, one) = terms.with_constant(operands[1], Binary::Add)?;
            let negated = terms.unary_of(exponential, Unary::Exp)?;
            if one != 1.0 || !terms.is_float(negated) {
                return None;
            }
            let x = match terms.unary_of(negated, Unary::Negate) {
                Some(x) => x,
                None => {
                    let (_, factor) = terms.with_constant(negated, Binary::Multiply)?;
                    if factor < 0.0 { terms.negate(negated)? } else { return None }
                }
            };
            let sigmoid = terms.unary(Unary::Sigmoid, x)?;
            if terms.is_splat(operands[0], 1.0) { Some(sigmoid) } else { terms.times(operands[0], sigmoid) }
        },
    },
    Rule {
        name: "sigmoid_of_tanh",
        tag: Tag::Rounding,
        law: "(tanh(x * 0.5) + 1) * 0.5 = sigmoid(x)",
        ops: &["mul"],
        apply: |terms, op, operands, _| {
            let half = operands.iter().position(|&operand| terms.is_splat(operand, 0.5))?;
            let (tanh, one) = terms.with_constant(operands[1 - half], Binary::Add)?;
            let halved = terms.unary_of(tanh, Unary::Tanh)?;
            let (x, factor) = terms.with_constant(halved, Binary::Multiply)?;
            let fits = *op == Op::Binary(Binary::Multiply) && one == 1.0 && factor == 0.5;
            if fits { terms.unary(Unary::Sigmoid, x) } else { None }
        },
    },
    Rule {
        name: "one_minus_sigmoid",
        tag: Tag::Rounding,
        law: "1 - sigmoid(x) = sigmoid(-x)",
        ops: &["sub"],
        apply: |terms, _, operands, _| {
            let x = terms.unary_of(operands[1], Unary::Sigmoid)?;
            let negated = terms.is_splat(operands[0], 1.0).then(|| terms.negate(x))??;
            terms.unary(Unary::Sigmoid, negated)
        },
    },
    Rule {
        name: "log_of_sigmoid",
        tag: Tag::Rounding,
        law: "log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|))",
        ops: &["log"],
        apply: |terms, _, operands, class| {
            let x = terms.unary_of(operands[0], Unary::Sigmoid)?;
            let zero = terms.filled_like(class, 0.0)?;
            let below = terms.binary(Binary::Min, x, zero)?;
            let exponent = minus_abs(terms, x)?;
            let exponential = terms.unary(Unary::Exp, exponent)?;
            let rest = terms.unary(Unary::LogOnePlus, exponential)?;
            terms.minus(below, rest)
        },
    },
    Rule {
        name: "stable_softplus",
        tag: Tag::Rounding,
        law: "log1p(exp(x)) = relu(x) + log1p(exp(-|x|))",
        ops: &["log1p"],
        apply: |terms, _, operands, _| {
            let x = terms.unary_of(operands[0], Unary::Exp)?;
            if terms.facts(x).range.1 <= 0.0 {
                return None;
            }
            let exponent = minus_abs(terms, x)?;
            let exponential = terms.unary(Unary::Exp, exponent)?;
            let rest = terms.unary(Unary::LogOnePlus, exponential)?;
            let above = terms.unary(Unary::Relu, x)?;
            terms.plus(above, rest)
        },
    },
    Rule {
        name: "stable_softmax",
        tag: Tag::Rounding,
        law: "exp(x) / sum(exp(x)) = exp(x - m) / sum(exp(x - m)), m = max(x) where that is finite, else 0",
        ops: &["div"],
        apply: |terms, _, operands, _| {
            let x = terms.unary_of(operands[0], Unary::Exp)?;
            let (total, kept) = terms.broadcast_of(operands[1])?;
            let (summed, axes) = sum_of(terms, total)?;
            let others = (0..terms.rank(x)).filter(|axis| !axes.contains(axis));
            if !terms.same(summed, operands[0]) || !others.eq(kept.iter().copied()) {
                return None;
            }
            let (exponent, _) = shifted(terms, x, &axes)?;
            let exponential = terms.unary(Unary::Exp, exponent)?;
            let total = terms.reduce(Reduction::Sum, exponential, &axes)?;
            let total = terms.broadcast(total, terms.shape(x).clone(), &kept)?;
            terms.binary(Binary::Divide, exponential, total)
        },
    },
    Rule {
        name: "stable_log_of_sum",
        tag: Tag::Rounding,
        law: "log(sum(exp(x))) = m + log(sum(exp(x - m))), m = max(x) where that is finite, else 0",
        ops: &["log"],
        apply: |terms, _, operands, _| {
            let (exponential, axes) = sum_of(terms, operands[0])?;
            let x = terms.unary_of(exponential, Unary::Exp)?;
            let (exponent, shift) = shifted(terms, x, &axes)?;
            let exponential = terms.unary(Unary::Exp, exponent)?;
            let total = terms.reduce(Reduction::Sum, exponential, &axes)?;
            let log = terms.unary(Unary::Log, total)?;
            terms.plus(shift, log)
        },
    },
];
