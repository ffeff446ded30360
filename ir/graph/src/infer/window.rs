//! Rules of the sliding windows: one entry per axis, a window that fits, and an axis of batch size left
//! alone.

use super::operands::{numeric, per_axis, same_dtype};
use super::{Result, refuse};
use crate::Window;
use dlc_types::{DType, Dim, Shape, TensorType};

pub(super) fn reduce(name: &str, x: &TensorType, window: &Window) -> Result<TensorType> {
    numeric(name, x)?;
    let Window { sizes, strides, dilations, padding } = window;
    per_axis(name, "sizes", sizes.len(), x)?;
    per_axis(name, "strides", strides.len(), x)?;
    per_axis(name, "dilations", dilations.len(), x)?;
    per_axis(name, "padding", padding.len(), x)?;
    let dims: Result<Vec<Dim>> = (0..x.shape.rank()).map(|axis| extent(name, x, window, axis)).collect();
    Ok(TensorType::new(x.dtype, Shape(dims?)))
}

pub(super) fn arg_max(x: &TensorType, window: &Window) -> Result<TensorType> {
    let shape = reduce("window_argmax", x, window)?.shape;
    let taps = window.sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    if taps.is_none_or(|taps| i32::try_from(taps).is_err()) {
        refuse!("window_argmax numbers its taps in i32, but the window {:?} has more", window.sizes);
    }
    Ok(TensorType::new(DType::I32, shape))
}

pub(super) fn scatter(operands: &[&TensorType], window: &Window, result: &TensorType) -> Result<()> {
    let (values, taps) = match operands {
        [values] => (values, None),
        [values, taps] => (values, Some(taps)),
        _ => refuse!("window_scatter needs 1 or 2 operands, not {}", operands.len()),
    };
    same_dtype("window_scatter", values, result)?;
    let windows = reduce("window_scatter", result, window)?;
    if values.shape != windows.shape {
        refuse!("window_scatter to {result} needs values of type {windows}, one per window, not {values}");
    }
    if let Some(taps) = taps
        && **taps != TensorType::new(DType::I32, windows.shape.clone())
    {
        refuse!("window_scatter to {result} needs tap numbers i32{}, not {taps}", windows.shape);
    }
    Ok(())
}

fn extent(name: &str, x: &TensorType, window: &Window, axis: usize) -> Result<Dim> {
    let (size, stride, dilation) = (window.sizes[axis], window.strides[axis], window.dilations[axis]);
    let (low, high) = window.padding[axis];
    if size == 0 || stride == 0 || dilation == 0 {
        refuse!("{name} needs sizes, strides and dilations of at least 1, but axis {axis} has a 0");
    }
    let length = match x.shape[axis] {
        batch @ Dim::Batch(_) if (size, stride, low, high) == (1, 1, 0, 0) => return Ok(batch),
        Dim::Batch(_) => refuse!("{name} cannot slide along the batch: axis {axis} of {x}"),
        Dim::Fixed(length) => length,
    };
    let padded = length.checked_add(low).and_then(|sum| sum.checked_add(high));
    let span = (size - 1).checked_mul(dilation).and_then(|last| last.checked_add(1));
    let Some((padded, span)) = padded.zip(span) else {
        refuse!("{name} along axis {axis} of {x} makes numbers larger than memory can hold");
    };
    if padded < span {
        refuse!(
            "{name} needs a window that fits: along axis {axis} the window of {size} at dilation {dilation} \
             spans {span}, but {x} with padding ({low}, {high}) has {padded}"
        );
    }
    Ok(Dim::Fixed((padded - span) / stride + 1))
}
