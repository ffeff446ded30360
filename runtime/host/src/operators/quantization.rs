//! `QuantizeLinear` and `DequantizeLinear`, for all storage types that they have: per tensor, per axis, per block.

use crate::call::{Call, Outcome, one, same_element};
use crate::element::Element;
use crate::error::{Result, invalid, unsupported};
use crate::index::{Walk, axis, broadcast_strides, strides};
use crate::minifloat::RoundMode;
use crate::number::{Conversion, Number};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] =
    &[onnx("QuantizeLinear", 10, quantize), onnx("DequantizeLinear", 10, dequantize)];

/// The scale's or zero point's number that belongs to each element of the data.
fn spread(numbers: Vec<f64>, dims: &[usize], data: &Tensor, call: &Call<'_>) -> Result<Vec<f64>> {
    let to = data.dims();
    let picked = |places: Walk<'_>| -> Result<Vec<f64>> {
        let at = |place: usize| numbers.get(place).copied();
        places.map(at).collect::<Option<Vec<f64>>>().ok_or_else(|| invalid("a scale is missing"))
    };
    if numbers.len() == 1 {
        return Ok(vec![numbers[0]; data.len()]);
    }
    let axis = axis(call.int_or("axis", 1)?, to.len())?;
    let block = call.int_or("block_size", 0)?;
    if block == 0 {
        if dims.len() != 1 || dims[0] != to[axis] {
            return Err(invalid(format!("a scale of dims {dims:?} does not fit axis {axis} of {to:?}")));
        }
        let mut wide = vec![1; to.len()];
        wide[axis] = dims[0];
        return picked(Walk::new(to, &broadcast_strides(&wide, to)?, 0)?);
    }
    let block = usize::try_from(block).map_err(|_| invalid(format!("block_size is {block}")))?;
    let mut blocks = to.to_vec();
    blocks[axis] = to[axis].div_ceil(block);
    if dims != blocks {
        return Err(invalid(format!("a scale of dims {dims:?} does not fit blocks of {block} in {to:?}")));
    }
    let along = strides(dims);
    let inner: usize = to[axis + 1..].iter().product();
    let scale = |place: usize| {
        let (outer, rest) = (place / (inner * to[axis]), place % (inner * to[axis]));
        let (index, inside) = (rest / inner / block, rest % inner);
        numbers.get(outer * inner * blocks[axis] + index * along[axis] as usize + inside).copied()
    };
    (0..data.len()).map(scale).collect::<Option<Vec<f64>>>().ok_or_else(|| invalid("a scale is missing"))
}

fn spread_input(call: &Call<'_>, index: usize, data: &Tensor) -> Result<Option<Vec<f64>>> {
    let Some(input) = call.optional_input(index)? else { return Ok(None) };
    spread(input.floats()?, input.dims(), data, call).map(Some)
}

fn quantize(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let scale_type = call.input(1)?.element();
    let scales = spread_input(call, 1, data)?.ok_or_else(|| invalid("input 1 is missing"))?;
    let zero_points = spread_input(call, 2, data)?;
    let zero_type = call.optional_input(2)?.map(Tensor::element);
    let to = match (call.element("output_dtype")?, zero_type) {
        (Some(asked), Some(zero)) if asked != zero => {
            return Err(invalid(format!("output_dtype is {asked}, the zero point is {zero}")));
        }
        (Some(element), _) | (None, Some(element)) => element,
        (None, None) => Element::U8,
    };
    let precision = match (call.element("precision")?, data.element()) {
        (Some(precision), _) => precision,
        (None, element) if element == scale_type => element,
        (None, Element::F64) => Element::F64,
        // Quotients of integers, and of floats of two types, have 32 bits.
        (None, _) => {
            if scale_type == Element::F64 {
                Element::F64
            } else {
                Element::F32
            }
        }
    };
    let quotients = data.floats()?.into_iter().zip(scales).map(|(value, scale)| value / scale);
    let quotients = Tensor::of_floats(precision, data.dims().to_vec(), quotients)?.floats()?;
    let zero_points = zero_points.unwrap_or_else(|| vec![0.0; data.len()]);
    let numbers = quotients.into_iter().zip(zero_points).map(|(value, zero)| match to.integer_range() {
        Some((least, greatest)) => {
            let whole = (value.round_ties_even() + zero) as i128;
            Number::Integer(whole.clamp(least, greatest))
        }
        None => Number::Float(value + zero),
    });
    if !quantized(to) {
        return Err(invalid(format!("{to} is no type to quantize to")));
    }
    let conversion = Conversion { saturate: call.flag("saturate", true)?, mode: RoundMode::Up };
    one(Tensor::converted(to, data.dims().to_vec(), numbers, conversion)?)
}

fn quantized(element: Element) -> bool {
    let integer = element.integer_range().is_some() && element.width() <= 2 && element != Element::Bool;
    integer || element.is_small_float() && element != Element::E8M0
}

fn dequantize(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let scale = call.input(1)?;
    let scales = spread_input(call, 1, data)?.ok_or_else(|| invalid("input 1 is missing"))?;
    if let Some(zero_point) = call.optional_input(2)? {
        same_element(data, zero_point)?;
    }
    let zero_points = spread_input(call, 2, data)?.unwrap_or_else(|| vec![0.0; data.len()]);
    if !data.element().is_small_float() && data.element().integer_range().is_none() {
        return Err(unsupported(format!("data of {}", data.element())));
    }
    let to = call.element("output_dtype")?.unwrap_or(scale.element());
    let values = data.floats()?.into_iter().zip(zero_points).zip(scales);
    let values = values.map(|((value, zero), scale)| (value - zero) * scale);
    one(Tensor::of_floats(to, data.dims().to_vec(), values)?)
}
