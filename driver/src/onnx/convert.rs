//! Arrays to and from the forms that engines take.

use crate::data::element_of;
use crate::{DriverError, Result};
use dlc_interp::{Data, Tensor};
use dlc_onnx::{Array, Element};
use dlc_runtime::HostTensor;
use dlc_types::DType;

fn bug(what: impl std::fmt::Display) -> DriverError {
    DriverError::Bug(what.to_string())
}

/// For the interpreter.
pub(super) fn tensor_of_array(array: &Array) -> Result<Tensor> {
    let dtype = array.element().dtype().ok_or_else(|| bug(format!("{} in a graph", array.type_text())))?;
    let data = match dtype {
        DType::Bool => {
            array.ints().map(|values| Data::Bool(values.iter().map(|&value| value != 0).collect()))
        }
        _ if dtype.is_float() => array.floats().map(Data::Float),
        _ => array.ints().map(Data::Int),
    };
    let data = data.ok_or_else(|| bug(format!("{} has no elements of its type", array.type_text())))?;
    Ok(Tensor::new(dtype, array.dims(), data)?)
}

/// From the interpreter, rounded to its type.
pub(super) fn array_of_tensor(tensor: &Tensor) -> Result<Array> {
    let ints = |width: usize, values: &[i64]| -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect()
    };
    let bytes = match (&tensor.data, tensor.dtype) {
        (Data::Bool(values), _) => values.iter().map(|&value| u8::from(value)).collect(),
        (Data::Int(values), dtype) => ints(dtype.size(), values),
        (Data::Float(values), dtype) => {
            let mut bytes = Vec::with_capacity(values.len() * dtype.size());
            values.iter().for_each(|&value| dtype.push_float(value, &mut bytes));
            bytes
        }
    };
    Array::new(Element::of(tensor.dtype), tensor.dims.clone(), bytes).map_err(bug)
}

/// For the runtime.
pub(super) fn host_of_array(array: &Array) -> Result<HostTensor> {
    let dtype = array.element().dtype().ok_or_else(|| bug(format!("{} in a graph", array.type_text())))?;
    Ok(HostTensor::new(element_of(dtype), array.dims().to_vec(), native(dtype, array.bytes()))?)
}

/// From the runtime.
pub(super) fn array_of_host(tensor: &HostTensor) -> Result<Array> {
    let dtype = crate::data::dtype_of(tensor.element);
    Array::new(Element::of(dtype), tensor.dims.clone(), native(dtype, &tensor.bytes)).map_err(bug)
}

/// Elements between little-endian and the machine's byte order.
fn native(dtype: DType, bytes: &[u8]) -> Vec<u8> {
    if cfg!(target_endian = "little") {
        return bytes.to_vec();
    }
    bytes.chunks(dtype.size()).flat_map(|element| element.iter().rev().copied()).collect()
}
