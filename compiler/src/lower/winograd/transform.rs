//! The transforms of Winograd's minimal filtering, in one dimension and on tiles.
//!
//! A convolution of `m + 2` elements with 3 taps into `m` results is a product of polynomials taken by its
//! values at `m + 2` points, infinity among them. For `m = 2` the points are 0, 1, -1; for `m = 4` they are
//! 0, ±1/√2, ±√2, whose matrices have entries near 1, which keeps rounding errors near those of the direct
//! sum (0, ±1, ±2 have three times the error). With `p` and `q` the squares of the points:
//!
//! ```text
//! Bᵀ d: pq d0 - (p+q) d2 + d4;  (d4 - q d2) ± a (d3 - q d1);  (d4 - p d2) ± b (d3 - p d1);  pq d1 - (p+q) d3 + d5
//! G g:  g0 / pq;  (g0 ± a g1 + p g2) / 2p(p-q);  (g0 ± b g1 + q g2) / 2q(q-p);  g2
//! Aᵀ m: m0 + s1 + s2;  a d1 + b d2;  p s1 + q s2;  a³ d1 + b³ d2 + m5,  with s1, d1 = m1 ± m2, s2, d2 = m3 ± m4
//! ```
//!
//! Results are `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`; the gradient of the kernel is `Gᵀ [(A y Aᵀ) ⊙ (Bᵀ d B)] G`. Source:
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
//!
//! Everything is written over [`Arithmetic`], so that kernels and tests take the same steps.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Taps of the convolutions that are transformed.
pub(crate) const TAPS: usize = 3;

/// Numbers, or values of a kernel that is being built.
pub(crate) trait Arithmetic {
    type Value: Copy;

    fn add(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    fn subtract(&mut self, a: Self::Value, b: Self::Value) -> Self::Value;
    fn multiply(&mut self, factor: f64, a: Self::Value) -> Self::Value;
    /// `factor * a + b`, rounded once.
    fn multiply_add(&mut self, factor: f64, a: Self::Value, b: Self::Value) -> Self::Value;
}

/// Tiles of 2x2 or 4x4 results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Two,
    Four,
}

/// A transform in one dimension.
pub(crate) type OneDimensional<A> =
    fn(Size, &mut A, &[<A as Arithmetic>::Value]) -> Vec<<A as Arithmetic>::Value>;

/// The points of [`Size::Four`] and their squares.
const A: f64 = FRAC_1_SQRT_2;
const B: f64 = SQRT_2;
const P: f64 = 0.5;
const Q: f64 = 2.0;

impl Size {
    /// Results along an axis of a tile.
    pub(crate) const fn outputs(self) -> usize {
        match self {
            Size::Two => 2,
            Size::Four => 4,
        }
    }

    /// Points along an axis, as many as elements of the input that a tile reads.
    pub(crate) const fn points(self) -> usize {
        self.outputs() + TAPS - 1
    }

    /// `Bᵀ d`: elements of the input to points.
    pub(crate) fn input<T: Arithmetic>(self, on: &mut T, d: &[T::Value]) -> Vec<T::Value> {
        match self {
            Size::Two => vec![
                on.subtract(d[0], d[2]),
                on.add(d[1], d[2]),
                on.subtract(d[2], d[1]),
                on.subtract(d[1], d[3]),
            ],
            Size::Four => {
                let outer = |on: &mut T, low: T::Value, middle: T::Value, high: T::Value| {
                    let sum = on.add(low, high);
                    on.multiply_add(-(P + Q), middle, sum)
                };
                let pair = |on: &mut T, point: f64, other_square: f64| {
                    let even = on.multiply_add(-other_square, d[2], d[4]);
                    let odd = on.multiply_add(-other_square, d[1], d[3]);
                    [on.multiply_add(point, odd, even), on.multiply_add(-point, odd, even)]
                };
                let first = outer(on, d[0], d[2], d[4]);
                let [plus_a, minus_a] = pair(on, A, Q);
                let [plus_b, minus_b] = pair(on, B, P);
                let last = outer(on, d[1], d[3], d[5]);
                vec![first, plus_a, minus_a, plus_b, minus_b, last]
            }
        }
    }

