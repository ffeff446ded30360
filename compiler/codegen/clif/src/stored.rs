//! Elements as memory holds them and as registers do.
//!
//! An element of less than 32 bits is in a register what [`DType::computed_in`] says: an `i32` of the same
//! value, an `f32` that is one of the 16-bit floats. Loads widen, stores narrow what is such a value already,
//! and casts make it one. The 16-bit floats are converted by integer arithmetic and additions of normal
//! numbers alone, so that no target needs instructions for them and no mode that flushes subnormals matters.

use crate::ClifError;
use crate::emitter::{Emitter, scalar_type};
use crate::float::{Float, bits_as};
use crate::statement::access;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use dlc_kernel::approximation::Arithmetic;
use dlc_types::DType;

/// What changes in the exponent's bits between `f16` and `f32`.
const BIAS: i64 = 112 << 23;

impl Emitter<'_, '_> {
    /// Reads one element.
    pub(crate) fn load_element(&mut self, dtype: DType, address: Value, at: i32) -> Result<Value, ClifError> {
        let ty = scalar_type(dtype)?;
        let ins = self.builder.ins();
        Ok(match dtype {
            DType::I8 => ins.sload8(ty, access(), address, at),
            DType::U8 => ins.uload8(ty, access(), address, at),
            DType::I16 => ins.sload16(ty, access(), address, at),
            DType::U16 => ins.uload16(ty, access(), address, at),
            DType::F16 | DType::BF16 => {
                let bits = ins.uload16(types::I32, access(), address, at);
                self.decoded(dtype, ty, bits)
            }
            _ => ins.load(ty, access(), address, at),
        })
    }

    /// Writes one element.
    pub(crate) fn store_element(&mut self, dtype: DType, value: Value, address: Value, at: i32) {
        match dtype {
            DType::I8 | DType::U8 => self.builder.ins().istore8(access(), value, address, at),
            DType::I16 | DType::U16 => self.builder.ins().istore16(access(), value, address, at),
            DType::F16 | DType::BF16 => {
                let bits = self.encoded(dtype, types::F32, value);
                self.builder.ins().istore16(access(), bits, address, at)
            }
            _ => self.builder.ins().store(access(), value, address, at),
        };
    }

    /// Reads neighbours as a vector.
    pub(crate) fn load_vector(
        &mut self,
        dtype: DType,
        ty: Type,
        width: usize,
        address: Value,
        at: i32,
    ) -> Value {
        match dtype {
            DType::Bool => {
                let word = if width == 2 { types::I16 } else { types::I32 };
                let bytes = self.builder.ins().load(word, access(), address, at);
                let bytes = if width == 2 { self.builder.ins().uextend(types::I32, bytes) } else { bytes };
                self.mask_from_bytes(bytes, ty, width)
            }
            DType::I16 => self.builder.ins().sload16x4(access(), address, at),
            DType::U16 => self.builder.ins().uload16x4(access(), address, at),
            DType::F16 | DType::BF16 => {
                let bits = self.builder.ins().uload16x4(access(), address, at);
                self.decoded(dtype, ty, bits)
            }
            DType::I8 | DType::U8 => {
                let bytes = self.builder.ins().load(types::I32, access(), address, at);
                let bytes = self.builder.ins().scalar_to_vector(types::I32X4, bytes);
                let bytes = bits_as(self.builder, types::I8X16, bytes);
                if dtype == DType::I8 {
                    let words = self.builder.ins().swiden_low(bytes);
                    self.builder.ins().swiden_low(words)
                } else {
                    let words = self.builder.ins().uwiden_low(bytes);
                    self.builder.ins().uwiden_low(words)
                }
            }
            _ => self.builder.ins().load(ty, access(), address, at),
        }
    }

    /// Writes a vector to neighbours.
    pub(crate) fn store_vector(
        &mut self,
        dtype: DType,
        width: usize,
        vector: Value,
        address: Value,
        at: i32,
    ) {
        let stored = match dtype {
            DType::Bool => self.mask_bytes(vector, width),
            DType::I16 => {
                let words = self.builder.ins().snarrow(vector, vector);
                self.lowest(types::I64X2, words)
            }
            DType::U16 | DType::F16 | DType::BF16 => {
                let bits =
                    if dtype == DType::U16 { vector } else { self.encoded(dtype, types::F32X4, vector) };
                let words = self.builder.ins().unarrow(bits, bits);
                self.lowest(types::I64X2, words)
            }
            DType::I8 => {
                let words = self.builder.ins().snarrow(vector, vector);
                let bytes = self.builder.ins().snarrow(words, words);
                self.lowest(types::I32X4, bytes)
            }
            DType::U8 => {
                let words = self.builder.ins().snarrow(vector, vector);
                let bytes = self.builder.ins().unarrow(words, words);
                self.lowest(types::I32X4, bytes)
            }
            _ => vector,
        };
        self.builder.ins().store(access(), stored, address, at);
    }

    fn lowest(&mut self, ty: Type, vector: Value) -> Value {
        let lanes = bits_as(self.builder, ty, vector);
        self.builder.ins().extractlane(lanes, 0)
    }

