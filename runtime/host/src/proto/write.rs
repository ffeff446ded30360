//! Values to bytes, in the form that `onnx.numpy_helper` writes: raw bytes, and strings as fields of their own.

use super::packing::pack;
use super::wire::{put_bytes, put_number};
use crate::tensor::{Data, Tensor};
use crate::value::Value;

/// The `TensorProto` of a tensor.
pub fn write_tensor(tensor: &Tensor) -> Vec<u8> {
    let mut message = Vec::new();
    for &dim in tensor.dims() {
        put_number(&mut message, 1, dim as u64);
    }
    put_number(&mut message, 2, u64::from(tensor.element().code().unsigned_abs()));
    match tensor.data() {
        Data::Strings(strings) => {
            strings.iter().for_each(|string| put_bytes(&mut message, 6, string.as_bytes()));
        }
        Data::Bytes(bytes) => put_bytes(&mut message, 9, &pack(tensor.element(), bytes)),
    }
    message
}

/// The `SequenceProto` of values; an empty one is a sequence of tensors.
pub fn write_sequence(values: &[Value]) -> Vec<u8> {
    let mut message = Vec::new();
    put_number(&mut message, 2, values.first().map_or(1, kind));
    for value in values {
        put_bytes(&mut message, field(value), &write_value(value));
    }
    message
}

/// The `OptionalProto` of a value or of none.
pub fn write_optional(value: Option<&Value>) -> Vec<u8> {
    let mut message = Vec::new();
    put_number(&mut message, 2, value.map_or(0, kind));
    if let Some(value) = value {
        put_bytes(&mut message, field(value), &write_value(value));
    }
    message
}

/// The message of a value: a `TensorProto`, `SequenceProto` or `OptionalProto`.
pub fn write_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Tensor(tensor) => write_tensor(tensor),
        Value::Sequence(values) => write_sequence(values),
        Value::Optional(value) => write_optional(value.as_deref()),
    }
}

/// `SequenceProto.DataType` and `OptionalProto.DataType`, which agree.
fn kind(value: &Value) -> u64 {
    match value {
        Value::Tensor(_) => 1,
        Value::Sequence(_) => 3,
        Value::Optional(_) => 5,
    }
}

/// The field of both messages that holds a value of this kind.
fn field(value: &Value) -> u64 {
    kind(value) + 2
}
