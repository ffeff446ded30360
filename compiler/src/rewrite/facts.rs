//! What is known of every class of equal terms: its type, the number that all its elements are equal to,
//! bounds on its elements, and whether it depends on parameters, states and constants alone.
//!
//! Rules take their side conditions from these facts. Facts only ever become sharper when classes merge.

use super::term::Term;
use dlc_ir::literal::Elements;
use dlc_ir::{Binary, NodeId, Op, Reduction, Type, Unary};
use dlc_types::{DType, TensorType};
use egg::{Analysis, DidMerge, EGraph, Id};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Facts of one class.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The type that all terms of the class have.
    pub(crate) ty: Arc<Type>,
    /// The value of every element, where it is known and the same.
    pub(crate) splat: Option<f64>,
    /// Bounds of the elements that are not NaN.
    pub(crate) range: (f64, f64),
    /// Whether the value is the same for all inputs: made of parameters, states and constants.
    pub(crate) persistent: bool,
    /// Whether the largest element along some axes was subtracted from all: an exponential of it is finite
    /// wherever its operand was.
    pub(crate) shifted: bool,
    /// Number of the place in the model that the class comes from.
    pub(crate) origin: u32,
}

/// What stays known of a value when its region is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// As in [`Facts`].
    pub(crate) splat: Option<f64>,
    /// As in [`Facts`].
    pub(crate) range: (f64, f64),
    /// As in [`Facts`].
    pub(crate) persistent: bool,
}

impl Kept {
    /// Nothing.
    pub(crate) const NOTHING: Kept = Kept { splat: None, range: ANYTHING, persistent: false };
}

/// Bounds of a value of which nothing is known.
pub(crate) const ANYTHING: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// The analysis: facts of a term from those of its operands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deduction {
    /// The origin that new classes get.
    pub(crate) origin: u32,
    /// Facts of leaves that do not follow from anything in the region: bounds, persistence.
    pub(crate) leaves: BTreeMap<NodeId, Kept>,
}

impl Analysis<Term> for Deduction {
    type Data = Facts;

    fn make(graph: &mut EGraph<Term, Self>, term: &Term, _id: Id) -> Facts {
        let origin = graph.analysis.origin;
        if let Some(leaf) = term.leaf {
            let known = graph.analysis.leaves.get(&leaf).copied();
            let Kept { splat, range, persistent } = known.unwrap_or(Kept::NOTHING);
            return Facts { ty: term.ty.clone(), splat, range, persistent, shifted: false, origin };
        }
        let operands: Vec<&Facts> = term.operands.iter().map(|&operand| &graph[operand].data).collect();
        let splat = splat(term, &operands);
        let persistent = match &*term.op {
            Op::Input { .. } | Op::Random { .. } => false,
            _ => operands.iter().all(|facts| facts.persistent),
        };
        let range = match splat {
            Some(value) if !value.is_nan() => (value, value),
            _ => range(term, &operands),
        };
        let shifted = is_shifted(graph, term);
        Facts { ty: term.ty.clone(), splat, range, persistent, shifted, origin }
    }

    fn merge(&mut self, to: &mut Facts, from: Facts) -> DidMerge {
        let splat = to.splat.or(from.splat);
        let sharper = (to.range.0.max(from.range.0), to.range.1.min(from.range.1));
        // Bounds are proven by different ways of rounding, so they may miss each other by an ulp.
        let range = if sharper.0 <= sharper.1 { sharper } else { to.range };
        let persistent = to.persistent || from.persistent;
        let shifted = to.shifted || from.shifted;
        let changed = |facts: &Facts| {
            facts.splat.is_some() != splat.is_some()
                || facts.range != range
                || (facts.persistent, facts.shifted) != (persistent, shifted)
        };
        let did = DidMerge(changed(to), changed(&from));
        let origin = to.origin.min(from.origin);
        *to = Facts { ty: to.ty.clone(), splat, range, persistent, shifted, origin };
        did
    }
}