    /// `G g`: taps to points.
    pub(crate) fn kernel<T: Arithmetic>(self, on: &mut T, g: &[T::Value]) -> Vec<T::Value> {
        let pair = |on: &mut T, point: f64, scale: f64| {
            let first = on.multiply(scale, g[0]);
            let even = on.multiply_add(scale * point * point, g[2], first);
            [on.multiply_add(scale * point, g[1], even), on.multiply_add(-scale * point, g[1], even)]
        };
        match self {
            Size::Two => {
                let [plus, minus] = pair(on, 1.0, 0.5);
                vec![g[0], plus, minus, g[2]]
            }
            Size::Four => {
                let [plus_a, minus_a] = pair(on, A, 1.0 / (2.0 * P * (P - Q)));
                let [plus_b, minus_b] = pair(on, B, 1.0 / (2.0 * Q * (Q - P)));
                vec![g[0], plus_a, minus_a, plus_b, minus_b, g[2]]
            }
        }
    }

    /// `Aᵀ m`: points to results.
    pub(crate) fn output<T: Arithmetic>(self, on: &mut T, m: &[T::Value]) -> Vec<T::Value> {
        let sum_a = on.add(m[1], m[2]);
        let difference_a = on.subtract(m[1], m[2]);
        let first = on.add(m[0], sum_a);
        match self {
            Size::Two => vec![first, on.subtract(difference_a, m[3])],
            Size::Four => {
                let sum_b = on.add(m[3], m[4]);
                let difference_b = on.subtract(m[3], m[4]);
                let combine = |on: &mut T, a: (f64, T::Value), b: (f64, T::Value)| {
                    let scaled = on.multiply(a.0, a.1);
                    on.multiply_add(b.0, b.1, scaled)
                };
                let first = on.add(first, sum_b);
                let second = combine(on, (A, difference_a), (B, difference_b));
                let third = combine(on, (P, sum_a), (Q, sum_b));
                let fourth = on.multiply_add(A * P, difference_a, m[5]);
                vec![first, second, third, on.multiply_add(B * Q, difference_b, fourth)]
            }
        }
    }

    /// `A y`: gradients of results to points.
    pub(crate) fn output_gradient<T: Arithmetic>(self, on: &mut T, y: &[T::Value]) -> Vec<T::Value> {
        match self {
            Size::Two => {
                vec![y[0], on.add(y[0], y[1]), on.subtract(y[0], y[1]), on.multiply(-1.0, y[1])]
            }
            Size::Four => {
                let pair = |on: &mut T, point: f64| {
                    let even = on.multiply_add(point * point, y[2], y[0]);
                    let odd = on.multiply_add(point * point, y[3], y[1]);
                    [on.multiply_add(point, odd, even), on.multiply_add(-point, odd, even)]
                };
                let [plus_a, minus_a] = pair(on, A);
                let [plus_b, minus_b] = pair(on, B);
                vec![y[0], plus_a, minus_a, plus_b, minus_b, y[3]]
            }
        }
    }

    /// `Gᵀ u`: points to gradients of taps.
    pub(crate) fn kernel_gradient<T: Arithmetic>(self, on: &mut T, u: &[T::Value]) -> Vec<T::Value> {
        let sum_a = on.add(u[1], u[2]);
        let difference_a = on.subtract(u[1], u[2]);
        match self {
            Size::Two => vec![
                on.multiply_add(0.5, sum_a, u[0]),
                on.multiply(0.5, difference_a),
                on.multiply_add(0.5, sum_a, u[3]),
            ],
            Size::Four => {
                let sum_b = on.add(u[3], u[4]);
                let difference_b = on.subtract(u[3], u[4]);
                let (of_a, of_b) = (1.0 / (2.0 * P * (P - Q)), 1.0 / (2.0 * Q * (Q - P)));
                let mut three = |a: (f64, T::Value), b: (f64, T::Value), rest: Option<T::Value>| {
                    let scaled = match rest {
                        Some(rest) => on.multiply_add(a.0, a.1, rest),
                        None => on.multiply(a.0, a.1),
                    };
                    on.multiply_add(b.0, b.1, scaled)
                };
                vec![
                    three((of_a, sum_a), (of_b, sum_b), Some(u[0])),
                    three((A * of_a, difference_a), (B * of_b, difference_b), None),
                    three((P * of_a, sum_a), (Q * of_b, sum_b), Some(u[5])),
                ]
            }
        }
    }

