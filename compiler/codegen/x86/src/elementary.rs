//! Elementary functions of `f32` lanes, as the portable code generator expands them: the same algorithms with
//! the same coefficients ([`dlc_kernel::approximation`]), so that bounds are the same.

use crate::formula::{EQUAL, Formula, GREATER, GREATER_EQUAL, LESS, ROUNDING_SHIFT};
use crate::primitives::{One, Two};
use dlc_kernel::Var;
use dlc_kernel::approximation::{ERF, EXP, LOG, TANH, TRIGONOMETRY};

impl Formula<'_> {
    /// `e^x`
    pub(crate) fn exp(&mut self, x: Var) -> Var {
        let x = self.at_most(x, EXP.high);
        let x = self.at_least(x, EXP.low);
        let shift = self.number(ROUNDING_SHIFT);
        let log2_e = self.number(std::f64::consts::LOG2_E);
        let shifted = self.mul_add(x, log2_e, shift);
        let shift = self.number(ROUNDING_SHIFT);
        let n = self.sub(shifted, shift);
        let ln2_high = self.number(EXP.ln2_high);
        let r = self.negative_mul_add(n, ln2_high, x);
        let ln2_low = self.number(EXP.ln2_low);
        let r = self.negative_mul_add(n, ln2_low, r);
        let tail = self.polynomial(r, &EXP.polynomial);
        let square = self.mul(r, r);
        let sum = self.mul_add(tail, square, r);
        let one = self.number(1.0);
        let sum = self.add(sum, one);
        self.scale_by_power_of_two(sum, n)
    }

    /// The exponent `k` and `m - 1` of a positive normal number.
    fn decompose(&mut self, x: Var) -> (Var, Var) {
        let distance = self.bits(LOG.one.wrapping_sub(LOG.root_half));
        let moved = self.two(Two::AddIntegers, x, distance);
        let exponent = self.one(One::ShiftRight(23), moved);
        let bias = self.bits(LOG.one >> 23);
        let exponent = self.two(Two::SubtractIntegers, exponent, bias);
        let k = self.one(One::ToFloat, exponent);
        let fraction = self.bits((1 << 23) - 1);
        let fraction = self.two(Two::And, moved, fraction);
        let root_half = self.bits(LOG.root_half);
        let m = self.two(Two::AddIntegers, fraction, root_half);
        let one = self.number(1.0);
        (k, self.sub(m, one))
    }

    /// `k ln 2 + log(1 + f) + correction`
    fn recompose(&mut self, k: Var, f: Var, correction: Option<Var>) -> Var {
        let two = self.number(2.0);
        let denominator = self.add(f, two);
        let s = self.div(f, denominator);
        let z = self.mul(s, s);
        let series = self.polynomial(z, &LOG.series);
        let series = self.mul(series, z);
        let half = self.number(0.5);
        let half_f = self.mul(f, half);
        let half_square = self.mul(half_f, f);
        let sum = self.add(half_square, series);
        let ln2_low = self.number(LOG.ln2_low);
        let low = match correction {
            Some(correction) => self.mul_add(k, ln2_low, correction),
            None => self.mul(k, ln2_low),
        };
        let low = self.mul_add(s, sum, low);
        let low = self.sub(half_square, low);
        let low = self.sub(low, f);
        let ln2_high = self.number(LOG.ln2_high);
        let high = self.mul(k, ln2_high);
        self.sub(high, low)
    }

    /// Puts in the values at 0, at infinity and of negative numbers, told by the argument of the logarithm.
    fn borders(&mut self, argument: Var, result: Var) -> Var {
        let infinity = self.number(f64::INFINITY);
        let endless = self.compare(EQUAL, argument, infinity);
        let result = self.select(endless, argument, result);
        let zero = self.number(0.0);
        let nothing = self.compare(EQUAL, argument, zero);
        let least = self.number(f64::NEG_INFINITY);
        let result = self.select(nothing, least, result);
        let zero = self.number(0.0);
        let valid = self.compare(GREATER_EQUAL, argument, zero);
        let nan = self.number(f64::NAN);
        self.select(valid, result, nan)
    }

    /// `log x`
    pub(crate) fn log(&mut self, x: Var) -> Var {
        let least = self.number(LOG.least_normal);
        let small = self.compare(LESS, x, least);
        let factor = self.number(2.0_f64.powi(LOG.doublings));
        let doubled = self.mul(x, factor);
        let normal = self.select(small, doubled, x);
        let (k, f) = self.decompose(normal);
        let doublings = self.number(f64::from(LOG.doublings));
        let fewer = self.sub(k, doublings);
        let k = self.select(small, fewer, k);
        let result = self.recompose(k, f, None);
        self.borders(x, result)
    }

    /// `log(1 + x)`
    pub(crate) fn log_one_plus(&mut self, x: Var) -> Var {
        let one = self.number(1.0);
        let u = self.add(x, one);
        let one = self.number(1.0);
        let back = self.sub(u, one);
        let lost = self.sub(x, back);
        let correction = self.div(lost, u);
        let (k, f) = self.decompose(u);
        let result = self.recompose(k, f, Some(correction));
        let result = self.borders(u, result);
        // `1 + x` loses the sign of zero.
        let zero = self.number(0.0);
        let nothing = self.compare(EQUAL, x, zero);
        self.select(nothing, x, result)
    }

    /// `1 / (1 + e^-x)`
    pub(crate) fn sigmoid(&mut self, x: Var) -> Var {
        let sign = self.bits(0x8000_0000);
        let negative = self.two(Two::Or, x, sign);
        let e = self.exp(negative);
        let zero = self.number(0.0);
        let left = self.compare(LESS, x, zero);
        let one = self.number(1.0);
        let numerator = self.select(left, e, one);
        let one = self.number(1.0);
        let denominator = self.add(e, one);
        self.div(numerator, denominator)
    }

    /// `tanh x`
    pub(crate) fn tanh(&mut self, x: Var) -> Var {
        let magnitude = self.abs(x);
        let twice = self.add(magnitude, magnitude);
        let e = self.exp(twice);
        let one = self.number(1.0);
        let denominator = self.add(e, one);
        let two = self.number(2.0);
        let rest = self.div(two, denominator);
        let one = self.number(1.0);
        let large = self.sub(one, rest);
        let large = self.copy_sign(large, x);

        let square = self.mul(x, x);
        let tail = self.polynomial(square, &TANH);
        let cube = self.mul(square, x);
        let small = self.mul_add(tail, cube, x);
        let border = self.number(0.625);
        let is_small = self.compare(LESS, magnitude, border);
        self.select(is_small, small, large)
    }

    /// `erf x`
    pub(crate) fn erf(&mut self, x: Var) -> Var {
        let magnitude = self.abs(x);
        let outer = self.polynomial(magnitude, &ERF.outer);
        let outer = self.mul_add(outer, magnitude, magnitude);
        let exponent = self.negate(outer);
        let e = self.exp(exponent);
        let one = self.number(1.0);
        let outer = self.sub(one, e);
        // The polynomial turns down again far outside, and infinity makes it NaN.
        let far = self.number(4.0);
        let is_far = self.compare(GREATER, magnitude, far);
        let one = self.number(1.0);
        let outer = self.select(is_far, one, outer);
        let outer = self.copy_sign(outer, x);

        let square = self.mul(x, x);
        let inner = self.polynomial(square, &ERF.inner);
        let inner = self.mul_add(inner, x, x);
        let border = self.number(ERF.border);
        let is_outer = self.compare(GREATER, magnitude, border);
        self.select(is_outer, outer, inner)
    }

    /// `sin(x + quarters pi/2)`
    pub(crate) fn shifted_sine(&mut self, x: Var, quarters: u32) -> Var {
        let shift = self.number(ROUNDING_SHIFT);
        let two_over_pi = self.number(std::f64::consts::FRAC_2_PI);
        let shifted = self.mul_add(x, two_over_pi, shift);
        let shift = self.number(ROUNDING_SHIFT);
        let n = self.sub(shifted, shift);
        let mut r = x;
        for part in TRIGONOMETRY.half_pi {
            let part = self.number(part);
            r = self.negative_mul_add(n, part, r);
        }
        let z = self.mul(r, r);
        let sine = self.polynomial(z, &TRIGONOMETRY.sine);
        let cube = self.mul(z, r);
        let sine = self.mul_add(sine, cube, r);
        let one = self.number(1.0);
        let half = self.number(0.5);
        let near_one = self.negative_mul_add(z, half, one);
        let cosine = self.polynomial(z, &TRIGONOMETRY.cosine);
        let fourth = self.mul(z, z);
        let cosine = self.mul_add(cosine, fourth, near_one);

        let quarters = self.bits(quarters);
        let quadrant = self.two(Two::AddIntegers, shifted, quarters);
        // The lowest bit, and the next one, become signs.
        let odd = self.one(One::ShiftLeft(31), quadrant);
        let zero = self.bits(0);
        let even = self.step(crate::primitives::Primitive::CompareIntegers(0), &[odd, zero]);
        let result = self.select(even, sine, cosine);
        let lower_half = self.one(One::ShiftRight(1), quadrant);
        let sign = self.one(One::ShiftLeft(31), lower_half);
        self.two(Two::Xor, result, sign)
    }

    /// -1, 0 or 1; zeros and NaN themselves.
    pub(crate) fn sign(&mut self, a: Var) -> Var {
        let zero = self.number(0.0);
        let negative = self.compare(LESS, a, zero);
        let zero = self.number(0.0);
        let positive = self.compare(GREATER, a, zero);
        let minus_one = self.number(-1.0);
        let result = self.select(negative, minus_one, a);
        let one = self.number(1.0);
        self.select(positive, one, result)
    }

    /// The whole number towards zero, saturated; 0 for NaN.
    pub(crate) fn truncated(&mut self, a: Var) -> Var {
        let number = self.one(One::ToInteger, a);
        let end = self.number(2_147_483_648.0);
        let beyond = self.compare(GREATER_EQUAL, a, end);
        let most = self.bits(i32::MAX as u32);
        let number = self.select(beyond, most, number);
        let unordered = self.compare(crate::formula::UNORDERED, a, a);
        let zero = self.bits(0);
        self.select(unordered, zero, number)
    }
}
