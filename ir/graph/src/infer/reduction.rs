//! Rules of the ops that run along axes: reduce, arg-reduce, cumulative sum.

use super::operands::{ascending_axes, axis as axis_exists, numeric};
use super::{Result, refuse};
use dlc_types::{DType, Dim, Shape, TensorType};

pub(super) fn reduce(x: &TensorType, axes: &[usize]) -> Result<TensorType> {
    ascending_axes("reduce", x, axes)?;
    numeric("reduce", x)?;
    Ok(without_axes(x.dtype, x, axes))
}

pub(super) fn arg_reduce(name: &str, x: &TensorType, axis: usize) -> Result<TensorType> {
    axis_exists(name, x, axis)?;
    numeric(name, x)?;
    if x.shape[axis] == Dim::Fixed(0) {
        refuse!("{name} needs an element to choose, but axis {axis} of {x} is empty");
    }
    Ok(without_axes(DType::I32, x, &[axis]))
}

pub(super) fn cumulative(x: &TensorType, axis: usize) -> Result<TensorType> {
    axis_exists("cumulative", x, axis)?;
    numeric("cumulative", x)?;
    Ok(x.clone())
}

fn without_axes(dtype: DType, x: &TensorType, axes: &[usize]) -> TensorType {
    let kept = (0..x.shape.rank()).filter(|axis| !axes.contains(axis)).map(|axis| x.shape[axis]);
    TensorType::new(dtype, Shape(kept.collect()))
}

pub(super) fn arg_sort(x: &TensorType, axis: usize) -> Result<TensorType> {
    axis_exists("argsort", x, axis)?;
    numeric("argsort", x)?;
    Ok(TensorType::new(DType::I32, x.shape.clone()))
}
