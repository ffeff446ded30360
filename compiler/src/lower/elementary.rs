//! Elementary functions that are made of others, as operations of the kernel IR.
//!
//! The forms are those that keep a few units in the last place, for `f32` and `f64` alike: no difference of
//! nearly equal numbers, and no square that overflows before the result does. Errors of the functions below
//! them count (`dlc_kernel::approximation`); the op suite holds the sum. Polynomials for the inverse tangent
//! are those of Moshier's Cephes library (`atanf.c`, `atan.c`).

use super::nest::Nest;
use dlc_ir::Unary;
use dlc_kernel::{Binary, Comparison, ScalarOp, Var};
use dlc_types::DType;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, LN_2};

/// `f32`: coefficients of `(atan x - x) / x^3` in `x^2`, highest first.
const ATAN_SINGLE: [f64; 4] =
    [8.053_744_495_38e-2, -1.387_768_560_32e-1, 1.997_771_064_78e-1, -3.333_294_915_39e-1];
/// `f64`: numerator and denominator of the same.
const ATAN_ABOVE: [f64; 5] = [
    -8.750_608_600_031_904e-1,
    -1.615_753_718_733_365e1,
    -7.500_855_792_314_705e1,
    -1.228_866_684_490_136e2,
    -6.485_021_904_942_025e1,
];
const ATAN_BELOW: [f64; 6] = [
    1.0,
    2.485_846_490_142_306_3e1,
    1.650_270_098_316_988_5e2,
    4.328_810_604_912_902_7e2,
    4.853_903_996_359_137e2,
    1.945_506_571_482_614e2,
];
/// What `π/2` is more than its nearest `f64`.
const REST_OF_HALF_PI: f64 = 6.123_233_995_736_766e-17;
/// From here on `x + sqrt(x^2 ± 1)` is `2 x` to the last place.
const FAR: f64 = 1e9;

/// The function of a value, if it is one that is made of others.
pub(super) fn composed(nest: &mut Nest, function: Unary, x: Var) -> Option<Var> {
    let dtype = nest.dtype(x);
    let mut build = Build { nest, dtype };
    Some(match function {
        Unary::Tan => {
            let (sine, cosine) = (build.unary(Unary::Sin, x), build.unary(Unary::Cos, x));
            build.binary(Binary::Divide, sine, cosine)
        }
        Unary::Atan => build.atan(x),
        Unary::Asin => {
            let root = build.root_of_complement(x);
            let slope = build.binary(Binary::Divide, x, root);
            build.atan(slope)
        }
        Unary::Acos => build.acos(x),
        Unary::Sinh => build.sinh(x),
        Unary::Cosh => {
            let half = build.half_of_exponential(x);
            let other = build.over(0.25, half);
            build.binary(Binary::Add, half, other)
        }
        Unary::Asinh => build.asinh(x),
        Unary::Acosh => build.acosh(x),
        Unary::Atanh => build.atanh(x),
        _ => return None,
    })
}

/// Emits operations on one float type.
struct Build<'n> {
    nest: &'n mut Nest,
    dtype: DType,
}

