//! A computation on lanes as a list of steps, before registers are known.

use crate::Level;
use crate::primitives::{One, Primitive, Two};
use crate::registers::Registers;
use dlc_kernel::Var;

/// Predicates of comparisons of `f32`.
pub(crate) const EQUAL: u32 = 0;
pub(crate) const UNORDERED: u32 = 3;
pub(crate) const NOT_EQUAL: u32 = 4;
pub(crate) const LESS: u32 = 17;
pub(crate) const LESS_EQUAL: u32 = 18;
pub(crate) const GREATER_EQUAL: u32 = 29;
pub(crate) const GREATER: u32 = 30;

/// Adding and subtracting it rounds small numbers to whole ones; its low bits then hold them.
pub(crate) const ROUNDING_SHIFT: f64 = 12_582_912.0;

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) result: Var,
    pub(crate) op: Primitive,
    pub(crate) args: Vec<Var>,
}

/// A list of steps under construction.
pub(crate) struct Formula<'r> {
    pub(crate) level: Level,
    registers: &'r mut Registers,
    pub(crate) steps: Vec<Step>,
}

impl<'r> Formula<'r> {
    pub(crate) fn new(level: Level, registers: &'r mut Registers) -> Formula<'r> {
        Formula { level, registers, steps: Vec::new() }
    }

    pub(crate) fn step(&mut self, op: Primitive, args: &[Var]) -> Var {
        let result = self.registers.fresh();
        self.steps.push(Step { result, op, args: args.to_vec() });
        result
    }

    pub(crate) fn bits(&mut self, bits: u32) -> Var {
        self.step(Primitive::Bits(bits), &[])
    }

    /// A number, rounded to `f32`.
    pub(crate) fn number(&mut self, number: f64) -> Var {
        self.bits((number as f32).to_bits())
    }

    pub(crate) fn two(&mut self, op: Two, a: Var, b: Var) -> Var {
        self.step(Primitive::Two(op), &[a, b])
    }

    pub(crate) fn one(&mut self, op: One, a: Var) -> Var {
        self.step(Primitive::One(op), &[a])
    }

    pub(crate) fn add(&mut self, a: Var, b: Var) -> Var {
        self.two(Two::Add, a, b)
    }

    pub(crate) fn sub(&mut self, a: Var, b: Var) -> Var {
        self.two(Two::Subtract, a, b)
    }

    pub(crate) fn mul(&mut self, a: Var, b: Var) -> Var {
        self.two(Two::Multiply, a, b)
    }

    pub(crate) fn div(&mut self, a: Var, b: Var) -> Var {
        self.two(Two::Divide, a, b)
    }

    /// `a * b + c`
    pub(crate) fn mul_add(&mut self, a: Var, b: Var, c: Var) -> Var {
        self.step(Primitive::MultiplyAdd, &[a, b, c])
    }

    /// `c - a * b`
    pub(crate) fn negative_mul_add(&mut self, a: Var, b: Var, c: Var) -> Var {
        self.step(Primitive::NegativeMultiplyAdd, &[a, b, c])
    }

    pub(crate) fn compare(&mut self, predicate: u32, a: Var, b: Var) -> Var {
        self.step(Primitive::Compare(predicate), &[a, b])
    }

    pub(crate) fn select(&mut self, condition: Var, a: Var, b: Var) -> Var {
        self.step(Primitive::Select, &[condition, a, b])
    }

    /// `|a|`
    pub(crate) fn abs(&mut self, a: Var) -> Var {
        let magnitude = self.bits(0x7FFF_FFFF);
        self.two(Two::And, a, magnitude)
    }

    /// `-a`
    pub(crate) fn negate(&mut self, a: Var) -> Var {
        let sign = self.bits(0x8000_0000);
        self.two(Two::Xor, a, sign)
    }

    /// The magnitude of `a`, which is not negative, with the sign of `b`.
    pub(crate) fn copy_sign(&mut self, a: Var, b: Var) -> Var {
        let sign = self.bits(0x8000_0000);
        let sign = self.two(Two::And, b, sign);
        self.two(Two::Or, a, sign)
    }

    /// The smaller of `a` and a bound; `a` where it is NaN.
    pub(crate) fn at_most(&mut self, a: Var, bound: f64) -> Var {
        let bound = self.number(bound);
        self.two(Two::Min, bound, a)
    }

    /// The larger of `a` and a bound; `a` where it is NaN.
    pub(crate) fn at_least(&mut self, a: Var, bound: f64) -> Var {
        let bound = self.number(bound);
        self.two(Two::Max, bound, a)
    }

    /// A polynomial, highest coefficient first.
    pub(crate) fn polynomial(&mut self, x: Var, coefficients: &[f64]) -> Var {
        let mut sum = None;
        for &coefficient in coefficients {
            let coefficient = self.number(coefficient);
            sum = Some(match sum {
                None => coefficient,
                Some(sum) => self.mul_add(sum, x, coefficient),
            });
        }
        match sum {
            Some(sum) => sum,
            None => self.number(0.0),
        }
    }

    /// The larger or smaller of both, NaN if either is.
    pub(crate) fn extreme(&mut self, op: Two, a: Var, b: Var) -> Var {
        let chosen = self.two(op, a, b);
        let unordered = self.compare(UNORDERED, a, a);
        self.select(unordered, a, chosen)
    }

    /// `x * 2^n` for whole numbers `n`, in two halves where no instruction does it, so that results overflow
    /// and fade into subnormal numbers.
    pub(crate) fn scale_by_power_of_two(&mut self, x: Var, n: Var) -> Var {
        if self.level == Level::Avx512 {
            return self.two(Two::Scale, x, n);
        }
        let half = self.number(0.5);
        let half = self.mul(n, half);
        let first = self.one(One::Round(9), half);
        let second = self.sub(n, first);
        let first = self.power_of_two(first);
        let scaled = self.mul(x, first);
        let second = self.power_of_two(second);
        self.mul(scaled, second)
    }

    fn power_of_two(&mut self, n: Var) -> Var {
        let shift = self.number(ROUNDING_SHIFT);
        let shifted = self.add(n, shift);
        let exponent = self.one(One::ShiftLeft(23), shifted);
        let one = self.number(1.0);
        self.two(Two::AddIntegers, exponent, one)
    }
}
