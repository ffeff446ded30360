//! `LabelEncoder` and `OneHotEncoder`: values looked up among keys.

use crate::attribute::Given;
use crate::call::{Call, Outcome, one};
use crate::element::Element;
use crate::error::{Result, invalid};
use crate::number::Number;
use crate::operator::{Operator, ml};
use crate::tensor::{Data, Tensor};
use std::collections::BTreeMap;

pub(in crate::operators) const ROWS: &[Operator] =
    &[ml("LabelEncoder", 2, label_encoder), ml("OneHotEncoder", 1, one_hot_encoder)];

/// A key of any type; all NaN are one key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Text(String),
    Integer(i128),
    Float(u64),
}

fn keys(tensor: &Tensor) -> Result<Vec<Key>> {
    let number = |number| match number {
        Number::Integer(value) => Key::Integer(value),
        Number::Float(value) if value.is_nan() => Key::Float(f64::NAN.to_bits()),
        // The sum makes one zero of two.
        Number::Float(value) => Key::Float((value + 0.0).to_bits()),
    };
    Ok(match tensor.data() {
        Data::Strings(strings) => strings.iter().cloned().map(Key::Text).collect(),
        Data::Bytes(_) => tensor.numbers()?.into_iter().map(number).collect(),
    })
}

/// A list in one of the forms that attributes have it in: `NAME_floats`, `NAME_int64s`, `NAME_strings`, `NAME_tensor`.
fn listed(call: &Call<'_>, name: &str) -> Result<Option<Tensor>> {
    let attribute = |kind: &str| format!("{name}_{kind}");
    if let Some(values) = call.floats(&attribute("floats"))? {
        let values = values.iter().map(|&value| f64::from(value));
        return Tensor::of_floats(Element::F32, vec![values.len()], values).map(Some);
    }
    if let Some(values) = call.ints(&attribute("int64s"))? {
        return Tensor::of_integers(vec![values.len()], values.iter().copied()).map(Some);
    }
    if let Some(values) = call.strings(&attribute("strings"))? {
        return Tensor::of_strings(vec![values.len()], values.clone()).map(Some);
    }
    Ok(call.tensor(&attribute("tensor"))?.cloned())
}

fn default(call: &Call<'_>, element: Element) -> Result<Tensor> {
    if let Some(tensor) = call.tensor("default_tensor")? {
        return Ok(tensor.clone());
    }
    match element {
        Element::String => {
            let text = call.string_or("default_string", "_Unused")?.to_owned();
            Tensor::of_strings(vec![1], vec![text])
        }
        _ if element.is_float() => {
            Tensor::of_floats(element, vec![1], [call.float_or("default_float", -0.0)?])
        }
        _ => {
            let number = Number::Integer(i128::from(call.int_or("default_int64", -1)?));
            Tensor::of_numbers(element, vec![1], [number])
        }
    }
}

fn label_encoder(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let missing = |name: &str| invalid(format!("attribute {name} is missing"));
    let known = listed(call, "keys")?.ok_or_else(|| missing("keys"))?;
    let values = listed(call, "values")?.ok_or_else(|| missing("values"))?;
    if known.len() != values.len() {
        return Err(invalid(format!("{} keys do not fit {} values", known.len(), values.len())));
    }
    let fill = default(call, values.element())?;
    if fill.element() != values.element() {
        return Err(invalid(format!("the default is {}, values are {}", fill.element(), values.element())));
    }
    let places: BTreeMap<Key, usize> = keys(&known)?.into_iter().zip(0..).collect();
    let asked = keys(data)?;
    one(values.pick_or(data.dims().to_vec(), asked.iter().map(|key| places.get(key).copied()), &fill)?)
}

fn one_hot_encoder(call: &Call<'_>) -> Outcome {
    let data = call.input(0)?;
    let categories = listed(call, "cats")?.ok_or_else(|| invalid("no categories are named"))?;
    let width = categories.len();
    let places: BTreeMap<Key, usize> = keys(&categories)?.into_iter().zip(0..).collect();
    let asked = match (data.element(), categories.element()) {
        // Floats are looked up by their whole part.
        (from, Element::I64) if from != Element::String => {
            data.floats()?.into_iter().map(|value| Key::Integer(value as i128)).collect()
        }
        _ => keys(data)?,
    };
    let columns: Vec<Option<usize>> = asked.iter().map(|key| places.get(key).copied()).collect();
    if columns.contains(&None) && !call.flag("zeros", true)? {
        return Err(invalid("a value is none of the categories"));
    }
    let dims = [data.dims(), &[width]].concat();
    crate::index::count(&dims)?;
    let cell = |column: Option<usize>| (0..width).map(move |at| f64::from(u8::from(Some(at) == column)));
    one(Tensor::of_floats(Element::F32, dims, columns.into_iter().flat_map(cell))?)
}
