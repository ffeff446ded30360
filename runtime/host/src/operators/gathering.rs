//! Elements by index: `Gather`, `GatherElements`, `GatherND`. Indices may count from the end.

use crate::call::{Call, Outcome, one};
use crate::error::{Result, invalid};
use crate::index::{around, axis, strides};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[
    onnx("Gather", 1, gather),
    onnx("GatherElements", 11, gather_elements),
    onnx("GatherND", 11, gather_nd),
];

/// Indices that may count from the end of an axis of `dim`.
pub(super) fn indices(tensor: &Tensor, dim: usize) -> Result<Vec<usize>> {
    let inside = |index: i64| position(index, dim);
    tensor.integers()?.into_iter().map(inside).collect()
}

/// One index that may count from the end.
pub(super) fn position(index: i64, dim: usize) -> Result<usize> {
    let counted = if index < 0 { index.saturating_add(dim as i64) } else { index };
    let counted = usize::try_from(counted).ok().filter(|&counted| counted < dim);
    counted.ok_or_else(|| invalid(format!("index {index} is outside of {dim}")))
}

fn gather(call: &Call<'_>) -> Outcome {
    let (data, by) = (call.input(0)?, call.input(1)?);
    let axis = axis(call.int_or("axis", 0)?, data.dims().len())?;
    let (outer, dim, inner) = around(data.dims(), axis);
    let indices = indices(by, dim)?;
    let dims = [&data.dims()[..axis], by.dims(), &data.dims()[axis + 1..]].concat();
    let places = (0..outer).flat_map(|before| {
        indices
            .iter()
            .flat_map(move |index| (0..inner).map(move |behind| (before * dim + index) * inner + behind))
    });
    one(data.pick(dims, places)?)
}

/// The place in `data` of each element of `by`, whose values are indices along `axis`.
pub(super) fn element_places(data: &Tensor, by: &Tensor, axis: usize) -> Result<Vec<usize>> {
    let (dims, own) = (by.dims(), strides(data.dims()));
    let fits = dims.len() == data.dims().len()
        && (0..dims.len()).all(|other| other == axis || dims[other] <= data.dims()[other]);
    if !fits {
        return Err(invalid(format!("indices of dims {dims:?} do not fit data of {:?}", data.dims())));
    }
    let mut others = own.clone();
    others[axis] = 0;
    let indices = indices(by, data.dims()[axis])?;
    let walk = crate::index::Walk::new(dims, &others, 0)?;
    Ok(walk.zip(indices).map(|(place, index)| place + index * own[axis] as usize).collect())
}

fn gather_elements(call: &Call<'_>) -> Outcome {
    let (data, by) = (call.input(0)?, call.input(1)?);
    let axis = axis(call.int_or("axis", 0)?, data.dims().len())?;
    let places = element_places(data, by, axis)?;
    one(data.pick(by.dims().to_vec(), places.into_iter())?)
}

/// The first place of each slice that the rows of `by` name, behind `batch` shared axes.
pub(super) fn slice_places(data: &Tensor, by: &Tensor, batch: usize) -> Result<Vec<usize>> {
    let dims = data.dims();
    let fault = || invalid(format!("indices of dims {:?} do not fit data of {dims:?}", by.dims()));
    let &depth = by.dims().last().ok_or_else(fault)?;
    let named = dims.get(batch..).and_then(|rest| rest.get(..depth)).ok_or_else(fault)?;
    if batch >= by.dims().len() || by.dims()[..batch] != dims[..batch] {
        return Err(fault());
    }
    let own = strides(dims);
    let numbers = by.integers()?;
    let batches: usize = dims[..batch].iter().product();
    let rows: usize = by.dims()[..by.dims().len() - 1].iter().product();
    let batch_step: usize = dims[batch..].iter().product();
    let place = |row: usize| {
        let mut place = row / (rows / batches.max(1)).max(1) * batch_step;
        for (along, &dim) in named.iter().enumerate() {
            place += position(numbers[row * depth + along], dim)? * own[batch + along] as usize;
        }
        Ok(place)
    };
    (0..rows).map(place).collect()
}

fn gather_nd(call: &Call<'_>) -> Outcome {
    let (data, by) = (call.input(0)?, call.input(1)?);
    let batch = crate::index::dim(call.int_or("batch_dims", 0)?)?;
    let firsts = slice_places(data, by, batch)?;
    let lead = by.dims().len() - 1;
    let behind = &data.dims()[batch + by.dims()[lead]..];
    let inner: usize = behind.iter().product();
    let dims = [&by.dims()[..lead], behind].concat();
    let places = firsts.into_iter().flat_map(|first| (0..inner).map(move |index| first + index));
    one(data.pick(dims, places)?)
}
