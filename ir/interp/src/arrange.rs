//! Ops that move elements and compute nothing: each is a strided walk that reads from the operand or
//! writes into the result.

use crate::offsets::{Offsets, row_major};
use crate::{Data, InterpError, Result, Tensor};
use dlc_types::DType;

/// The operand's elements at the offsets of a walk over the result.
fn read(x: &Tensor, dims: &[usize], strides: Vec<isize>, start: isize) -> Data {
    let offsets = Offsets::new(dims, strides, start);
    match &x.data {
        Data::Float(values) => Data::Float(offsets.map(|offset| values[offset]).collect()),
        Data::Int(values) => Data::Int(offsets.map(|offset| values[offset]).collect()),
        Data::Bool(values) => Data::Bool(offsets.map(|offset| values[offset]).collect()),
    }
}

/// Puts the operand's elements at the offsets of a walk over the operand.
fn write(x: &Tensor, into: &mut Data, strides: Vec<isize>, start: isize) -> Result<()> {
    let offsets = Offsets::new(&x.dims, strides, start);
    match (&x.data, into) {
        (Data::Float(from), Data::Float(into)) => from.iter().zip(offsets).for_each(|(&v, at)| into[at] = v),
        (Data::Int(from), Data::Int(into)) => from.iter().zip(offsets).for_each(|(&v, at)| into[at] = v),
        (Data::Bool(from), Data::Bool(into)) => from.iter().zip(offsets).for_each(|(&v, at)| into[at] = v),
        _ => {
            let rule = "elements move between tensors of one class";
            return Err(InterpError::Unverified { op: "write".to_owned(), rule });
        }
    }
    Ok(())
}

pub(crate) fn broadcast(x: &Tensor, axes: &[usize], dims: &[usize]) -> Data {
    let own = row_major(&x.dims);
    let mut strides = vec![0; dims.len()];
    for (from, &to) in axes.iter().enumerate() {
        if x.dims[from] == dims[to] {
            strides[to] = own[from];
        }
    }
    read(x, dims, strides, 0)
}

pub(crate) fn transpose(x: &Tensor, permutation: &[usize], dims: &[usize]) -> Data {
    let own = row_major(&x.dims);
    read(x, dims, permutation.iter().map(|&axis| own[axis]).collect(), 0)
}

pub(crate) fn slice(x: &Tensor, starts: &[usize], steps: &[usize], dims: &[usize]) -> Data {
    let own = row_major(&x.dims);
    let start = own.iter().zip(starts).map(|(stride, &start)| stride * start as isize).sum();
    // A step may be larger than any tensor; it is then never taken.
    let strides = own.iter().zip(steps).map(|(stride, &step)| stride.wrapping_mul(step as isize)).collect();
    if dims.contains(&0) {
        return Tensor::zeros(x.dtype, dims).data;
    }
    read(x, dims, strides, start)
}

pub(crate) fn pad(x: &Tensor, value: &Tensor, low: &[usize], dims: &[usize]) -> Result<Data> {
    let strides = row_major(dims);
    let start = strides.iter().zip(low).map(|(stride, &low)| stride * low as isize).sum();
    let mut result = read(value, dims, vec![0; dims.len()], 0);
    write(x, &mut result, strides, start)?;
    Ok(result)
}

pub(crate) fn dilate(x: &Tensor, factors: &[usize], dims: &[usize]) -> Result<Data> {
    let strides = row_major(dims);
    let strides = strides.iter().zip(factors).map(|(stride, &f)| stride.wrapping_mul(f as isize)).collect();
    let mut result = Tensor::zeros(x.dtype, dims).data;
    write(x, &mut result, strides, 0)?;
    Ok(result)
}

pub(crate) fn reverse(x: &Tensor, axes: &[usize]) -> Data {
    let mut strides = row_major(&x.dims);
    let mut start = 0;
    for &axis in axes {
        start += strides[axis] * (x.dims[axis] as isize - 1);
        strides[axis] = -strides[axis];
    }
    read(x, &x.dims, strides, start)
}

pub(crate) fn concat(parts: &[&Tensor], axis: usize, dtype: DType, dims: &[usize]) -> Result<Data> {
    let mut result = Tensor::zeros(dtype, dims).data;
    let strides = row_major(dims);
    let mut position = 0;
    for part in parts {
        write(part, &mut result, strides.clone(), strides[axis] * position as isize)?;
        position += part.dims[axis];
    }
    Ok(result)
}