/// Whether a term is `x - broadcast(m)`, where m is the largest element of x along some axes, or that with
/// another value where it is not finite.
fn is_shifted(graph: &EGraph<Term, Deduction>, term: &Term) -> bool {
    if *term.op != Op::Binary(Binary::Subtract) {
        return false;
    }
    let x = graph.find(term.operands[0]);
    let is_max = |class: Id| {
        graph[class].nodes.iter().any(|term| {
            matches!(&*term.op, Op::Reduce { kind: Reduction::Max, .. }) && graph.find(term.operands[0]) == x
        })
    };
    let chosen = |class: Id| {
        let mut selects = graph[class].nodes.iter().filter(|term| matches!(&*term.op, Op::Select));
        selects.any(|term| is_max(term.operands[1]))
    };
    let mut broadcasts =
        graph[term.operands[1]].nodes.iter().filter(|term| matches!(&*term.op, Op::Broadcast { .. }));
    broadcasts.any(|term| is_max(term.operands[0]) || chosen(term.operands[0]))
}

/// Nearest value of an element type; `None` where a float cannot stand for it.
pub(crate) fn rounded(dtype: DType, value: f64) -> Option<f64> {
    match dtype {
        DType::F32 => Some(f64::from(value as f32)),
        DType::F64 => Some(value),
        DType::Bool => Some(f64::from(u8::from(value != 0.0))),
        // Beyond this width integers wrap, and not every one is a float.
        _ if dtype.is_integer() && value == value.trunc() && value.abs() < 2f64.powi(31) => {
            (dtype.size() >= 4 && value >= 0.0 || matches!(dtype, DType::I32 | DType::I64)).then_some(value)
        }
        _ => None,
    }
}

fn splat(term: &Term, operands: &[&Facts]) -> Option<f64> {
    let ty = term.ty.tensor()?;
    let value = |index: usize| operands.get(index).and_then(|facts| facts.splat);
    match &*term.op {
        Op::Constant(literal) => {
            let value = splat_of_literal(&literal.elements);
            // The upper half of `u64` is held as negative numbers.
            let value = value.filter(|&value| ty.dtype != DType::U64 || value >= 0.0);
            value.map(|value| rounded(ty.dtype, value).unwrap_or(value))
        }
        Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Reverse { .. }
        | Op::Gather { .. } => value(0),
        Op::Concat { .. } | Op::Pad { .. } => {
            let first = value(0)?;
            let same =
                (1..operands.len()).all(|index| value(index).map(f64::to_bits) == Some(first.to_bits()));
            same.then_some(first)
        }
        Op::Cast(dtype) => {
            let value = value(0)?;
            let value = if dtype.is_integer() { value.trunc() } else { value };
            rounded(*dtype, value)
        }
        // Of an integer the complement of its bits, which no rule needs.
        Op::Unary(Unary::Not) if ty.dtype != DType::Bool => None,
        Op::Unary(function) => rounded(ty.dtype, unary(*function, value(0)?)?),
        Op::Binary(function) => rounded(ty.dtype, binary(*function, ty, value(0)?, value(1)?)?),
        Op::Compare(comparison) => Some(f64::from(u8::from(compare(*comparison, value(0)?, value(1)?)))),
        Op::Select => match value(0) {
            Some(condition) => value(if condition != 0.0 { 1 } else { 2 }),
            None => value(1).filter(|&one| value(2).is_some_and(|other| one.to_bits() == other.to_bits())),
        },
        _ => None,
    }
    .filter(|value| !value.is_nan())
}

fn splat_of_literal(elements: &Elements) -> Option<f64> {
    let all_equal = |mut bits: Box<dyn Iterator<Item = u64> + '_>| {
        let first = bits.next();
        first.is_some() && bits.all(|other| Some(other) == first)
    };
    match elements {
        Elements::Float(values) => {
            all_equal(Box::new(values.iter().map(|value| value.to_bits()))).then(|| values[0])
        }
        Elements::Int(values) => {
            all_equal(Box::new(values.iter().map(|&value| value as u64))).then(|| values[0] as f64)
        }
        Elements::Bool(values) => all_equal(Box::new(values.iter().map(|&value| u64::from(value))))
            .then(|| f64::from(u8::from(values[0]))),
    }
    .filter(|value| value.abs() < 2f64.powi(53) || matches!(elements, Elements::Float(_)))
}

