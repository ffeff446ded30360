//! Gather and its adjoint.

use crate::offsets::Split;
use crate::{Data, InterpError, Result, Tensor};

/// The indices, clamped to the axis.
fn clamped(op: &'static str, indices: &Tensor, length: usize) -> Result<Vec<usize>> {
    let Data::Int(indices) = &indices.data else {
        return Err(InterpError::Unverified { op: op.to_owned(), rule: "has integer indices" });
    };
    if length == 0 && !indices.is_empty() {
        return Err(InterpError::NothingToChoose { op });
    }
    Ok(indices
        .iter()
        .map(|&index| usize::try_from(index).unwrap_or(0).min(length.saturating_sub(1)))
        .collect())
}

pub(crate) fn gather(data: &Tensor, indices: &Tensor, axis: usize) -> Result<Data> {
    let split = Split::at(&data.dims, axis);
    let indices = clamped("gather", indices, split.length)?;
    Ok(match &data.data {
        Data::Float(values) => Data::Float(pick(values, &split, &indices)),
        Data::Int(values) => Data::Int(pick(values, &split, &indices)),
        Data::Bool(values) => Data::Bool(pick(values, &split, &indices)),
    })
}

fn pick<T: Copy>(values: &[T], split: &Split, indices: &[usize]) -> Vec<T> {
    let mut result = Vec::with_capacity(split.outer * indices.len() * split.inner);
    for block in 0..split.outer {
        for &index in indices {
            result.extend_from_slice(&values[(block * split.length + index) * split.inner..][..split.inner]);
        }
    }
    result
}

pub(crate) fn scatter_add(indices: &Tensor, updates: &Tensor, axis: usize, dims: &[usize]) -> Result<Data> {
    let split = Split::at(dims, axis);
    let indices = clamped("scatter_add", indices, split.length)?;
    match &updates.data {
        Data::Float(values) => Ok(Data::Float(add_slices(values, &split, &indices, 0.0, |a, b| a + b))),
        Data::Int(values) => Ok(Data::Int(add_slices(values, &split, &indices, 0, i64::wrapping_add))),
        Data::Bool(_) => Err(InterpError::Unverified {
            op: "scatter_add".to_owned(),
            rule: "has updates that are numbers",
        }),
    }
}

fn add_slices<T: Copy>(
    updates: &[T],
    split: &Split,
    indices: &[usize],
    zero: T,
    add: fn(T, T) -> T,
) -> Vec<T> {
    let mut result = vec![zero; split.outer * split.length * split.inner];
    for block in 0..split.outer {
        for (number, &index) in indices.iter().enumerate() {
            let into = &mut result[(block * split.length + index) * split.inner..][..split.inner];
            let from = &updates[(block * indices.len() + number) * split.inner..][..split.inner];
            into.iter_mut().zip(from).for_each(|(into, &from)| *into = add(*into, from));
        }
    }
    result
}
