//! Normalisation: scales and shifts per channel move into the kernel and the bias before them, and the
//! logarithm of a softmax becomes a log-softmax.
//!
//! `(convolve(x, w) - mean) * factor + shift` with statistics that do not depend on the input becomes
//! `convolve(x, w * factor) + (shift - mean * factor)` in four small steps. Weights and statistics are taken
//! to be finite; x may be anything.

use super::super::terms::{Class, Terms};
use super::{Rule, Tag};
use dlc_ir::{Binary, Op, Unary};

/// A sum or product with a broadcast: the other operand, what is repeated, and along which axes.
pub(super) struct WithBroadcast {
    pub(super) x: Class,
    pub(super) repeated: Class,
    pub(super) axes: Vec<usize>,
}

fn with_broadcast(terms: &Terms, operands: &[Class]) -> Option<WithBroadcast> {
    [1, 0].into_iter().find_map(|side| {
        let (repeated, axes) = terms.broadcast_of(operands[side])?;
        Some(WithBroadcast { x: operands[1 - side], repeated, axes })
    })
}

/// Operands of a sum or product with a broadcast in the class.
pub(super) fn binary_with_broadcast(terms: &Terms, class: Class, function: Binary) -> Option<WithBroadcast> {
    terms.find(class, |op, operands| {
        (*op == Op::Binary(function)).then_some(())?;
        with_broadcast(terms, operands)
    })
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "subtract_broadcast",
        tag: Tag::Exact,
        law: "x - broadcast(m) = x + broadcast(-m)",
        ops: &["sub"],
        apply: |terms, _, operands, class| {
            if !terms.is_float(class) {
                return None;
            }
            let (m, axes) = terms.broadcast_of(operands[1])?;
            let negated = terms.negate(m)?;
            let wide = terms.broadcast(negated, terms.shape(class).clone(), &axes)?;
            terms.plus(operands[0], wide)
        },
    },
    Rule {
        name: "add_broadcast_of_negated",
        tag: Tag::Exact,
        law: "x + broadcast(-m) = x - broadcast(m)",
        ops: &["add"],
        apply: |terms, _, operands, class| {
            let WithBroadcast { x, repeated, axes } = with_broadcast(terms, operands)?;
            let m = terms.unary_of(repeated, Unary::Negate)?;
            let wide = terms.broadcast(m, terms.shape(class).clone(), &axes)?;
            terms.minus(x, wide)
        },
    },
    Rule {
        name: "distribute_persistent_factor",
        tag: Tag::Rounding,
        law: "(x + broadcast(p)) * broadcast(f) = x * broadcast(f) + broadcast(p * f), p and f persistent",
        ops: &["mul"],
        apply: |terms, _, operands, class| {
            let WithBroadcast { x: sum, repeated: f, axes } = with_broadcast(terms, operands)?;
            let WithBroadcast { x, repeated: p, axes: other } =
                binary_with_broadcast(terms, sum, Binary::Add)?;
            let persistent = terms.is_persistent(p) && terms.is_persistent(f) && !terms.is_persistent(x);
            if axes != other || !persistent || !terms.is_float(class) {
                return None;
            }
            let shape = terms.shape(class).clone();
            let factor = terms.broadcast(f, shape.clone(), &axes)?;
            let scaled = terms.times(x, factor)?;
            let product = terms.times(p, f)?;
            let term = terms.broadcast(product, shape, &axes)?;
            terms.plus(scaled, term)
        },
    },
    Rule {
        name: "merge_broadcast_factors",
        tag: Tag::Rounding,
        law: "(x * broadcast(f)) * broadcast(g) = x * broadcast(f * g), f and g persistent",
        ops: &["mul"],
        apply: |terms, _, operands, class| {
            let WithBroadcast { x: product, repeated: g, axes } = with_broadcast(terms, operands)?;
            let inner = binary_with_broadcast(terms, product, Binary::Multiply)?;
            let persistent = terms.is_persistent(g) && terms.is_persistent(inner.repeated);
            if axes != inner.axes || !persistent || !terms.is_float(class) {
                return None;
            }
            let factor = terms.times(inner.repeated, g)?;
            let factor = terms.broadcast(factor, terms.shape(class).clone(), &axes)?;
            terms.times(inner.x, factor)
        },
    },
    Rule {
        name: "merge_broadcast_terms",
        tag: Tag::Rounding,
        law: "(x + broadcast(p)) + broadcast(q) = x + broadcast(p + q)",
        ops: &["add"],
        apply: |terms, _, operands, class| {
            let WithBroadcast { x: sum, repeated: q, axes } = with_broadcast(terms, operands)?;
            let inner = binary_with_broadcast(terms, sum, Binary::Add)?;
            if axes != inner.axes || !terms.is_float(class) || terms.broadcast_of(inner.x).is_some() {
                return None;
            }
            let both = terms.plus(inner.repeated, q)?;
            let term = terms.broadcast(both, terms.shape(class).clone(), &axes)?;
            terms.plus(inner.x, term)
        },
    },
    Rule {
        name: "merge_terms_of_operands",
        tag: Tag::Rounding,
        law: "(x + broadcast(p)) + (y + broadcast(q)) = (x + y) + broadcast(p + q)",
        ops: &["add"],
        apply: |terms, _, operands, class| {
            let one = binary_with_broadcast(terms, operands[0], Binary::Add)?;
            let other = binary_with_broadcast(terms, operands[1], Binary::Add)?;
            if one.axes != other.axes || !terms.is_float(class) {
                return None;
            }
            let sum = terms.plus(one.x, other.x)?;
            let both = terms.plus(one.repeated, other.repeated)?;
            let term = terms.broadcast(both, terms.shape(class).clone(), &one.axes)?;
            terms.plus(sum, term)
        },
    },
    Rule {
        name: "scale_into_convolution",
        tag: Tag::Rounding,
        law: "convolve(x, w) * broadcast(f) = convolve(x, w * broadcast(f)), f per output channel; w and f persistent",
        ops: &["mul"],
        apply: |terms, _, operands, _| {
            let WithBroadcast { x: product, repeated: f, axes } = with_broadcast(terms, operands)?;
            let (x, kernel, op) = terms.find(product, |op, operands| match op {
                Op::Convolve(_) => Some((operands[0], operands[1], op.clone())),
                _ => None,
            })?;
            let per_channel = axes == [1] && terms.shape(f)[0] == terms.shape(kernel)[0];
            if !per_channel || !terms.is_persistent(f) || !terms.is_persistent(kernel) {
                return None;
            }
            let factor = terms.broadcast(f, terms.shape(kernel).clone(), &[0])?;
            let folded = terms.times(kernel, factor)?;
            terms.add(op, &[x, folded])
        },
    },
    Rule {
        name: "scale_into_contraction",
        tag: Tag::Rounding,
        law: "contract(x, w) * broadcast(f) = contract(x, w * broadcast(f)), f along free axes of w; w and f persistent",
        ops: &["mul"],
        apply: |terms, _, operands, class| {
            let WithBroadcast { x: product, repeated: f, axes } = with_broadcast(terms, operands)?;
            let (x, matrix, contraction) = terms.find(product, |op, operands| match op {
                Op::Contract(contraction) => Some((operands[0], operands[1], contraction.clone())),
                _ => None,
            })?;
            if !terms.is_persistent(f) || !terms.is_persistent(matrix) {
                return None;
            }
            let used: Vec<usize> =
                contraction.batch.iter().chain(&contraction.contract).map(|&(_, right)| right).collect();
            let free: Vec<usize> = (0..terms.rank(matrix)).filter(|axis| !used.contains(axis)).collect();
            let first = terms.rank(class) - free.len();
            let places: Option<Vec<usize>> =
                axes.iter().map(|&axis| free.get(axis.checked_sub(first)?).copied()).collect();
            let factor = terms.broadcast(f, terms.shape(matrix).clone(), &places?)?;
            let folded = terms.times(matrix, factor)?;
            terms.add(Op::Contract(contraction), &[x, folded])
        },
    },
    Rule {
        name: "log_of_scaled_exp",
        tag: Tag::Rounding,
        law: "log(exp(x) * y) = x + log(y) for y >= 0, likewise for a quotient: log(softmax) is log-softmax",
        ops: &["log"],
        apply: |terms, _, operands, _| {
            if let Some((a, b)) = terms.binary_of(operands[0], Binary::Divide) {
                let x = terms.unary_of(a, Unary::Exp)?;
                let log = terms.is_nonnegative(b).then(|| terms.unary(Unary::Log, b))??;
                return terms.minus(x, log);
            }
            let (a, b) = terms.binary_of(operands[0], Binary::Multiply)?;
            let (x, y) = [(a, b), (b, a)].into_iter().find_map(|(a, b)| {
                Some((terms.unary_of(a, Unary::Exp)?, b)).filter(|_| terms.is_nonnegative(b))
            })?;
            let log = terms.unary(Unary::Log, y)?;
            terms.plus(x, log)
        },
    },
    Rule {
        name: "log_of_reciprocal",
        tag: Tag::Rounding,
        law: "log(1 / y) = -log(y) for y >= 0",
        ops: &["log"],
        apply: |terms, _, operands, _| {
            let (one, y) = terms.binary_of(operands[0], Binary::Divide)?;
            if !terms.is_splat(one, 1.0) || !terms.is_nonnegative(y) {
                return None;
            }
            let log = terms.unary(Unary::Log, y)?;
            terms.negate(log)
        },
    },
];
