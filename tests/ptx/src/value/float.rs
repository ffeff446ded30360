//! Float arithmetic. Singles are computed by functions of `f32` that the machine wraps in a [`Style`]; the
//! approximate instructions of the hardware (`ex2`, `lg2`, `sin`, `cos`, `tanh`, `rsqrt`, and `div`, `rcp`
//! and `sqrt` with `.approx` or `.full`) are computed in `f64` or exactly and rounded once, so a comparison
//! with a GPU needs their documented error.

use super::{One, Three, Two};

/// What `.ftz` and `.sat` add around an operation on singles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Style {
    /// Subnormal sources and results are zero of their sign.
    pub(crate) ftz: bool,
    /// The result is clamped to [0, 1], NaN to +0.
    pub(crate) sat: bool,
}

/// What arithmetic on singles returns for any NaN.
pub(crate) const NAN: u32 = 0x7fff_ffff;

pub(crate) fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0f32.copysign(value) } else { value }
}

impl Style {
    pub(crate) fn source(self, bits: u64) -> f32 {
        let value = f32::from_bits(bits as u32);
        if self.ftz { flush(value) } else { value }
    }

    pub(crate) fn result(self, value: f32) -> u64 {
        let value = if self.ftz { flush(value) } else { value };
        u64::from(match value {
            _ if value.is_nan() && self.sat => 0,
            _ if value.is_nan() => NAN,
            // The minimum of -0 and +0 is not settled, and 0 is meant.
            _ if self.sat && value <= 0.0 => 0,
            _ if self.sat => value.min(1.0).to_bits(),
            _ => value.to_bits(),
        })
    }
}

/// `min` of two numbers, with -0 below +0, a NaN giving way to the other.
fn least(a: f32, b: f32) -> f32 {
    match () {
        _ if a.is_nan() => b,
        _ if b.is_nan() => a,
        _ if a == b => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
        _ => a.min(b),
    }
}

fn most(a: f32, b: f32) -> f32 {
    -least(-a, -b)
}

/// The same for doubles, in the sign rule of `least`.
fn least_double(a: f64, b: f64) -> f64 {
    match () {
        _ if a.is_nan() => b,
        _ if b.is_nan() => a,
        _ if a == b => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
        _ => a.min(b),
    }
}

fn through_double(value: f32, function: fn(f64) -> f64) -> f32 {
    function(f64::from(value)) as f32
}

pub(crate) fn one(name: &str) -> Option<fn(f32) -> f32> {
    Some(match name {
        "neg" => |a| -a,
        "abs" => f32::abs,
        "rcp.rn" | "rcp.approx" => |a| 1.0 / a,
        "sqrt.rn" | "sqrt.approx" => f32::sqrt,
        "rsqrt.approx" => |a| match a {
            0.0 => f32::INFINITY.copysign(a),
            _ => through_double(a, |a| 1.0 / a.sqrt()),
        },
        "ex2.approx" => |a| through_double(a, f64::exp2),
        "lg2.approx" => |a| through_double(a, f64::log2),
        "sin.approx" => |a| through_double(a, f64::sin),
        "cos.approx" => |a| through_double(a, f64::cos),
        "tanh.approx" => |a| through_double(a, f64::tanh),
        _ => return None,
    })
}

pub(crate) fn two(name: &str) -> Option<fn(f32, f32) -> f32> {
    Some(match name {
        "add" | "add.rn" => |a, b| a + b,
        "sub" | "sub.rn" => |a, b| a - b,
        "mul" | "mul.rn" => |a, b| a * b,
        "div.rn" | "div.full" | "div.approx" => |a, b| a / b,
        "min" => least,
        "max" => most,
        "min.NaN" => |a, b| if a.is_nan() || b.is_nan() { f32::NAN } else { least(a, b) },
        "max.NaN" => |a, b| if a.is_nan() || b.is_nan() { f32::NAN } else { most(a, b) },
        // The sign is the first source's.
        "copysign" => |a, b| b.copysign(a),
        _ => return None,
    })
}

pub(crate) fn three(name: &str) -> Option<fn(f32, f32, f32) -> f32> {
    matches!(name, "fma.rn" | "mad.rn").then_some(f32::mul_add)
}

macro_rules! double {
    (|$($x:ident),+| $body:expr) => {
        |$($x: u64),+| { $(let $x = f64::from_bits($x);)+ f64::to_bits($body) }
    };
}

pub(crate) fn one_double(name: &str) -> Option<One> {
    Some(match name {
        "neg" => |a| a ^ 1 << 63,
        "abs" => |a| a & !(1 << 63),
        "rcp.rn" => double!(|a| 1.0 / a),
        "sqrt.rn" => double!(|a| a.sqrt()),
        _ => return None,
    })
}

pub(crate) fn two_double(name: &str) -> Option<Two> {
    Some(match name {
        "add" | "add.rn" => double!(|a, b| a + b),
        "sub" | "sub.rn" => double!(|a, b| a - b),
        "mul" | "mul.rn" => double!(|a, b| a * b),
        "div.rn" => double!(|a, b| a / b),
        "min" => double!(|a, b| least_double(a, b)),
        "max" => double!(|a, b| -least_double(-a, -b)),
        "copysign" => double!(|a, b| b.copysign(a)),
        _ => return None,
    })
}

pub(crate) fn three_double(name: &str) -> Option<Three> {
    match name {
        "fma.rn" | "mad.rn" => Some(double!(|a, b, c| a.mul_add(b, c))),
        _ => None,
    }
}
