//! Operators that change dims and order, never elements: `Reshape`, `Transpose`, `Squeeze`, `Shape` and their kin.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one};
use crate::error::{Result, invalid};
use crate::index::{axes, axis, strides};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[
    onnx("Identity", 1, identity),
    onnx("Reshape", 5, reshape),
    onnx("Transpose", 1, transpose),
    onnx("Squeeze", 1, squeeze),
    onnx("Unsqueeze", 1, unsqueeze),
    onnx("Flatten", 1, flatten),
    onnx("Shape", 1, shape),
    onnx("Size", 1, size),
];

fn identity(call: &Call<'_>) -> Outcome {
    Ok(vec![call.value(0)?.clone()])
}

fn reshape(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let asked = call.input(1)?.integers()?;
    let zeros = call.flag("allowzero", false)?;
    let fault = || invalid(format!("dims {:?} have no form of {asked:?}", data.dims()));
    let mut free = None;
    let mut dims = Vec::with_capacity(asked.len());
    for (index, &dim) in asked.iter().enumerate() {
        dims.push(match dim {
            -1 if free.is_none() => {
                free = Some(index);
                1
            }
            0 if !zeros => *data.dims().get(index).ok_or_else(fault)?,
            dim => usize::try_from(dim).map_err(|_| fault())?,
        });
    }
    if let Some(free) = free {
        let rest =
            dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim)).ok_or_else(fault)?;
        if rest == 0 || !data.len().is_multiple_of(rest) {
            return Err(fault());
        }
        dims[free] = data.len() / rest;
    }
    one(data.reshaped(dims).map_err(|_| fault())?)
}

/// The axes in another order: axis `i` of the result is axis `order[i]` of the data.
pub(super) fn permuted(data: &Tensor, order: &[usize]) -> Result<Tensor> {
    let own = strides(data.dims());
    let dims = order.iter().map(|&axis| data.dims()[axis]).collect();
    let steps: Vec<isize> = order.iter().map(|&axis| own[axis]).collect();
    data.view(dims, &steps, 0)
}

fn transpose(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let order = match call.ints("perm")? {
        Some(order) if order.len() == rank => axes(order, rank)?,
        Some(order) => return Err(invalid(format!("perm {order:?} is not of rank {rank}"))),
        None => (0..rank).rev().collect(),
    };
    one(permuted(data, &order)?)
}

fn squeeze(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let dims = data.dims();
    let gone = match call.integers(1, "axes")? {
        Some(given) => axes(&given, dims.len())?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == 1).collect(),
    };
    if let Some(&axis) = gone.iter().find(|&&axis| dims[axis] != 1) {
        return Err(invalid(format!("axis {axis} of dims {dims:?} is not 1")));
    }
    let left = (0..dims.len()).filter(|axis| !gone.contains(axis)).map(|axis| dims[axis]).collect();
    one(data.reshaped(left)?)
}

fn unsqueeze(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let given = call.integers(1, "axes")?.ok_or_else(|| invalid("axes are missing"))?;
    let rank = data.dims().len() + given.len();
    let new = axes(&given, rank)?;
    let mut old = data.dims().iter().copied();
    let dims = (0..rank).map(|axis| if new.contains(&axis) { 1 } else { old.next().unwrap_or(1) }).collect();
    one(data.reshaped(dims)?)
}

fn flatten(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let at = match call.int_or("axis", 1)? {
        end if usize::try_from(end) == Ok(rank) => rank,
        other => axis(other, rank)?,
    };
    let (before, behind) = data.dims().split_at(at);
    one(data.reshaped(vec![before.iter().product(), behind.iter().product()])?)
}

fn shape(call: &Call<'_>) -> Outcome {
    let dims = call.input(0)?.dims();
    let rank = dims.len() as i64;
    let bound = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (bound(call.int_or("start", 0)?), bound(call.int_or("end", rank)?));
    let part = dims.get(start..end).unwrap_or(&[]);
    one(Tensor::of_integers(vec![part.len()], part.iter().map(|&dim| dim as i64))?)
}

fn size(call: &Call<'_>) -> Outcome {
    one(Tensor::of_integers(Vec::new(), [call.input(0)?.len() as i64])?)
}