    /// What a register of the type that `to` is computed in holds once it is brought to `to`: 16-bit floats by
    /// rounding, small integers by wrapping, or, where it was made of a float, by the nearest in range.
    pub(crate) fn brought_to(&mut self, to: DType, ty: Type, value: Value, saturates: bool) -> Value {
        if !to.is_narrow() {
            return value;
        }
        if to.is_float() {
            let bits = self.encoded(to, ty, value);
            return self.decoded(to, ty, bits);
        }
        if saturates {
            let (least, greatest) = to.integer_range();
            let least = self.number(ty, least);
            let greatest = self.number(ty, greatest);
            let value = self.builder.ins().smin(value, greatest);
            return self.builder.ins().smax(value, least);
        }
        let spare = 32 - 8 * to.size() as i64;
        let upper = self.builder.ins().ishl_imm_s(value, spare);
        if to.is_unsigned() {
            self.builder.ins().ushr_imm_u(upper, spare)
        } else {
            self.builder.ins().sshr_imm_s(upper, spare)
        }
    }

    /// An `i32`, in all lanes of a vector.
    fn number(&mut self, ty: Type, number: i64) -> Value {
        let float = if ty.is_vector() { types::F32X4 } else { types::F32 };
        self.float(float).integer(number)
    }

    /// The `f32` of the bits of a 16-bit float, given in 32 bits.
    pub(crate) fn decoded(&mut self, dtype: DType, ty: Type, bits: Value) -> Value {
        let mut float = self.float(ty);
        if dtype == DType::BF16 {
            let bits = float.builder.ins().ishl_imm_s(bits, 16);
            return float.with_bits(bits);
        }
        let magnitude = masked(&mut float, bits, 0x7FFF);
        let shifted = float.builder.ins().ishl_imm_s(magnitude, 13);
        let exponent = masked(&mut float, shifted, 0x7C00 << 13);
        let normal = plus(&mut float, shifted, BIAS);
        // Infinities and NaN keep the greatest exponent.
        let special = plus(&mut float, normal, BIAS);
        // Subnormal numbers: with the exponent of the least normal one, which is taken away.
        let small = plus(&mut float, normal, 1 << 23);
        let small = float.with_bits(small);
        let least = float.constant(1.0 / 16384.0);
        let small = float.sub(small, least);
        let small = float.bits(small);
        let top = float.integer(0x7C00 << 13);
        let is_special = float.builder.ins().icmp(IntCC::Equal, exponent, top);
        let zero = float.integer(0);
        let is_small = float.builder.ins().icmp(IntCC::Equal, exponent, zero);
        let result = chosen(&mut float, is_special, special, normal);
        let result = chosen(&mut float, is_small, small, result);
        let sign = masked(&mut float, bits, 0x8000);
        let sign = float.builder.ins().ishl_imm_s(sign, 16);
        let result = float.builder.ins().bor(result, sign);
        float.with_bits(result)
    }

    /// The bits of the nearest 16-bit float, ties to even, in 32 bits.
    pub(crate) fn encoded(&mut self, dtype: DType, ty: Type, value: Value) -> Value {
        let mut float = self.float(ty);
        let bits = float.bits(value);
        let magnitude = masked(&mut float, bits, 0x7FFF_FFFF);
        let infinity = float.integer(0x7F80_0000);
        let is_nan = float.builder.ins().icmp(IntCC::SignedGreaterThan, magnitude, infinity);
        let (kept, nan) = if dtype == DType::BF16 { (16, 0x7FC0) } else { (13, 0x7E00) };
        let last = float.builder.ins().ushr_imm_u(magnitude, kept);
        let last = masked(&mut float, last, 1);
        let half = (1 << (kept - 1)) - 1;
        let bias = if dtype == DType::BF16 { 0 } else { BIAS };
        let rounded = plus(&mut float, magnitude, half - bias);
        let rounded = float.builder.ins().iadd(rounded, last);
        let mut result = float.builder.ins().ushr_imm_u(rounded, kept);
        if dtype == DType::F16 {
            // Subnormal: multiples of 2^-24, which is where 0.5 has its last place.
            let half = float.constant(0.5);
            let number = float.with_bits(magnitude);
            let small = float.add(number, half);
            let small = float.bits(small);
            let small = plus(&mut float, small, -i64::from(0.5_f32.to_bits()));
            let least = float.integer(0x3880_0000);
            let is_small = float.builder.ins().icmp(IntCC::SignedLessThan, magnitude, least);
            result = chosen(&mut float, is_small, small, result);
            let large = float.integer(0x4780_0000);
            let is_large = float.builder.ins().icmp(IntCC::SignedGreaterThanOrEqual, magnitude, large);
            let infinity = float.integer(0x7C00);
            result = chosen(&mut float, is_large, infinity, result);
        }
        let nan = float.integer(nan);
        let result = chosen(&mut float, is_nan, nan, result);
        let sign = float.builder.ins().ushr_imm_u(bits, 16);
        let sign = masked(&mut float, sign, 0x8000);
        float.builder.ins().bor(result, sign)
    }
}

fn masked(float: &mut Float<'_, '_>, bits: Value, mask: i64) -> Value {
    let mask = float.integer(mask);
    float.builder.ins().band(bits, mask)
}

fn plus(float: &mut Float<'_, '_>, bits: Value, number: i64) -> Value {
    let number = float.integer(number);
    float.builder.ins().iadd(bits, number)
}

/// `a` where the mask of a comparison of integers is set, else `b`.
fn chosen(float: &mut Float<'_, '_>, mask: Value, a: Value, b: Value) -> Value {
    if float.is_vector() {
        float.builder.ins().bitselect(mask, a, b)
    } else {
        float.builder.ins().select(mask, a, b)
    }
}
