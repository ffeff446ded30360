//! How far two tensors are apart.

use super::{DOUBLE_TOLERANCE, TOLERANCE};
use crate::Math;
use dlc_interp::Tensor;
use dlc_ir::{Function, Op};
use dlc_types::DType;

/// Products one behind the other whose errors of rounded factors an end-to-end bound has room for.
const DEPTH: f64 = 16.0;

/// The distance of a tensor from the oracle's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Distance {
    /// Norm of the difference over the larger of the oracle's norm and the floor.
    pub(crate) error: f64,
    /// Row-major number of the element that differs most.
    pub(crate) worst: usize,
}

/// Greatest norm-wise error that a function's values may have: that of its narrowest float type. Where it computes
/// with 16-bit floats, both sides round to them, and the error of an `f32` before may lead to a neighbour: one unit
/// in the last place (2^-10 of `f16`, 2^-7 of `bf16`), and as much again for what is computed of such a value. Where
/// products round their factors, as much as for values of that many bits.
pub(crate) fn allowed(function: &Function, math: Math) -> f64 {
    let types = function.nodes.values().filter_map(|node| node.ty.tensor());
    let bounds = types.filter_map(|ty| match ty.dtype {
        DType::F16 => Some(2.0 / 1024.0),
        DType::BF16 => Some(2.0 / 128.0),
        DType::F32 => Some(TOLERANCE),
        DType::F64 => Some(DOUBLE_TOLERANCE),
        _ => None,
    });
    bounds.reduce(f64::max).unwrap_or(TOLERANCE).max(math.product_error())
}

/// The same for whole functions. Where a function makes integers of 8 bits of its values, one that lies halfway between two
/// of them may become either, a step of 255, and all that is computed of it moves along.
pub(crate) fn allowed_end_to_end(function: &Function, math: Math) -> f64 {
    let is_float = |id| function.nodes[id].ty.tensor().is_some_and(|ty| ty.dtype.is_float());
    let quantizes = function.nodes.values().any(|node| {
        matches!(node.op, Op::Cast(DType::I8 | DType::U8)) && node.operands.iter().all(|&id| is_float(id))
    });
    // From product to product the errors of rounded factors add up.
    let allowed = allowed(function, math).max(DEPTH * math.product_error());
    if quantizes { allowed.max(1.0 / 255.0) } else { allowed }
}

/// Euclidean norm.
pub(crate) fn norm(values: &[f64]) -> f64 {
    // Scaled, so that squares of large values stay finite.
    let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    values.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt() * largest
}

/// Norm-wise distance; equal infinities and NaNs agree, a NaN on one side alone is infinitely far.
pub(crate) fn distance(compiled: &[f64], oracle: &[f64], floor: f64) -> Distance {
    let mut worst = (0, 0.0);
    let mut differences = Vec::with_capacity(oracle.len());
    for (place, (&a, &b)) in compiled.iter().zip(oracle).enumerate() {
        let difference = if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() };
        let difference = if difference.is_nan() { f64::INFINITY } else { difference };
        if difference > worst.1 {
            worst = (place, difference);
        }
        differences.push(difference);
    }
    let difference = norm(&differences);
    let finite: Vec<f64> = oracle.iter().copied().filter(|value| value.is_finite()).collect();
    let scale = norm(&finite).max(floor);
    let error = if difference == 0.0 { 0.0 } else { difference / scale.max(f64::MIN_POSITIVE) };
    Distance { error, worst: worst.0 }
}

/// Row-major coordinates of an element.
pub(crate) fn coordinates(dims: &[usize], mut element: usize) -> Vec<usize> {
    let mut index = vec![0; dims.len()];
    for (place, &size) in index.iter_mut().zip(dims).rev() {
        *place = element % size.max(1);
        element /= size.max(1);
    }
    index
}

/// Whether the elements of a tensor are counted and not measured.
pub(crate) fn is_exact(tensor: &Tensor) -> bool {
    !tensor.dtype.is_float()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_relative_to_the_norm_or_the_floor() {
        let near = distance(&[3.0, 4.0 + 5e-6], &[3.0, 4.0], 0.0);
        assert!((near.error - 1e-6).abs() < 1e-12 && near.worst == 1);
        assert!((distance(&[1e-9], &[0.0], 1e-3).error - 1e-6).abs() < 1e-12);
        assert_eq!(distance(&[0.0], &[0.0], 0.0).error, 0.0);
        assert!(distance(&[1e-30], &[0.0], 0.0).error > 1.0);
    }

    #[test]
    fn what_is_not_finite_must_be_equal() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        assert_eq!(distance(&[nan, infinity, 1.0], &[nan, infinity, 1.0], 0.0).error, 0.0);
        assert_eq!(distance(&[nan, 1.0], &[0.0, 1.0], 0.0).error, infinity);
        assert_eq!(distance(&[-infinity], &[infinity], 0.0).error, infinity);
        assert_eq!(coordinates(&[2, 3, 4], 17), [1, 1, 1]);
    }
}
