//! Normal numbers from uniform ones.

use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Unary};
use std::f64::consts::{SQRT_2, TAU};

/// Standard normal numbers from two uniform ones in [0, 1): `sqrt(-2 log(1 - u)) cos(2 pi v)`. `1 - u` is
/// exact and never 0. Source: Box, Muller, "A Note on the Generation of Random Normal Deviates", 1958.
pub(super) fn normal(b: &mut Builder, u: NodeId, v: NodeId) -> Result<NodeId, InferError> {
    let one = b.splat_like(u, 1.0)?;
    let rest = b.binary(Binary::Subtract, one, u)?;
    let log = b.unary(Unary::Log, rest)?;
    let square = b.scale(log, -2.0)?;
    let radius = b.unary(Unary::Sqrt, square)?;
    let angle = b.scale(v, TAU)?;
    let cosine = b.unary(Unary::Cos, angle)?;
    b.mul(radius, cosine)
}

/// Standard normal numbers of at most the magnitude `limit`, from uniform ones in [0, 1): the inverse of the
/// distribution, `sqrt(2) erfinv((2 u - 1) erf(limit / sqrt(2)))`.
pub(super) fn truncated_normal(b: &mut Builder, u: NodeId, limit: f64) -> Result<NodeId, InferError> {
    let bound = b.splat_like(u, limit / SQRT_2)?;
    let share = b.unary(Unary::Erf, bound)?;
    let doubled = b.scale(u, 2.0)?;
    let centred = b.shift(doubled, -1.0)?;
    let x = b.mul(centred, share)?;
    let inverse = inverse_erf(b, x)?;
    let value = b.scale(inverse, SQRT_2)?;
    let (low, high) = (b.splat_like(u, -limit)?, b.splat_like(u, limit)?);
    let value = b.binary(Binary::Max, value, low)?;
    b.binary(Binary::Min, value, high)
}

/// Coefficients of `erfinv(x) / x` for `w = -log(1 - x^2)` below 5, in `w - 2.5`, highest first.
const NEAR: [f64; 9] = [
    2.810_226_36e-8,
    3.432_739_39e-7,
    -3.523_387_7e-6,
    -4.391_506_54e-6,
    2.185_808_7e-4,
    -1.253_725_03e-3,
    -4.177_681_64e-3,
    0.246_640_727,
    1.501_409_41,
];
/// The same from 5 on, in `sqrt(w) - 3`.
const FAR: [f64; 9] = [
    -2.002_142_57e-4,
    1.009_505_58e-4,
    1.349_343_22e-3,
    -3.673_428_44e-3,
    5.739_507_73e-3,
    -7.622_461_3e-3,
    9.438_870_47e-3,
    1.001_674_06,
    2.832_976_82,
];

/// Inverse of the error function, for `f32` in (-1, 1). Giles, "Approximating the erfinv function", GPU
/// Computing Gems 2011.
fn inverse_erf(b: &mut Builder, x: NodeId) -> Result<NodeId, InferError> {
    let square = b.mul(x, x)?;
    let negative = b.neg(square)?;
    let log = b.unary(Unary::LogOnePlus, negative)?;
    let w = b.neg(log)?;
    let near = b.shift(w, -2.5)?;
    let root = b.unary(Unary::Sqrt, w)?;
    let far = b.shift(root, -3.0)?;
    let (near, far) = (horner(b, near, &NEAR)?, horner(b, far, &FAR)?);
    let five = b.splat_like(w, 5.0)?;
    let is_near = b.compare(Comparison::Less, w, five)?;
    let factor = b.select(is_near, near, far)?;
    b.mul(factor, x)
}

fn horner(b: &mut Builder, x: NodeId, coefficients: &[f64]) -> Result<NodeId, InferError> {
    let mut sum = b.splat_like(x, 0.0)?;
    for &coefficient in coefficients {
        let product = b.mul(sum, x)?;
        sum = b.shift(product, coefficient)?;
    }
    Ok(sum)
}
