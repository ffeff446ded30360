//! Sliding windows: reduction, arg-max and their adjoint, tap by tap. Padding takes no part.

use crate::elementwise::larger;
use crate::taps::{self, Axis};
use crate::{Data, InterpError, Result, Tensor, integer};
use dlc_ir::{Window, WindowKind};

fn not_a_number(op: &str) -> InterpError {
    InterpError::Unverified { op: op.to_owned(), rule: "has operands that are numbers" }
}

/// Geometry of a window over elements of these extents with windows of those.
fn axes(window: &Window, elements: &[usize], windows: &[usize]) -> Vec<Axis> {
    (0..elements.len())
        .map(|axis| Axis {
            size: elements[axis],
            input_dilation: 1,
            low: i64::try_from(window.padding[axis].0).unwrap_or(i64::MAX),
            stride: window.strides[axis],
            dilation: window.dilations[axis],
            taps: window.sizes[axis],
            outputs: windows[axis],
        })
        .collect()
}

pub(crate) fn reduce(kind: WindowKind, window: &Window, x: &Tensor, dims: &[usize]) -> Result<Data> {
    let axes = axes(window, &x.dims, dims);
    let count = dims.iter().product();
    match &x.data {
        Data::Float(values) => Ok(Data::Float(match kind {
            WindowKind::Sum => fold(&axes, values, vec![0.0; count], |a, b| a + b),
            WindowKind::Max => fold(&axes, values, vec![f64::NEG_INFINITY; count], larger),
        })),
        Data::Int(values) => Ok(Data::Int(match kind {
            WindowKind::Sum => fold(&axes, values, vec![0; count], i64::wrapping_add),
            WindowKind::Max => {
                fold(&axes, values, vec![x.dtype.integer_range().0; count], integer::larger(x.dtype))
            }
        })),
        Data::Bool(_) => Err(not_a_number("reduce_window")),
    }
}

fn fold<T: Copy>(axes: &[Axis], values: &[T], mut result: Vec<T>, combine: fn(T, T) -> T) -> Vec<T> {
    for tap in 0..taps::count(axes) {
        for (position, element) in taps::pairs(axes, tap) {
            result[position] = combine(result[position], values[element]);
        }
    }
    result
}

/// Tap numbers of the first largest elements. A NaN counts as largest, so that it cannot hide; a window
/// of padding alone has tap 0.
pub(crate) fn arg_max(window: &Window, x: &Tensor, dims: &[usize]) -> Result<Data> {
    let axes = axes(window, &x.dims, dims);
    match &x.data {
        Data::Float(values) => {
            Ok(Data::Int(first_largest(&axes, values, dims, |a, b| a > b || (a.is_nan() && !b.is_nan()))))
        }
        Data::Int(values) => {
            let keys = integer::ordered(x.dtype, values);
            Ok(Data::Int(first_largest(&axes, &keys, dims, |a, b| a > b)))
        }
        Data::Bool(_) => Err(not_a_number("window_argmax")),
    }
}

fn first_largest<T: Copy>(axes: &[Axis], values: &[T], dims: &[usize], beats: fn(T, T) -> bool) -> Vec<i64> {
    let mut best: Vec<Option<(T, usize)>> = vec![None; dims.iter().product()];
    for tap in 0..taps::count(axes) {
        for (position, element) in taps::pairs(axes, tap) {
            if best[position].is_none_or(|(largest, _)| beats(values[element], largest)) {
                best[position] = Some((values[element], tap));
            }
        }
    }
    best.into_iter().map(|found| found.map_or(0, |(_, tap)| tap as i64)).collect()
}

pub(crate) fn scatter(
    window: &Window,
    values: &Tensor,
    taps: Option<&Tensor>,
    dims: &[usize],
) -> Result<Data> {
    let axes = axes(window, dims, &values.dims);
    let taps = match taps.map(|taps| &taps.data) {
        None => None,
        Some(Data::Int(taps)) => Some(taps.as_slice()),
        Some(_) => return Err(not_a_number("window_scatter")),
    };
    let count = dims.iter().product();
    match &values.data {
        Data::Float(values) => Ok(Data::Float(spread(&axes, values, taps, vec![0.0; count], |a, b| a + b))),
        Data::Int(values) => Ok(Data::Int(spread(&axes, values, taps, vec![0; count], i64::wrapping_add))),
        Data::Bool(_) => Err(not_a_number("window_scatter")),
    }
}

fn spread<T: Copy>(
    axes: &[Axis],
    values: &[T],
    chosen: Option<&[i64]>,
    mut result: Vec<T>,
    add: fn(T, T) -> T,
) -> Vec<T> {
    for tap in 0..taps::count(axes) {
        for (position, element) in taps::pairs(axes, tap) {
            if chosen.is_none_or(|chosen| chosen[position] == tap as i64) {
                result[element] = add(result[element], values[position]);
            }
        }
    }
    result
}