    /// A transform of a square tile of `length` by `length`: column by column as elements are asked for, then
    /// row by row, so that a kernel has one tile alive and no more. `store` gets each row when it is done.
    pub(crate) fn tile<T: Arithmetic, E>(
        self,
        on: &mut T,
        length: usize,
        transform: OneDimensional<T>,
        mut load: impl FnMut(&mut T, usize, usize) -> Result<T::Value, E>,
        mut store: impl FnMut(&mut T, usize, Vec<T::Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut columns = Vec::with_capacity(length);
        for column in 0..length {
            let elements = (0..length).map(|row| load(on, row, column)).collect::<Result<Vec<_>, E>>()?;
            columns.push(transform(self, on, &elements));
        }
        let rows = columns.first().map_or(0, Vec::len);
        for row in 0..rows {
            let elements: Vec<T::Value> = columns.iter().map(|column| column[row]).collect();
            let results = transform(self, on, &elements);
            store(on, row, results)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    struct Numbers;

    impl Arithmetic for Numbers {
        type Value = f64;

        fn add(&mut self, a: f64, b: f64) -> f64 {
            a + b
        }

        fn subtract(&mut self, a: f64, b: f64) -> f64 {
            a - b
        }

        fn multiply(&mut self, factor: f64, a: f64) -> f64 {
            factor * a
        }

        fn multiply_add(&mut self, factor: f64, a: f64, b: f64) -> f64 {
            factor * a + b
        }
    }

    type Tile = Vec<Vec<f64>>;

    fn random(length: usize, draws: &mut dlc_types::random::Stream) -> Tile {
        (0..length).map(|_| (0..length).map(|_| f64::from(draws.unit()) - 0.5).collect()).collect()
    }

    fn transformed(size: Size, tile: &Tile, transform: OneDimensional<Numbers>) -> Tile {
        let mut rows = Tile::new();
        let load = |_: &mut Numbers, row: usize, column: usize| Ok::<f64, Infallible>(tile[row][column]);
        let store = |_: &mut Numbers, _, row| {
            rows.push(row);
            Ok(())
        };
        let Ok(()) = size.tile(&mut Numbers, tile.len(), transform, load, store);
        rows
    }

    fn product(a: &Tile, b: &Tile) -> Tile {
        a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).collect()).collect()
    }

    /// `result[i][j] = sum of d[i + r][j + s] * g[r][s]`
    fn correlation(d: &Tile, g: &Tile) -> Tile {
        let length = d.len() + 1 - g.len();
        let at = |i: usize, j: usize| {
            let taps = (0..g.len()).flat_map(|r| (0..g.len()).map(move |s| (r, s)));
            taps.map(|(r, s)| d[i + r][j + s] * g[r][s]).sum()
        };
        (0..length).map(|i| (0..length).map(|j| at(i, j)).collect()).collect()
    }

    fn assert_close(a: &Tile, b: &Tile) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
            assert!((a - b).abs() < 1e-13, "{a} and {b}");
        }
    }

    #[test]
    fn tiles_are_convolved() {
        let mut draws = dlc_types::random::Stream::new(1, 0, 0);
        for size in [Size::Two, Size::Four] {
            let (d, g) = (random(size.points(), &mut draws), random(TAPS, &mut draws));
            let points = product(
                &transformed(size, &d, Size::input::<Numbers>),
                &transformed(size, &g, Size::kernel::<Numbers>),
            );
            let result = transformed(size, &points, Size::output::<Numbers>);
            assert_eq!(result.len(), size.outputs());
            assert_close(&result, &correlation(&d, &g));
        }
    }

    #[test]
    fn gradients_of_kernels_are_correlations_with_gradients_of_results() {
        let mut draws = dlc_types::random::Stream::new(2, 0, 0);
        for size in [Size::Two, Size::Four] {
            let (d, y) = (random(size.points(), &mut draws), random(size.outputs(), &mut draws));
            let points = product(
                &transformed(size, &d, Size::input::<Numbers>),
                &transformed(size, &y, Size::output_gradient::<Numbers>),
            );
            let result = transformed(size, &points, Size::kernel_gradient::<Numbers>);
            assert_eq!(result.len(), TAPS);
            assert_close(&result, &correlation(&d, &y));
        }
    }
}
