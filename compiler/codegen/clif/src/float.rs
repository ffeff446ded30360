//! Floating-point arithmetic that is written once and emitted for scalars and vectors of `f32` and `f64`
//! alike, so that vector lanes and scalar tails agree bit for bit.
//!
//! A *mask* is the result of a comparison: an `i8` of 0 or 1 for scalars, lanes of all zeros or all ones
//! for vectors.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{ConstantData, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;

/// An emitter of floating-point operations on one type.
pub(crate) struct Float<'e, 'f> {
    /// Where instructions go.
    pub(crate) builder: &'e mut FunctionBuilder<'f>,
    /// The type, scalar or vector.
    pub(crate) ty: Type,
    /// Whether the target multiplies and adds in one rounding.
    pub(crate) fused: bool,
}

/// Repeats the bytes of one lane over a vector.
pub(crate) fn repeated(builder: &mut FunctionBuilder<'_>, ty: Type, lane: &[u8]) -> Value {
    let bytes: Vec<u8> = lane.iter().copied().cycle().take(16).collect();
    vector_constant(builder, ty, bytes)
}

/// A vector constant from its sixteen bytes.
pub(crate) fn vector_constant(builder: &mut FunctionBuilder<'_>, ty: Type, bytes: Vec<u8>) -> Value {
    let constant = builder.func.dfg.constants.insert(ConstantData::from(bytes));
    builder.ins().vconst(ty, constant)
}

/// The same bits as another type of the same size.
pub(crate) fn bits_as(builder: &mut FunctionBuilder<'_>, ty: Type, value: Value) -> Value {
    let flags = MemFlagsData::new().with_endianness(cranelift_codegen::ir::Endianness::Little);
    let flags = if ty.is_vector() { flags } else { MemFlagsData::new() };
    builder.ins().bitcast(ty, flags, value)
}

impl Float<'_, '_> {
    /// Whether lanes are `f64`.
    pub(crate) fn is_double(&self) -> bool {
        self.ty.lane_type() == types::F64
    }

    /// Whether values are vectors.
    pub(crate) fn is_vector(&self) -> bool {
        self.ty.is_vector()
    }

    /// The integer type with lanes of the same size.
    pub(crate) fn integer_type(&self) -> Type {
        self.ty.as_int()
    }

    /// The number, rounded to the lane type.
    pub(crate) fn constant(&mut self, number: f64) -> Value {
        match (self.is_double(), self.is_vector()) {
            (true, false) => self.builder.ins().f64const(number),
            (false, false) => self.builder.ins().f32const(number as f32),
            (true, true) => repeated(self.builder, self.ty, &number.to_le_bytes()),
            (false, true) => repeated(self.builder, self.ty, &(number as f32).to_le_bytes()),
        }
    }

    /// The integer in lanes of the same size.
    pub(crate) fn integer(&mut self, number: i64) -> Value {
        let ty = self.integer_type();
        match (self.is_double(), self.is_vector()) {
            (true, false) => self.builder.ins().iconst(ty, number),
            (false, false) => self.builder.ins().iconst(ty, i64::from(number as u32)),
            (true, true) => repeated(self.builder, ty, &number.to_le_bytes()),
            (false, true) => repeated(self.builder, ty, &(number as i32).to_le_bytes()),
        }
    }

    /// `a + b`
    pub(crate) fn add(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fadd(a, b)
    }

    /// `a - b`
    pub(crate) fn sub(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fsub(a, b)
    }

    /// `a * b`
    pub(crate) fn mul(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fmul(a, b)
    }

    /// `a / b`
    pub(crate) fn div(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fdiv(a, b)
    }

