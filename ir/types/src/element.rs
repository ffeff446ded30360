//! Elements as bytes, and the 16-bit floats, which Rust has no types for.
//!
//! `f16` is IEEE 754 binary16; `bf16` is the upper half of an `f32`. A number becomes one of them by way of `f32`,
//! rounded to nearest, ties to even: sums, products, quotients and roots of such numbers that are rounded to
//! `f32` first are still rounded correctly, since `f32` has more than twice their digits and two.
//! Bytes are in native order.

use crate::DType;

/// The bits of the nearest `f16`; infinite beyond 65519, NaN stays NaN.
pub fn f16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7FFF_FFFF;
    let half = if magnitude > 0x7F80_0000 {
        0x7E00
    } else if magnitude >= 0x4780_0000 {
        0x7C00
    } else if magnitude >= 0x3880_0000 {
        // The exponent's bias changes by 112; a carry out of the mantissa is the next exponent.
        ((magnitude - (112 << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13) as u16
    } else {
        // Subnormal: multiples of 2^-24, which is where 0.5 has its last place.
        ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()) as u16
    };
    sign | half
}

/// The value of an `f16`, exactly.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (bits >> 10 & 0x1F, f32::from(bits & 0x3FF));
    match exponent {
        0 => sign * mantissa / 16_777_216.0,
        31 if mantissa == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * f32::from_bits((u32::from(bits & 0x7FFF) << 13) + (112 << 23)),
    }
}

/// The bits of the nearest `bf16`; NaN stays NaN.
pub fn bf16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 & 0x8000 | 0x7FC0;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// The value of a `bf16`, exactly.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

impl DType {
    /// The nearest value of a float type, ties to even; of other types the number itself.
    pub fn rounded(self, value: f64) -> f64 {
        match self {
            DType::F16 => f64::from(f16_to_f32(f16_from_f32(value as f32))),
            DType::BF16 => f64::from(bf16_to_f32(bf16_from_f32(value as f32))),
            DType::F32 => f64::from(value as f32),
            _ => value,
        }
    }

    /// The integer at the width of an integer type; `u64` is held by its bits.
    pub const fn wrapped(self, value: i64) -> i64 {
        match self {
            DType::I8 => value as i8 as i64,
            DType::U8 => value as u8 as i64,
            DType::I16 => value as i16 as i64,
            DType::U16 => value as u16 as i64,
            DType::I32 => value as i32 as i64,
            DType::U32 => value as u32 as i64,
            _ => value,
        }
    }

    /// The integer nearest to a number truncated towards zero that the type has; 0 for NaN.
    pub const fn saturated(self, value: f64) -> i64 {
        match self {
            DType::I8 => value as i8 as i64,
            DType::U8 => value as u8 as i64,
            DType::I16 => value as i16 as i64,
            DType::U16 => value as u16 as i64,
            DType::I32 => value as i32 as i64,
            DType::U32 => value as u32 as i64,
            DType::U64 => value as u64 as i64,
            _ => value as i64,
        }
    }

    /// Least and greatest value of an integer type; `u64` by its bits.
    pub const fn integer_range(self) -> (i64, i64) {
        match self {
            DType::I8 => (i8::MIN as i64, i8::MAX as i64),
            DType::U8 => (0, u8::MAX as i64),
            DType::I16 => (i16::MIN as i64, i16::MAX as i64),
            DType::U16 => (0, u16::MAX as i64),
            DType::I32 => (i32::MIN as i64, i32::MAX as i64),
            DType::U32 => (0, u32::MAX as i64),
            DType::U64 => (0, -1),
            _ => (i64::MIN, i64::MAX),
        }
    }

    /// Least and greatest value of a type that has an order, as numbers: infinities of floats. The number of
    /// `u64`'s greatest value is one more, which saturates to it.
    pub const fn extremes(self) -> (f64, f64) {
        match self {
            DType::Bool => (0.0, 1.0),
            DType::U64 => (0.0, u64::MAX as f64),
            _ if self.is_float() => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (self.integer_range().0 as f64, self.integer_range().1 as f64),
        }
    }

    /// Appends an element of a float type, rounded.
    pub fn push_float(self, value: f64, bytes: &mut Vec<u8>) {
        match self {
            DType::F64 => bytes.extend(value.to_ne_bytes()),
            DType::F16 => bytes.extend(f16_from_f32(value as f32).to_ne_bytes()),
            DType::BF16 => bytes.extend(bf16_from_f32(value as f32).to_ne_bytes()),
            _ => bytes.extend((value as f32).to_ne_bytes()),
        }
    }

