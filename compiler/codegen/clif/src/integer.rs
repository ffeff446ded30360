//! Operations on integers. Nothing here traps: division by zero gives 0, `MIN / -1` gives `MIN`, and shifts by
//! more than there are bits leave what so many shifts leave.

use crate::ClifError;
use crate::emitter::Emitter;
use crate::scalar_op::unsupported;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use dlc_kernel::{Binary, ScalarOp, Unary};
use dlc_types::DType;

impl Emitter<'_, '_> {
    fn integer(&mut self, dtype: DType, ty: Type, number: i64) -> Result<Value, ClifError> {
        if ty.is_vector() {
            Ok(self.constant_vector(dtype, ty, number as f64))
        } else {
            self.constant(dtype, number as f64)
        }
    }

    pub(crate) fn integer_unary(
        &mut self,
        op: Unary,
        dtype: DType,
        ty: Type,
        a: Value,
    ) -> Result<Value, ClifError> {
        Ok(match op {
            Unary::Negate => self.builder.ins().ineg(a),
            Unary::Not => self.builder.ins().bnot(a),
            Unary::Abs | Unary::Relu if dtype.is_unsigned() => a,
            Unary::Sign if dtype.is_unsigned() => {
                let one = self.integer(dtype, ty, 1)?;
                self.builder.ins().umin(a, one)
            }
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

    pub(crate) fn integer_binary(
        &mut self,
        op: Binary,
        dtype: DType,
        a: Value,
        b: Value,
    ) -> Result<Value, ClifError> {
        let unsigned = dtype.is_unsigned();
        let ins = self.builder.ins();
        Ok(match op {
            Binary::Add => ins.iadd(a, b),
            Binary::Subtract => ins.isub(a, b),
            Binary::Multiply => ins.imul(a, b),
            Binary::Max if unsigned => ins.umax(a, b),
            Binary::Min if unsigned => ins.umin(a, b),
            Binary::Max => ins.smax(a, b),
            Binary::Min => ins.smin(a, b),
            Binary::And => ins.band(a, b),
            Binary::Or => ins.bor(a, b),
            Binary::Xor => ins.bxor(a, b),
            Binary::Divide => self.integer_divide(dtype, a, b)?,
            Binary::Remainder => {
                let divisor = self.safe_divisor(dtype, b)?;
                // By the 1 that stands for 0 and -1, nothing is left.
                let ins = self.builder.ins();
                if unsigned { ins.urem(a, divisor) } else { ins.srem(a, divisor) }
            }
            Binary::ShiftLeft | Binary::ShiftRight => self.shift(op, dtype, a, b)?,
            Binary::Power => return self.integer_power(dtype, a, b),
        })
    }

    /// The divisor, or 1 where the machine would trap.
    fn safe_divisor(&mut self, dtype: DType, b: Value) -> Result<Value, ClifError> {
        let one = self.constant(dtype, 1.0)?;
        let mut special = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        if !dtype.is_unsigned() {
            let by_minus_one = self.builder.ins().icmp_imm_s(IntCC::Equal, b, -1);
            special = self.builder.ins().bor(special, by_minus_one);
        }
        Ok(self.builder.ins().select(special, one, b))
    }

    fn integer_divide(&mut self, dtype: DType, a: Value, b: Value) -> Result<Value, ClifError> {
        let divisor = self.safe_divisor(dtype, b)?;
        let zero = self.constant(dtype, 0.0)?;
        let by_zero = self.builder.ins().icmp_imm_s(IntCC::Equal, b, 0);
        let quotient = if dtype.is_unsigned() {
            self.builder.ins().udiv(a, divisor)
        } else {
            let quotient = self.builder.ins().sdiv(a, divisor);
            let by_minus_one = self.builder.ins().icmp_imm_s(IntCC::Equal, b, -1);
            let negative = self.builder.ins().ineg(a);
            self.builder.ins().select(by_minus_one, negative, quotient)
        };
        Ok(self.builder.ins().select(by_zero, zero, quotient))
    }

    fn shift(&mut self, op: Binary, dtype: DType, a: Value, b: Value) -> Result<Value, ClifError> {
        let bits = 8 * dtype.size() as i64;
        let within = self.builder.ins().icmp_imm_s(IntCC::UnsignedLessThan, b, bits);
        if op == Binary::ShiftRight && !dtype.is_unsigned() {
            let last = self.constant(dtype, (bits - 1) as f64)?;
            let by = self.builder.ins().select(within, b, last);
            return Ok(self.builder.ins().sshr(a, by));
        }
        let ins = self.builder.ins();
        let shifted = if op == Binary::ShiftLeft { ins.ishl(a, b) } else { ins.ushr(a, b) };
        let zero = self.constant(dtype, 0.0)?;
        Ok(self.builder.ins().select(within, shifted, zero))
    }
}
