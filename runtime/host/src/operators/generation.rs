//! Tensors made from attributes or a few numbers: `Constant`, `ConstantOfShape`, `EyeLike`, `Range`.

use crate::attribute::{Attribute, Given};
use crate::call::{Call, Outcome, one, same_element};
use crate::element::Element;
use crate::error::{HostError, Result, invalid, unsupported};
use crate::index::{MAX_ELEMENTS, dim};
use crate::number::Number;
use crate::operator::{Operator, onnx};
use crate::tensor::Tensor;

pub(super) const ROWS: &[Operator] = &[
    onnx("Constant", 1, constant),
    onnx("ConstantOfShape", 9, constant_of_shape),
    onnx("EyeLike", 9, eye_like),
    onnx("Range", 11, range),
];

fn constant(call: &Call<'_>) -> Outcome {
    let floats = |dims, values: &[f32]| {
        Tensor::of_floats(Element::F32, dims, values.iter().map(|&value| f64::from(value)))
    };
    let Some((name, attribute)) = call.attributes.iter().find(|(name, _)| name.starts_with("value")) else {
        return Err(unsupported("a constant without a dense value"));
    };
    one(match (name.as_str(), attribute) {
        ("value", Attribute::Tensor(tensor)) => tensor.clone(),
        ("value_int", Attribute::Int(value)) => Tensor::of_integers(Vec::new(), [*value])?,
        ("value_ints", Attribute::Ints(values)) => {
            Tensor::of_integers(vec![values.len()], values.iter().copied())?
        }
        ("value_float", Attribute::Float(value)) => floats(Vec::new(), &[*value])?,
        ("value_floats", Attribute::Floats(values)) => floats(vec![values.len()], values)?,
        ("value_string", Attribute::String(text)) => Tensor::of_strings(Vec::new(), vec![text.clone()])?,
        ("value_strings", Attribute::Strings(texts)) => Tensor::of_strings(vec![texts.len()], texts.clone())?,
        _ => return Err(invalid(format!("attribute {name} has another type than its name says"))),
    })
}

fn constant_of_shape(call: &Call<'_>) -> Outcome {
    let dims = call.input(0)?.integers()?.into_iter().map(dim).collect::<Result<Vec<usize>>>()?;
    match call.tensor("value")? {
        Some(value) if value.len() == 1 => {
            let steps = vec![0; dims.len()];
            one(value.view(dims, &steps, 0)?)
        }
        Some(value) => Err(invalid(format!("value has dims {:?}", value.dims()))),
        None => one(Tensor::zeros(Element::F32, dims)?),
    }
}

fn eye_like(call: &Call<'_>) -> Outcome {
    let like = call.input(0)?;
    let &[rows, columns] = like.dims() else {
        return Err(invalid(format!("dims {:?} are no matrix", like.dims())));
    };
    let element = call.element("dtype")?.unwrap_or(like.element());
    let diagonal = call.int_or("k", 0)?;
    let one_at = |place: usize| {
        let (row, column) = (place / columns, place % columns);
        i128::from(column as i64 == (row as i64).saturating_add(diagonal))
    };
    let numbers = (0..like.len()).map(|place| Number::Integer(one_at(place)));
    one(Tensor::of_numbers(element, vec![rows, columns], numbers)?)
}

fn range(call: &Call<'_>) -> Outcome {
    let (start, limit, delta) = (call.input(0)?, call.input(1)?, call.input(2)?);
    same_element(start, limit)?;
    same_element(start, delta)?;
    let element = start.element();
    let first = |tensor: &Tensor| match tensor.numbers()?[..] {
        [number] => Ok(number),
        _ => Err(invalid(format!("one number should stand where dims are {:?}", tensor.dims()))),
    };
    let too_large = |dim: usize| HostError::TooLarge { dims: vec![dim] };
    match (first(start)?, first(limit)?, first(delta)?) {
        (Number::Integer(start), Number::Integer(limit), Number::Integer(delta)) => {
            if delta == 0 {
                return Err(invalid("delta is 0"));
            }
            let span = (limit - start) * delta.signum();
            let steps = (span.max(0) + delta.abs() - 1) / delta.abs();
            let length = usize::try_from(steps).ok().filter(|&length| length <= MAX_ELEMENTS);
            let length = length.ok_or_else(|| too_large(usize::MAX))?;
            let numbers = (0..length).map(|index| Number::Integer(start + index as i128 * delta));
            one(Tensor::of_numbers(element, vec![length], numbers)?)
        }
        (Number::Float(start), Number::Float(limit), Number::Float(delta)) => {
            let length = ((limit - start) / delta).ceil().max(0.0);
            if !length.is_finite() || length > MAX_ELEMENTS as f64 {
                return Err(too_large(usize::MAX));
            }
            let length = length as usize;
            one(Tensor::of_floats(
                element,
                vec![length],
                (0..length).map(|index| start + index as f64 * delta),
            )?)
        }
        _ => Err(unsupported(format!("a range of {element}"))),
    }
}
