//! `e^x` within 2 ulp, subnormal results included.
//!
//! `x = n ln 2 + r` with `|r| <= ln 2 / 2`; `ln 2` in two parts so that `r` is exact to the last place
//! (W. J. Cody, W. Waite, "Software Manual for the Elementary Functions", 1980); `e^r` by a polynomial:
//! for `f32` the one of S. Moshier's Cephes library, for `f64` the Taylor series. `2^n` is applied in two
//! halves, so that results overflow to infinity and fade into subnormal numbers by themselves.

use super::EXP;
use super::arithmetic::Arithmetic;

struct Coefficients {
    low: f64,
    high: f64,
    ln2_high: f64,
    ln2_low: f64,
    /// Of `(e^r - 1 - r) / r^2`.
    polynomial: &'static [f64],
}

const SINGLE: Coefficients = Coefficients {
    low: EXP.low,
    high: EXP.high,
    ln2_high: EXP.ln2_high,
    ln2_low: EXP.ln2_low,
    polynomial: &EXP.polynomial,
};

const DOUBLE: Coefficients = Coefficients {
    low: -746.0,
    high: 710.0,
    ln2_high: 6.931_471_803_691_238e-1,
    ln2_low: 1.908_214_929_270_587_7e-10,
    polynomial: &[
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ],
};

/// `e^x`
pub fn exp<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let with = if float.is_double() { &DOUBLE } else { &SINGLE };
    let x = float.at_most(x, with.high);
    let x = float.at_least(x, with.low);
    let log2_e = float.constant(std::f64::consts::LOG2_E);
    let shift = float.rounding_shift();
    let shift = float.constant(shift);
    let shifted = float.mul_add(x, log2_e, shift);
    let n = float.sub(shifted, shift);
    let ln2_high = float.constant(with.ln2_high);
    let ln2_low = float.constant(with.ln2_low);
    let r = float.negative_mul_add(n, ln2_high, x);
    let r = float.negative_mul_add(n, ln2_low, r);
    let square = float.mul(r, r);
    let tail = float.polynomial(r, with.polynomial);
    let sum = float.mul_add(tail, square, r);
    let one = float.constant(1.0);
    let sum = float.add(sum, one);
    float.scale_by_power_of_two(sum, n)
}
