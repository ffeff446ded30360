//! Functions of two scalars that take a loop: powers of integers, remainders of floats.

use crate::ClifError;
use crate::emitter::Emitter;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use dlc_kernel::approximation::Arithmetic;
use dlc_types::DType;

impl<'e, 'f> Emitter<'e, 'f> {
    /// `base^exponent` by squares; a negative power is the reciprocal of the power, truncated.
    pub(crate) fn integer_power(
        &mut self,
        dtype: DType,
        base: Value,
        exponent: Value,
    ) -> Result<Value, ClifError> {
        let one = self.constant(dtype, 1.0)?;
        let zero = self.constant(dtype, 0.0)?;
        let (first, bits) = (self.int(0), self.int(8 * dtype.size() as i64));
        let initial = vec![one, base, exponent];
        let results = self.counted(first, bits, 1, true, initial, &mut |emitter, _, carried| {
            let &[result, square, rest] = carried else {
                return Err(emitter.malformed("a power loses what it carries"));
            };
            let ins = &mut *emitter.builder;
            let product = ins.ins().imul(result, square);
            let odd = ins.ins().band_imm_s(rest, 1);
            let result = ins.ins().select(odd, product, result);
            let square = ins.ins().imul(square, square);
            Ok(vec![result, square, ins.ins().ushr_imm_u(rest, 1)])
        })?;
        let Some(&power) = results.first() else {
            return Err(self.malformed("a power has no result"));
        };
        if dtype.is_unsigned() {
            return Ok(power);
        }
        let ins = &mut *self.builder;
        let negative = ins.ins().icmp_imm_s(IntCC::SignedLessThan, exponent, 0);
        // Of 1 and -1 the powers for a negative exponent are those that the loop finds: its parity is kept.
        let below = ins.ins().iadd_imm_s(base, 1);
        let unit = ins.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, below, 2);
        let is_zero = ins.ins().icmp_imm_s(IntCC::Equal, base, 0);
        let reciprocal = ins.ins().select(unit, power, zero);
        let reciprocal = ins.ins().select(is_zero, zero, reciprocal);
        Ok(ins.ins().select(negative, reciprocal, power))
    }

    /// What is left of `a` without multiples of `b`, with the sign of `a`. Multiples of `b * 2^k` are taken away
    /// for falling `k`, so that every quotient is small enough for its product with the divisor to be exact:
    /// in `f64` for `f32`, within one multiply-add for `f64`.
    pub(crate) fn float_remainder(&mut self, ty: Type, a: Value, b: Value) -> Result<Value, ClifError> {
        let single = ty == types::F32;
        let widened = |emitter: &mut Self, x: Value| match single {
            true => emitter.builder.ins().fpromote(types::F64, x),
            false => x,
        };
        let (wide_a, wide_b) = (widened(self, a), widened(self, b));
        let mut rest = self.builder.ins().fabs(wide_a);
        let divisor = self.builder.ins().fabs(wide_b);
        if single {
            rest = self.reduced(rest, divisor, 24, 12)?;
        } else {
            // What is above 2^1008 divisors first, with a divisor that is so many times as large.
            let large = self.builder.ins().f64const(1008_f64.exp2());
            let scaled = self.builder.ins().fmul(divisor, large);
            rest = self.reduced(rest, scaled, 48, 22)?;
            rest = self.reduced(rest, divisor, 48, 22)?;
        }
        let signed = self.float(types::F64).copy_sign(rest, wide_a);
        Ok(if single { self.builder.ins().fdemote(ty, signed) } else { signed })
    }

    /// `rest` less multiples of `divisor * 2^k` for `k = step * (count - 1), …, step, 0`.
    fn reduced(&mut self, rest: Value, divisor: Value, step: i32, count: i64) -> Result<Value, ClifError> {
        let (first, end) = (self.int(0), self.int(count));
        let scale = self.builder.ins().f64const((f64::from(step) * (count - 1) as f64).exp2());
        let results = self.counted(first, end, 1, true, vec![rest, scale], &mut |emitter, _, carried| {
            let &[rest, scale] = carried else {
                return Err(emitter.malformed("a remainder loses what it carries"));
            };
            let mut float = emitter.float(types::F64);
            let zero = float.constant(0.0);
            let divisor = float.mul(divisor, scale);
            let quotient = float.div(rest, divisor);
            let quotient = float.builder.ins().floor(quotient);
            let left = float.negative_mul_add(quotient, divisor, rest);
            // The quotient was rounded, so it may be one too large or too small.
            let more = float.add(left, divisor);
            let below = float.compare(FloatCC::LessThan, left, zero);
            let left = float.select(below, more, left);
            let less = float.sub(left, divisor);
            let above = float.compare(FloatCC::GreaterThanOrEqual, left, divisor);
            let left = float.select(above, less, left);
            let none = float.compare(FloatCC::Equal, quotient, zero);
            let rest = float.select(none, rest, left);
            let smaller = float.constant(f64::from(-step).exp2());
            Ok(vec![rest, float.mul(scale, smaller)])
        })?;
        results.first().copied().ok_or_else(|| self.malformed("a remainder has no result"))
    }
}
