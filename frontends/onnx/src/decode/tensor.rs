//! `TensorProto` to [`Array`].
//!
//! Elements come as `raw_data` (a mark, see `scan`, as for many floats in a typed field), as external data, or in
//! one of the typed fields; the latter are packed as `raw_data` would be.

use super::files::Files;
use super::scan::read_mark;
use crate::{Array, Element, SparseArray};
use onnx_protobuf::{SparseTensorProto, TensorProto};

type Result<T> = std::result::Result<T, String>;

/// Extents as machine words.
pub(super) fn dims(declared: &[i64]) -> Result<Vec<usize>> {
    let size = |&dim: &i64| usize::try_from(dim).map_err(|_| format!("the extent {dim} is negative"));
    declared.iter().map(size).collect()
}

/// The tensor. Elements move out of the message.
pub(super) fn array(mut proto: TensorProto, files: &Files) -> Result<Array> {
    let name = std::mem::take(&mut proto.name);
    decode(proto, files)
        .map_err(|fault| if name.is_empty() { fault } else { format!("tensor `{name}`: {fault}") })
}

fn decode(proto: TensorProto, files: &Files) -> Result<Array> {
    let element = Element::from_number(proto.data_type)
        .ok_or_else(|| format!("{} is the number of no element type", proto.data_type))?;
    let dims = dims(&proto.dims)?;
    if proto.segment.is_some() {
        return Err("tensors in segments are not supported".to_owned());
    }
    if proto.data_location.value() == 1 {
        return external(&proto, element, dims, files);
    }
    if let Some((start, length)) = read_mark(&proto.raw_data) {
        return Array::mapped(element, dims, files.main.clone(), start, length);
    }
    if element == Element::Text {
        return Array::texts(dims, proto.string_data);
    }
    Array::new(element, dims, typed(&proto, element))
}

fn external(proto: &TensorProto, element: Element, dims: Vec<usize>, files: &Files) -> Result<Array> {
    let entry = |key: &str| proto.external_data.iter().find(|entry| entry.key == key);
    let location = entry("location").ok_or("its external data has no location")?;
    let number = |key: &str| {
        let parse = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is no {key}"));
        entry(key).map(|entry| parse(&entry.value)).transpose()
    };
    let (start, length) = (number("offset")?.unwrap_or(0), number("length")?);
    let file = files.external(&location.value)?;
    let left =
        file.bytes().len().checked_sub(start).ok_or("its external data begins behind the file's end")?;
    Array::mapped(element, dims, file, start, length.unwrap_or(left))
        .map_err(|fault| format!("{fault} in `{}`", location.value))
}

/// The elements of the typed field, packed.
fn typed(proto: &TensorProto, element: Element) -> Vec<u8> {
    match element {
        Element::F32 | Element::Complex64 => {
            proto.float_data.iter().flat_map(|value| value.to_le_bytes()).collect()
        }
        Element::F64 | Element::Complex128 => {
            proto.double_data.iter().flat_map(|value| value.to_le_bytes()).collect()
        }
        Element::I64 => proto.int64_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Element::U64 => proto.uint64_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Element::U32 => proto.uint64_data.iter().flat_map(|&value| (value as u32).to_le_bytes()).collect(),
        Element::I32 => proto.int32_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Element::I16 | Element::U16 | Element::F16 | Element::BF16 => {
            proto.int32_data.iter().flat_map(|&value| (value as u16).to_le_bytes()).collect()
        }
        // Elements of less than a byte are packed before they are put into the field.
        _ => proto.int32_data.iter().map(|&value| value as u8).collect(),
    }
}

/// A sparse tensor.
pub(super) fn sparse(proto: SparseTensorProto, files: &Files) -> Result<SparseArray> {
    let part = |part: Option<TensorProto>, name: &str| {
        array(part.ok_or_else(|| format!("a sparse tensor has no {name}"))?, files)
    };
    Ok(SparseArray {
        values: part(proto.values.into_option(), "values")?,
        indices: part(proto.indices.into_option(), "indices")?,
        dims: dims(&proto.dims)?,
    })
}
