//! Types of scalar operations: the rules of the graph's ops of the same names.

use super::Fault;
use crate::{Binary, Comparison, ScalarOp, Unary};
use dlc_types::DType;

/// What an operation asks of a type.
#[derive(Clone, Copy)]
enum Wanted {
    Exactly(DType),
    Float,
    Integer,
    Number,
    /// `bool` or an integer that is computed with.
    Bits,
    /// An integer that is computed with.
    WideInteger,
    /// Anything that is computed with.
    Wide,
    /// A number of so many bytes.
    OfSize(usize),
    Any,
}

impl Wanted {
    fn admits(self, dtype: DType) -> bool {
        match self {
            Wanted::Exactly(wanted) => dtype == wanted,
            Wanted::Float => dtype.is_float() && !dtype.is_narrow(),
            Wanted::Integer => dtype.is_integer(),
            Wanted::Number => dtype != DType::Bool && !dtype.is_narrow(),
            Wanted::Bits => !dtype.is_float() && !dtype.is_narrow(),
            Wanted::WideInteger => dtype.is_integer() && !dtype.is_narrow(),
            Wanted::Wide => !dtype.is_narrow(),
            Wanted::OfSize(size) => dtype != DType::Bool && dtype.size() == size,
            Wanted::Any => true,
        }
    }

    fn text(self) -> String {
        match self {
            Wanted::Exactly(dtype) => dtype.to_string(),
            Wanted::Float => "a float of 32 bits or more".to_owned(),
            Wanted::Integer => "an integer type that holds the number".to_owned(),
            Wanted::Number => "a number of 32 bits or more".to_owned(),
            Wanted::Bits => "bool or an integer of 32 bits or more".to_owned(),
            Wanted::WideInteger => "an integer of 32 bits or more".to_owned(),
            Wanted::Wide => "bool or a type of 32 bits or more".to_owned(),
            Wanted::OfSize(size) => format!("a number of {size} bytes"),
            Wanted::Any => "any type".to_owned(),
        }
    }
}

/// Checks number and types of an operation's operands and its result type.
pub(super) fn check(op: ScalarOp, result: DType, args: &[DType]) -> Result<(), Fault> {
    let name = op.name();
    let (wanted_result, wanted_args) = signature(op, result, args);
    if args.len() != wanted_args.len() {
        return Err(Fault::Arity { op: name.to_owned(), expected: wanted_args.len(), found: args.len() });
    }
    if !wanted_result.admits(result) {
        return Err(Fault::ResultType { op: name.to_owned(), expected: wanted_result.text(), found: result });
    }
    for (position, (&wanted, &found)) in wanted_args.iter().zip(args).enumerate() {
        if !wanted.admits(found) {
            let expected = wanted.text();
            return Err(Fault::OperandType { op: name.to_owned(), position, expected, found });
        }
    }
    Ok(())
}

fn signature(op: ScalarOp, result: DType, args: &[DType]) -> (Wanted, Vec<Wanted>) {
    let same = Wanted::Exactly(result);
    match op {
        ScalarOp::Constant(_) => (Wanted::Any, Vec::new()),
        ScalarOp::Integer(number) if integer_fits(number, result) => (Wanted::Integer, Vec::new()),
        ScalarOp::Integer(_) => (Wanted::Exactly(DType::I64), Vec::new()),
        ScalarOp::Extent(_) | ScalarOp::Index(_) => (Wanted::Number, Vec::new()),
        ScalarOp::Unary(function) => (unary(function), vec![same]),
        ScalarOp::Binary(function) => (binary(function), vec![same; 2]),
        ScalarOp::FusedMultiplyAdd => (Wanted::Float, vec![same; 3]),
        ScalarOp::Compare(comparison) => {
            let first = match comparison {
                Comparison::Equal | Comparison::NotEqual => Wanted::Wide,
                _ => Wanted::Number,
            };
            let second = args.first().map_or(Wanted::Any, |&dtype| Wanted::Exactly(dtype));
            (Wanted::Exactly(DType::Bool), vec![first, second])
        }
        ScalarOp::Select => (Wanted::Any, vec![Wanted::Exactly(DType::Bool), same, same]),
        ScalarOp::Cast => (Wanted::Any, vec![Wanted::Any]),
        ScalarOp::Bitcast => (
            Wanted::OfSize(args.first().map_or(0, |dtype| dtype.size())),
            vec![Wanted::OfSize(result.size())],
        ),
        ScalarOp::Random { .. } => {
            let operands = [DType::I64, DType::I32, DType::I64].map(Wanted::Exactly);
            (Wanted::Exactly(DType::F32), operands.to_vec())
        }
    }
}

fn unary(function: Unary) -> Wanted {
    match function {
        Unary::Negate | Unary::Abs | Unary::Sign | Unary::Relu => Wanted::Number,
        Unary::Not => Wanted::Bits,
        _ => Wanted::Float,
    }
}

fn binary(function: Binary) -> Wanted {
    match function {
        Binary::And | Binary::Or | Binary::Xor => Wanted::Bits,
        Binary::ShiftLeft | Binary::ShiftRight => Wanted::WideInteger,
        _ => Wanted::Number,
    }
}

fn integer_fits(number: i64, dtype: DType) -> bool {
    match dtype {
        DType::I8 => i8::try_from(number).is_ok(),
        DType::U8 => u8::try_from(number).is_ok(),
        DType::I16 => i16::try_from(number).is_ok(),
        DType::U16 => u16::try_from(number).is_ok(),
        DType::I32 => i32::try_from(number).is_ok(),
        DType::U32 => u32::try_from(number).is_ok(),
        _ => true,
    }
}
