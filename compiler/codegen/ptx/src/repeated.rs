//! Functions of two scalars that take a loop: powers of integers, remainders of floats.

use crate::cast::kind;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::approximation::{Arithmetic, Condition};
use dlc_types::DType;

impl Emitter<'_> {
    /// `base^exponent` by squares; a negative power is the reciprocal of the power, truncated.
    pub(crate) fn integer_power(&mut self, dtype: DType, base: Value, exponent: Value) -> Value {
        let (class, kind, bits) = (Class::of(dtype), kind(dtype), 8 * dtype.size());
        let result = self.copy(class, Value::Integer(1));
        let square = self.copy(class, base);
        let rest = self.copy(class, exponent);
        let (again, done) = (self.label(), self.label());
        self.place(&again);
        let none = self.ins(Class::Predicate, &format!("setp.eq.{kind}"), &[rest, Value::Integer(0)]);
        self.branch(none, true, &done);
        let parity = self.ins(class, &format!("and.b{bits}"), &[rest, Value::Integer(1)]);
        let odd = self.ins(Class::Predicate, &format!("setp.ne.{kind}"), &[parity, Value::Integer(0)]);
        let product = self.ins(class, &format!("mul.lo.{kind}"), &[result, square]);
        self.assign(result, &format!("selp.{kind}"), &[product, result, odd]);
        self.assign(square, &format!("mul.lo.{kind}"), &[square, square]);
        self.assign(rest, &format!("shr.u{bits}"), &[rest, Value::Integer(1)]);
        self.put(format!("bra {again};"));
        self.place(&done);
        if dtype.is_unsigned() {
            return result;
        }
        let negative = self.ins(Class::Predicate, &format!("setp.lt.{kind}"), &[exponent, Value::Integer(0)]);
        // Of 1 and -1 the powers for a negative exponent are those that the loop finds: its parity is kept.
        let below = self.ins(class, &format!("add.{kind}"), &[base, Value::Integer(1)]);
        let unit = self.ins(Class::Predicate, &format!("setp.le.u{bits}"), &[below, Value::Integer(2)]);
        let nothing = self.ins(Class::Predicate, &format!("setp.ne.{kind}"), &[base, Value::Integer(0)]);
        let unit = self.ins(Class::Predicate, "and.pred", &[unit, nothing]);
        let reciprocal = self.ins(class, &format!("selp.{kind}"), &[result, Value::Integer(0), unit]);
        self.ins(class, &format!("selp.{kind}"), &[reciprocal, result, negative])
    }

    /// What is left of `a` without multiples of `b`, with the sign of `a`. Multiples of `b * 2^k` are taken away
    /// for falling `k`, so that every quotient is small enough for its product with the divisor to be exact:
    /// in `f64` for `f32`, within one multiply-add for `f64`.
    pub(crate) fn float_remainder(&mut self, dtype: DType, a: Value, b: Value) -> Value {
        let single = dtype == DType::F32;
        let mut float = self.float(!single);
        let [a, b] = [a, b].map(|x| if single { float.widened(x) } else { x });
        let mut float = float.doubles();
        let (mut rest, divisor) = (float.abs(a), float.abs(b));
        if single {
            rest = self.reduced(rest, divisor, 24, 12);
        } else {
            // What is above 2^1008 divisors first, with a divisor that is so many times as large.
            let large = float.constant(1008_f64.exp2());
            let scaled = float.mul(divisor, large);
            rest = self.reduced(rest, scaled, 48, 22);
            rest = self.reduced(rest, divisor, 48, 22);
        }
        let mut float = self.float(true);
        let signed = float.copy_sign(rest, a);
        if single { float.narrowed(signed) } else { signed }
    }

    /// `rest` less multiples of `divisor * 2^k` for `k = step * (count - 1), …, step, 0`.
    fn reduced(&mut self, rest: Value, divisor: Value, step: i32, count: i64) -> Value {
        let greatest = (f64::from(step) * (count - 1) as f64).exp2();
        let rest = self.copy(Class::Double, rest);
        let scale = self.copy(Class::Double, Value::Double(greatest.to_bits()));
        let again = self.label();
        self.place(&again);
        let mut float = self.float(true);
        let zero = float.constant(0.0);
        let divisor = float.mul(divisor, scale);
        let quotient = float.div(rest, divisor);
        let quotient = float.floor(quotient);
        let left = float.negative_mul_add(quotient, divisor, rest);
        // The quotient was rounded, so it may be one too large or too small.
        let more = float.add(left, divisor);
        let below = float.holds(Condition::Less, left, zero);
        let left = float.select(below, more, left);
        let less = float.sub(left, divisor);
        let above = float.holds(Condition::GreaterEqual, left, divisor);
        let left = float.select(above, less, left);
        let none = float.holds(Condition::Equal, quotient, zero);
        let smaller = float.constant(f64::from(-step).exp2());
        self.assign(rest, "selp.f64", &[rest, left, none]);
        self.assign(scale, "mul.rn.f64", &[scale, smaller]);
        let one = Value::Double(1.0_f64.to_bits());
        let more = self.float(true).holds(Condition::GreaterEqual, scale, one);
        self.branch(more, true, &again);
        rest
    }
}
