//! Floating-point arithmetic that is written once and emitted for scalars and vectors of `f32` and `f64`
//! alike, so that vector lanes and scalar tails agree bit for bit.
//!
//! A *mask* is the result of a comparison: an `i8` of 0 or 1 for scalars, lanes of all zeros or all ones
//! for vectors.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{ConstantData, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use dlc_kernel::approximation::{Arithmetic, Condition};

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
    /// Whether values are vectors.
    pub(crate) fn is_vector(&self) -> bool {
        self.ty.is_vector()
    }

    /// The integer type with lanes of the same size.
    pub(crate) fn integer_type(&self) -> Type {
        self.ty.as_int()
    }

    /// A comparison.
    pub(crate) fn compare(&mut self, condition: FloatCC, a: Value, b: Value) -> Value {
        self.builder.ins().fcmp(condition, a, b)
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
}

impl Arithmetic for Float<'_, '_> {
    type Value = Value;

    fn is_double(&self) -> bool {
        self.ty.lane_type() == types::F64
    }

    fn constant(&mut self, number: f64) -> Value {
        match (self.is_double(), self.is_vector()) {
            (true, false) => self.builder.ins().f64const(number),
            (false, false) => self.builder.ins().f32const(number as f32),
            (true, true) => repeated(self.builder, self.ty, &number.to_le_bytes()),
            (false, true) => repeated(self.builder, self.ty, &(number as f32).to_le_bytes()),
        }
    }

    fn integer(&mut self, number: i64) -> Value {
        let ty = self.integer_type();
        match (self.is_double(), self.is_vector()) {
            (true, false) => self.builder.ins().iconst(ty, number),
            (false, false) => self.builder.ins().iconst(ty, i64::from(number as u32)),
            (true, true) => repeated(self.builder, ty, &number.to_le_bytes()),
            (false, true) => repeated(self.builder, ty, &(number as i32).to_le_bytes()),
        }
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fadd(a, b)
    }

    fn sub(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fsub(a, b)
    }

    fn mul(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fmul(a, b)
    }

    fn div(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fdiv(a, b)
    }

    fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fused {
            self.builder.ins().fma(a, b, c)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fadd(product, c)
        }
    }

    fn negative_mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fused {
            let negative = self.builder.ins().fneg(a);
            self.builder.ins().fma(negative, b, c)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fsub(c, product)
        }
    }

    fn abs(&mut self, a: Value) -> Value {
        self.builder.ins().fabs(a)
    }

    fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        if self.is_vector() {
            let mask = bits_as(self.builder, self.ty, mask);
            self.builder.ins().bitselect(mask, a, b)
        } else {
            self.builder.ins().select(mask, a, b)
        }
    }

    fn at_most(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let above = self.compare(FloatCC::LessThan, bound, a);
        self.select(above, bound, a)
    }

    fn at_least(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let below = self.compare(FloatCC::LessThan, a, bound);
        self.select(below, bound, a)
    }

    fn bits(&mut self, a: Value) -> Value {
        let ty = self.integer_type();
        bits_as(self.builder, ty, a)
    }

    fn with_bits(&mut self, bits: Value) -> Value {
        let ty = self.ty;
        bits_as(self.builder, ty, bits)
    }

    fn in_doubles(&mut self, emit: impl FnOnce(&mut Self) -> Value) -> Value {
        let ty = std::mem::replace(&mut self.ty, types::F64);
        let value = emit(self);
        self.ty = ty;
        value
    }

    fn widened(&mut self, a: Value) -> Value {
        self.builder.ins().fpromote(types::F64, a)
    }

    fn narrowed(&mut self, a: Value) -> Value {
        self.builder.ins().fdemote(types::F32, a)
    }

    fn neg(&mut self, a: Value) -> Value {
        self.builder.ins().fneg(a)
    }

    fn floor(&mut self, a: Value) -> Value {
        self.builder.ins().floor(a)
    }

    fn holds(&mut self, condition: Condition, a: Value, b: Value) -> Value {
        let condition = match condition {
            Condition::Equal => FloatCC::Equal,
            Condition::Less => FloatCC::LessThan,
            Condition::Greater => FloatCC::GreaterThan,
            Condition::GreaterEqual => FloatCC::GreaterThanOrEqual,
            Condition::Unordered => FloatCC::Unordered,
        };
        self.compare(condition, a, b)
    }

    fn either(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().bor(a, b)
    }

    fn plus_bits(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().iadd(a, b)
    }

    fn minus_bits(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().isub(a, b)
    }

    fn masked(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().band(a, b)
    }

    fn joined(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().bor(a, b)
    }

    fn exclusive(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().bxor(a, b)
    }

    fn shifted_down(&mut self, a: Value, places: i64) -> Value {
        self.builder.ins().ushr_imm_s(a, places)
    }

    fn shifted_up(&mut self, a: Value, places: i64) -> Value {
        self.builder.ins().ishl_imm_s(a, places)
    }

    fn is_negative(&mut self, bits: Value) -> Value {
        self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, bits, 0)
    }

    fn is_set(&mut self, bits: Value) -> Value {
        let zero = self.integer(0);
        self.builder.ins().icmp(IntCC::NotEqual, bits, zero)
    }
}