impl Build<'_> {
    fn number(&mut self, value: f64) -> Var {
        self.nest.number(self.dtype, value)
    }

    fn unary(&mut self, function: Unary, x: Var) -> Var {
        // The names are those of the graph's functions, and none of these is composed.
        let function = dlc_kernel::Unary::from_name(function.name()).unwrap_or(dlc_kernel::Unary::Abs);
        self.nest.op(self.dtype, ScalarOp::Unary(function), &[x])
    }

    fn binary(&mut self, function: Binary, a: Var, b: Var) -> Var {
        self.nest.op(self.dtype, ScalarOp::Binary(function), &[a, b])
    }

    fn fused(&mut self, a: Var, b: Var, c: Var) -> Var {
        self.nest.op(self.dtype, ScalarOp::FusedMultiplyAdd, &[a, b, c])
    }

    fn select(&mut self, condition: Var, a: Var, b: Var) -> Var {
        self.nest.op(self.dtype, ScalarOp::Select, &[condition, a, b])
    }

    /// `a + number`
    fn plus(&mut self, a: Var, number: f64) -> Var {
        let number = self.number(number);
        self.binary(Binary::Add, a, number)
    }

    /// `a * number`
    fn times(&mut self, a: Var, number: f64) -> Var {
        let number = self.number(number);
        self.binary(Binary::Multiply, a, number)
    }

    /// `number - a`
    fn minus(&mut self, number: f64, a: Var) -> Var {
        let number = self.number(number);
        self.binary(Binary::Subtract, number, a)
    }

    /// `number / a`
    fn over(&mut self, number: f64, a: Var) -> Var {
        let number = self.number(number);
        self.binary(Binary::Divide, number, a)
    }

    fn above(&mut self, a: Var, number: f64) -> Var {
        let number = self.number(number);
        self.nest.op(DType::Bool, ScalarOp::Compare(Comparison::Greater), &[a, number])
    }

    /// The polynomial in `x`, highest coefficient first.
    fn polynomial(&mut self, x: Var, coefficients: &[f64]) -> Var {
        let mut rest = coefficients.iter();
        let mut sum = self.number(rest.next().copied().unwrap_or(0.0));
        for &coefficient in rest {
            let term = self.number(coefficient);
            sum = self.fused(sum, x, term);
        }
        sum
    }

    /// `y` with the sign turned where `x` is negative.
    fn signed_as(&mut self, x: Var, y: Var) -> Var {
        let zero = self.number(0.0);
        let negative = self.nest.op(DType::Bool, ScalarOp::Compare(Comparison::Less), &[x, zero]);
        let turned = self.unary(Unary::Negate, y);
        self.select(negative, turned, y)
    }

    fn atan(&mut self, x: Var) -> Var {
        let a = self.unary(Unary::Abs, x);
        let single = self.dtype == DType::F32;
        let far = self.above(a, 2.414_213_562_373_095);
        let middle = self.above(a, if single { 0.414_213_562_373_095 } else { 0.66 });
        let (below, over) = (self.plus(a, -1.0), self.plus(a, 1.0));
        let turned = self.binary(Binary::Divide, below, over);
        let reciprocal = self.over(-1.0, a);
        let reduced = self.select(middle, turned, a);
        let reduced = self.select(far, reciprocal, reduced);
        let square = self.binary(Binary::Multiply, reduced, reduced);
        let factor = if single {
            self.polynomial(square, &ATAN_SINGLE)
        } else {
            let above = self.polynomial(square, &ATAN_ABOVE);
            let below = self.polynomial(square, &ATAN_BELOW);
            self.binary(Binary::Divide, above, below)
        };
        let cube = self.binary(Binary::Multiply, square, reduced);
        let angle = self.fused(cube, factor, reduced);
        let (zero, quarter, half) = (self.number(0.0), self.number(FRAC_PI_4), self.number(FRAC_PI_2));
        let mut base = self.select(middle, quarter, zero);
        base = self.select(far, half, base);
        let mut angle = angle;
        if !single {
            let (eighth, all) = (self.number(REST_OF_HALF_PI / 2.0), self.number(REST_OF_HALF_PI));
            let rest = self.select(middle, eighth, zero);
            let rest = self.select(far, all, rest);
            angle = self.binary(Binary::Add, angle, rest);
        }
        let result = self.binary(Binary::Add, base, angle);
        self.signed_as(x, result)
    }

    /// `sqrt(1 - x^2)`
    fn root_of_complement(&mut self, x: Var) -> Var {
        let (less, more) = (self.minus(1.0, x), self.plus(x, 1.0));
        let product = self.binary(Binary::Multiply, less, more);
        self.unary(Unary::Sqrt, product)
    }

    /// Twice the angle of half the opening, whose tangent has no difference of nearly equal numbers.
    fn acos(&mut self, x: Var) -> Var {
        let (less, more) = (self.minus(1.0, x), self.plus(x, 1.0));
        let ratio = self.binary(Binary::Divide, less, more);
        let tangent = self.unary(Unary::Sqrt, ratio);
        let half = self.atan(tangent);
        self.times(half, 2.0)
    }

    /// `e^|x| / 2`, infinite only where the hyperbolic functions are.
    fn half_of_exponential(&mut self, x: Var) -> Var {
        let a = self.unary(Unary::Abs, x);
        let half = self.times(a, 0.5);
        let root = self.unary(Unary::Exp, half);
        let part = self.times(root, 0.5);
        self.binary(Binary::Multiply, part, root)
    }

    /// Up to 1 by its series, above by exponentials.
    fn sinh(&mut self, x: Var) -> Var {
        let terms = if self.dtype == DType::F32 { 5 } else { 9 };
        let mut coefficients = Vec::new();
        let mut factorial = 1.0;
        for term in 1..=terms {
            factorial *= f64::from(2 * term) * f64::from(2 * term + 1);
            coefficients.insert(0, 1.0 / factorial);
        }
        let square = self.binary(Binary::Multiply, x, x);
        let series = self.polynomial(square, &coefficients);
        let cube = self.binary(Binary::Multiply, square, x);
        let near = self.fused(cube, series, x);
        let half = self.half_of_exponential(x);
        let other = self.over(0.25, half);
        let far = self.binary(Binary::Subtract, half, other);
        let far = self.signed_as(x, far);
        let a = self.unary(Unary::Abs, x);
        let is_far = self.above(a, 1.0);
        self.select(is_far, far, near)
    }

    fn asinh(&mut self, x: Var) -> Var {
        let a = self.unary(Unary::Abs, x);
        let square = self.binary(Binary::Multiply, a, a);
        let root = self.plus(square, 1.0);
        let root = self.unary(Unary::Sqrt, root);
        let below = self.plus(root, 1.0);
        let part = self.binary(Binary::Divide, square, below);
        let argument = self.binary(Binary::Add, a, part);
        let result = self.logarithm_of_one_plus_or_double(a, argument);
        self.signed_as(x, result)
    }

    fn acosh(&mut self, x: Var) -> Var {
        let (less, more) = (self.plus(x, -1.0), self.plus(x, 1.0));
        let (less_root, more_root) = (self.unary(Unary::Sqrt, less), self.unary(Unary::Sqrt, more));
        let argument = self.fused(less_root, more_root, less);
        self.logarithm_of_one_plus_or_double(x, argument)
    }

    /// `log(1 + argument)`, but `log(2 a)` where `a` is large.
    fn logarithm_of_one_plus_or_double(&mut self, a: Var, argument: Var) -> Var {
        let near = self.unary(Unary::LogOnePlus, argument);
        let far = self.unary(Unary::Log, a);
        let far = self.plus(far, LN_2);
        let is_far = self.above(a, FAR);
        self.select(is_far, far, near)
    }

    fn atanh(&mut self, x: Var) -> Var {
        let a = self.unary(Unary::Abs, x);
        let (double, below) = (self.times(a, 2.0), self.minus(1.0, a));
        let argument = self.binary(Binary::Divide, double, below);
        let double = self.unary(Unary::LogOnePlus, argument);
        let result = self.times(double, 0.5);
        self.signed_as(x, result)
    }
}
