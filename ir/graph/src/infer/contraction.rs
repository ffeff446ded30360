//! The rule of the general dot product: paired axes are equal in size, and no axis is paired twice.

use super::operands::{axis as axis_exists, numeric, same_dtype};
use super::{Result, refuse};
use crate::Contraction;
use dlc_types::{Shape, TensorType};

pub(super) fn contract([a, b]: [&TensorType; 2], contraction: &Contraction) -> Result<TensorType> {
    same_dtype("contract", a, b)?;
    numeric("contract", a)?;
    let mut used_left = vec![false; a.shape.rank()];
    let mut used_right = vec![false; b.shape.rank()];
    for &(left, right) in contraction.batch.iter().chain(&contraction.contract) {
        axis_exists("contract", a, left)?;
        axis_exists("contract", b, right)?;
        if a.shape[left] != b.shape[right] {
            refuse!(
                "contract pairs axes of equal size: axis {left} of {a} is {}, but axis {right} of {b} is {}",
                a.shape[left],
                b.shape[right]
            );
        }
        if std::mem::replace(&mut used_left[left], true) {
            refuse!("contract pairs each axis once, but axis {left} of its left operand {a} twice");
        }
        if std::mem::replace(&mut used_right[right], true) {
            refuse!("contract pairs each axis once, but axis {right} of its right operand {b} twice");
        }
    }
    let mut dims: Vec<_> = contraction.batch.iter().map(|&(left, _)| a.shape[left]).collect();
    dims.extend((0..a.shape.rank()).filter(|&axis| !used_left[axis]).map(|axis| a.shape[axis]));
    dims.extend((0..b.shape.rank()).filter(|&axis| !used_right[axis]).map(|axis| b.shape[axis]));
    Ok(TensorType::new(a.dtype, Shape(dims)))
}