    /// Appends an element of an integer type or `bool`, wrapped.
    pub fn push_integer(self, value: i64, bytes: &mut Vec<u8>) {
        match self.size() {
            1 => bytes.extend((value as i8).to_ne_bytes()),
            2 => bytes.extend((value as i16).to_ne_bytes()),
            4 => bytes.extend((value as i32).to_ne_bytes()),
            _ => bytes.extend(value.to_ne_bytes()),
        }
    }

    /// The elements of a float type; bytes behind the last whole one are left out.
    pub fn floats(self, bytes: &[u8]) -> Vec<f64> {
        match self {
            DType::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_ne_bytes(b)).collect(),
            DType::F16 => halves(bytes).map(|bits| f64::from(f16_to_f32(bits))).collect(),
            DType::BF16 => halves(bytes).map(|bits| f64::from(bf16_to_f32(bits))).collect(),
            _ => bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_ne_bytes(b))).collect(),
        }
    }

    /// The elements of an integer type or `bool`; bytes behind the last whole one are left out.
    pub fn integers(self, bytes: &[u8]) -> Vec<i64> {
        let wide: Vec<i64> = match self.size() {
            1 => bytes.iter().map(|&byte| i64::from(byte)).collect(),
            2 => halves(bytes).map(i64::from).collect(),
            4 => bytes.as_chunks().0.iter().map(|&b| i64::from(u32::from_ne_bytes(b))).collect(),
            _ => bytes.as_chunks().0.iter().map(|&b| i64::from_ne_bytes(b)).collect(),
        };
        wide.into_iter().map(|value| self.wrapped(value)).collect()
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks().0.iter().map(|&pair| u16::from_ne_bytes(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_comes_back() {
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16_to_f32(bits), bf16_to_f32(bits));
            assert!(half.is_nan() || f16_from_f32(half) == bits, "{bits:#x}");
            assert!(brain.is_nan() || bf16_from_f32(brain) == bits, "{bits:#x}");
            assert_eq!(half.is_nan(), f16_to_f32(f16_from_f32(half)).is_nan());
            assert_eq!(brain.is_nan(), bf16_to_f32(bf16_from_f32(brain)).is_nan());
        }
    }

    /// Between two neighbours the nearer one is chosen, in the middle the even one.
    #[test]
    fn halves_round_to_nearest_even() {
        for bits in 0..0x7C00_u16 {
            let low = f64::from(f16_to_f32(bits));
            // Beyond the greatest finite number lies what would be 65536.
            let high = if bits == 0x7BFF { 65536.0 } else { f64::from(f16_to_f32(bits + 1)) };
            let middle = ((low + high) / 2.0) as f32;
            let even = if bits & 1 == 0 { bits } else { bits + 1 };
            assert_eq!(f16_from_f32(middle), even, "{middle}");
            assert_eq!(f16_from_f32(middle.next_up()), bits + 1);
            assert_eq!(f16_from_f32(middle.next_down()), bits);
            assert_eq!(f16_from_f32(-middle), even | 0x8000);
        }
        for bits in 0..0x7F80_u16 {
            let middle = f32::from_bits(u32::from(bits) << 16 | 0x8000);
            let even = if bits & 1 == 0 { bits } else { bits + 1 };
            assert_eq!(bf16_from_f32(middle), even);
            assert_eq!(bf16_from_f32(middle.next_up()), bits + 1);
            assert_eq!(bf16_from_f32(middle.next_down()), bits);
        }
    }

    #[test]
    fn elements_go_out_and_back() {
        for dtype in DType::ALL {
            let mut bytes = Vec::new();
            if dtype.is_float() {
                [1.5, -0.25].iter().for_each(|&value| dtype.push_float(value, &mut bytes));
                assert_eq!(dtype.floats(&bytes), [1.5, -0.25]);
            } else if dtype.is_integer() {
                let (least, greatest) = dtype.integer_range();
                [least, greatest, 1].iter().for_each(|&value| dtype.push_integer(value, &mut bytes));
                assert_eq!(dtype.integers(&bytes), [least, greatest, 1], "{dtype}");
            }
            assert_eq!(bytes.len() % dtype.size(), 0);
        }
    }
}
