//! Integer arithmetic by instruction and type.

use super::{One, Three, Two};
use crate::types::Type;

/// The same expression for each integer type: `$t` the type, `$u` the unsigned one of its width.
macro_rules! by_type {
    ($ty:expr, $($types:ident)|+, |$($x:ident),+| $t:ident, $u:ident => $body:expr) => {
        by_type!(@arms $ty, [$($types)+], [$($x)+], $t, $u, $body)
    };
    (@arms $ty:expr, [$($types:ident)+], $xs:tt, $t:ident, $u:ident, $body:expr) => {
        match $ty { $(Type::$types => by_type!(@one $types, $xs, $t, $u, $body),)+ _ => None }
    };
    (@one S16, $xs:tt, $t:ident, $u:ident, $body:expr) => { by_type!(@make i16, u16, $xs, $t, $u, $body) };
    (@one U16, $xs:tt, $t:ident, $u:ident, $body:expr) => { by_type!(@make u16, u16, $xs, $t, $u, $body) };
    (@one S32, $xs:tt, $t:ident, $u:ident, $body:expr) => { by_type!(@make i32, u32, $xs, $t, $u, $body) };
    (@one U32, $xs:tt, $t:ident, $u:ident, $body:expr) => { by_type!(@make u32, u32, $xs, $t, $u, $body) };
    (@one S64, $xs:tt, $t:ident, $u:ident, $body:expr) => { by_type!(@make i64, u64, $xs, $t, $u, $body) };
    (@one U64, $xs:tt, $t:ident, $u:ident, $body:expr) => { by_type!(@make u64, u64, $xs, $t, $u, $body) };
    (@make $signed:ty, $unsigned:ty, [$($x:ident)+], $t:ident, $u:ident, $body:expr) => {{
        #[allow(dead_code, clippy::unnecessary_cast, reason = "the same text for each width")]
        {
            type $t = $signed;
            type $u = $unsigned;
            Some((|$($x: u64),+| { $(let $x = $x as $t;)+ ($body) as $u as u64 }) as _)
        }
    }};
}

/// `neg`, `abs`.
pub(crate) fn one(name: &str, ty: Type) -> Option<One> {
    match name {
        "neg" => by_type!(ty, S16 | S32 | S64, |a| T, U => a.wrapping_neg()),
        "abs" => by_type!(ty, S16 | S32 | S64, |a| T, U => a.wrapping_abs()),
        _ => None,
    }
}

/// Arithmetic of two sources; the name carries `.lo`, `.hi`, `.wide` or `.sat` where there is one.
pub(crate) fn two(name: &str, ty: Type) -> Option<Two> {
    match name {
        "add" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.wrapping_add(b)),
        "sub" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.wrapping_sub(b)),
        "add.sat" => by_type!(ty, S32, |a, b| T, U => a.saturating_add(b)),
        "sub.sat" => by_type!(ty, S32, |a, b| T, U => a.saturating_sub(b)),
        "min" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.min(b)),
        "max" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.max(b)),
        "mul.lo" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.wrapping_mul(b)),
        "mul.hi" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U =>
            ((a as i128).wrapping_mul(b as i128) >> T::BITS) as T),
        "mul.wide" => wide(ty),
        _ => None,
    }
}

/// `div` and `rem`, for divisors other than zero.
pub(crate) fn quotient(name: &str, ty: Type) -> Option<Two> {
    match name {
        "div" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.wrapping_div(b)),
        "rem" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b| T, U => a.wrapping_rem(b)),
        _ => None,
    }
}

fn wide(ty: Type) -> Option<Two> {
    Some(match ty {
        Type::S16 => |a, b| u64::from((i32::from(a as i16) * i32::from(b as i16)) as u32),
        Type::U16 => |a, b| u64::from(u32::from(a as u16) * u32::from(b as u16)),
        Type::S32 => |a, b| (i64::from(a as i32) * i64::from(b as i32)) as u64,
        Type::U32 => |a, b| u64::from(a as u32) * u64::from(b as u32),
        _ => return None,
    })
}

/// `mad` and `sad`.
pub(crate) fn three(name: &str, ty: Type) -> Option<Three> {
    match name {
        "mad.lo" => {
            by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b, c| T, U => a.wrapping_mul(b).wrapping_add(c))
        }
        "mad.hi" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b, c| T, U =>
            (((a as i128).wrapping_mul(b as i128) >> T::BITS) as T).wrapping_add(c)),
        "mad.wide" => Some(match ty {
            Type::S16 => {
                |a, b, c| u64::from((i32::from(a as i16) * i32::from(b as i16)).wrapping_add(c as i32) as u32)
            }
            Type::U16 => {
                |a, b, c| u64::from((u32::from(a as u16) * u32::from(b as u16)).wrapping_add(c as u32))
            }
            Type::S32 => |a, b, c| (i64::from(a as i32) * i64::from(b as i32)).wrapping_add(c as i64) as u64,
            Type::U32 => |a, b, c| (u64::from(a as u32) * u64::from(b as u32)).wrapping_add(c),
            _ => return None,
        }),
        "sad" => by_type!(ty, S16|U16|S32|U32|S64|U64, |a, b, c| T, U =>
            (a.abs_diff(b) as T).wrapping_add(c)),
        _ => None,
    }
}

/// Which bytes of a dot product are signed, and which half of `a` a `dp2a` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dot {
    pub(crate) signed_a: bool,
    pub(crate) signed_b: bool,
    /// `None` is `dp4a`; else `dp2a`, whose 16-bit `a` halves meet the low or the high bytes of `b`.
    pub(crate) high_half: Option<bool>,
}

fn piece(word: u64, at: u32, bits: u32, signed: bool) -> i64 {
    let left = 64 - bits - at * bits;
    match signed {
        true => ((word << left) as i64) >> (64 - bits),
        false => ((word << left) >> (64 - bits)) as i64,
    }
}

pub(crate) fn dot(style: Dot, a: u64, b: u64, c: u64) -> u64 {
    let Dot { signed_a, signed_b, high_half } = style;
    let sum: i64 = match high_half {
        None => (0..4).map(|i| piece(a, i, 8, signed_a) * piece(b, i, 8, signed_b)).sum(),
        Some(high) => {
            (0..2).map(|i| piece(a, i, 16, signed_a) * piece(b, i + 2 * u32::from(high), 8, signed_b)).sum()
        }
    };
    u64::from((sum as u32).wrapping_add(c as u32))
}
