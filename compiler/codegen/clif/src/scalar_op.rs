//! The operations of the kernel IR on machine values, scalar or vector.
//!
//! Nothing here traps: integer division by zero gives 0, `MIN / -1` gives `MIN`, and conversions from float
//! to integer saturate, with 0 for NaN.

use crate::ClifError;
use crate::approximation;
use crate::emitter::{Emitter, scalar_type, vector_type};
use crate::float::{Float, bits_as};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use dlc_kernel::{Binary, Comparison, ScalarOp, Unary};
use dlc_types::DType;

/// Whether an operation has a form on vectors of `width` lanes, given the types of result and operands.
pub(crate) fn fits_lanes(op: &ScalarOp, dtype: DType, args: &[DType], width: usize) -> bool {
    let typed = |dtype: DType| vector_type(dtype, width).is_some();
    if !typed(dtype) || !args.iter().all(|&arg| typed(arg)) {
        return false;
    }
    match op {
        ScalarOp::Binary(Binary::Power) => false,
        ScalarOp::Binary(Binary::Divide) => dtype.is_float(),
        ScalarOp::Binary(Binary::Max | Binary::Min) => dtype != DType::I64,
        ScalarOp::Unary(Unary::Sign | Unary::Relu) => dtype != DType::I64,
        ScalarOp::Cast => {
            let from = args.first().copied().unwrap_or(dtype);
            from == dtype || from == DType::Bool || dtype == DType::Bool || width == 4
        }
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
    fn machine(&self, dtype: DType) -> Result<Type, ClifError> {
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
        match (op, args) {
            (ScalarOp::Unary(unary), &[a]) => self.unary(*unary, typing.dtype, ty, a),
            (ScalarOp::Binary(binary), &[a, b]) => self.binary(*binary, typing.dtype, ty, a, b),
            (ScalarOp::FusedMultiplyAdd, &[a, b, c]) if typing.dtype.is_float() => {
                Ok(self.float(ty).mul_add(a, b, c))
            }
            (ScalarOp::Compare(comparison), &[a, b]) => self.compare(*comparison, typing, a, b),
            (ScalarOp::Select, &[condition, a, b]) => Ok(self.select(typing, ty, condition, a, b)),
            (ScalarOp::Cast, &[a]) => self.cast(typing, ty, a),
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

    fn integer(&mut self, dtype: DType, ty: Type, number: i64) -> Result<Value, ClifError> {
        if ty.is_vector() {
            Ok(self.constant_vector(dtype, ty, number as f64))
        } else {
            self.constant(dtype, number as f64)
        }
    }

    fn integer_unary(&mut self, op: Unary, dtype: DType, ty: Type, a: Value) -> Result<Value, ClifError> {
        Ok(match op {
            Unary::Negate => self.builder.ins().ineg(a),
            Unary::Abs => self.builder.ins().iabs(a),
            Unary::Sign => {
                let one = self.integer(dtype, ty, 1)?;
                let minus_one = self.integer(dtype, ty, -1)?;
                let low = self.builder.ins().smin(a, one);
                self.builder.ins().smax(low, minus_one)
            }
            Unary::Relu => {
                let zero = self.integer(dtype, ty, 0)?;
                self.builder.ins().smax(a, zero)
            }
            Unary::Floor | Unary::Ceil | Unary::Round => a,
            _ => return Err(unsupported(&ScalarOp::Unary(op), dtype)),
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
            return self.bool_binary(op, ty, a, b);
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
            Binary::And | Binary::Or => return Err(unsupported(&ScalarOp::Binary(op), dtype)),
        })
    }

    fn bool_binary(&mut self, op: Binary, ty: Type, a: Value, b: Value) -> Result<Value, ClifError> {
        let ins = self.builder.ins();
        Ok(match op {
            Binary::And | Binary::Min | Binary::Multiply => ins.band(a, b),
            Binary::Or | Binary::Max | Binary::Add => ins.bor(a, b),
            _ => {
                let _ = ty;
                return Err(unsupported(&ScalarOp::Binary(op), DType::Bool));
            }
        })
    }

    fn integer_binary(&mut self, op: Binary, dtype: DType, a: Value, b: Value) -> Result<Value, ClifError> {
        let ins = self.builder.ins();
        Ok(match op {
            Binary::Add => ins.iadd(a, b),
            Binary::Subtract => ins.isub(a, b),
            Binary::Multiply => ins.imul(a, b),
            Binary::Max => ins.smax(a, b),
            Binary::Min => ins.smin(a, b),
            Binary::Divide => self.integer_divide(dtype, a, b)?,
            _ => return Err(unsupported(&ScalarOp::Binary(op), dtype)),
        })
    }

    fn integer_divide(&mut self, dtype: DType, a: Value, b: Value) -> Result<Value, ClifError> {
        let one = self.constant(dtype, 1.0)?;
        let zero = self.constant(dtype, 0.0)?;
        let by_zero = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        let by_minus_one = self.builder.ins().icmp_imm_s(IntCC::Equal, b, -1);
        let special = self.builder.ins().bor(by_zero, by_minus_one);
        let divisor = self.builder.ins().select(special, one, b);
        let quotient = self.builder.ins().sdiv(a, divisor);
        let negative = self.builder.ins().ineg(a);
        let quotient = self.builder.ins().select(by_minus_one, negative, quotient);
        Ok(self.builder.ins().select(by_zero, zero, quotient))
    }

    fn cast(&mut self, typing: &Typing, ty: Type, a: Value) -> Result<Value, ClifError> {
        let (from, to) = (typing.from, typing.dtype);
        if from == to {
            return Ok(a);
        }
        if typing.width > 1 {
            return self.vector_cast(typing, ty, a);
        }
        let from_type = scalar_type(from)?;
        Ok(match (from, to) {
            (DType::Bool, _) => {
                let wide = if to == DType::I64 { types::I64 } else { types::I32 };
                let number = self.builder.ins().uextend(wide, a);
                if to.is_float() { self.builder.ins().fcvt_from_sint(ty, number) } else { number }
            }
            (_, DType::Bool) if from.is_float() => {
                let zero = self.constant(from, 0.0)?;
                self.builder.ins().fcmp(FloatCC::NotEqual, a, zero)
            }
            (_, DType::Bool) => self.builder.ins().icmp_imm_s(IntCC::NotEqual, a, 0),
            (DType::F32, DType::F64) => self.builder.ins().fpromote(ty, a),
            (DType::F64, DType::F32) => self.builder.ins().fdemote(ty, a),
            _ if from.is_float() => self.builder.ins().fcvt_to_sint_sat(ty, a),
            _ if to.is_float() => self.builder.ins().fcvt_from_sint(ty, a),
            _ if from_type.bits() < ty.bits() => self.builder.ins().sextend(ty, a),
            _ => self.builder.ins().ireduce(ty, a),
        })
    }

    fn vector_cast(&mut self, typing: &Typing, ty: Type, a: Value) -> Result<Value, ClifError> {
        let (from, to) = (typing.from, typing.dtype);
        let from_type = typing.machine(from)?;
        Ok(match (from, to) {
            (DType::Bool, _) => {
                let one = self.constant_vector(to, ty, 1.0);
                let mask = if from_type == ty { a } else { bits_as(self.builder, ty, a) };
                self.builder.ins().band(mask, one)
            }
            (_, DType::Bool) => {
                let zero = self.constant_vector(from, from_type, 0.0);
                if from.is_float() {
                    self.builder.ins().fcmp(FloatCC::NotEqual, a, zero)
                } else {
                    self.builder.ins().icmp(IntCC::NotEqual, a, zero)
                }
            }
            (DType::F32, DType::I32) => self.builder.ins().fcvt_to_sint_sat(ty, a),
            (DType::I32, DType::F32) => self.builder.ins().fcvt_from_sint(ty, a),
            _ => return Err(unsupported(&ScalarOp::Cast, to)),
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

fn unsupported(op: &ScalarOp, dtype: DType) -> ClifError {
    ClifError::UnsupportedOp { op: op.name().to_owned(), dtype }
}