    /// `a * b + c`, rounded once where the target can.
    pub(crate) fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fused {
            self.builder.ins().fma(a, b, c)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fadd(product, c)
        }
    }

    /// `c - a * b`, rounded once where the target can.
    pub(crate) fn negative_mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fused {
            let negative = self.builder.ins().fneg(a);
            self.builder.ins().fma(negative, b, c)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fsub(c, product)
        }
    }

    /// The polynomial in `x`, highest coefficient first, by Horner's rule.
    pub(crate) fn polynomial(&mut self, x: Value, coefficients: &[f64]) -> Value {
        let mut rest = coefficients.iter();
        let first = rest.next().copied().unwrap_or(0.0);
        let mut sum = self.constant(first);
        for &coefficient in rest {
            let term = self.constant(coefficient);
            sum = self.mul_add(sum, x, term);
        }
        sum
    }

    /// `|a|`
    pub(crate) fn abs(&mut self, a: Value) -> Value {
        self.builder.ins().fabs(a)
    }

    /// `|a|` with the sign of `b`, whatever they are.
    pub(crate) fn copy_sign(&mut self, a: Value, b: Value) -> Value {
        let sign = self.integer(if self.is_double() { i64::MIN } else { i64::from(i32::MIN) });
        let b_bits = self.bits(b);
        let b_sign = self.builder.ins().band(b_bits, sign);
        let magnitude = self.builder.ins().fabs(a);
        let magnitude_bits = self.bits(magnitude);
        let joined = self.builder.ins().bor(magnitude_bits, b_sign);
        self.with_bits(joined)
    }

    /// A comparison.
    pub(crate) fn compare(&mut self, condition: FloatCC, a: Value, b: Value) -> Value {
        self.builder.ins().fcmp(condition, a, b)
    }

    /// `a` where the mask is set, else `b`.
    pub(crate) fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        if self.is_vector() {
            let mask = bits_as(self.builder, self.ty, mask);
            self.builder.ins().bitselect(mask, a, b)
        } else {
            self.builder.ins().select(mask, a, b)
        }
    }

    /// The smaller of `a` and a bound; `a` where it is NaN.
    pub(crate) fn at_most(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let above = self.compare(FloatCC::LessThan, bound, a);
        self.select(above, bound, a)
    }

    /// The larger of `a` and a bound; `a` where it is NaN.
    pub(crate) fn at_least(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let below = self.compare(FloatCC::LessThan, a, bound);
        self.select(below, bound, a)
    }

    /// The larger; NaN if either is.
    pub(crate) fn maximum(&mut self, a: Value, b: Value) -> Value {
        if !self.is_vector() {
            return self.builder.ins().fmax(a, b);
        }
        let above = self.compare(FloatCC::LessThan, b, a);
        let larger = self.select(above, a, b);
        let unordered = self.compare(FloatCC::NotEqual, a, a);
        self.select(unordered, a, larger)
    }

    /// The smaller; NaN if either is.
    pub(crate) fn minimum(&mut self, a: Value, b: Value) -> Value {
        if !self.is_vector() {
            return self.builder.ins().fmin(a, b);
        }
        let below = self.compare(FloatCC::LessThan, a, b);
        let smaller = self.select(below, a, b);
        let unordered = self.compare(FloatCC::NotEqual, a, a);
        self.select(unordered, a, smaller)
    }

    /// `max(a, 0)`; NaN stays.
    pub(crate) fn relu(&mut self, a: Value) -> Value {
        let zero = self.constant(0.0);
        if !self.is_vector() {
            let below = self.compare(FloatCC::LessThan, a, zero);
            return self.select(below, zero, a);
        }
        let below = self.compare(FloatCC::LessThanOrEqual, a, zero);
        let below = bits_as(self.builder, self.ty, below);
        self.builder.ins().band_not(a, below)
    }

    /// The bits as integers.
    pub(crate) fn bits(&mut self, a: Value) -> Value {
        let ty = self.integer_type();
        bits_as(self.builder, ty, a)
    }

    /// The number with these bits.
    pub(crate) fn with_bits(&mut self, bits: Value) -> Value {
        let ty = self.ty;
        bits_as(self.builder, ty, bits)
    }

    /// The number that brings the integer part of a smaller one into its lowest bits when added.
    pub(crate) fn rounding_shift(&self) -> f64 {
        if self.is_double() { 6_755_399_441_055_744.0 } else { 12_582_912.0 }
    }

    /// `2^n` for an integral `n` within the exponents of normal numbers.
    pub(crate) fn power_of_two(&mut self, n: Value) -> Value {
        let shift = self.rounding_shift();
        let shift = self.constant(shift);
        let shifted = self.add(n, shift);
        let bits = self.bits(shifted);
        let (mantissa, one) = if self.is_double() { (52, 0x3FF0_0000_0000_0000) } else { (23, 0x3F80_0000) };
        let exponent = self.builder.ins().ishl_imm_s(bits, mantissa);
        let one = self.integer(one);
        let sum = self.builder.ins().iadd(exponent, one);
        self.with_bits(sum)
    }

    /// An integral number, given as a lane-sized integer of small magnitude, as a float.
    pub(crate) fn float_of_small(&mut self, number: Value) -> Value {
        let shift = self.rounding_shift();
        let shift_bits =
            if self.is_double() { shift.to_bits() as i64 } else { i64::from((shift as f32).to_bits()) };
        let shift_bits = self.integer(shift_bits);
        let sum = self.builder.ins().iadd(number, shift_bits);
        let sum = self.with_bits(sum);
        let shift = self.constant(shift);
        self.sub(sum, shift)
    }

    /// `x` times `2^n` for an integral `n` of any size that a difference of exponents may have; exact
    /// but for the last step where the result is subnormal.
    pub(crate) fn scale_by_power_of_two(&mut self, x: Value, n: Value) -> Value {
        let half = self.constant(0.5);
        let half_n = self.mul(n, half);
        let first = self.builder.ins().floor(half_n);
        let second = self.sub(n, first);
        let first = self.power_of_two(first);
        let second = self.power_of_two(second);
        let scaled = self.mul(x, first);
        self.mul(scaled, second)
    }
}
