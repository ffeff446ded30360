//! The operations of the kernel IR on machine values, scalar or vector; those of integers alone stand in
//! `integer`, conversions in `cast`.
//!
//! Nothing here traps: integer division by zero gives 0, `MIN / -1` gives `MIN`, and conversions from float
//! to integer saturate, with 0 for NaN.

use crate::ClifError;
use crate::emitter::{Emitter, scalar_type, vector_type};
use crate::float::{Float, bits_as};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use dlc_kernel::approximation::{self, Arithmetic};
use dlc_kernel::{Binary, Comparison, ScalarOp, Unary};
use dlc_types::DType;

/// Whether an operation has a form on vectors of `width` lanes, given the types of result and operands.
pub(crate) fn fits_lanes(op: &ScalarOp, dtype: DType, args: &[DType], width: usize) -> bool {
    let typed = |dtype: DType| vector_type(dtype, width).is_some();
    if !typed(dtype) || !args.iter().all(|&arg| typed(arg)) {
        return false;
    }
    let wide = matches!(dtype, DType::I64 | DType::U64);
    let from = args.first().copied().unwrap_or(dtype);
    match op {
        ScalarOp::Binary(Binary::Power | Binary::ShiftLeft | Binary::ShiftRight | Binary::Remainder) => false,
        ScalarOp::Binary(Binary::Divide) => dtype.is_float(),
        ScalarOp::Binary(Binary::Max | Binary::Min) => !wide,
        ScalarOp::Unary(Unary::Sign | Unary::Relu) => !wide,
        ScalarOp::Compare(Comparison::Equal | Comparison::NotEqual) => true,
        ScalarOp::Compare(_) => from != DType::U64,
        ScalarOp::Bitcast => true,
        ScalarOp::Cast => from == dtype || from == DType::Bool || dtype == DType::Bool || width == 4,
        _ => true,
    }
}

/// Result type, operand type and machine type of one operation.
pub(crate) struct Typing {
    pub(crate) dtype: DType,
    /// Type of the first operand that is not a condition.
    pub(crate) from: DType,
    /// Lanes of the machine values; 1 for scalars.
    pub(crate) width: usize,
}

impl Typing {
    pub(crate) fn machine(&self, dtype: DType) -> Result<Type, ClifError> {
        if self.width == 1 {
            return scalar_type(dtype);
        }
        vector_type(dtype, self.width).ok_or(ClifError::UnsupportedType(dtype))
    }
}

