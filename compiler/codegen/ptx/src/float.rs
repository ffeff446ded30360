//! Floating-point arithmetic that is written once and emitted for `f32` and `f64` alike.
//!
//! Every operation states its rounding: one without may be contracted into a multiply-add by `ptxas`.

use crate::emitter::Emitter;
use crate::register::{Class, Value};

/// Comparisons of floats; all but `Unordered` are false on NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Equal,
    Less,
    Greater,
    GreaterEqual,
    Unordered,
}

impl Condition {
    const fn name(self) -> &'static str {
        match self {
            Condition::Equal => "eq",
            Condition::Less => "lt",
            Condition::Greater => "gt",
            Condition::GreaterEqual => "ge",
            Condition::Unordered => "nan",
        }
    }
}

/// An emitter of floating-point operations on one type.
pub(crate) struct Float<'e, 'k> {
    /// Where instructions go.
    pub(crate) emitter: &'e mut Emitter<'k>,
    double: bool,
}

impl<'k> Emitter<'k> {
    /// Arithmetic on `f64`, or on `f32`.
    pub(crate) fn float(&mut self, double: bool) -> Float<'_, 'k> {
        Float { emitter: self, double }
    }
}

impl<'k> Float<'_, 'k> {
    /// Whether values are `f64`.
    pub(crate) fn is_double(&self) -> bool {
        self.double
    }

    /// The same on `f64`.
    pub(crate) fn doubles(&mut self) -> Float<'_, 'k> {
        Float { emitter: self.emitter, double: true }
    }

    fn class(&self) -> Class {
        if self.double { Class::Double } else { Class::Single }
    }

    fn bits_class(&self) -> Class {
        if self.double { Class::Long } else { Class::Word }
    }

    fn ins(&mut self, name: &str, args: &[Value]) -> Value {
        let name = format!("{name}.{}", if self.double { "f64" } else { "f32" });
        self.emitter.ins(self.class(), &name, args)
    }

    fn bits_ins(&mut self, name: &str, kind: char, args: &[Value]) -> Value {
        let name = format!("{name}.{kind}{}", if self.double { 64 } else { 32 });
        self.emitter.ins(self.bits_class(), &name, args)
    }

    /// The number, rounded to the type.
    pub(crate) fn constant(&mut self, number: f64) -> Value {
        if self.double { Value::Double(number.to_bits()) } else { Value::Single((number as f32).to_bits()) }
    }

    /// The integer of the same size.
    pub(crate) fn integer(&mut self, number: i64) -> Value {
        Value::Integer(if self.double { number } else { i64::from(number as i32) })
    }

    /// `a + b`
    pub(crate) fn add(&mut self, a: Value, b: Value) -> Value {
        self.ins("add.rn", &[a, b])
    }

    /// `a - b`
    pub(crate) fn sub(&mut self, a: Value, b: Value) -> Value {
        self.ins("sub.rn", &[a, b])
    }

    /// `a * b`
    pub(crate) fn mul(&mut self, a: Value, b: Value) -> Value {
        self.ins("mul.rn", &[a, b])
    }

    /// `a / b`
    pub(crate) fn div(&mut self, a: Value, b: Value) -> Value {
        self.ins("div.rn", &[a, b])
    }

    /// The square root.
    pub(crate) fn sqrt(&mut self, a: Value) -> Value {
        self.ins("sqrt.rn", &[a])
    }

    /// `a * b + c`, rounded once.
    pub(crate) fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.ins("fma.rn", &[a, b, c])
    }

    /// `c - a * b`, rounded once.
    pub(crate) fn negative_mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        let negative = match b {
            Value::Single(bits) => Value::Single(bits ^ (1 << 31)),
            Value::Double(bits) => Value::Double(bits ^ (1 << 63)),
            other => self.neg(other),
        };
        self.mul_add(a, negative, c)
    }

    /// The polynomial in `x`, highest coefficient first, by Horner's rule.
    pub(crate) fn polynomial(&mut self, x: Value, coefficients: &[f64]) -> Value {
        let mut rest = coefficients.iter();
        let first = rest.next().copied().unwrap_or(0.0);
        let mut sum = self.constant(first);
        for &coefficient in rest {
            let term = self.constant(coefficient);
            sum = self.mul_add(sum, x, term);
        }
        sum
    }

    /// `-a`
    pub(crate) fn neg(&mut self, a: Value) -> Value {
        self.ins("neg", &[a])
    }

    /// `|a|`
    pub(crate) fn abs(&mut self, a: Value) -> Value {
        self.ins("abs", &[a])
    }

    /// The greatest integral number that is not above.
    pub(crate) fn floor(&mut self, a: Value) -> Value {
        self.rounded("rmi", a)
    }

    /// The integral number that a rounding (`rni`, `rmi`, `rpi`) gives.
    pub(crate) fn rounded(&mut self, rounding: &str, a: Value) -> Value {
        let kind = if self.double { "f64" } else { "f32" };
        self.ins(&format!("cvt.{rounding}.{kind}"), &[a])
    }

    /// `|a|` with the sign of `b`, whatever they are.
    pub(crate) fn copy_sign(&mut self, a: Value, b: Value) -> Value {
        let sign = self.integer(if self.double { i64::MIN } else { i64::from(i32::MIN) });
        let b = self.bits(b);
        let b = self.masked(b, sign);
        let magnitude = self.abs(a);
        let magnitude = self.bits(magnitude);
        let joined = self.bits_ins("or", 'b', &[magnitude, b]);
        self.with_bits(joined)
    }

    /// A comparison.
    pub(crate) fn compare(&mut self, condition: Condition, a: Value, b: Value) -> Value {
        let kind = if self.double { "f64" } else { "f32" };
        self.emitter.ins(Class::Predicate, &format!("setp.{}.{kind}", condition.name()), &[a, b])
    }

    /// Whether one of two conditions holds.
    pub(crate) fn either(&mut self, a: Value, b: Value) -> Value {
        self.emitter.ins(Class::Predicate, "or.pred", &[a, b])
    }

    /// `a` where the condition holds, else `b`.
    pub(crate) fn select(&mut self, condition: Value, a: Value, b: Value) -> Value {
        self.ins("selp", &[a, b, condition])
    }

    /// The smaller of `a` and a bound; `a` where it is NaN.
    pub(crate) fn at_most(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let above = self.compare(Condition::Greater, a, bound);
        self.select(above, bound, a)
    }

    /// The larger of `a` and a bound; `a` where it is NaN.
    pub(crate) fn at_least(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let below = self.compare(Condition::Less, a, bound);
        self.select(below, bound, a)
    }

    /// The larger; NaN if either is.
    pub(crate) fn maximum(&mut self, a: Value, b: Value) -> Value {
        self.extreme(Condition::Greater, a, b)
    }

    /// The smaller; NaN if either is.
    pub(crate) fn minimum(&mut self, a: Value, b: Value) -> Value {
        self.extreme(Condition::Less, a, b)
    }

    fn extreme(&mut self, condition: Condition, a: Value, b: Value) -> Value {
        let wins = self.compare(condition, a, b);
        let winner = self.select(wins, a, b);
        let unordered = self.compare(Condition::Unordered, a, a);
        self.select(unordered, a, winner)
    }

    /// `max(a, 0)`; NaN stays.
    pub(crate) fn relu(&mut self, a: Value) -> Value {
        let zero = self.constant(0.0);
        let below = self.compare(Condition::Less, a, zero);
        self.select(below, zero, a)
    }

    /// The `f64` of an `f32`.
    pub(crate) fn widened(&mut self, a: Value) -> Value {
        self.emitter.ins(Class::Double, "cvt.f64.f32", &[a])
    }

    /// The nearest `f32` of an `f64`.
    pub(crate) fn narrowed(&mut self, a: Value) -> Value {
        self.emitter.ins(Class::Single, "cvt.rn.f32.f64", &[a])
    }

    /// The bits as integers.
    pub(crate) fn bits(&mut self, a: Value) -> Value {
        self.bits_ins("mov", 'b', &[a])
    }

    /// The number with these bits.
    pub(crate) fn with_bits(&mut self, bits: Value) -> Value {
        let name = if self.double { "mov.b64" } else { "mov.b32" };
        self.emitter.ins(self.class(), name, &[bits])
    }

    /// The sum of bits as integers.
    pub(crate) fn plus_bits(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("add", 's', &[a, b])
    }

    /// The difference of bits as integers.
    pub(crate) fn minus_bits(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("sub", 's', &[a, b])
    }

    /// The bits that are in both.
    pub(crate) fn masked(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("and", 'b', &[a, b])
    }

    /// The bits that are in one of both.
    pub(crate) fn exclusive(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("xor", 'b', &[a, b])
    }

    /// Bits, so many places down, with zeros above.
    pub(crate) fn shifted_down(&mut self, a: Value, places: i64) -> Value {
        self.bits_ins("shr", 'u', &[a, Value::Integer(places)])
    }

    /// Bits, so many places up.
    pub(crate) fn shifted_up(&mut self, a: Value, places: i64) -> Value {
        self.bits_ins("shl", 'b', &[a, Value::Integer(places)])
    }

    /// Whether bits as an integer are less than 0.
    pub(crate) fn is_negative(&mut self, bits: Value) -> Value {
        let name = if self.double { "setp.lt.s64" } else { "setp.lt.s32" };
        self.emitter.ins(Class::Predicate, name, &[bits, Value::Integer(0)])
    }

    /// Whether any bit is set.
    pub(crate) fn is_set(&mut self, bits: Value) -> Value {
        let name = if self.double { "setp.ne.s64" } else { "setp.ne.s32" };
        self.emitter.ins(Class::Predicate, name, &[bits, Value::Integer(0)])
    }

    /// The number that brings the integer part of a smaller one into its lowest bits when added.
    pub(crate) fn rounding_shift(&self) -> f64 {
        if self.double { 6_755_399_441_055_744.0 } else { 12_582_912.0 }
    }

    /// `2^n` for an integral `n` within the exponents of normal numbers.
    fn power_of_two(&mut self, n: Value) -> Value {
        let shift = self.rounding_shift();
        let shift = self.constant(shift);
        let shifted = self.add(n, shift);
        let bits = self.bits(shifted);
        let (mantissa, one) = if self.double { (52, 0x3FF0_0000_0000_0000) } else { (23, 0x3F80_0000) };
        let exponent = self.shifted_up(bits, mantissa);
        let one = self.integer(one);
        let sum = self.plus_bits(exponent, one);
        self.with_bits(sum)
    }

    /// An integral number, given as an integer of small magnitude, as a float.
    pub(crate) fn float_of_small(&mut self, number: Value) -> Value {
        let shift = self.rounding_shift();
        let bits = if self.double { shift.to_bits() as i64 } else { i64::from((shift as f32).to_bits()) };
        let bits = self.integer(bits);
        let sum = self.plus_bits(number, bits);
        let sum = self.with_bits(sum);
        let shift = self.constant(shift);
        self.sub(sum, shift)
    }

    /// `x` times `2^n` for an integral `n` of any size that a difference of exponents may have; exact
    /// but for the last step where the result is subnormal.
    pub(crate) fn scale_by_power_of_two(&mut self, x: Value, n: Value) -> Value {
        let half = self.constant(0.5);
        let half_n = self.mul(n, half);
        let first = self.floor(half_n);
        let second = self.sub(n, first);
        let first = self.power_of_two(first);
        let second = self.power_of_two(second);
        let scaled = self.mul(x, first);
        self.mul(scaled, second)
    }
}
