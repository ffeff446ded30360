//! Elements chosen by what they are: `NonZero`, `Compress`, `TopK`.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one};
use crate::error::invalid;
use crate::index::{around, axis, dim, strides};
use crate::number::Number;
use crate::operator::{Operator, onnx};
use crate::tensor::{Data, Tensor};

pub(super) const ROWS: &[Operator] =
    &[onnx("NonZero", 9, non_zero), onnx("Compress", 9, compress), onnx("TopK", 1, top_k)];

fn non_zero(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let set: Vec<bool> = match data.data() {
        Data::Strings(strings) => strings.iter().map(|string| !string.is_empty()).collect(),
        Data::Bytes(_) => data.floats()?.into_iter().map(|value| value != 0.0).collect(),
    };
    let places: Vec<usize> = (0..data.len()).filter(|&place| set[place]).collect();
    let axes = data.dims().iter().zip(strides(data.dims()));
    let indices =
        axes.flat_map(|(&dim, step)| places.iter().map(move |place| (place / step as usize % dim) as i64));
    let dims = vec![data.dims().len(), places.len()];
    one(Tensor::of_integers(dims, indices)?)
}

fn compress(call: &Call<'_>) -> Outcome {
    let (data, condition) = (call.input(0)?, call.input(1)?);
    let flat;
    let (data, along) = match call.int("axis")? {
        Some(&along) => (data, axis(along, data.dims().len())?),
        None => {
            flat = data.reshaped(vec![data.len()])?;
            (&flat, 0)
        }
    };
    let (outer, whole, inner) = around(data.dims(), along);
    let flags = condition.bytes()?.iter().take(whole).enumerate();
    let kept: Vec<usize> = flags.filter(|(_, flag)| **flag != 0).map(|(index, _)| index).collect();
    let mut dims = data.dims().to_vec();
    dims[along] = kept.len();
    let places = (0..outer).flat_map(|before| {
        kept.iter()
            .flat_map(move |index| (0..inner).map(move |behind| (before * whole + index) * inner + behind))
    });
    one(data.pick(dims, places)?)
}

fn top_k(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let along = axis(call.int_or("axis", -1)?, data.dims().len())?;
    let wanted = match call.optional_input(1)? {
        Some(tensor) => tensor.integer()?,
        None => call.required_int("k")?,
    };
    let wanted = dim(wanted)?;
    let (outer, whole, inner) = around(data.dims(), along);
    if wanted > whole {
        return Err(invalid(format!("{wanted} elements are asked of {whole}")));
    }
    let largest = call.flag("largest", true)?;
    let numbers: Vec<Number> = data.numbers()?;
    let mut dims = data.dims().to_vec();
    dims[along] = wanted;
    let mut places = vec![0usize; outer * wanted * inner];
    let mut indices = vec![0i64; places.len()];
    for before in 0..outer {
        for behind in 0..inner {
            let place = |index: usize| (before * whole + index) * inner + behind;
            let mut order: Vec<usize> = (0..whole).collect();
            // The sort is stable: among equals the first index wins.
            order.sort_by(|&a, &b| {
                let ascending = numbers[place(a)].order(numbers[place(b)]);
                if largest { ascending.reverse() } else { ascending }
            });
            for (rank, &index) in order.iter().take(wanted).enumerate() {
                let to = (before * wanted + rank) * inner + behind;
                places[to] = place(index);
                indices[to] = index as i64;
            }
        }
    }
    let values = data.pick(dims.clone(), places.into_iter())?;
    Ok(vec![values.into(), Tensor::of_integers(dims, indices)?.into()])
}
