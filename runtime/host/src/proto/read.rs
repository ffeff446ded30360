//! Values from bytes.

use super::packing::{packed_length, unpack};
use super::wire::{Fields, Payload};
use crate::element::Element;
use crate::error::{HostError, Result};
use crate::index::count;
use crate::tensor::Tensor;
use crate::value::Value;

/// Messages inside of messages, at most.
const DEPTH: usize = 16;

/// Which message some bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `TensorProto`
    Tensor,
    /// `SequenceProto`
    Sequence,
    /// `OptionalProto`
    Optional,
}

/// Reads the message of this kind.
///
/// # Errors
///
/// [`HostError::Malformed`], and [`HostError::NotSupported`] for maps, sparse tensors and data in other files.
pub fn read_value(kind: MessageKind, bytes: &[u8]) -> std::result::Result<Value, HostError> {
    match kind {
        MessageKind::Tensor => read_tensor(bytes).map(Value::Tensor),
        MessageKind::Sequence => read_sequence(bytes),
        MessageKind::Optional => read_optional(bytes),
    }
}

/// Reads a `SequenceProto`.
///
/// # Errors
///
/// As [`read_value`].
pub fn read_sequence(bytes: &[u8]) -> std::result::Result<Value, HostError> {
    sequence(bytes, DEPTH)
}

/// Reads an `OptionalProto`.
///
/// # Errors
///
/// As [`read_value`].
pub fn read_optional(bytes: &[u8]) -> std::result::Result<Value, HostError> {
    optional(bytes, DEPTH)
}

/// Values of the kind that both containers hold under the same field numbers.
fn held(field: u64, bytes: &[u8], depth: usize) -> Result<Value> {
    let unsupported = |what: &str| Err(HostError::NotSupported { what: what.to_owned() });
    let Some(depth) = depth.checked_sub(1) else {
        return unsupported("a value in so many sequences");
    };
    match field {
        3 => read_tensor(bytes).map(Value::Tensor),
        4 => unsupported("a sparse tensor"),
        5 => sequence(bytes, depth),
        6 => unsupported("a map"),
        _ => optional(bytes, depth),
    }
}

fn sequence(bytes: &[u8], depth: usize) -> Result<Value> {
    let mut fields = Fields::new("SequenceProto", bytes);
    let mut values = Vec::new();
    while let Some((field, payload)) = fields.next()? {
        if (3..=7).contains(&field) {
            values.push(held(field, fields.bytes(payload)?, depth)?);
        }
    }
    Ok(Value::Sequence(values))
}

fn optional(bytes: &[u8], depth: usize) -> Result<Value> {
    let mut fields = Fields::new("OptionalProto", bytes);
    let mut value = None;
    while let Some((field, payload)) = fields.next()? {
        if (3..=7).contains(&field) {
            value = Some(Box::new(held(field, fields.bytes(payload)?, depth)?));
        }
    }
    Ok(Value::Optional(value))
}

/// The fields of a tensor that matter here.
#[derive(Default)]
struct Parts<'a> {
    dims: Vec<u64>,
    code: i64,
    floats: Vec<u8>,
    doubles: Vec<u8>,
    /// `int32_data`, `int64_data` and `uint64_data`: a tensor has one of them.
    integers: Vec<u64>,
    strings: Vec<&'a [u8]>,
    raw: Option<&'a [u8]>,
}

/// Reads a `TensorProto`.
///
/// # Errors
///
/// As [`read_value`].
pub fn read_tensor(bytes: &[u8]) -> std::result::Result<Tensor, HostError> {
    let mut fields = Fields::new("TensorProto", bytes);
    let mut parts = Parts::default();
    while let Some((field, payload)) = fields.next()? {
        match field {
            1 => fields.varints(payload, &mut parts.dims)?,
            // Numbers of 32 bits are written with their sign extended to 64.
            2 => parts.code = fields.number(payload)? as i64,
            3 => return Err(HostError::NotSupported { what: "a tensor in segments".to_owned() }),
            4 => fields.floats(payload, 4, &mut parts.floats)?,
            5 | 7 | 11 => fields.varints(payload, &mut parts.integers)?,
            6 => parts.strings.push(fields.bytes(payload)?),
            9 => parts.raw = Some(fields.bytes(payload)?),
            10 => fields.floats(payload, 8, &mut parts.doubles)?,
            14 if matches!(payload, Payload::Varint(1)) => {
                return Err(HostError::NotSupported {
                    what: "a tensor with data in another file".to_owned(),
                });
            }
            _ => {}
        }
    }
    assemble(&fields, parts)
}

fn assemble(fields: &Fields<'_>, parts: Parts<'_>) -> Result<Tensor> {
    let element = Element::of_code(parts.code)
        .ok_or_else(|| fields.fault(&format!("{} is no element type", parts.code)))?;
    let dim = |&dim: &u64| usize::try_from(dim).ok().filter(|&dim| dim <= isize::MAX as usize);
    let dims: Option<Vec<usize>> = parts.dims.iter().map(dim).collect();
    let dims = dims.ok_or_else(|| fields.fault("a dimension is negative"))?;
    let elements = count(&dims)?;
    if element == Element::String {
        let text = |bytes: &&[u8]| std::str::from_utf8(bytes).map(str::to_owned);
        let strings: std::result::Result<Vec<String>, _> = parts.strings.iter().map(text).collect();
        let strings = strings.map_err(|_| fields.fault("a string is not UTF-8"))?;
        return Tensor::of_strings(dims, strings);
    }
    let typed;
    let raw = match parts.raw {
        Some(raw) => raw,
        None => {
            typed = typed_bytes(element, &parts);
            &typed
        }
    };
    if packed_length(element, elements) != Some(raw.len()) {
        let what = format!("it has {} bytes for a {element} tensor of dims {dims:?}", raw.len());
        return Err(fields.fault(&what));
    }
    Tensor::new(element, dims, unpack(element, elements, raw))
}

/// The raw bytes that typed fields stand for. Types of two and four bits lie packed in integers, one byte in each; those of
/// six bits have an integer each.
fn typed_bytes(element: Element, parts: &Parts<'_>) -> Vec<u8> {
    match element {
        Element::F32 | Element::Complex64 => return parts.floats.clone(),
        Element::F64 | Element::Complex128 => return parts.doubles.clone(),
        _ => {}
    }
    if element.bits() == 6 {
        let codes: Vec<u8> = parts.integers.iter().map(|&value| value as u8 & 0x3f).collect();
        return super::packing::pack(element, &codes);
    }
    let width = element.width();
    parts.integers.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect()
}
