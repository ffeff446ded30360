//! Arrays to and from the forms that engines take.

use crate::data::{bytes_of_tensor, element_of};
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
    let bytes = native(tensor.dtype, &bytes_of_tensor(tensor));
    Array::new(Element::of(tensor.dtype), tensor.dims.clone(), bytes).map_err(bug)
}

/// For the runtime.
pub(crate) fn host_of_array(array: &Array) -> Result<HostTensor> {
    let dtype = array.element().dtype().ok_or_else(|| bug(format!("{} in a graph", array.type_text())))?;
    Ok(HostTensor::new(element_of(dtype), array.dims().to_vec(), native(dtype, array.bytes()))?)
}

/// From the runtime.
pub(crate) fn array_of_host(tensor: &HostTensor) -> Result<Array> {
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
