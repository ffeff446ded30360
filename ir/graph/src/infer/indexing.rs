//! Rules of gather and its adjoint.

use super::operands::{axis as axis_exists, numeric, same_dtype};
use super::{Result, refuse};
use dlc_types::{DType, Dim, Shape, TensorType};

pub(super) fn gather([data, indices]: [&TensorType; 2], axis: usize) -> Result<TensorType> {
    gathered("gather", data, indices, axis)
}

pub(super) fn scatter_add(
    [indices, updates]: [&TensorType; 2],
    axis: usize,
    result: &TensorType,
) -> Result<()> {
    numeric("scatter_add", result)?;
    same_dtype("scatter_add", updates, result)?;
    let needed = gathered("scatter_add", result, indices, axis)?;
    if *updates != needed {
        refuse!("scatter_add to {result} at indices {indices} needs updates {needed}, not {updates}");
    }
    Ok(())
}

fn gathered(name: &str, data: &TensorType, indices: &TensorType, axis: usize) -> Result<TensorType> {
    axis_exists(name, data, axis)?;
    if indices.dtype != DType::I32 {
        refuse!("{name} needs indices of type i32, not {indices}");
    }
    if data.shape[axis] == Dim::Fixed(0) {
        refuse!("{name} needs an element to choose, but axis {axis} of {data} is empty");
    }
    let mut dims = data.shape.dims().to_vec();
    dims.splice(axis..=axis, indices.shape.dims().iter().copied());
    Ok(TensorType::new(data.dtype, Shape(dims)))
}
