//! Natural logarithm and `log(1 + x)` within 2 ulp.
//!
//! `x = 2^k m` with `sqrt(1/2) < m < sqrt(2)`, `s = f / (2 + f)` for `f = m - 1`, and
//! `log m = f - f^2/2 + s (f^2/2 + R(s^2))`; method and coefficients are those of FreeBSD's msun (`e_log.c`,
//! `e_logf.c`; Copyright 1993 Sun Microsystems, freely distributable with this notice). `log1p` corrects
//! the rounding of `1 + x` by its first-order term.

use super::LOG;
use super::arithmetic::{Arithmetic, Condition};

struct Format {
    /// The least normal number.
    least_normal: f64,
    /// Number of doublings that makes any subnormal number normal.
    doublings: i32,
    /// Bits of the fraction.
    fraction: i64,
    /// Bits of 1.
    one: i64,
    /// Bits of about `sqrt(1/2)`.
    root_half: i64,
    ln2_high: f64,
    ln2_low: f64,
    /// Of `R(z) / z`, highest first.
    series: &'static [f64],
}

const SINGLE: Format = Format {
    least_normal: LOG.least_normal,
    doublings: LOG.doublings,
    fraction: 23,
    one: LOG.one as i64,
    root_half: LOG.root_half as i64,
    ln2_high: LOG.ln2_high,
    ln2_low: LOG.ln2_low,
    series: &LOG.series,
};

const DOUBLE: Format = Format {
    least_normal: f64::MIN_POSITIVE,
    doublings: 54,
    fraction: 52,
    one: 0x3FF0_0000_0000_0000,
    root_half: 0x3FE6_A09E_667F_3BCD,
    ln2_high: 6.931_471_803_691_238e-1,
    ln2_low: 1.908_214_929_270_587_7e-10,
    series: &[
        1.479_819_860_511_658_6e-1,
        1.531_383_769_920_937_3e-1,
        1.818_357_216_161_805e-1,
        2.222_219_843_214_978_4e-1,
        2.857_142_874_366_239e-1,
        3.999_999_999_940_942e-1,
        6.666_666_666_666_735e-1,
    ],
};

fn format(float: &impl Arithmetic) -> &'static Format {
    if float.is_double() { &DOUBLE } else { &SINGLE }
}

/// The exponent `k` and `m - 1` of a positive normal number.
fn decompose<A: Arithmetic>(float: &mut A, x: A::Value) -> (A::Value, A::Value) {
    let with = format(float);
    let bits = float.bits(x);
    let distance = float.integer(with.one - with.root_half);
    let moved = float.plus_bits(bits, distance);
    let exponent = float.shifted_down(moved, with.fraction);
    let bias = float.integer(with.one >> with.fraction);
    let exponent = float.minus_bits(exponent, bias);
    let k = float.float_of_small(exponent);
    let mask = float.integer((1_i64 << with.fraction) - 1);
    let fraction = float.masked(moved, mask);
    let root_half = float.integer(with.root_half);
    let m = float.plus_bits(fraction, root_half);
    let m = float.with_bits(m);
    let one = float.constant(1.0);
    let f = float.sub(m, one);
    (k, f)
}

/// `k ln 2 + log(1 + f) + correction`
fn recompose<A: Arithmetic>(
    float: &mut A,
    k: A::Value,
    f: A::Value,
    correction: Option<A::Value>,
) -> A::Value {
    let with = format(float);
    let two = float.constant(2.0);
    let denominator = float.add(two, f);
    let s = float.div(f, denominator);
    let z = float.mul(s, s);
    let series = float.polynomial(z, with.series);
    let series = float.mul(series, z);
    let half = float.constant(0.5);
    let half_f = float.mul(half, f);
    let half_square = float.mul(half_f, f);
    let sum = float.add(half_square, series);
    let ln2_low = float.constant(with.ln2_low);
    let low = match correction {
        Some(correction) => float.mul_add(k, ln2_low, correction),
        None => float.mul(k, ln2_low),
    };
    let low = float.mul_add(s, sum, low);
    let low = float.sub(half_square, low);
    let low = float.sub(low, f);
    let ln2_high = float.constant(with.ln2_high);
    let high = float.mul(k, ln2_high);
    float.sub(high, low)
}

/// Puts in the values at 0, at infinity and of negative numbers, told by the argument of the logarithm.
fn borders<A: Arithmetic>(float: &mut A, argument: A::Value, result: A::Value) -> A::Value {
    let infinity = float.constant(f64::INFINITY);
    let endless = float.holds(Condition::Equal, argument, infinity);
    let result = float.select(endless, infinity, result);
    let zero = float.constant(0.0);
    let least = float.constant(f64::NEG_INFINITY);
    let nothing = float.holds(Condition::Equal, argument, zero);
    let result = float.select(nothing, least, result);
    let valid = float.holds(Condition::GreaterEqual, argument, zero);
    let nan = float.constant(f64::NAN);
    float.select(valid, result, nan)
}

/// `log x`
pub fn log<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let with = format(float);
    let least = float.constant(with.least_normal);
    let small = float.holds(Condition::Less, x, least);
    let factor = float.constant(2.0_f64.powi(with.doublings));
    let doubled = float.mul(x, factor);
    let normal = float.select(small, doubled, x);
    let (k, f) = decompose(float, normal);
    let doublings = float.constant(f64::from(with.doublings));
    let zero = float.constant(0.0);
    let doublings = float.select(small, doublings, zero);
    let k = float.sub(k, doublings);
    let result = recompose(float, k, f, None);
    borders(float, x, result)
}

/// `log(1 + x)`
pub fn log_one_plus<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let one = float.constant(1.0);
    let u = float.add(x, one);
    let back = float.sub(u, one);
    let lost = float.sub(x, back);
    let correction = float.div(lost, u);
    let (k, f) = decompose(float, u);
    let result = recompose(float, k, f, Some(correction));
    let result = borders(float, u, result);
    // `1 + x` loses the sign of zero.
    let zero = float.constant(0.0);
    let nothing = float.holds(Condition::Equal, x, zero);
    float.select(nothing, x, result)
}
