//! Conversions between element types, scalar or vector: from register to register, then to what is left of the
//! value in a narrow type.

use crate::ClifError;
use crate::emitter::Emitter;
use crate::float::bits_as;
use crate::scalar_op::{Typing, unsupported};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use dlc_kernel::ScalarOp;
use dlc_types::DType;

impl Emitter<'_, '_> {
    pub(crate) fn cast(&mut self, typing: &Typing, ty: Type, a: Value) -> Result<Value, ClifError> {
        let (from, to) = (typing.from, typing.dtype);
        if from == to {
            return Ok(a);
        }
        let value = if typing.width > 1 {
            self.vector_cast(typing, ty, a)?
        } else {
            self.scalar_cast(from.computed_in(), to.computed_in(), ty, a)?
        };
        Ok(self.brought_to(to, ty, value, from.is_float()))
    }

    /// The bits of a value as another of the same size; of narrow ones those that memory would hold.
    pub(crate) fn bitcast(&mut self, typing: &Typing, ty: Type, a: Value) -> Result<Value, ClifError> {
        let (from, to) = (typing.from, typing.dtype);
        let from_type = typing.machine(from)?;
        if !to.is_narrow() {
            return Ok(if from_type == ty { a } else { bits_as(self.builder, ty, a) });
        }
        let bits = if from.is_float() { self.encoded(from, from_type, a) } else { a };
        if to.is_float() { Ok(self.decoded(to, ty, bits)) } else { Ok(self.brought_to(to, ty, bits, false)) }
    }

    fn scalar_cast(&mut self, from: DType, to: DType, ty: Type, a: Value) -> Result<Value, ClifError> {
        let ins = self.builder.ins();
        Ok(match (from, to) {
            _ if from == to => a,
            (DType::Bool, _) => {
                let wide = if to.size() == 8 { types::I64 } else { types::I32 };
                let number = ins.uextend(wide, a);
                if to.is_float() { self.builder.ins().fcvt_from_sint(ty, number) } else { number }
            }
            (_, DType::Bool) if from.is_float() => {
                let zero = self.constant(from, 0.0)?;
                self.builder.ins().fcmp(FloatCC::NotEqual, a, zero)
            }
            (_, DType::Bool) => ins.icmp_imm_s(IntCC::NotEqual, a, 0),
            (DType::F32, DType::F64) => ins.fpromote(ty, a),
            (DType::F64, DType::F32) => ins.fdemote(ty, a),
            _ if from.is_float() && to.is_unsigned() => ins.fcvt_to_uint_sat(ty, a),
            _ if from.is_float() => ins.fcvt_to_sint_sat(ty, a),
            _ if to.is_float() && from.is_unsigned() => ins.fcvt_from_uint(ty, a),
            _ if to.is_float() => ins.fcvt_from_sint(ty, a),
            _ if from.size() == to.size() => a,
            _ if from.size() > to.size() => ins.ireduce(ty, a),
            _ if from.is_unsigned() => ins.uextend(ty, a),
            _ => ins.sextend(ty, a),
        })
    }

    fn vector_cast(&mut self, typing: &Typing, ty: Type, a: Value) -> Result<Value, ClifError> {
        let from_type = typing.machine(typing.from)?;
        let (from, to) = (typing.from.computed_in(), typing.dtype.computed_in());
        Ok(match (from, to) {
            _ if from == to => a,
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
            (DType::F32, DType::U32) => self.builder.ins().fcvt_to_uint_sat(ty, a),
            (DType::I32, DType::F32) => self.builder.ins().fcvt_from_sint(ty, a),
            (DType::U32, DType::F32) => self.builder.ins().fcvt_from_uint(ty, a),
            (DType::I32, DType::U32) | (DType::U32, DType::I32) => a,
            _ => return Err(unsupported(&ScalarOp::Cast, typing.dtype)),
        })
    }
}
