//! Elements as memory holds them and as registers do.
//!
//! An element of less than 32 bits is in a register what [`DType::computed_in`] says: an `i32` of the same
//! value, an `f32` that is one of the 16-bit floats. Loads widen, stores narrow what is such a value already,
//! and casts make it one. `f16` has instructions on every architecture; `bf16` is rounded by integer arithmetic,
//! since the oldest has none for it. A `bool` is a byte of 0 or 1 in memory and a predicate in a register.

use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_types::DType;

/// How an element is loaded and stored: the suffix of `ld` and `st`, and the class of the register.
pub(crate) fn access(dtype: DType) -> (&'static str, Class) {
    match dtype {
        DType::Bool | DType::U8 => ("u8", Class::Word),
        DType::I8 => ("s8", Class::Word),
        DType::I16 => ("s16", Class::Word),
        DType::U16 | DType::BF16 => ("u16", Class::Word),
        DType::F16 => ("b16", Class::Half),
        DType::F32 => ("f32", Class::Single),
        DType::F64 => ("f64", Class::Double),
        DType::I32 | DType::U32 => ("b32", Class::Word),
        DType::I64 | DType::U64 => ("b64", Class::Long),
    }
}

impl Emitter<'_> {
    /// The bits of memory for a number, as an operand of a move into a register of [`access`].
    pub(crate) fn memory_constant(&mut self, dtype: DType, number: f64) -> Value {
        match dtype {
            DType::Bool => Value::Integer(i64::from(number != 0.0)),
            DType::F16 => Value::Integer(i64::from(half_bits(number as f32))),
            DType::BF16 => Value::Integer(i64::from(brain_bits(number as f32))),
            _ => self.number(dtype, number),
        }
    }

    /// What a loaded register means.
    pub(crate) fn meant(&mut self, dtype: DType, raw: Value) -> Value {
        match dtype {
            DType::Bool => self.ins(Class::Predicate, "setp.ne.s32", &[raw, Value::Integer(0)]),
            DType::F16 => self.ins(Class::Single, "cvt.f32.f16", &[raw]),
            DType::BF16 => self.decoded(dtype, raw),
            _ => raw,
        }
    }

    /// The register to store for a value.
    pub(crate) fn stored(&mut self, dtype: DType, value: Value) -> Value {
        let (suffix, class) = access(dtype);
        let raw = match dtype {
            DType::Bool => {
                let args = [Value::Integer(1), Value::Integer(0), value];
                return self.ins(Class::Word, "selp.b32", &args);
            }
            DType::F16 => return self.ins(Class::Half, "cvt.rn.f16.f32", &[value]),
            DType::BF16 => self.encoded(dtype, value),
            _ => value,
        };
        if matches!(raw, Value::Register(..)) {
            return raw;
        }
        let kind = if suffix.starts_with('f') { suffix } else { class.kind() };
        self.ins(class, &format!("mov.{kind}"), &[raw])
    }

    /// What a register of the type that `to` is computed in holds once it is brought to `to`: 16-bit floats by
    /// rounding, small integers by wrapping, or, where it was made of a float, by the nearest in range.
    pub(crate) fn brought_to(&mut self, to: DType, value: Value, saturates: bool) -> Value {
        if !to.is_narrow() {
            return value;
        }
        if to.is_float() {
            let bits = self.encoded(to, value);
            return self.decoded(to, bits);
        }
        let (least, greatest) = to.integer_range();
        if saturates {
            let value = self.ins(Class::Word, "min.s32", &[value, Value::Integer(greatest)]);
            return self.ins(Class::Word, "max.s32", &[value, Value::Integer(least)]);
        }
        let name = if to.is_unsigned() { "bfe.u32" } else { "bfe.s32" };
        self.ins(Class::Word, name, &[value, Value::Integer(0), Value::Integer(8 * to.size() as i64)])
    }

    /// The `f32` of the bits of a 16-bit float, given in 32 bits.
    pub(crate) fn decoded(&mut self, dtype: DType, bits: Value) -> Value {
        if dtype == DType::BF16 {
            let bits = self.ins(Class::Word, "shl.b32", &[bits, Value::Integer(16)]);
            return self.ins(Class::Single, "mov.b32", &[bits]);
        }
        let half = self.ins(Class::Half, "cvt.u16.u32", &[bits]);
        self.ins(Class::Single, "cvt.f32.f16", &[half])
    }

    /// The bits of the nearest 16-bit float, ties to even, in 32 bits.
    pub(crate) fn encoded(&mut self, dtype: DType, value: Value) -> Value {
        if dtype == DType::F16 {
            let half = self.ins(Class::Half, "cvt.rn.f16.f32", &[value]);
            return self.ins(Class::Word, "cvt.u32.u16", &[half]);
        }
        let bits = self.ins(Class::Word, "mov.b32", &[value]);
        // Ties to even: half a place less one, and one more where the last place that stays is odd.
        let last = self.ins(Class::Word, "bfe.u32", &[bits, Value::Integer(16), Value::Integer(1)]);
        let rounded = self.ins(Class::Word, "add.u32", &[bits, Value::Integer(0x7FFF)]);
        let rounded = self.ins(Class::Word, "add.u32", &[rounded, last]);
        let rounded = self.ins(Class::Word, "shr.u32", &[rounded, Value::Integer(16)]);
        let sign = self.ins(Class::Word, "shr.u32", &[bits, Value::Integer(16)]);
        let nan = self.ins(Class::Word, "or.b32", &[sign, Value::Integer(0x7FC0)]);
        let nan = self.ins(Class::Word, "and.b32", &[nan, Value::Integer(0xFFC0)]);
        let unordered = self.ins(Class::Predicate, "setp.nan.f32", &[value, value]);
        self.ins(Class::Word, "selp.b32", &[nan, rounded, unordered])
    }
}