/// Functions whose value of a constant is the same wherever it is computed: those that are exact or
/// correctly rounded.
fn unary(function: Unary, x: f64) -> Option<f64> {
    Some(match function {
        Unary::Negate => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x == 0.0 || x.is_nan() => x,
        Unary::Sign => x.signum(),
        Unary::Sqrt => x.sqrt(),
        Unary::ReciprocalSqrt => 1.0 / x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Relu => {
            if x > 0.0 {
                x
            } else {
                0.0
            }
        }
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Not => f64::from(u8::from(x == 0.0)),
        _ => return None,
    })
}

fn binary(function: Binary, ty: &TensorType, a: f64, b: f64) -> Option<f64> {
    Some(match function {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide if ty.dtype.is_float() => a / b,
        Binary::Divide if b == 0.0 => 0.0,
        Binary::Divide => (a / b).trunc(),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::And if ty.dtype == DType::Bool => f64::from(u8::from(a != 0.0 && b != 0.0)),
        Binary::Or if ty.dtype == DType::Bool => f64::from(u8::from(a != 0.0 || b != 0.0)),
        Binary::And
        | Binary::Or
        | Binary::Xor
        | Binary::Power
        | Binary::ShiftLeft
        | Binary::ShiftRight
        | Binary::Remainder => return None,
    })
}

fn compare(comparison: dlc_ir::Comparison, a: f64, b: f64) -> bool {
    use dlc_ir::Comparison;
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterEqual => a >= b,
    }
}

fn range(term: &Term, operands: &[&Facts]) -> (f64, f64) {
    // Sums and products of integers wrap.
    let float = term.ty.tensor().is_some_and(|ty| ty.dtype.is_float());
    let of = |index: usize| operands.get(index).map_or(ANYTHING, |facts| facts.range);
    let hull = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
    let nonnegative = (0.0, f64::INFINITY);
    match &*term.op {
        Op::Unary(Unary::Relu) => nonnegative,
        Op::Unary(Unary::Exp) if float && of(0).1 <= 0.0 => (0.0, 1.0),
        Op::Unary(Unary::Abs | Unary::Exp | Unary::Sqrt | Unary::ReciprocalSqrt) if float => nonnegative,
        Op::Unary(Unary::Sigmoid) => (0.0, 1.0),
        Op::Unary(Unary::Tanh | Unary::Erf | Unary::Cos | Unary::Sin | Unary::Sign) => (-1.0, 1.0),
        Op::Unary(Unary::Negate) if float => (-of(0).1, -of(0).0),
        Op::Binary(Binary::Multiply) if float && term.operands[0] == term.operands[1] => nonnegative,
        // Not the sum: in a class that contains its own sum with something, that would grow for ever.
        Op::Binary(Binary::Add) if float && of(0).0 >= 0.0 && of(1).0 >= 0.0 => {
            (of(0).0.max(of(1).0), f64::INFINITY)
        }
        Op::Binary(Binary::Multiply | Binary::Divide) if float && of(0).0 >= 0.0 && of(1).0 >= 0.0 => {
            nonnegative
        }
        Op::Binary(Binary::Max) => (of(0).0.max(of(1).0), of(0).1.max(of(1).1)),
        Op::Binary(Binary::Min) => (of(0).0.min(of(1).0), of(0).1.min(of(1).1)),
        Op::Select => hull(of(1), of(2)),
        Op::Extent(_) | Op::Iota { .. } => nonnegative,
        Op::Random { .. } => (0.0, 1.0),
        Op::Broadcast { .. }
        | Op::Reshape
        | Op::Transpose { .. }
        | Op::Slice { .. }
        | Op::Reverse { .. }
        | Op::Gather { .. } => of(0),
        Op::Pad { .. } => hull(of(0), of(1)),
        Op::Dilate { .. } => hull(of(0), (0.0, 0.0)),
        Op::Reduce { kind: Reduction::Sum | Reduction::Product, .. } | Op::Cumulative { .. }
            if float && of(0).0 >= 0.0 =>
        {
            nonnegative
        }
        _ => ANYTHING,
    }
}