impl<'f> Emitter<'_, 'f> {
    /// An operation on machine values of one shape.
    pub(crate) fn operate(
        &mut self,
        op: &ScalarOp,
        typing: &Typing,
        args: &[Value],
    ) -> Result<Value, ClifError> {
        let ty = typing.machine(typing.dtype)?;
        let narrow = typing.dtype.is_narrow() || typing.from.is_narrow();
        if narrow && !matches!(op, ScalarOp::Select | ScalarOp::Cast | ScalarOp::Bitcast) {
            return Err(unsupported(op, typing.from));
        }
        match (op, args) {
            (ScalarOp::Unary(unary), &[a]) => self.unary(*unary, typing.dtype, ty, a),
            (ScalarOp::Binary(binary), &[a, b]) => self.binary(*binary, typing.dtype, ty, a, b),
            (ScalarOp::FusedMultiplyAdd, &[a, b, c]) if typing.dtype.is_float() => {
                Ok(self.float(ty).mul_add(a, b, c))
            }
            (ScalarOp::Compare(comparison), &[a, b]) => self.compare(*comparison, typing, a, b),
            (ScalarOp::Select, &[condition, a, b]) => Ok(self.select(typing, ty, condition, a, b)),
            (ScalarOp::Cast, &[a]) => self.cast(typing, ty, a),
            (ScalarOp::Bitcast, &[a]) => self.bitcast(typing, ty, a),
            (ScalarOp::Random { stream }, &[seed, step, index]) => {
                Ok(self.random(*stream, seed, step, index))
            }
            _ => Err(unsupported(op, typing.dtype)),
        }
    }

    fn select(&mut self, typing: &Typing, ty: Type, condition: Value, a: Value, b: Value) -> Value {
        if typing.width == 1 {
            return self.builder.ins().select(condition, a, b);
        }
        let mask = if ty == self.builder.func.dfg.value_type(condition) {
            condition
        } else {
            bits_as(self.builder, ty, condition)
        };
        self.builder.ins().bitselect(mask, a, b)
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        typing: &Typing,
        a: Value,
        b: Value,
    ) -> Result<Value, ClifError> {
        if typing.from.is_float() {
            let condition = match comparison {
                Comparison::Equal => FloatCC::Equal,
                Comparison::NotEqual => FloatCC::NotEqual,
                Comparison::Less => FloatCC::LessThan,
                Comparison::LessEqual => FloatCC::LessThanOrEqual,
                Comparison::Greater => FloatCC::GreaterThan,
                Comparison::GreaterEqual => FloatCC::GreaterThanOrEqual,
            };
            return Ok(self.builder.ins().fcmp(condition, a, b));
        }
        // A true mask is -1 in lanes, so that the order of `bool` turns around there.
        let (a, b) = if typing.from == DType::Bool && typing.width > 1 { (b, a) } else { (a, b) };
        let condition = match comparison {
            Comparison::Less if typing.from.is_unsigned() => IntCC::UnsignedLessThan,
            Comparison::LessEqual if typing.from.is_unsigned() => IntCC::UnsignedLessThanOrEqual,
            Comparison::Greater if typing.from.is_unsigned() => IntCC::UnsignedGreaterThan,
            Comparison::GreaterEqual if typing.from.is_unsigned() => IntCC::UnsignedGreaterThanOrEqual,
            Comparison::Equal => IntCC::Equal,
            Comparison::NotEqual => IntCC::NotEqual,
            Comparison::Less => IntCC::SignedLessThan,
            Comparison::LessEqual => IntCC::SignedLessThanOrEqual,
            Comparison::Greater => IntCC::SignedGreaterThan,
            Comparison::GreaterEqual => IntCC::SignedGreaterThanOrEqual,
        };
        Ok(self.builder.ins().icmp(condition, a, b))
    }

    fn unary(&mut self, op: Unary, dtype: DType, ty: Type, a: Value) -> Result<Value, ClifError> {
        if dtype == DType::Bool {
            return match (op, ty.is_vector()) {
                (Unary::Not, true) => Ok(self.builder.ins().bnot(a)),
                (Unary::Not, false) => Ok(self.builder.ins().bxor_imm_s(a, 1)),
                _ => Err(unsupported(&ScalarOp::Unary(op), dtype)),
            };
        }
        if !dtype.is_float() {
            return self.integer_unary(op, dtype, ty, a);
        }
        let mut float = self.float(ty);
        Ok(match op {
            Unary::Negate => float.builder.ins().fneg(a),
            Unary::Abs => float.abs(a),
            Unary::Sign => sign(&mut float, a),
            Unary::Exp => approximation::exp(&mut float, a),
            Unary::Log => approximation::log(&mut float, a),
            Unary::LogOnePlus => approximation::log_one_plus(&mut float, a),
            Unary::Sqrt => float.builder.ins().sqrt(a),
            Unary::ReciprocalSqrt => {
                let root = float.builder.ins().sqrt(a);
                let one = float.constant(1.0);
                float.div(one, root)
            }
            Unary::Tanh => approximation::tanh(&mut float, a),
            Unary::Sigmoid => approximation::sigmoid(&mut float, a),
            Unary::Erf => approximation::erf(&mut float, a),
            Unary::Relu => float.relu(a),
            Unary::Floor => float.builder.ins().floor(a),
            Unary::Ceil => float.builder.ins().ceil(a),
            Unary::Round => float.builder.ins().nearest(a),
            Unary::Cos => approximation::cos(&mut float, a),
            Unary::Sin => approximation::sin(&mut float, a),
            Unary::Not => return Err(unsupported(&ScalarOp::Unary(op), dtype)),
        })
    }

    pub(crate) fn binary(
        &mut self,
        op: Binary,
        dtype: DType,
        ty: Type,
        a: Value,
        b: Value,
    ) -> Result<Value, ClifError> {
        if dtype == DType::Bool {
            return self.bool_binary(op, a, b);
        }
        if !dtype.is_float() {
            return self.integer_binary(op, dtype, a, b);
        }
        let mut float = self.float(ty);
        Ok(match op {
            Binary::Add => float.add(a, b),
            Binary::Subtract => float.sub(a, b),
            Binary::Multiply => float.mul(a, b),
            Binary::Divide => float.div(a, b),
            Binary::Max => float.maximum(a, b),
            Binary::Min => float.minimum(a, b),
            Binary::Power => approximation::power(&mut float, a, b),
            Binary::Remainder => return self.float_remainder(ty, a, b),
            Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => {
                return Err(unsupported(&ScalarOp::Binary(op), dtype));
            }
        })
    }

    fn bool_binary(&mut self, op: Binary, a: Value, b: Value) -> Result<Value, ClifError> {
        let ins = self.builder.ins();
        Ok(match op {
            Binary::And | Binary::Min | Binary::Multiply => ins.band(a, b),
            Binary::Or | Binary::Max | Binary::Add => ins.bor(a, b),
            Binary::Xor => ins.bxor(a, b),
            _ => return Err(unsupported(&ScalarOp::Binary(op), DType::Bool)),
        })
    }
}

fn sign(float: &mut Float<'_, '_>, a: Value) -> Value {
    let zero = float.constant(0.0);
    let one = float.constant(1.0);
    let minus_one = float.constant(-1.0);
    let positive = float.compare(FloatCC::GreaterThan, a, zero);
    let negative = float.compare(FloatCC::LessThan, a, zero);
    let result = float.select(negative, minus_one, a);
    float.select(positive, one, result)
}

pub(crate) fn unsupported(op: &ScalarOp, dtype: DType) -> ClifError {
    ClifError::UnsupportedOp { op: op.name().to_owned(), dtype }
}
