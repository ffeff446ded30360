//! Rules of the ops that read and write at indices.

use super::operands::{axis as axis_exists, numeric, same_dtype};
use super::{Result, refuse};
use crate::ScatterKind;
use dlc_types::{DType, Dim, Shape, TensorType};

pub(super) fn gather([data, indices]: [&TensorType; 2], axis: usize) -> Result<TensorType> {
    gathered("gather", data, indices, axis)
}

pub(super) fn gather_along([data, indices]: [&TensorType; 2], axis: usize) -> Result<TensorType> {
    are_indices("gather_along", data, indices, axis)?;
    let same = |other: usize| other == axis || data.shape[other] == indices.shape[other];
    if data.shape.rank() != indices.shape.rank() || !(0..data.shape.rank()).all(same) {
        refuse!(
            "gather_along {axis} needs indices of the extents of {data} but along the axis, not {indices}"
        );
    }
    Ok(TensorType::new(data.dtype, indices.shape.clone()))
}

pub(super) fn scatter(
    [data, indices, updates]: [&TensorType; 3],
    axis: usize,
    kind: ScatterKind,
) -> Result<TensorType> {
    if kind != ScatterKind::Set {
        numeric("scatter", data)?;
    }
    same_dtype("scatter", updates, data)?;
    let needed = gathered("scatter", data, indices, axis)?;
    if *updates != needed {
        refuse!("scatter to {data} at indices {indices} needs updates {needed}, not {updates}");
    }
    Ok(data.clone())
}

fn are_indices(name: &str, data: &TensorType, indices: &TensorType, axis: usize) -> Result<()> {
    axis_exists(name, data, axis)?;
    if indices.dtype != DType::I32 {
        refuse!("{name} needs indices of type i32, not {indices}");
    }
    if data.shape[axis] == Dim::Fixed(0) {
        refuse!("{name} needs an element to choose, but axis {axis} of {data} is empty");
    }
    Ok(())
}

fn gathered(name: &str, data: &TensorType, indices: &TensorType, axis: usize) -> Result<TensorType> {
    are_indices(name, data, indices, axis)?;
    let mut dims = data.shape.dims().to_vec();
    dims.splice(axis..=axis, indices.shape.dims().iter().copied());
    Ok(TensorType::new(data.dtype, Shape(dims)))
}
