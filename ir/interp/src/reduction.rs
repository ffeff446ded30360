//! Ops that run along axes: reductions, arg-reductions, running reductions, sorting.

use crate::elementwise::{larger, smaller};
use crate::offsets::{Offsets, Split, row_major};
use crate::{Data, InterpError, Result, Tensor, integer};
use dlc_ir::{ArgReduction, Reduction};
use dlc_types::DType;
use std::cmp::Ordering;

fn not_a_number(op: &str) -> InterpError {
    InterpError::Unverified { op: op.to_owned(), rule: "has operands that are numbers" }
}

/// The value of no element, and how two combine.
fn float_fold(kind: Reduction) -> (f64, fn(f64, f64) -> f64) {
    match kind {
        Reduction::Sum => (0.0, |a, b| a + b),
        Reduction::Product => (1.0, |a, b| a * b),
        Reduction::Max => (f64::NEG_INFINITY, larger),
        Reduction::Min => (f64::INFINITY, smaller),
    }
}

fn integer_fold(kind: Reduction, dtype: DType) -> (i64, fn(i64, i64) -> i64) {
    let (least, greatest) = dtype.integer_range();
    match kind {
        Reduction::Sum => (0, i64::wrapping_add),
        Reduction::Product => (1, i64::wrapping_mul),
        Reduction::Max => (least, integer::larger(dtype)),
        Reduction::Min => (greatest, integer::smaller(dtype)),
    }
}

pub(crate) fn reduce(kind: Reduction, x: &Tensor, axes: &[usize], dims: &[usize]) -> Result<Data> {
    // The walk over the operand stands still in the result along the reduced axes.
    let own = row_major(dims);
    let mut kept = own.iter();
    let strides: Vec<isize> = (0..x.dims.len())
        .map(|axis| if axes.contains(&axis) { 0 } else { kept.next().copied().unwrap_or(0) })
        .collect();
    let offsets = Offsets::new(&x.dims, strides, 0);
    let count = dims.iter().product();
    match &x.data {
        Data::Float(values) => {
            let (identity, combine) = float_fold(kind);
            Ok(Data::Float(fold(values, offsets, vec![identity; count], combine)))
        }
        Data::Int(values) => {
            let (identity, combine) = integer_fold(kind, x.dtype);
            Ok(Data::Int(fold(values, offsets, vec![identity; count], combine)))
        }
        Data::Bool(_) => Err(not_a_number("reduce")),
    }
}

fn fold<T: Copy>(values: &[T], offsets: Offsets, mut result: Vec<T>, combine: fn(T, T) -> T) -> Vec<T> {
    for (&value, offset) in values.iter().zip(offsets) {
        result[offset] = combine(result[offset], value);
    }
    result
}

/// Positions of the first extreme element; a NaN counts as extreme, so that it cannot hide.
pub(crate) fn arg_reduce(kind: ArgReduction, x: &Tensor, axis: usize) -> Result<Data> {
    let split = Split::at(&x.dims, axis);
    if split.length == 0 && split.outer * split.inner > 0 {
        return Err(InterpError::NothingToChoose { op: kind.name() });
    }
    let positions = match &x.data {
        Data::Float(values) => {
            let beats: fn(f64, f64) -> bool = match kind {
                ArgReduction::Max => |a, b| a > b || (a.is_nan() && !b.is_nan()),
                ArgReduction::Min => |a, b| a < b || (a.is_nan() && !b.is_nan()),
            };
            positions(values, &split, beats)
        }
        Data::Int(values) => {
            let beats: fn(i64, i64) -> bool = match kind {
                ArgReduction::Max => |a, b| a > b,
                ArgReduction::Min => |a, b| a < b,
            };
            positions(&integer::ordered(x.dtype, values), &split, beats)
        }
        Data::Bool(_) => return Err(not_a_number(kind.name())),
    };
    Ok(Data::Int(positions))
}

fn positions<T: Copy>(values: &[T], split: &Split, beats: fn(T, T) -> bool) -> Vec<i64> {
    split
        .lines()
        .map(|start| {
            let at = |position: usize| values[start + position * split.inner];
            (1..split.length)
                .fold(0, |best, position| if beats(at(position), at(best)) { position } else { best })
                as i64
        })
        .collect()
}

pub(crate) fn cumulative(kind: Reduction, x: &Tensor, axis: usize, reverse: bool) -> Result<Data> {
    let split = Split::at(&x.dims, axis);
    match &x.data {
        Data::Float(values) => Ok(Data::Float(accumulate(values, &split, reverse, float_fold(kind).1))),
        Data::Int(values) => {
            Ok(Data::Int(accumulate(values, &split, reverse, integer_fold(kind, x.dtype).1)))
        }
        Data::Bool(_) => Err(not_a_number("cumulative")),
    }
}

/// Positions in the order of the elements, equal ones as they stand; NaN is larger than any number.
pub(crate) fn arg_sort(x: &Tensor, axis: usize, descending: bool) -> Result<Data> {
    let split = Split::at(&x.dims, axis);
    let order: Box<dyn Fn(usize, usize) -> Ordering> = match &x.data {
        Data::Float(values) => Box::new(|a, b| {
            let (a, b) = (values[a], values[b]);
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }),
        Data::Int(values) => {
            let keys = integer::ordered(x.dtype, values);
            Box::new(move |a, b| keys[a].cmp(&keys[b]))
        }
        Data::Bool(_) => return Err(not_a_number("argsort")),
    };
    let mut result = vec![0; x.data.len()];
    for start in split.lines() {
        let place = |position: usize| start + position * split.inner;
        let mut positions: Vec<usize> = (0..split.length).collect();
        positions.sort_by(|&a, &b| {
            let order = order(place(a), place(b));
            if descending { order.reverse() } else { order }
        });
        for (rank, position) in positions.into_iter().enumerate() {
            result[place(rank)] = position as i64;
        }
    }
    Ok(Data::Int(result))
}

fn accumulate<T: Copy>(values: &[T], split: &Split, reverse: bool, add: fn(T, T) -> T) -> Vec<T> {
    let mut result = values.to_vec();
    for start in split.lines() {
        for step in 1..split.length {
            let (here, before) =
                if reverse { (split.length - 1 - step, split.length - step) } else { (step, step - 1) };
            let before = result[start + before * split.inner];
            let here = &mut result[start + here * split.inner];
            *here = add(before, *here);
        }
    }
    result
}
