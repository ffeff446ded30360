//! What expansions are written in: floating-point arithmetic on values of one type, emitted by a code generator.

/// Comparisons of floats; all but `Unordered` are false on NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Condition {
    Equal,
    Less,
    Greater,
    GreaterEqual,
    Unordered,
}

/// An emitter of operations on `f32` or `f64`, and on integers of the same size that stand for their bits.
pub trait Arithmetic {
    /// A value of the code: a number, its bits, or what a comparison found.
    type Value: Copy;

    /// Whether numbers are `f64`.
    fn is_double(&self) -> bool;
    /// What `emit` makes of numbers that are `f64`; scalars alone.
    fn in_doubles(&mut self, emit: impl FnOnce(&mut Self) -> Self::Value) -> Self::Value;
    /// The `f64` of an `f32`.
    fn widened(&mut self, a: Self::Value) -> Self::Value;
    /// The nearest `f32` of an `f64`.
    fn narrowed(&mut self, a: Self::Value) -> Self::Value;

    /// The number, rounded to the type.
    fn constant(&mut self, number: f64) -> Self::Value;
    /// The integer of the same size.
    fn integer(&mut self, number: i64) -> Self::Value;
    /// `a + b`
    fn add(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a - b`
    fn sub(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a * b`
    fn mul(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a / b`
    fn div(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a * b + c`, rounded once where the target can.
    fn mul_add(&mut self, a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value;
    /// `c - a * b`, rounded once where the target can.
    fn negative_mul_add(&mut self, a: Self::Value, b: Self::Value, c: Self::Value) -> Self::Value;
    /// `-a`
    fn neg(&mut self, a: Self::Value) -> Self::Value;
    /// `|a|`
    fn abs(&mut self, a: Self::Value) -> Self::Value;
    /// The greatest integral number that is not above.
    fn floor(&mut self, a: Self::Value) -> Self::Value;

    /// A comparison.
    fn holds(&mut self, condition: Condition, a: Self::Value, b: Self::Value) -> Self::Value;
    /// Whether one of two conditions holds.
    fn either(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// `a` where the condition holds, else `b`.
    fn select(&mut self, condition: Self::Value, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The smaller of `a` and a bound; `a` where it is NaN.
    fn at_most(&mut self, a: Self::Value, bound: f64) -> Self::Value;
    /// The larger of `a` and a bound; `a` where it is NaN.
    fn at_least(&mut self, a: Self::Value, bound: f64) -> Self::Value;

    /// The bits as integers.
    fn bits(&mut self, a: Self::Value) -> Self::Value;
    /// The number with these bits.
    fn with_bits(&mut self, bits: Self::Value) -> Self::Value;
    /// The sum of bits as integers.
    fn plus_bits(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The difference of bits as integers.
    fn minus_bits(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The bits that are in both.
    fn masked(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The bits that are in any.
    fn joined(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// The bits that are in one of both.
    fn exclusive(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    /// Bits, so many places down, with zeros above.
    fn shifted_down(&mut self, a: Self::Value, places: i64) -> Self::Value;
    /// Bits, so many places up.
    fn shifted_up(&mut self, a: Self::Value, places: i64) -> Self::Value;
    /// Whether bits as an integer are less than 0; scalars alone.
    fn is_negative(&mut self, bits: Self::Value) -> Self::Value;
    /// Whether any bit is set.
    fn is_set(&mut self, bits: Self::Value) -> Self::Value;

    /// `|a|` with the sign of `b`, whatever they are.
    fn copy_sign(&mut self, a: Self::Value, b: Self::Value) -> Self::Value {
        let sign = self.integer(if self.is_double() { i64::MIN } else { i64::from(i32::MIN) });
        let b = self.bits(b);
        let b = self.masked(b, sign);
        let magnitude = self.abs(a);
        let magnitude = self.bits(magnitude);
        let joined = self.joined(magnitude, b);
        self.with_bits(joined)
    }

    /// The polynomial in `x`, highest coefficient first, by Horner's rule.
    fn polynomial(&mut self, x: Self::Value, coefficients: &[f64]) -> Self::Value {
        let mut rest = coefficients.iter();
        let first = rest.next().copied().unwrap_or(0.0);
        let mut sum = self.constant(first);
        for &coefficient in rest {
            let term = self.constant(coefficient);
            sum = self.mul_add(sum, x, term);
        }
        sum
    }

    /// The number that brings the integer part of a smaller one into its lowest bits when added.
    fn rounding_shift(&self) -> f64 {
        if self.is_double() { 6_755_399_441_055_744.0 } else { 12_582_912.0 }
    }

    /// `2^n` for an integral `n` within the exponents of normal numbers.
    fn power_of_two(&mut self, n: Self::Value) -> Self::Value {
        let shift = self.rounding_shift();
        let shift = self.constant(shift);
        let shifted = self.add(n, shift);
        let bits = self.bits(shifted);
        let (mantissa, one) = if self.is_double() { (52, 0x3FF0_0000_0000_0000) } else { (23, 0x3F80_0000) };
        let exponent = self.shifted_up(bits, mantissa);
        let one = self.integer(one);
        let sum = self.plus_bits(exponent, one);
        self.with_bits(sum)
    }

    /// An integral number, given as an integer of small magnitude, as a float.
    fn float_of_small(&mut self, number: Self::Value) -> Self::Value {
        let shift = self.rounding_shift();
        let bits =
            if self.is_double() { shift.to_bits() as i64 } else { i64::from((shift as f32).to_bits()) };
        let bits = self.integer(bits);
        let sum = self.plus_bits(number, bits);
        let sum = self.with_bits(sum);
        let shift = self.constant(shift);
        self.sub(sum, shift)
    }

    /// `x` times `2^n` for an integral `n` of any size that a difference of exponents may have; exact
    /// but for the last step where the result is subnormal.
    fn scale_by_power_of_two(&mut self, x: Self::Value, n: Self::Value) -> Self::Value {
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