/// The bits of the nearest `bf16`.
fn brain_bits(number: f32) -> u16 {
    let bits = number.to_bits();
    if number.is_nan() {
        return ((bits >> 16) as u16 & 0x8000) | 0x7FC0;
    }
    (bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16) as u16
}

/// The bits of the nearest `f16`.
fn half_bits(number: f32) -> u16 {
    let (bits, magnitude) = (number.to_bits(), number.abs());
    let sign = (bits >> 16) as u16 & 0x8000;
    let rounded = if number.is_nan() {
        0x7E00
    } else if magnitude < 1.0 / 16384.0 {
        // Multiples of 2^-24, which is where 0.5 has its last place.
        ((magnitude + 0.5).to_bits() - 0.5_f32.to_bits()) as u16
    } else if magnitude >= 65536.0 {
        0x7C00
    } else {
        let bits = magnitude.to_bits() - (112 << 23);
        ((bits + 0xFFF + ((bits >> 13) & 1)) >> 13) as u16
    };
    sign | rounded
}

#[cfg(test)]
mod tests {
    use super::{brain_bits, half_bits};

    #[test]
    fn constants_are_rounded_to_even() {
        for (number, bits) in [
            (1.0, 0x3C00),
            (-2.0, 0xC000),
            (65504.0, 0x7BFF),
            (65520.0, 0x7C00),
            (6e-8, 1),
            (f32::INFINITY, 0x7C00),
            (f32::NEG_INFINITY, 0xFC00),
            (1.0 + 1.0 / 2048.0, 0x3C00),
            (1.0 + 3.0 / 2048.0, 0x3C02),
        ] {
            assert_eq!(half_bits(number), bits, "{number}");
        }
        assert_eq!(brain_bits(1.0), 0x3F80);
        assert_eq!(brain_bits(f32::from_bits(0x3F80_8000)), 0x3F80);
        assert_eq!(brain_bits(f32::from_bits(0x3F81_8000)), 0x3F82);
        assert_eq!(brain_bits(f32::NAN), 0x7FC0);
    }
}
