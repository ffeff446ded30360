//! Parts of tensors, and tensors of parts: `Slice`, `Split`, `Concat`, `ReverseSequence`.

use crate::call::{Call, Outcome, one, same_element};
use crate::error::{Result, invalid};
use crate::index::{Walk, around, axes, axis, dim, strides};
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;
use crate::value::Value;

pub(super) const ROWS: &[Operator] = &[
    onnx("Slice", 1, slice),
    onnx("Split", 2, split),
    onnx("Concat", 4, concat),
    onnx("ReverseSequence", 10, reverse_sequence),
];

fn slice(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let rank = data.dims().len();
    let missing = |name: &str| invalid(format!("{name} are missing"));
    let starts = call.integers(1, "starts")?.ok_or_else(|| missing("starts"))?;
    let ends = call.integers(2, "ends")?.ok_or_else(|| missing("ends"))?;
    let along = match call.integers(3, "axes")? {
        Some(given) => axes(&given, rank)?,
        None => (0..starts.len()).collect(),
    };
    let steps = call.integers(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let same = [ends.len(), along.len(), steps.len()].iter().all(|&length| length == starts.len());
    if !same || along.iter().any(|&axis| axis >= rank) {
        return Err(invalid("starts, ends, axes and steps do not go together"));
    }
    let (mut dims, mut view, mut offset) = (data.dims().to_vec(), strides(data.dims()), 0);
    for (index, &axis) in along.iter().enumerate() {
        let (first, length) = range(starts[index], ends[index], steps[index], dims[axis])?;
        offset += view[axis] * first as isize;
        dims[axis] = length;
        // A step over the whole axis is taken once at most.
        let reach = data.dims()[axis].max(1) as i64;
        view[axis] *= steps[index].clamp(-reach, reach) as isize;
    }
    one(data.view(dims, &view, offset)?)
}

/// First index and number of indices of a slice along an axis of `dim`.
fn range(start: i64, end: i64, step: i64, dim: usize) -> Result<(usize, usize)> {
    let dim = dim as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(dim) } else { at };
    let (start, end) = (from_end(start), from_end(end));
    let (first, span) = match step {
        0 => return Err(invalid("a step is 0")),
        1.. => (start.clamp(0, dim), end.clamp(0, dim) - start.clamp(0, dim)),
        _ => {
            let (first, last) = (start.clamp(-1, dim - 1), end.clamp(-1, dim - 1));
            (first, first - last)
        }
    };
    let length = span.max(0) as u64;
    Ok((first.max(0) as usize, length.div_ceil(step.unsigned_abs()) as usize))
}

fn split(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let axis = axis(call.int_or("axis", 0)?, data.dims().len())?;
    let whole = data.dims()[axis];
    let sizes = match call.integers(1, "split")? {
        Some(sizes) => sizes.into_iter().map(dim).collect::<Result<Vec<usize>>>()?,
        None => {
            let parts = dim(call.int_or("num_outputs", call.outputs as i64)?)?;
            if parts == 0 || parts > call.outputs {
                return Err(invalid(format!("{parts} parts do not make {} outputs", call.outputs)));
            }
            let size = whole.div_ceil(parts);
            (0..parts).map(|part| whole.saturating_sub(part * size).min(size)).collect()
        }
    };
    parts(data, axis, &sizes)
}

/// Consecutive parts of these sizes, which make up the axis.
pub(super) fn parts(data: &Tensor, axis: usize, sizes: &[usize]) -> Outcome {
    let whole = data.dims()[axis];
    let total = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    if total != Some(whole) {
        return Err(invalid(format!("parts of {sizes:?} do not make up an axis of {whole}")));
    }
    let mut begin = 0;
    let cut = |&size: &usize| {
        begin += size;
        data.part(axis, begin - size, begin).map(Value::Tensor)
    };
    sizes.iter().map(cut).collect()
}

fn concat(call: &Call<'_>) -> Outcome {
    let inputs = call.all_inputs()?;
    let rank = inputs.first().ok_or_else(|| invalid("it has no input"))?.dims().len();
    one(joined(&inputs, axis(call.int_or("axis", 1)?, rank)?)?)
}

/// Tensors one behind the other along an axis.
pub(super) fn joined(inputs: &[&Tensor], axis: usize) -> Result<Tensor> {
    let first = inputs.first().ok_or_else(|| invalid("there is nothing to join"))?;
    let mut dims = first.dims().to_vec();
    dims[axis] = 0;
    for input in inputs {
        same_element(first, input)?;
        let mut rest = input.dims().to_vec();
        let along = rest.get_mut(axis).map(std::mem::take);
        let fits =
            along.filter(|_| rest.iter().zip(&dims).enumerate().all(|(at, (a, b))| at == axis || a == b));
        match fits.filter(|_| rest.len() == dims.len()).and_then(|along| dims[axis].checked_add(along)) {
            Some(sum) => dims[axis] = sum,
            None => {
                return Err(invalid(format!("dims {:?} and {:?} do not join", first.dims(), input.dims())));
            }
        }
    }
    let mut joined = Tensor::zeros(first.element(), dims.clone())?;
    let steps = strides(&dims);
    let mut begin = 0;
    for input in inputs {
        let places = Walk::new(input.dims(), &steps, begin * steps[axis])?;
        for (from, to) in places.enumerate() {
            joined.put(to, input, from)?;
        }
        begin += input.dims()[axis] as isize;
    }
    Ok(joined)
}

fn reverse_sequence(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let lengths = call.input(1)?.integers()?;
    let dims = data.dims();
    let (batch, time) =
        (axis(call.int_or("batch_axis", 1)?, dims.len())?, axis(call.int_or("time_axis", 0)?, dims.len())?);
    if batch == time || lengths.len() != dims[batch] {
        return Err(invalid(format!("{} lengths do not fit dims {dims:?}", lengths.len())));
    }
    let lengths = lengths.into_iter().map(dim).collect::<Result<Vec<usize>>>()?;
    if lengths.iter().any(|&length| length > dims[time]) {
        return Err(invalid(format!("lengths {lengths:?} pass {}", dims[time])));
    }
    let (_, batches, batch_step) = around(dims, batch);
    let (_, times, time_step) = around(dims, time);
    let places = (0..data.len()).map(|place| {
        let length = lengths[place / batch_step % batches];
        let at = place / time_step % times;
        if at < length { place - at * time_step + (length - 1 - at) * time_step } else { place }
    });
    one(data.pick(dims.to_vec(), places)?)
}
