//! Values for the inputs of a model, checked against what it declares.

use super::files::read;
use super::value::Value;
use crate::{DriverError, Result};
use dlc_onnx::{Array, Document, Element, Extent, ValueInfo, ValueType};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The values of all inputs that are given. One that has an initializer may be left out, and so may an
/// optional one.
pub(super) fn fed(document: &Document, given: &[(String, PathBuf)]) -> Result<BTreeMap<String, Value>> {
    let graph = &document.graph;
    let mut values = BTreeMap::new();
    let mut symbols: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (name, path) in given {
        let Some(info) = graph.inputs.iter().find(|input| input.name == *name) else {
            return Err(stranger(document, name));
        };
        let value = convert(read(path, name, &info.ty)?, &info.ty);
        check(document, info, &value, &mut symbols)?;
        insert(document, &mut values, name, value)?;
    }
    for input in &graph.inputs {
        if values.contains_key(&input.name) || graph.initializers.contains_key(&input.name) {
            continue;
        }
        if let ValueType::Optional(_) = input.ty {
            values.insert(input.name.clone(), Value::Optional(None));
            continue;
        }
        return Err(DriverError::User(format!(
            "{}: the input `{2}` ({1}) is missing: give it as `--input {2}=@FILE.pb`",
            document.file, input.ty, input.name
        )));
    }
    Ok(values)
}

/// Tensors for inputs that are given ahead, of those that the model has: others may be another model's.
pub(super) fn bound(document: &Document, given: &[(String, PathBuf)]) -> Result<BTreeMap<String, Array>> {
    let (mut values, mut symbols) = (BTreeMap::new(), BTreeMap::new());
    for (name, path) in given {
        let Some(info) = document.graph.inputs.iter().find(|input| input.name == *name) else { continue };
        let value = convert(read(path, name, &info.ty)?, &info.ty);
        check(document, info, &value, &mut symbols)?;
        let Value::Tensor(array) = value else {
            let (file, ty) = (&document.file, &info.ty);
            return Err(DriverError::User(format!(
                "{file}: the input `{name}` is {ty}, and tensors alone can be given ahead"
            )));
        };
        insert(document, &mut values, name, array)?;
    }
    Ok(values)
}

fn insert<V>(document: &Document, values: &mut BTreeMap<String, V>, name: &str, value: V) -> Result<()> {
    match values.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(DriverError::User(format!("{}: the input `{name}` is given twice", document.file))),
    }
}

/// That the model has no such input.
pub(super) fn stranger(document: &Document, name: &str) -> DriverError {
    let names: Vec<&str> = document.graph.inputs.iter().map(|input| input.name.as_str()).collect();
    let meant = dlc_types::diagnostic::nearest(name, names.iter().copied());
    let help = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    DriverError::User(format!("{} has no input `{name}`; it has: {}{help}", document.file, names.join(", ")))
}

/// An optional takes a plain value, too.
fn convert(value: Value, ty: &ValueType) -> Value {
    match (ty, value) {
        (ValueType::Optional(_), value @ (Value::Tensor(_) | Value::Sequence(_))) => {
            Value::Optional(Some(Box::new(value)))
        }
        (ValueType::Tensor { element: Some(element), .. }, Value::Tensor(array)) => {
            Value::Tensor(retyped(array, *element))
        }
        (_, value) => value,
    }
}

/// Arrays of NumPy files come in wider types where they have no type of their own: numbers are converted
/// where that loses nothing but the precision of a float.
fn retyped(array: Array, wanted: Element) -> Array {
    if array.element() == wanted {
        return array;
    }
    let bytes: Option<Vec<u8>> = match wanted {
        Element::F32 if array.element() == Element::F64 => array
            .floats()
            .map(|values| values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect()),
        Element::F64 if array.element() == Element::F32 => {
            array.floats().map(|values| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        }
        Element::I8
        | Element::U8
        | Element::I16
        | Element::U16
        | Element::I32
        | Element::U32
        | Element::I64 => {
            let size = wanted.bits() / 8;
            let values = if array.element() == Element::Bool { None } else { array.ints() };
            let narrowed = values.map(|values| {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(size));
                (bytes.collect::<Vec<u8>>(), values)
            });
            narrowed.and_then(|(bytes, values)| {
                let back = Array::new(wanted, array.dims().to_vec(), bytes.clone()).ok()?.ints()?;
                (back == values).then_some(bytes)
            })
        }
        _ => None,
    };
    let converted = bytes.and_then(|bytes| Array::new(wanted, array.dims().to_vec(), bytes).ok());
    converted.unwrap_or(array)
}

fn check(
    document: &Document,
    info: &ValueInfo,
    value: &Value,
    symbols: &mut BTreeMap<String, (usize, String)>,
) -> Result<()> {
    let misfit = || {
        DriverError::User(format!(
            "{}: the input `{}` is {} in the model, not {}",
            document.file,
            info.name,
            info.ty,
            value.type_text()
        ))
    };
    let (element, dims) = match (&info.ty, value) {
        (ValueType::Tensor { element, dims }, Value::Tensor(_)) => (element, dims),
        (ValueType::Sequence(_), Value::Sequence(_))
        | (ValueType::Optional(_), Value::Optional(_))
        | (ValueType::Unknown, _) => return Ok(()),
        _ => return Err(misfit()),
    };
    let Some(array) = value.tensor() else { return Err(misfit()) };
    if element.is_some_and(|element| element != array.element()) {
        return Err(misfit());
    }
    let Some(dims) = dims else { return Ok(()) };
    if dims.len() != array.dims().len() {
        return Err(misfit());
    }
    for (dim, &size) in dims.iter().zip(array.dims()) {
        match dim {
            Extent::Fixed(wanted) if *wanted != size => return Err(misfit()),
            Extent::Symbol(symbol) => match symbols.get(symbol) {
                Some((other, source)) if *other != size => {
                    return Err(DriverError::User(format!(
                        "{}: the inputs disagree about `{symbol}`: it is {other} in `{source}` and {size} in `{}`",
                        document.file, info.name
                    )));
                }
                Some(_) => {}
                None => {
                    symbols.insert(symbol.clone(), (size, info.name.clone()));
                }
            },
            _ => {}
        }
    }
    Ok(())
}
