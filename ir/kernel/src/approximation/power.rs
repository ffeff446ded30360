//! `a^b` on floats, as `e^(b log |a|)` in double precision with the sign and the borders of IEEE 754's
//! `pow`: within 1 ulp for `f32`, and within a relative error of `2^-52 (1 + |b log a|)` for `f64`.

use super::arithmetic::{Arithmetic, Condition};
use super::{exp, log};

/// `a^b` of scalars of either type.
pub fn power<A: Arithmetic>(float: &mut A, a: A::Value, b: A::Value) -> A::Value {
    if float.is_double() {
        return double(float, a, b);
    }
    let a = float.widened(a);
    let b = float.widened(b);
    let result = float.in_doubles(|float| double(float, a, b));
    float.narrowed(result)
}

fn double<A: Arithmetic>(float: &mut A, a: A::Value, b: A::Value) -> A::Value {
    let zero = float.constant(0.0);
    let one = float.constant(1.0);
    let magnitude = float.abs(a);
    let logarithm = log(float, magnitude);
    let product = float.mul(logarithm, b);
    // `1^b` is 1 for any b, infinity included, and `a^0` for any a.
    let unit = float.holds(Condition::Equal, magnitude, one);
    let nothing = float.holds(Condition::Equal, b, zero);
    let flat = float.either(unit, nothing);
    let exponent = float.select(flat, zero, product);
    let result = exp(float, exponent);

    // A negative base wants an integral exponent, and an odd one keeps the sign.
    let bits = float.bits(a);
    let negative = float.is_negative(bits);
    let half = float.constant(0.5);
    let halved = float.mul(b, half);
    let floor_half = float.floor(halved);
    let even = float.holds(Condition::Equal, floor_half, halved);
    let floor = float.floor(b);
    let integral = float.holds(Condition::Equal, floor, b);
    let negated = float.neg(result);
    let signed = float.select(even, result, negated);
    let nan = float.constant(f64::NAN);
    // The roots of -0 and -infinity are those of their magnitudes.
    let infinity = float.constant(f64::INFINITY);
    let is_zero = float.holds(Condition::Equal, magnitude, zero);
    let is_infinite = float.holds(Condition::Equal, magnitude, infinity);
    let border = float.either(is_zero, is_infinite);
    let otherwise = float.select(border, result, nan);
    let of_negative = float.select(integral, signed, otherwise);
    let of_negative = float.select(nothing, one, of_negative);
    let result = float.select(negative, of_negative, result);

    // 1^NaN = 1 and NaN^0 = 1, but -1^NaN is NaN, as is every other use of NaN.
    let base_one = float.holds(Condition::Equal, a, one);
    let defined = float.either(base_one, nothing);
    let unordered = float.holds(Condition::Unordered, a, b);
    let undefined = float.select(defined, one, nan);
    float.select(unordered, undefined, result)
}
