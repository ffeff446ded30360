//! Features before a model: `ArrayFeatureExtractor`, `Binarizer`, `Imputer`, `Normalizer`, `Scaler`.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one, unknown_choice};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::number::Number;
use crate::operator::{Operator, ml};
use crate::operators::gathering::indices;
use crate::tensor::Tensor;

pub(in crate::operators) const ROWS: &[Operator] = &[
    ml("ArrayFeatureExtractor", 1, extract),
    ml("Binarizer", 1, binarize),
    ml("Imputer", 1, impute),
    ml("Normalizer", 1, normalize),
    ml("Scaler", 1, scale),
];

fn extract(call: &Call<'_>) -> Outcome {
    let (data, by) = (call.input(0)?, call.input(1)?);
    let Some((&columns, lead)) = data.dims().split_last() else {
        return Err(invalid("a scalar has no features"));
    };
    let indices = indices(by, columns)?;
    let rows: usize = lead.iter().product();
    // One row of features gives one row, too.
    let lead = if lead.is_empty() { &[1] } else { lead };
    let dims = [lead, &[indices.len()]].concat();
    let places = (0..rows).flat_map(|row| indices.iter().map(move |index| row * columns + index));
    one(data.pick(dims, places)?)
}

fn binarize(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let threshold = call.float_or("threshold", 0.0)?;
    let flags = data.floats()?.into_iter().map(|value| f64::from(u8::from(value > threshold)));
    one(Tensor::of_floats(data.element(), data.dims().to_vec(), flags)?)
}

/// Columns of the last axis, at least one.
fn columns(data: &Tensor) -> usize {
    data.dims().last().copied().unwrap_or(1).max(1)
}

/// One value for all columns, or one for each.
fn per_column<T: Copy>(values: &[T], columns: usize, name: &str) -> Result<Vec<T>> {
    match values {
        &[one] => Ok(vec![one; columns]),
        several if several.len() == columns => Ok(several.to_vec()),
        _ => Err(invalid(format!("{name} has {} values for {columns} columns", values.len()))),
    }
}

fn impute(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let columns = columns(data);
    let mut numbers = data.numbers()?;
    let (values, replaced) = match call.floats("imputed_value_floats")?.filter(|values| !values.is_empty()) {
        Some(values) => {
            let values: Vec<Number> = values.iter().map(|&value| Number::Float(f64::from(value))).collect();
            (values, Number::Float(call.float_or("replaced_value_float", 0.0)?))
        }
        None => {
            let values = call.ints("imputed_value_int64s")?.map(Vec::as_slice).unwrap_or_default();
            let values = values.iter().map(|&value| Number::Integer(i128::from(value))).collect();
            (values, Number::Integer(i128::from(call.int_or("replaced_value_int64", 0)?)))
        }
    };
    let values = per_column(&values, columns, "imputed_value")?;
    for (place, number) in numbers.iter_mut().enumerate() {
        let both_nan = number.float().is_nan() && replaced.float().is_nan();
        if both_nan || *number == replaced {
            *number = values[place % columns];
        }
    }
    one(Tensor::of_numbers(data.element(), data.dims().to_vec(), numbers)?)
}

fn normalize(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let norm = call.string_or("norm", "MAX")?;
    let length = |row: &[f64]| -> Result<f64> {
        Ok(match norm {
            "MAX" => row.iter().map(|value| value.abs()).fold(0.0, f64::max),
            "L1" => row.iter().map(|value| value.abs()).sum(),
            "L2" => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
            other => return Err(unknown_choice("norm", other)),
        })
    };
    let mut values = data.floats()?;
    for row in values.chunks_exact_mut(columns(data)) {
        let length = length(row)?.max(1e-30);
        row.iter_mut().for_each(|value| *value /= length);
    }
    one(Tensor::of_floats(Element::F32, data.dims().to_vec(), values)?)
}

fn scale(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let columns = columns(data);
    let given = |name: &str, default: f32| {
        let values = call.floats(name)?.cloned().unwrap_or_else(|| vec![default]);
        per_column(&values, columns, name)
    };
    let (offsets, scales) = (given("offset", 0.0)?, given("scale", 1.0)?);
    let scaled = data.floats()?.into_iter().enumerate().map(|(place, value)| {
        (value - f64::from(offsets[place % columns])) * f64::from(scales[place % columns])
    });
    one(Tensor::of_floats(Element::F32, data.dims().to_vec(), scaled)?)
}
