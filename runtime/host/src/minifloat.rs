//! Floats of sixteen bits and less, as bit patterns and as the `f64` values that they stand for.
//!
//! One description per type says what its bits mean; decoding and rounding are the same for all. Rounding is to the
//! nearest, ties to even, in one step from `f64`, as `ml_dtypes` has it.

use crate::element::Element;

/// What stands for numbers that are too large and for no number.
#[derive(Clone, Copy, PartialEq)]
enum Specials {
    /// The greatest exponent is infinity, and NaN with a mantissa.
    Ieee,
    /// All ones but the sign is NaN; no infinity.
    AllOnes,
    /// The pattern of a negative zero is NaN; no infinity, no negative zero.
    NegativeZero,
    /// Finite values alone.
    None,
}

/// What the bits of a type mean.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    specials: Specials,
}

impl Format {
    /// The format of an element type that has one: all floats of sixteen bits and less but `E8M0`.
    pub(crate) fn of(element: Element) -> Option<Format> {
        let (exponent, mantissa, bias, specials) = match element {
            Element::F16 => (5, 10, 15, Specials::Ieee),
            Element::Bf16 => (8, 7, 127, Specials::Ieee),
            Element::F8E5M2 => (5, 2, 15, Specials::Ieee),
            Element::F8E5M2FnUz => (5, 2, 16, Specials::NegativeZero),
            Element::F8E4M3Fn => (4, 3, 7, Specials::AllOnes),
            Element::F8E4M3FnUz => (4, 3, 8, Specials::NegativeZero),
            Element::F6E2M3 => (2, 3, 1, Specials::None),
            Element::F6E3M2 => (3, 2, 3, Specials::None),
            Element::F4E2M1 => (2, 1, 1, Specials::None),
            _ => return None,
        };
        Some(Format { exponent, mantissa, bias, specials })
    }

    fn sign(self) -> u16 {
        1 << (self.exponent + self.mantissa)
    }

    /// The pattern of the greatest finite value.
    fn greatest(self) -> u16 {
        let all = self.sign() - 1;
        match self.specials {
            Specials::Ieee => (((1 << self.exponent) - 1) << self.mantissa) - 1,
            Specials::AllOnes => all - 1,
            Specials::NegativeZero | Specials::None => all,
        }
    }

    /// The value of a pattern.
    pub(crate) fn decode(self, pattern: u16) -> f64 {
        let sign = if pattern & self.sign() != 0 { -1.0 } else { 1.0 };
        let magnitude = pattern & (self.sign() - 1);
        let fraction = f64::from(magnitude & ((1 << self.mantissa) - 1));
        match self.specials {
            Specials::NegativeZero if pattern == self.sign() => return f64::NAN,
            Specials::Ieee | Specials::AllOnes if magnitude > self.greatest() => {
                let infinite = self.specials == Specials::Ieee && fraction == 0.0;
                return if infinite { sign * f64::INFINITY } else { f64::NAN };
            }
            _ => {}
        }
        let exponent = i32::from(magnitude >> self.mantissa);
        let one = f64::from(1u16 << self.mantissa);
        let (significand, exponent) = if exponent == 0 { (fraction, 1) } else { (fraction + one, exponent) };
        sign * significand * 2f64.powi(exponent - self.bias - self.mantissa as i32)
    }

    /// The pattern nearest to a value. Values beyond the range become the greatest finite value if `saturate` is set or the
    /// type has no other, else infinity or NaN. NaN becomes zero with a sign where the type has none.
    pub(crate) fn encode(self, value: f64, saturate: bool) -> u16 {
        if value.is_nan() {
            return match self.specials {
                Specials::Ieee => (((1 << self.exponent) - 1) << self.mantissa) | (1 << (self.mantissa - 1)),
                Specials::AllOnes => self.sign() - 1,
                Specials::NegativeZero | Specials::None => self.sign(),
            };
        }
        let sign = if value.is_sign_negative() { self.sign() } else { 0 };
        let rounded = self.round(value.abs());
        let pattern = match rounded {
            Some(pattern) if pattern <= self.greatest() => pattern,
            _ if saturate || self.specials == Specials::None => self.greatest(),
            _ if self.specials == Specials::NegativeZero => return self.sign(),
            _ => self.greatest() + 1,
        };
        if pattern == 0 && self.specials == Specials::NegativeZero { 0 } else { sign | pattern }
    }

    /// The pattern of a value that is not negative, as if exponents had no end; none where 16 bits end.
    fn round(self, value: f64) -> Option<u16> {
        let exponent = (value.to_bits() >> 52) as i32 - 1023;
        if exponent > self.bias + 2 {
            return None;
        }
        let least = 1 - self.bias;
        let steps = value / 2f64.powi(exponent.max(least) - self.mantissa as i32);
        let steps = steps.round_ties_even() as i32;
        let base = (exponent.max(least) - least) << self.mantissa;
        u16::try_from(base + steps).ok()
    }
}

/// The value of a power of two of eight bits.
pub(crate) fn decode_e8m0(pattern: u8) -> f64 {
    if pattern == u8::MAX { f64::NAN } else { 2f64.powi(i32::from(pattern) - 127) }
}

/// How `E8M0` rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundMode {
    Up,
    Down,
    Nearest,
}

/// The power of two for a value's magnitude; infinities and NaN become NaN. Signs are dropped, as the definition of
/// `Cast` has it.
pub(crate) fn encode_e8m0(value: f64, saturate: bool, mode: RoundMode) -> u8 {
    let bits = (value as f32).to_bits();
    let exponent = (bits >> 23 & 0xff) as u8;
    if exponent == u8::MAX {
        return exponent;
    }
    let fraction = bits & 0x7f_ffff;
    let up = match mode {
        RoundMode::Up => fraction > 0,
        RoundMode::Down => false,
        RoundMode::Nearest => fraction > 0x40_0000 || fraction == 0x40_0000 && exponent > 0,
    };
    if up && !(saturate && exponent == 0xfe) { exponent + 1 } else { exponent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_come_back() {
        for &element in Element::ALL {
            let Some(format) = Format::of(element) else { continue };
            let patterns = 1u32 << element.bits();
            for pattern in 0..patterns {
                let pattern = pattern as u16;
                let value = format.decode(pattern);
                let again = format.encode(value, false);
                if value.is_nan() {
                    assert!(format.decode(again).is_nan(), "{element} {pattern:#x}");
                } else {
                    assert_eq!(again, pattern, "{element} {value}");
                }
            }
        }
    }

    #[test]
    fn ends_of_the_ranges() {
        let format =
            |element| Format::of(element).map(|format| (format.encode(1e6, true), format.encode(1e6, false)));
        assert_eq!(format(Element::F8E4M3Fn), Some((0x7e, 0x7f)));
        assert_eq!(format(Element::F8E4M3FnUz), Some((0x7f, 0x80)));
        assert_eq!(format(Element::F8E5M2), Some((0x7b, 0x7c)));
        assert_eq!(format(Element::F8E5M2FnUz), Some((0x7f, 0x80)));
        assert_eq!(format(Element::F4E2M1), Some((7, 7)));
        assert_eq!(Format::of(Element::F8E4M3Fn).map(|format| format.decode(0x7e)), Some(448.0));
        assert_eq!(encode_e8m0(0.124, true, RoundMode::Up), 124);
        assert_eq!(encode_e8m0(0.124, true, RoundMode::Down), 123);
        assert_eq!(encode_e8m0(f64::INFINITY, true, RoundMode::Down), 255);
    }
}
