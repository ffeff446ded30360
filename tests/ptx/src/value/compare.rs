//! Comparisons of `setp` and `set`. A float comparison without `u` is false where a source is NaN, `ne`
//! included.

use super::Truth;
use super::float::flush;
use crate::types::Type;

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn flushed(bits: u64) -> f32 {
    flush(single(bits))
}

fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

macro_rules! floats {
    ($name:expr, $read:path) => {
        Some(match $name {
            "eq" => |a, b| $read(a) == $read(b),
            "ne" => |a, b| $read(a) < $read(b) || $read(a) > $read(b),
            "lt" => |a, b| $read(a) < $read(b),
            "le" => |a, b| $read(a) <= $read(b),
            "gt" => |a, b| $read(a) > $read(b),
            "ge" => |a, b| $read(a) >= $read(b),
            "equ" => |a, b| !($read(a) < $read(b) || $read(a) > $read(b)),
            "neu" => |a, b| $read(a) != $read(b),
            "ltu" => |a, b| !matches!($read(a).partial_cmp(&$read(b)), Some(o) if o.is_ge()),
            "leu" => |a, b| !matches!($read(a).partial_cmp(&$read(b)), Some(o) if o.is_gt()),
            "gtu" => |a, b| !matches!($read(a).partial_cmp(&$read(b)), Some(o) if o.is_le()),
            "geu" => |a, b| !matches!($read(a).partial_cmp(&$read(b)), Some(o) if o.is_lt()),
            "num" => |a, b| !$read(a).is_nan() && !$read(b).is_nan(),
            "nan" => |a, b| $read(a).is_nan() || $read(b).is_nan(),
            _ => return None,
        })
    };
}

macro_rules! signed {
    ($name:expr, $t:ty) => {
        Some(match $name {
            "lt" => |a, b| (a as $t) < (b as $t),
            "le" => |a, b| (a as $t) <= (b as $t),
            "gt" => |a, b| (a as $t) > (b as $t),
            "ge" => |a, b| (a as $t) >= (b as $t),
            _ => return None,
        })
    };
}

/// The comparison of a name at a type; `ftz` takes subnormal singles as zero.
pub(crate) fn truth(name: &str, ty: Type, ftz: bool) -> Option<Truth> {
    match ty {
        Type::F32 if ftz => return floats!(name, flushed),
        Type::F32 => return floats!(name, single),
        Type::F64 => return floats!(name, double),
        Type::B16 | Type::B32 | Type::B64 | Type::U16 | Type::U32 | Type::U64 => {}
        Type::S16 | Type::S32 | Type::S64 => {}
        _ => return None,
    }
    match (name, ty) {
        ("eq", _) => Some(|a, b| a == b),
        ("ne", _) => Some(|a, b| a != b),
        (_, Type::S16) => signed!(name, i16),
        (_, Type::S32) => signed!(name, i32),
        (_, Type::S64) => signed!(name, i64),
        (_, _) if ty.is_bits() => None,
        ("lt" | "lo", _) => Some(|a, b| a < b),
        ("le" | "ls", _) => Some(|a, b| a <= b),
        ("gt" | "hi", _) => Some(|a, b| a > b),
        ("ge" | "hs", _) => Some(|a, b| a >= b),
        _ => None,
    }
}

/// `testp`.
pub(crate) fn property(name: &str, ty: Type) -> Option<fn(u64) -> bool> {
    Some(match (name, ty) {
        ("finite", Type::F32) => |a| single(a).is_finite(),
        ("infinite", Type::F32) => |a| single(a).is_infinite(),
        ("number", Type::F32) => |a| !single(a).is_nan(),
        ("notanumber", Type::F32) => |a| single(a).is_nan(),
        // Zero counts as normal.
        ("normal", Type::F32) => |a| single(a).is_normal() || single(a) == 0.0,
        ("subnormal", Type::F32) => |a| single(a).is_subnormal(),
        ("finite", Type::F64) => |a| double(a).is_finite(),
        ("infinite", Type::F64) => |a| double(a).is_infinite(),
        ("number", Type::F64) => |a| !double(a).is_nan(),
        ("notanumber", Type::F64) => |a| double(a).is_nan(),
        ("normal", Type::F64) => |a| double(a).is_normal() || double(a) == 0.0,
        ("subnormal", Type::F64) => |a| double(a).is_subnormal(),
        _ => return None,
    })
}
