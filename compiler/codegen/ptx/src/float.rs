//! Floating-point arithmetic that is written once and emitted for `f32` and `f64` alike.
//!
//! Every operation states its rounding: one without may be contracted into a multiply-add by `ptxas`.

use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::approximation::{Arithmetic, Condition};

/// A comparison by its name in PTX.
const fn name(condition: Condition) -> &'static str {
    match condition {
        Condition::Equal => "eq",
        Condition::Less => "lt",
        Condition::Greater => "gt",
        Condition::GreaterEqual => "ge",
        Condition::Unordered => "nan",
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

    /// The square root.
    pub(crate) fn sqrt(&mut self, a: Value) -> Value {
        self.ins("sqrt.rn", &[a])
    }

    /// The integral number that a rounding (`rni`, `rmi`, `rpi`) gives.
    pub(crate) fn rounded(&mut self, rounding: &str, a: Value) -> Value {
        let kind = if self.double { "f64" } else { "f32" };
        self.ins(&format!("cvt.{rounding}.{kind}"), &[a])
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
        let wins = self.holds(condition, a, b);
        let winner = self.select(wins, a, b);
        let unordered = self.holds(Condition::Unordered, a, a);
        self.select(unordered, a, winner)
    }

    /// `max(a, 0)`; NaN stays.
    pub(crate) fn relu(&mut self, a: Value) -> Value {
        let zero = self.constant(0.0);
        let below = self.holds(Condition::Less, a, zero);
        self.select(below, zero, a)
    }
}

impl Arithmetic for Float<'_, '_> {
    type Value = Value;

    fn is_double(&self) -> bool {
        self.double
    }

    fn constant(&mut self, number: f64) -> Value {
        if self.double { Value::Double(number.to_bits()) } else { Value::Single((number as f32).to_bits()) }
    }

    fn integer(&mut self, number: i64) -> Value {
        Value::Integer(if self.double { number } else { i64::from(number as i32) })
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.ins("add.rn", &[a, b])
    }

    fn sub(&mut self, a: Value, b: Value) -> Value {
        self.ins("sub.rn", &[a, b])
    }

    fn mul(&mut self, a: Value, b: Value) -> Value {
        self.ins("mul.rn", &[a, b])
    }

    fn div(&mut self, a: Value, b: Value) -> Value {
        self.ins("div.rn", &[a, b])
    }

    fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.ins("fma.rn", &[a, b, c])
    }

    fn negative_mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        let negative = match b {
            Value::Single(bits) => Value::Single(bits ^ (1 << 31)),
            Value::Double(bits) => Value::Double(bits ^ (1 << 63)),
            other => self.neg(other),
        };
        self.mul_add(a, negative, c)
    }

    fn neg(&mut self, a: Value) -> Value {
        self.ins("neg", &[a])
    }

    fn abs(&mut self, a: Value) -> Value {
        self.ins("abs", &[a])
    }

    fn floor(&mut self, a: Value) -> Value {
        self.rounded("rmi", a)
    }

    fn holds(&mut self, condition: Condition, a: Value, b: Value) -> Value {
        let kind = if self.double { "f64" } else { "f32" };
        self.emitter.ins(Class::Predicate, &format!("setp.{}.{kind}", name(condition)), &[a, b])
    }

    fn either(&mut self, a: Value, b: Value) -> Value {
        self.emitter.ins(Class::Predicate, "or.pred", &[a, b])
    }

    fn select(&mut self, condition: Value, a: Value, b: Value) -> Value {
        self.ins("selp", &[a, b, condition])
    }

    fn at_most(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let above = self.holds(Condition::Greater, a, bound);
        self.select(above, bound, a)
    }

    fn at_least(&mut self, a: Value, bound: f64) -> Value {
        let bound = self.constant(bound);
        let below = self.holds(Condition::Less, a, bound);
        self.select(below, bound, a)
    }

    fn widened(&mut self, a: Value) -> Value {
        self.emitter.ins(Class::Double, "cvt.f64.f32", &[a])
    }

    fn narrowed(&mut self, a: Value) -> Value {
        self.emitter.ins(Class::Single, "cvt.rn.f32.f64", &[a])
    }

    fn bits(&mut self, a: Value) -> Value {
        self.bits_ins("mov", 'b', &[a])
    }

    fn with_bits(&mut self, bits: Value) -> Value {
        let name = if self.double { "mov.b64" } else { "mov.b32" };
        self.emitter.ins(self.class(), name, &[bits])
    }

    fn plus_bits(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("add", 's', &[a, b])
    }

    fn minus_bits(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("sub", 's', &[a, b])
    }

    fn masked(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("and", 'b', &[a, b])
    }

    fn exclusive(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("xor", 'b', &[a, b])
    }

    fn shifted_down(&mut self, a: Value, places: i64) -> Value {
        self.bits_ins("shr", 'u', &[a, Value::Integer(places)])
    }

    fn shifted_up(&mut self, a: Value, places: i64) -> Value {
        self.bits_ins("shl", 'b', &[a, Value::Integer(places)])
    }

    fn is_negative(&mut self, bits: Value) -> Value {
        let name = if self.double { "setp.lt.s64" } else { "setp.lt.s32" };
        self.emitter.ins(Class::Predicate, name, &[bits, Value::Integer(0)])
    }

    fn is_set(&mut self, bits: Value) -> Value {
        let name = if self.double { "setp.ne.s64" } else { "setp.ne.s32" };
        self.emitter.ins(Class::Predicate, name, &[bits, Value::Integer(0)])
    }

    fn joined(&mut self, a: Value, b: Value) -> Value {
        self.bits_ins("or", 'b', &[a, b])
    }

    fn in_doubles(&mut self, emit: impl FnOnce(&mut Self) -> Value) -> Value {
        let double = std::mem::replace(&mut self.double, true);
        let value = emit(self);
        self.double = double;
        value
    }
}
