//! Rounding to the narrower float formats, and their values.

/// Rounding of a conversion to a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// `.rn`: to nearest, ties to even.
    Nearest,
    /// `.rna`: to nearest, ties away from zero.
    Away,
    /// `.rz`.
    Zero,
    /// `.rm`: down.
    Down,
    /// `.rp`: up.
    Up,
}

/// A binary float format below a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) exponent: u32,
    pub(crate) mantissa: u32,
}

pub(crate) const HALF: Format = Format { exponent: 5, mantissa: 10 };
pub(crate) const BRAIN: Format = Format { exponent: 8, mantissa: 7 };
pub(crate) const TENSOR: Format = Format { exponent: 8, mantissa: 10 };
pub(crate) const SINGLE: Format = Format { exponent: 8, mantissa: 23 };

/// The bits of a value in a format, rounded once. NaN gives all ones below the sign.
pub(crate) fn narrow(value: f64, format: Format, round: Round) -> u32 {
    let Format { exponent, mantissa } = format;
    let sign = u32::from(value.is_sign_negative()) << (exponent + mantissa);
    let infinity = ((1 << exponent) - 1) << mantissa;
    let magnitude = value.abs();
    if value.is_nan() {
        return (1 << (exponent + mantissa)) - 1;
    }
    if magnitude.is_infinite() || magnitude == 0.0 {
        return sign | if magnitude == 0.0 { 0 } else { infinity };
    }
    // The least normal exponent; a double's own subnormals lie below every format here.
    let least = 2 - (1i32 << (exponent - 1));
    let own = (magnitude.to_bits() >> 52) as i32 - 1023;
    let unit = own.max(least) - mantissa as i32;
    let scaled = magnitude * 2f64.powi(-unit);
    let whole = scaled.floor();
    let rest = scaled - whole;
    let outward = match round {
        Round::Nearest => rest > 0.5 || (rest == 0.5 && whole % 2.0 == 1.0),
        Round::Away => rest >= 0.5,
        Round::Zero => false,
        Round::Down => rest > 0.0 && sign != 0,
        Round::Up => rest > 0.0 && sign == 0,
    };
    let steps = whole as i64 + i64::from(outward);
    // A carry out of the mantissa goes into the exponent by itself.
    let bits = (i64::from(unit - (least - mantissa as i32)) << mantissa) + steps;
    let away = match round {
        Round::Nearest | Round::Away => true,
        Round::Zero => false,
        Round::Down => sign != 0,
        Round::Up => sign == 0,
    };
    match bits >= i64::from(infinity) {
        true if away => sign | infinity,
        true => sign | (infinity - 1),
        false => sign | bits as u32,
    }
}

/// The value of bits in a format.
pub(crate) fn widen(bits: u32, format: Format) -> f64 {
    let Format { exponent, mantissa } = format;
    let fraction = f64::from(bits & ((1 << mantissa) - 1));
    let power = (bits >> mantissa & ((1 << exponent) - 1)) as i32;
    let least = 2 - (1i32 << (exponent - 1));
    let magnitude = match power {
        0 => fraction * 2f64.powi(least - mantissa as i32),
        _ if power == (1 << exponent) - 1 && fraction == 0.0 => f64::INFINITY,
        _ if power == (1 << exponent) - 1 => f64::NAN,
        _ => (fraction + f64::from(1u32 << mantissa)) * 2f64.powi(power - 1 + least - mantissa as i32),
    };
    match bits >> (exponent + mantissa) & 1 {
        0 => magnitude,
        _ => -magnitude,
    }
}

/// An integer as a double such that rounding that double rounds the integer: what does not fit sets the last
/// bit.
pub(crate) fn odd(value: i128) -> f64 {
    let magnitude = value.unsigned_abs();
    let excess = (128 - magnitude.leading_zeros()).saturating_sub(53);
    let kept = (magnitude >> excess) | u128::from(magnitude & ((1 << excess) - 1) != 0);
    let double = kept as f64 * 2f64.powi(excess as i32);
    if value < 0 { -double } else { double }
}
