//! `1 / (1 + e^-x)` within 3 ulp.
//!
//! With `e = exp(-|x|)` it is `1 / (1 + e)` on the right and `e / (1 + e)` on the left, so that results
//! fade into subnormal numbers instead of vanishing.

use super::arithmetic::{Arithmetic, Condition};
use super::exp;

/// `1 / (1 + e^-x)`
pub fn sigmoid<A: Arithmetic>(float: &mut A, x: A::Value) -> A::Value {
    let magnitude = float.abs(x);
    let negative = float.neg(magnitude);
    let e = exp(float, negative);
    let one = float.constant(1.0);
    let zero = float.constant(0.0);
    let left = float.holds(Condition::Less, x, zero);
    let numerator = float.select(left, e, one);
    let denominator = float.add(one, e);
    float.div(numerator, denominator)
}
