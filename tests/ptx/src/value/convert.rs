//! `cvt` between integers and floats.

use super::float::{NAN, flush};
use super::narrow::{BRAIN, HALF, Round, SINGLE, TENSOR, narrow, odd, widen};
use crate::types::Type;

/// A conversion with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) from: Type,
    pub(crate) to: Type,
    pub(crate) round: Round,
    /// `.rni` and its like: a float result is integral. Towards integers this is always so.
    pub(crate) integral: bool,
    pub(crate) sat: bool,
    pub(crate) ftz: bool,
    /// Negative results and NaN become zero and canonical NaN.
    pub(crate) relu: bool,
    /// Bits of the destination register, to which an integer result is extended.
    pub(crate) register: u32,
}

/// Value of an integer source.
fn integer(bits: u64, ty: Type) -> i128 {
    let unused = 64 - ty.bits();
    match ty.is_signed() {
        true => i128::from(((bits << unused) as i64) >> unused),
        false => i128::from((bits << unused) >> unused),
    }
}

/// Value of a float source.
pub(crate) fn number(bits: u64, ty: Type) -> f64 {
    match ty {
        Type::F64 => f64::from_bits(bits),
        Type::F32 => f64::from(f32::from_bits(bits as u32)),
        Type::F16 => widen(bits as u32, HALF),
        Type::BF16 => widen(bits as u32, BRAIN),
        // The low bits take no part.
        _ => widen(bits as u32 >> 13, TENSOR),
    }
}

fn limits(ty: Type) -> (i128, i128) {
    match ty.is_signed() {
        true => (-(1 << (ty.bits() - 1)), (1 << (ty.bits() - 1)) - 1),
        false => (0, (1 << ty.bits()) - 1),
    }
}

fn integral(value: f64, round: Round) -> f64 {
    match round {
        Round::Nearest => value.round_ties_even(),
        Round::Away => value.round(),
        Round::Zero => value.trunc(),
        Round::Down => value.floor(),
        Round::Up => value.ceil(),
    }
}

impl Conversion {
    pub(crate) fn apply(&self, bits: u64) -> u64 {
        if self.from.is_float() {
            let mut value = number(bits, self.from);
            if self.ftz && self.from == Type::F32 {
                value = f64::from(flush(value as f32));
            }
            return match self.to.is_float() {
                true => self.float_result(value, value),
                false => self.integer_result(value),
            };
        }
        let value = integer(bits, self.from);
        match self.to.is_float() {
            // A double takes a nearest value of the integer itself.
            true => self.float_result(odd(value), value as f64),
            false => {
                let (low, high) = limits(self.to);
                self.extended(if self.sat { value.clamp(low, high) } else { value })
            }
        }
    }

    /// The low bits, extended to the register by the destination's sign.
    fn extended(&self, value: i128) -> u64 {
        let unused = 64 - self.to.bits();
        let value = match self.to.is_signed() {
            true => (((value as u64) << unused) as i64 >> unused) as u64,
            false => ((value as u64) << unused) >> unused,
        };
        let above = 64 - self.register;
        (value << above) >> above
    }

    fn integer_result(&self, value: f64) -> u64 {
        if value.is_nan() {
            let zero = self.from != Type::F64 && self.to.bits() < 64;
            return if zero { 0 } else { self.extended(1 << (self.to.bits() - 1)) };
        }
        let (low, high) = limits(self.to);
        self.extended((integral(value, self.round) as i128).clamp(low, high))
    }

    fn float_result(&self, value: f64, double: f64) -> u64 {
        let adjust = |value: f64| {
            let mut value = if self.integral { integral(value, self.round) } else { value };
            if self.sat {
                value = if value > 0.0 { value.min(1.0) } else { 0.0 };
            }
            if self.relu && value <= 0.0 { 0.0 } else { value }
        };
        let value = adjust(value);
        u64::from(match self.to {
            Type::F64 => return adjust(double).to_bits(),
            Type::F32 if value.is_nan() => NAN,
            Type::F32 => {
                let bits = narrow(value, SINGLE, self.round);
                if self.ftz { flush(f32::from_bits(bits)).to_bits() } else { bits }
            }
            Type::F16 => narrow(value, HALF, self.round),
            Type::BF16 => narrow(value, BRAIN, self.round),
            _ if value.is_nan() => NAN,
            _ => narrow(value, TENSOR, self.round) << 13,
        })
    }
}
