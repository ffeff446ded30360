//! Which values are never negative, whatever is fed.

use dlc_ir::{Binary, Function, NodeId, Op, Reduction, Unary, WindowKind, literal::Elements};
use dlc_types::IndexVec;

/// For every node whether all its elements are at least zero (or NaN).
pub(super) fn never_negative(function: &Function) -> IndexVec<NodeId, bool> {
    let mut known: IndexVec<NodeId, bool> = IndexVec::new();
    for node in function.nodes.values() {
        let of = |place: usize| node.operands.get(place).is_some_and(|&operand| known[operand]);
        let all = || node.operands.iter().all(|&operand| known[operand]);
        let at_least_zero = match &node.op {
            Op::Constant(literal) => match &literal.elements {
                Elements::Float(values) => values.iter().all(|&value| value >= 0.0),
                Elements::Int(values) => values.iter().all(|&value| value >= 0),
                Elements::Bool(_) => true,
            },
            Op::Iota { .. } | Op::Extent(_) | Op::Random { .. } => true,
            Op::Softmax { .. } | Op::Compare(_) | Op::ArgReduce { .. } | Op::ArgSort { .. } => true,
            Op::Unary(unary) => match unary {
                Unary::Relu | Unary::Abs | Unary::Exp | Unary::Sqrt | Unary::ReciprocalSqrt => true,
                Unary::Sigmoid | Unary::Cosh | Unary::Acosh | Unary::Acos => true,
                Unary::Floor | Unary::Ceil | Unary::Round | Unary::Sign | Unary::Tanh => of(0),
                Unary::LogOnePlus | Unary::Erf | Unary::Atan | Unary::Sinh | Unary::Asinh => of(0),
                _ => false,
            },
            Op::Binary(binary) => match binary {
                Binary::Add | Binary::Divide | Binary::Min | Binary::Power => all(),
                Binary::Multiply => all() || node.operands.first() == node.operands.last(),
                Binary::Max => of(0) || of(1),
                Binary::Remainder => of(0),
                _ => false,
            },
            Op::Select => of(1) && of(2),
            Op::Reduce { kind: Reduction::Min, .. } => of(0),
            Op::Reduce { .. } | Op::Cumulative { .. } => of(0),
            Op::ReduceWindow { kind: WindowKind::Max | WindowKind::Sum, .. } => of(0),
            Op::Broadcast { .. } | Op::Reshape | Op::Transpose { .. } | Op::Slice { .. } => of(0),
            Op::Cast(dtype) => dtype.is_float() && of(0),
            Op::Dilate { .. } | Op::Reverse { .. } | Op::Gather { .. } | Op::GatherAlong { .. } => of(0),
            Op::Pad { .. } | Op::Concat { .. } | Op::Contract(_) | Op::Convolve(_) => all(),
            _ => false,
        };
        known.push(at_least_zero);
    }
    known
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::never_negative;

    #[test]
    fn signs_follow_from_ops() {
        let function = dlc_ir::text::parse(
            "fn f {
              %0: f32[N, 4] = input \"x\"
              %1: f32[N, 4] = relu(%0)
              %2: f32[N, 4] = add(%1, %0)
              %3: f32[N, 4] = mul(%0, %0)
              %4: f32[N, 4] = add(%1, %3)
              %5: f32[N, 4] = max(%0, %4)
              %6: f32[N, 4] = sub(%1, %3)
              %7: f32[N, 8] = concat(%5, %1) axis=1
              %8: f32[N, 8] = concat(%5, %6) axis=1
              %9: f32[N] = reduce(%7) kind=sum axes=[1]
              output output \"y\" %9
            }",
        )
        .unwrap();
        let found: Vec<bool> = never_negative(&function).values().copied().collect();
        let expected = [false, true, false, true, true, true, false, true, false, true];
        assert_eq!(found, expected);
    }
}
