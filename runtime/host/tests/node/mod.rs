//! Single nodes and their operands, as tests write them.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use dlc_host::{Attribute, Attributes, Element, HostError, OperatorName, Tensor, Value, evaluate};

/// Evaluates a node of the newest version; `domain.name` outside of ONNX's own domain.
pub fn call(
    name: &str,
    inputs: &[&Value],
    attributes: &[(&str, Attribute)],
    outputs: usize,
) -> Result<Vec<Value>, HostError> {
    let (domain, op_type) = name.rsplit_once('.').unwrap_or(("", name));
    let operator = OperatorName { domain: domain.to_owned(), op_type: op_type.to_owned(), version: 28 };
    let attributes: Attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let inputs: Vec<Option<&Value>> = inputs.iter().map(|&value| Some(value)).collect();
    let values = evaluate(&operator, &attributes, &inputs, outputs)?;
    Ok(values.into_iter().flatten().collect())
}

/// The only output of a node.
pub fn one(name: &str, inputs: &[&Value], attributes: &[(&str, Attribute)]) -> Value {
    call(name, inputs, attributes, 1).unwrap().remove(0)
}

/// A tensor of 64-bit integers.
pub fn ints(dims: &[usize], values: &[i64]) -> Value {
    let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Tensor::new(Element::I64, dims.to_vec(), bytes).unwrap().into()
}

/// A tensor of 32-bit floats.
pub fn floats(dims: &[usize], values: &[f32]) -> Value {
    let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    Tensor::new(Element::F32, dims.to_vec(), bytes).unwrap().into()
}

/// A tensor of one byte per element.
pub fn small(element: Element, dims: &[usize], values: &[u8]) -> Value {
    Tensor::new(element, dims.to_vec(), values.to_vec()).unwrap().into()
}

/// A tensor of strings.
pub fn texts(dims: &[usize], values: &[&str]) -> Value {
    let strings = values.iter().map(|&text| text.to_owned()).collect();
    Tensor::of_strings(dims.to_vec(), strings).unwrap().into()
}

/// An attribute of an integer.
pub fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

/// An attribute of a string.
pub fn text(value: &str) -> Attribute {
    Attribute::String(value.to_owned())
}
