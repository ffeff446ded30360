//! Reading and writing at indices.

use crate::elementwise::{larger, smaller};
use crate::offsets::Split;
use crate::{Data, InterpError, Result, Tensor, integer};
use dlc_ir::ScatterKind;

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

pub(crate) fn gather_along(data: &Tensor, indices: &Tensor, axis: usize) -> Result<Data> {
    let split = Split::at(&data.dims, axis);
    let chosen = clamped("gather_along", indices, split.length)?;
    let along = Split::at(&indices.dims, axis);
    let places = chosen.iter().enumerate().map(|(place, &index)| {
        let (block, inner) = (place / (along.length * along.inner), place % along.inner);
        (block * split.length + index) * split.inner + inner
    });
    Ok(match &data.data {
        Data::Float(values) => Data::Float(places.map(|place| values[place]).collect()),
        Data::Int(values) => Data::Int(places.map(|place| values[place]).collect()),
        Data::Bool(values) => Data::Bool(places.map(|place| values[place]).collect()),
    })
}

pub(crate) fn scatter(
    kind: ScatterKind,
    data: &Tensor,
    indices: &Tensor,
    updates: &Tensor,
    axis: usize,
) -> Result<Data> {
    let split = Split::at(&data.dims, axis);
    let indices = clamped("scatter", indices, split.length)?;
    match (&data.data, &updates.data) {
        (Data::Float(data), Data::Float(values)) => {
            let combine: fn(f64, f64) -> f64 = match kind {
                ScatterKind::Set => |_, update| update,
                ScatterKind::Add => |a, b| a + b,
                ScatterKind::Multiply => |a, b| a * b,
                ScatterKind::Max => larger,
                ScatterKind::Min => smaller,
            };
            Ok(Data::Float(put_slices(data, values, &split, &indices, combine)))
        }
        (Data::Int(numbers), Data::Int(values)) => {
            let combine: fn(i64, i64) -> i64 = match kind {
                ScatterKind::Set => |_, update| update,
                ScatterKind::Add => i64::wrapping_add,
                ScatterKind::Multiply => i64::wrapping_mul,
                ScatterKind::Max => integer::larger(data.dtype),
                ScatterKind::Min => integer::smaller(data.dtype),
            };
            Ok(Data::Int(put_slices(numbers, values, &split, &indices, combine)))
        }
        (Data::Bool(data), Data::Bool(values)) if kind == ScatterKind::Set => {
            Ok(Data::Bool(put_slices(data, values, &split, &indices, |_, update| update)))
        }
        _ => Err(InterpError::Unverified {
            op: "scatter".to_owned(),
            rule: "has data and updates of one class that combines so",
        }),
    }
}

fn put_slices<T: Copy>(
    data: &[T],
    updates: &[T],
    split: &Split,
    indices: &[usize],
    combine: fn(T, T) -> T,
) -> Vec<T> {
    let mut result = data.to_vec();
    for block in 0..split.outer {
        for (number, &index) in indices.iter().enumerate() {
            let into = &mut result[(block * split.length + index) * split.inner..][..split.inner];
            let from = &updates[(block * indices.len() + number) * split.inner..][..split.inner];
            into.iter_mut().zip(from).for_each(|(into, &from)| *into = combine(*into, from));
        }
    }
    result
}
