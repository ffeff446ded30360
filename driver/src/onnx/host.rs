//! The seam to what the host computes: strings, sequences, exotic element types, results whose shape only
//! data tell.
//!
//! The frontend's arrays and the host's tensors know nothing of each other; they meet as serialised messages of
//! the standard, which both read and write for files anyway.

use super::value::Value;
use dlc_host::{Attributes, HostError, OperatorName, proto};
use dlc_onnx::decode::{tensor_from_bytes, tensor_to_bytes};
use dlc_onnx::{Array, Attribute, Node};

/// Why the host did not do a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostFault {
    /// It knows no such operator.
    Unknown,
    /// It knows the operator, but not this case.
    NotDone(String),
    /// The model is wrong.
    Invalid(String),
}

impl From<HostError> for HostFault {
    fn from(error: HostError) -> HostFault {
        match error {
            // Messages name the node already.
            HostError::In { cause, .. } => (*cause).into(),
            HostError::UnknownOperator { .. } => HostFault::Unknown,
            HostError::NotSupported { what } => HostFault::NotDone(what),
            error if error.is_unsupported() => HostFault::NotDone(error.to_string()),
            error => HostFault::Invalid(error.to_string()),
        }
    }
}

/// Whether the host knows the operator.
pub(super) fn knows(node: &Node) -> bool {
    dlc_host::find(&node.domain, &node.op_type).is_some()
}

/// Computes one node. An input is `None` where it is left out.
pub(super) fn evaluate(node: &Node, inputs: &[Option<&Value>]) -> Result<Vec<Value>, HostFault> {
    if !knows(node) {
        return Err(HostFault::Unknown);
    }
    let name =
        OperatorName { domain: node.domain.clone(), op_type: node.op_type.clone(), version: node.opset };
    let inputs = inputs.iter().map(|input| input.map(to_host).transpose());
    let inputs: Vec<Option<dlc_host::Value>> = inputs.collect::<Result<_, _>>()?;
    let inputs: Vec<Option<&dlc_host::Value>> = inputs.iter().map(Option::as_ref).collect();
    let results = dlc_host::evaluate(&name, &attributes(node)?, &inputs, node.outputs.len())?;
    let results = results.into_iter().map(|value| match value {
        Some(value) => from_host(&value),
        None => Ok(Value::Optional(None)),
    });
    results.collect()
}

/// A tensor for the host.
fn tensor_to_host(array: &Array) -> Result<dlc_host::Tensor, HostFault> {
    let bytes = tensor_to_bytes("", array).map_err(HostFault::Invalid)?;
    Ok(proto::read_tensor(&bytes)?)
}

/// A value for the host.
pub(super) fn to_host(value: &Value) -> Result<dlc_host::Value, HostFault> {
    Ok(match value {
        Value::Tensor(array) => dlc_host::Value::Tensor(tensor_to_host(array)?),
        Value::Sequence(values) => {
            dlc_host::Value::Sequence(values.iter().map(to_host).collect::<Result<_, _>>()?)
        }
        Value::Optional(None) => dlc_host::Value::Optional(None),
        Value::Optional(Some(value)) => dlc_host::Value::Optional(Some(Box::new(to_host(value)?))),
    })
}

/// A value of the host's.
pub(super) fn from_host(value: &dlc_host::Value) -> Result<Value, HostFault> {
    Ok(match value {
        dlc_host::Value::Tensor(tensor) => {
            let (_, array) = tensor_from_bytes(proto::write_tensor(tensor)).map_err(HostFault::Invalid)?;
            Value::Tensor(array)
        }
        dlc_host::Value::Sequence(values) => {
            Value::Sequence(values.iter().map(from_host).collect::<Result<_, _>>()?)
        }
        dlc_host::Value::Optional(None) => Value::Optional(None),
        dlc_host::Value::Optional(Some(value)) => Value::Optional(Some(Box::new(from_host(value)?))),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The attributes that the host can know: no graphs.
fn attributes(node: &Node) -> Result<Attributes, HostFault> {
    let mut attributes = Attributes::new();
    for (name, attribute) in &node.attributes {
        let value = match attribute {
            Attribute::Int(value) => dlc_host::Attribute::Int(*value),
            Attribute::Float(value) => dlc_host::Attribute::Float(*value),
            Attribute::Text(value) => dlc_host::Attribute::String(text(value)),
            Attribute::Tensor(array) => dlc_host::Attribute::Tensor(tensor_to_host(array)?),
            Attribute::Ints(values) => dlc_host::Attribute::Ints(values.clone()),
            Attribute::Floats(values) => dlc_host::Attribute::Floats(values.clone()),
            Attribute::Texts(values) => {
                dlc_host::Attribute::Strings(values.iter().map(|value| text(value)).collect())
            }
            Attribute::Tensors(arrays) => {
                dlc_host::Attribute::Tensors(arrays.iter().map(tensor_to_host).collect::<Result<_, _>>()?)
            }
            _ => continue,
        };
        attributes.insert(name.clone(), value);
    }
    Ok(attributes)
}
