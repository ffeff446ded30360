//! The fast Fourier transform of a line of complex numbers, of any length, in single or double precision.
//!
//! Mixed radices, in the order of operations of Reinecke's pocketfft: NumPy transforms by it, and the conformance suite compares
//! rounding errors of NumPy's results where true values are zero. Equal in bits for lengths that eight does not divide, with
//! prime factors up to eleven.

use std::f64::consts::PI;
use std::ops::{Add, Mul, Neg, Sub};

/// `f32` or `f64`.
pub(super) trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    fn rounded(value: f64) -> Self;
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn rounded(value: f64) -> f32 {
        value as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn rounded(value: f64) -> f64 {
        value
    }
    fn wide(self) -> f64 {
        self
    }
}

/// Real and imaginary part.
#[derive(Clone, Copy)]
pub(super) struct Complex<T> {
    pub(super) real: T,
    pub(super) imaginary: T,
}

impl<T: Real> Complex<T> {
    pub(super) fn new(real: f64, imaginary: f64) -> Complex<T> {
        Complex { real: T::rounded(real), imaginary: T::rounded(imaginary) }
    }

    fn plus(self, other: Complex<T>) -> Complex<T> {
        Complex { real: self.real + other.real, imaginary: self.imaginary + other.imaginary }
    }

    fn minus(self, other: Complex<T>) -> Complex<T> {
        Complex { real: self.real - other.real, imaginary: self.imaginary - other.imaginary }
    }

    pub(super) fn scaled(self, factor: T) -> Complex<T> {
        Complex { real: self.real * factor, imaginary: self.imaginary * factor }
    }
}

/// What all lines of a length have in common.
pub(super) struct Plan<T> {
    factors: Vec<usize>,
    /// `exp(2πik/length)`.
    turns: Vec<Complex<T>>,
    inverse: bool,
}

/// Fours, then a two in front, then odd primes.
fn factors(mut length: usize) -> Vec<usize> {
    let mut factors = Vec::new();
    while length.is_multiple_of(4) {
        factors.push(4);
        length /= 4;
    }
    if length.is_multiple_of(2) {
        factors.insert(0, 2);
        length /= 2;
    }
    let mut divisor = 3;
    while divisor * divisor <= length {
        while length.is_multiple_of(divisor) {
            factors.push(divisor);
            length /= divisor;
        }
        divisor += 2;
    }
    if length > 1 {
        factors.push(length);
    }
    factors
}

/// Products that a line of this length takes, roughly.
pub(super) fn work(length: usize) -> usize {
    length.saturating_mul(factors(length.max(1)).iter().sum::<usize>().max(1))
}

impl<T: Real> Plan<T> {
    /// For lines of `length`, at least 1. The inverse is not scaled.
    pub(super) fn new(length: usize, inverse: bool) -> Plan<T> {
        let turn = |k: usize| {
            let angle = 2.0 * PI * k as f64 / length as f64;
            Complex::new(angle.cos(), angle.sin())
        };
        Plan { factors: factors(length), turns: (0..length).map(turn).collect(), inverse }
    }

    /// The transform of a line, which is cut or filled with zeros to the length.
    pub(super) fn transform(&self, line: &[Complex<T>]) -> Vec<Complex<T>> {
        let length = self.turns.len();
        let mut from = line[..line.len().min(length)].to_vec();
        from.resize(length, Complex::new(0.0, 0.0));
        let mut groups = 1;
        for &radix in &self.factors {
            let inner = length / (groups * radix);
            let mut to = from.clone();
            for group in 0..groups {
                for at in 0..inner {
                    let inputs: Vec<Complex<T>> =
                        (0..radix).map(|leg| from[at + inner * (leg + radix * group)]).collect();
                    for (leg, output) in self.butterfly(&inputs).into_iter().enumerate() {
                        let turned =
                            if at > 0 && leg > 0 { self.turn(output, leg * groups * at) } else { output };
                        to[at + inner * (group + groups * leg)] = turned;
                    }
                }
            }
            from = to;
            groups *= radix;
        }
        from
    }

