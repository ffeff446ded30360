//! Rules of the ops that move elements and compute nothing: broadcast, reshape, transpose, slice, pad,
//! dilate, reverse, concat.

use super::operands::{ascending_axes, axis as axis_exists, numeric, per_axis, same_dtype};
use super::{InferError, Result, refuse};
use dlc_types::{Dim, Shape, TensorType};

pub(super) fn broadcast(x: &TensorType, axes: &[usize], result: &TensorType) -> Result<()> {
    same_dtype("broadcast", x, result)?;
    per_axis("broadcast", "axes", axes.len(), x)?;
    ascending_axes("broadcast", result, axes)?;
    for (from, &to) in axes.iter().enumerate() {
        let (source, target) = (x.shape[from], result.shape[to]);
        if source != target && source != Dim::Fixed(1) {
            refuse!(
                "broadcast stretches axes of size 1 only: axis {from} of {x} is {source}, but axis {to} of \
                 {result} is {target}"
            );
        }
    }
    Ok(())
}

pub(super) fn reshape(x: &TensorType, result: &TensorType) -> Result<()> {
    same_dtype("reshape", x, result)?;
    let (before, after) = (x.shape.elements(), result.shape.elements());
    if before.is_none() || before != after {
        let count = |elements: Option<Dim>| elements.map_or("too many".to_owned(), |dim| dim.to_string());
        refuse!(
            "reshape keeps the number of elements: {x} has {}, but {result} has {}",
            count(before),
            count(after)
        );
    }
    Ok(())
}

pub(super) fn transpose(x: &TensorType, permutation: &[usize]) -> Result<TensorType> {
    let mut sorted = permutation.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..x.shape.rank()) {
        refuse!("transpose needs a permutation of the axes of {x}, not {permutation:?}");
    }
    let dims: Vec<Dim> = permutation.iter().map(|&axis| x.shape[axis]).collect();
    Ok(TensorType::new(x.dtype, Shape(dims)))
}

pub(super) fn slice(
    x: &TensorType,
    starts: &[usize],
    limits: &[usize],
    strides: &[usize],
) -> Result<TensorType> {
    per_axis("slice", "starts", starts.len(), x)?;
    per_axis("slice", "limits", limits.len(), x)?;
    per_axis("slice", "strides", strides.len(), x)?;
    map_axes(x, |axis, dim| {
        let (start, limit, stride) = (starts[axis], limits[axis], strides[axis]);
        let size = match dim {
            Dim::Batch(_) if (start, limit, stride) == (0, usize::MAX, 1) => return Ok(dim),
            Dim::Batch(_) => {
                refuse!("slice takes an axis of batch size whole: axis {axis} of {x} is cut")
            }
            Dim::Fixed(size) => size,
        };
        let end = if limit == usize::MAX { size } else { limit };
        if stride == 0 {
            refuse!("slice needs strides of at least 1, but axis {axis} of {x} has stride 0");
        }
        if start > end || end > size {
            refuse!("slice {start}..{end} does not fit axis {axis} of {x}");
        }
        Ok(Dim::Fixed((end - start).div_ceil(stride)))
    })
}

pub(super) fn pad([x, value]: [&TensorType; 2], low: &[usize], high: &[usize]) -> Result<TensorType> {
    per_axis("pad", "low", low.len(), x)?;
    per_axis("pad", "high", high.len(), x)?;
    if *value != TensorType::scalar(x.dtype) {
        refuse!("pad needs a scalar {}[] to pad {x} with, not {value}", x.dtype);
    }
    map_axes(x, |axis, dim| match (dim, low[axis], high[axis]) {
        (_, 0, 0) => Ok(dim),
        (Dim::Batch(_), ..) => {
            refuse!("pad leaves an axis of batch size alone: axis {axis} of {x} is padded")
        }
        (Dim::Fixed(size), low, high) => {
            fixed("pad", x, size.checked_add(low).and_then(|sum| sum.checked_add(high)))
        }
    })
}

pub(super) fn dilate(x: &TensorType, factors: &[usize]) -> Result<TensorType> {
    per_axis("dilate", "factors", factors.len(), x)?;
    numeric("dilate", x)?;
    map_axes(x, |axis, dim| match (dim, factors[axis]) {
        (_, 0) => refuse!("dilate needs factors of at least 1, but axis {axis} of {x} has factor 0"),
        (_, 1) | (Dim::Fixed(0), _) => Ok(dim),
        (Dim::Batch(_), _) => {
            refuse!("dilate leaves an axis of batch size alone: axis {axis} of {x} is dilated")
        }
        (Dim::Fixed(size), factor) => {
            fixed("dilate", x, (size - 1).checked_mul(factor).and_then(|last| last.checked_add(1)))
        }
    })
}

pub(super) fn reverse(x: &TensorType, axes: &[usize]) -> Result<TensorType> {
    ascending_axes("reverse", x, axes)?;
    Ok(x.clone())
}

pub(super) fn concat(parts: &[&TensorType], axis: usize) -> Result<TensorType> {
    let Some((&first, rest)) = parts.split_first() else {
        refuse!("concat needs 1 operand or more");
    };
    axis_exists("concat", first, axis)?;
    let mut total = Some(fixed_extent(first, axis)?);
    for &part in rest {
        same_dtype("concat", first, part)?;
        let others_agree = part.shape.rank() == first.shape.rank()
            && (0..first.shape.rank()).all(|other| other == axis || part.shape[other] == first.shape[other]);
        if !others_agree {
            refuse!("concat along axis {axis} needs all other axes equal: {first} and {part} differ");
        }
        let size = fixed_extent(part, axis)?;
        total = total.and_then(|total| total.checked_add(size));
    }
    map_axes(first, |other, dim| if other == axis { fixed("concat", first, total) } else { Ok(dim) })
}

fn fixed_extent(ty: &TensorType, axis: usize) -> Result<usize> {
    match ty.shape[axis] {
        Dim::Fixed(size) => Ok(size),
        Dim::Batch(_) => refuse!("concat cannot join along the batch: axis {axis} of {ty}"),
    }
}

/// The type with each extent replaced.
fn map_axes(x: &TensorType, mut extent: impl FnMut(usize, Dim) -> Result<Dim>) -> Result<TensorType> {
    let dims: Result<Vec<Dim>> =
        x.shape.dims().iter().enumerate().map(|(axis, &dim)| extent(axis, dim)).collect();
    Ok(TensorType::new(x.dtype, Shape(dims?)))
}

fn fixed(name: &str, x: &TensorType, size: Option<usize>) -> Result<Dim> {
    size.map(Dim::Fixed)
        .ok_or_else(|| InferError::new(format!("{name} makes {x} larger than memory can hold")))
}
