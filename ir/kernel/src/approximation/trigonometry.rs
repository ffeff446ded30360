//! Sine and cosine with an absolute error of at most one ulp of 1 (2^-23 for `f32`, 2^-52 for `f64`), for
//! `|x| <= 8192` (`f32`) and `|x| <= 2^19` (`f64`); the error grows in proportion to `|x|` beyond.
//!
//! `x = n pi/2 + r` with `pi/2` in three parts whose products with `n` are exact (Cody and Waite); kernels
//! on `|r| <= pi/4` from S. Moshier's Cephes library (`f32`) and FreeBSD's msun (`f64`; Copyright 1993 Sun
//! Microsystems, freely distributable with this notice).

use super::TRIGONOMETRY;
use super::arithmetic::Arithmetic;

struct Coefficients {
    half_pi: [f64; 3],
    /// Of `(sin r / r - 1) / r^2` in `r^2`.
    sine: &'static [f64],
    /// Of `(cos r - 1 + r^2 / 2) / r^4` in `r^2`.
    cosine: &'static [f64],
}

const SINGLE: Coefficients =
    Coefficients { half_pi: TRIGONOMETRY.half_pi, sine: &TRIGONOMETRY.sine, cosine: &TRIGONOMETRY.cosine };

const DOUBLE: Coefficients = Coefficients {
    half_pi: [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21],
    sine: &[
        1.589_690_995_211_55e-10,
        -2.505_076_025_340_686_3e-8,
        2.755_731_370_707_006_8e-6,
        -1.984_126_982_985_795e-4,
        8.333_333_333_322_49e-3,
        -1.666_666_666_666_663_2e-1,
    ],
    cosine: &[
        -1.135_964_755_778_819_5e-11,
        2.087_572_321_298_175e-9,
        -2.755_731_435_139_066_3e-7,
        2.480_158_728_947_673e-5,
        -1.388_888_888_887_411e-3,
        4.166_666_666_666_66e-2,
    ],
};

/// `sin(x + quarters pi/2)`
fn shifted_sine<A: Arithmetic>(float: &mut A, x: A::Value, quarters: i64) -> A::Value {
    let with = if float.is_double() { &DOUBLE } else { &SINGLE };
    let two_over_pi = float.constant(std::f64::consts::FRAC_2_PI);
    let shift = float.rounding_shift();
    let shift = float.constant(shift);
    let shifted = float.mul_add(x, two_over_pi, shift);
    let n = float.sub(shifted, shift);
    let mut r = x;
    for part in with.half_pi {
        let part = float.constant(part);
        r = float.negative_mul_add(n, part, r);
    }
    let z = float.mul(r, r);
    let sine = float.polynomial(z, with.sine);
    let cube = float.mul(z, r);
    let sine = float.mul_add(sine, cube, r);
    let cosine = float.polynomial(z, with.cosine);
    let fourth = float.mul(z, z);
    let half = float.constant(0.5);
    let one = float.constant(1.0);
    let near_one = float.negative_mul_add(half, z, one);
    let cosine = float.mul_add(cosine, fourth, near_one);

    let quadrant = float.bits(shifted);
    let quarters = float.integer(quarters);
    let quadrant = float.plus_bits(quadrant, quarters);
    let unit = float.integer(1);
    let odd = float.masked(quadrant, unit);
    let odd = float.is_set(odd);
    let result = float.select(odd, cosine, sine);
    let lower_half = float.integer(2);
    let sign = float.masked(quadrant, lower_half);
    let distance = if float.is_double() { 62 } else { 30 };
    let sign = float.shifted_up(sign, distance);
    let bits = float.bits(result);
    let bits = float.exclusive(bits, sign);
    float.with_bits(bits)
}

/// `sin x`
pub fn sin<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    shifted_sine(float, x, 0)
}

/// `cos x`
pub fn cos<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    shifted_sine(float, x, 1)
}