    /// A number times a twiddle factor, conjugated in the forward direction.
    fn turn(&self, value: Complex<T>, k: usize) -> Complex<T> {
        let turn = self.turns[k % self.turns.len()];
        if self.inverse {
            return Complex {
                real: value.real * turn.real - value.imaginary * turn.imaginary,
                imaginary: value.real * turn.imaginary + value.imaginary * turn.real,
            };
        }
        Complex {
            real: value.real * turn.real + value.imaginary * turn.imaginary,
            imaginary: value.imaginary * turn.real - value.real * turn.imaginary,
        }
    }

    fn butterfly(&self, inputs: &[Complex<T>]) -> Vec<Complex<T>> {
        match *inputs {
            [a, b] => vec![a.plus(b), a.minus(b)],
            [a, b, c, d] => {
                let (even, odd, sum) = (a.plus(c), a.minus(c), b.plus(d));
                let difference = b.minus(d);
                let quarter = if self.inverse {
                    Complex { real: -difference.imaginary, imaginary: difference.real }
                } else {
                    Complex { real: difference.imaginary, imaginary: -difference.real }
                };
                vec![even.plus(sum), odd.plus(quarter), even.minus(sum), odd.minus(quarter)]
            }
            _ => self.odd(inputs),
        }
    }

    /// An odd radix: legs in pairs from both ends, cosines of their sums and sines of their differences.
    fn odd(&self, inputs: &[Complex<T>]) -> Vec<Complex<T>> {
        let radix = inputs.len();
        let pairs = || (1..=radix / 2).map(|leg| (inputs[leg], inputs[radix - leg]));
        let first = pairs().fold(inputs[0], |sum, (a, b)| sum.plus(a.plus(b)));
        let mut outputs = vec![first; radix];
        for leg in 1..=radix / 2 {
            let mut cosines = inputs[0];
            let mut sines: Option<Complex<T>> = None;
            for (pair, (a, b)) in (1..).zip(pairs()) {
                let angle = 2.0 * PI * (leg * pair % radix) as f64 / radix as f64;
                let sine = T::rounded(if self.inverse { angle.sin() } else { -angle.sin() });
                let weighted = a.minus(b).scaled(sine);
                cosines = cosines.plus(a.plus(b).scaled(T::rounded(angle.cos())));
                sines = Some(sines.map_or(weighted, |sum| sum.plus(weighted)));
            }
            let sines = sines.unwrap_or(inputs[0]);
            let crossed = Complex { real: -sines.imaginary, imaginary: sines.real };
            outputs[leg] = cosines.plus(crossed);
            outputs[radix - leg] = cosines.minus(crossed);
        }
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_transforms_agree() {
        for length in [1, 2, 3, 4, 5, 8, 10, 12, 14, 16, 30, 32, 49, 60, 101] {
            for inverse in [false, true] {
                let line: Vec<Complex<f64>> =
                    (0..length).map(|at| Complex::new((at * at % 7) as f64, (at % 3) as f64)).collect();
                let fast = Plan::new(length, inverse).transform(&line);
                for (bin, got) in fast.iter().enumerate() {
                    let sign = if inverse { 1.0 } else { -1.0 };
                    let (mut real, mut imaginary) = (0.0, 0.0);
                    for (at, value) in line.iter().enumerate() {
                        let angle = sign * 2.0 * PI * (bin * at % length) as f64 / length as f64;
                        real += value.real * angle.cos() - value.imaginary * angle.sin();
                        imaginary += value.real * angle.sin() + value.imaginary * angle.cos();
                    }
                    let close = (got.real - real).abs() < 1e-9 && (got.imaginary - imaginary).abs() < 1e-9;
                    assert!(close, "{length} {bin}");
                }
            }
        }
    }
}
