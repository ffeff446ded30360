//! Hyperbolic tangent within 3 ulp.
//!
//! Below 5/8 an odd polynomial (`f32`) or rational function (`f64`), both from S. Moshier's Cephes library;
//! above, `1 - 2 / (e^2|x| + 1)`.

use super::TANH;
use super::arithmetic::{Arithmetic, Condition};
use super::exp;

const NUMERATOR: [f64; 3] = [-9.643_991_794_250_523e-1, -9.928_772_310_019_185e1, -1.614_687_684_417_084_5e3];

const DENOMINATOR: [f64; 4] =
    [1.0, 1.128_116_784_916_329_3e2, 2.235_488_390_601_004_5e3, 4.844_063_053_251_255e3];

/// `tanh x`
pub fn tanh<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let square = float.mul(x, x);
    let tail = if float.is_double() {
        let numerator = float.polynomial(square, &NUMERATOR);
        let denominator = float.polynomial(square, &DENOMINATOR);
        float.div(numerator, denominator)
    } else {
        float.polynomial(square, &TANH)
    };
    let cube = float.mul(square, x);
    let small = float.mul_add(tail, cube, x);

    let magnitude = float.abs(x);
    let twice = float.add(magnitude, magnitude);
    let e = exp(float, twice);
    let one = float.constant(1.0);
    let denominator = float.add(e, one);
    let two = float.constant(2.0);
    let rest = float.div(two, denominator);
    let large = float.sub(one, rest);
    let large = float.copy_sign(large, x);

    let border = float.constant(0.625);
    let is_small = float.holds(Condition::Less, magnitude, border);
    float.select(is_small, small, large)
}
