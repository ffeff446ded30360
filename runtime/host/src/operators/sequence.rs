//! Sequences and optionals.
//!
//! Since an optional of a tensor stands wherever a tensor may (opset 18), all operators here look through optionals that
//! have an element.

use crate::call::{Call, Outcome, one};
use crate::error::{Result, invalid};
use crate::index::{axis, dim};
use crate::operator::{Operator, onnx};
use crate::operators::gathering::position;
use crate::operators::slicing::{joined, parts};
use crate::tensor::Tensor;
use crate::value::Value;

pub(super) const ROWS: &[Operator] = &[
    onnx("SequenceEmpty", 11, empty),
    onnx("SequenceConstruct", 11, construct),
    onnx("SequenceInsert", 11, insert),
    onnx("SequenceAt", 11, at),
    onnx("SequenceErase", 11, erase),
    onnx("SequenceLength", 11, length),
    onnx("SplitToSequence", 11, split),
    onnx("ConcatFromSequence", 11, concat),
    onnx("Optional", 15, optional),
    onnx("OptionalHasElement", 15, has_element),
    onnx("OptionalGetElement", 15, get_element),
];

fn empty(_: &Call<'_>) -> Outcome {
    Ok(vec![Value::Sequence(Vec::new())])
}

fn construct(call: &Call<'_>) -> Outcome {
    let values = call.all_inputs()?.into_iter().map(|tensor| Value::Tensor(tensor.clone())).collect();
    Ok(vec![Value::Sequence(values)])
}

/// The position that an input names; none where it is absent.
fn place(call: &Call<'_>, index: usize, length: usize) -> Result<Option<usize>> {
    let Some(tensor) = call.optional_input(index)? else { return Ok(None) };
    position(tensor.integer()?, length).map(Some)
}

fn insert(call: &Call<'_>) -> Outcome {
    let mut values = call.value(0)?.sequence()?.to_vec();
    let tensor = Value::Tensor(call.input(1)?.clone());
    let end = values.len() as i64;
    let at = match call.optional_input(2)? {
        Some(given) => match given.integer()? {
            at if at == end => values.len(),
            at => position(at, values.len())?,
        },
        None => values.len(),
    };
    values.insert(at, tensor);
    Ok(vec![Value::Sequence(values)])
}

fn at(call: &Call<'_>) -> Outcome {
    let values = call.value(0)?.sequence()?;
    let at = place(call, 1, values.len())?.ok_or_else(|| invalid("input 1 is missing"))?;
    Ok(vec![values[at].clone()])
}

fn erase(call: &Call<'_>) -> Outcome {
    let mut values = call.value(0)?.sequence()?.to_vec();
    let last = values.len().checked_sub(1).ok_or_else(|| invalid("the sequence is empty"))?;
    let at = place(call, 1, values.len())?.unwrap_or(last);
    values.remove(at);
    Ok(vec![Value::Sequence(values)])
}

fn length(call: &Call<'_>) -> Outcome {
    one(Tensor::of_integers(Vec::new(), [call.value(0)?.sequence()?.len() as i64])?)
}

fn split(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let axis = axis(call.int_or("axis", 0)?, data.dims().len())?;
    let whole = data.dims()[axis];
    let given = call.optional_input(1)?;
    let sizes = match given {
        None => vec![1; whole],
        Some(split) if split.dims().is_empty() => match dim(split.integer()?)? {
            0 => return Err(invalid("parts of 0 do not make up an axis")),
            size => (0..whole).step_by(size).map(|begin| size.min(whole - begin)).collect(),
        },
        Some(split) => split.integers()?.into_iter().map(dim).collect::<Result<Vec<usize>>>()?,
    };
    let mut values = parts(data, axis, &sizes)?;
    if given.is_none() && !call.flag("keepdims", true)? {
        for value in &mut values {
            let tensor = value.tensor()?;
            let mut dims = tensor.dims().to_vec();
            dims.remove(axis);
            *value = Value::Tensor(tensor.reshaped(dims)?);
        }
    }
    Ok(vec![Value::Sequence(values)])
}

fn concat(call: &Call<'_>) -> Outcome {
    let values = call.value(0)?.sequence()?;
    let mut tensors = values.iter().map(|value| value.tensor().cloned()).collect::<Result<Vec<Tensor>>>()?;
    let rank = tensors.first().ok_or_else(|| invalid("the sequence is empty"))?.dims().len();
    let new = call.flag("new_axis", false)?;
    let axis = axis(call.required_int("axis")?, rank + usize::from(new))?;
    if new {
        for tensor in &mut tensors {
            let mut dims = tensor.dims().to_vec();
            if dims.len() != rank {
                return Err(invalid("the tensors of the sequence have different ranks"));
            }
            dims.insert(axis, 1);
            *tensor = tensor.reshaped(dims)?;
        }
    }
    one(joined(&tensors.iter().collect::<Vec<_>>(), axis)?)
}

fn optional(call: &Call<'_>) -> Outcome {
    Ok(vec![Value::Optional(call.optional(0).cloned().map(Box::new))])
}

fn has_element(call: &Call<'_>) -> Outcome {
    let has = !matches!(call.optional(0), None | Some(Value::Optional(None)));
    one(Tensor::of_bools(Vec::new(), [has])?)
}

fn get_element(call: &Call<'_>) -> Outcome {
    match call.value(0)? {
        Value::Optional(Some(value)) => Ok(vec![(**value).clone()]),
        Value::Optional(None) => Err(invalid("the optional has no element")),
        value => Ok(vec![value.clone()]),
    }
}
