//! Conversions between the three forms of a tensor: bytes at the runtime's boundary, the runtime's host
//! tensors and the interpreter's.

use crate::{DriverError, Result};
use dlc_abi::{ElementType, Port};
use dlc_interp::{Data, Tensor};
use dlc_runtime::HostTensor;
use dlc_types::DType;

/// The graph's name of a boundary type.
pub(crate) fn dtype_of(element: ElementType) -> DType {
    match element {
        ElementType::F32 => DType::F32,
        ElementType::F64 => DType::F64,
        ElementType::I32 => DType::I32,
        ElementType::I64 => DType::I64,
        ElementType::Bool => DType::Bool,
    }
}

/// The boundary's name of a graph type.
pub(crate) fn element_of(dtype: DType) -> Result<ElementType> {
    Ok(match dtype {
        DType::F32 => ElementType::F32,
        DType::F64 => ElementType::F64,
        DType::I32 => ElementType::I32,
        DType::I64 => ElementType::I64,
        DType::Bool => ElementType::Bool,
        other => {
            return Err(DriverError::Unsupported(format!("{other} is not supported at a model's boundary")));
        }
    })
}

/// Row-major elements in native byte order as a tensor of the interpreter.
pub(crate) fn tensor_of_bytes(element: ElementType, dims: &[usize], bytes: &[u8]) -> Result<Tensor> {
    let data = match element {
        ElementType::F32 => {
            Data::Float(bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_ne_bytes(b))).collect())
        }
        ElementType::F64 => Data::Float(bytes.as_chunks().0.iter().map(|&b| f64::from_ne_bytes(b)).collect()),
        ElementType::I32 => {
            Data::Int(bytes.as_chunks().0.iter().map(|&b| i64::from(i32::from_ne_bytes(b))).collect())
        }
        ElementType::I64 => Data::Int(bytes.as_chunks().0.iter().map(|&b| i64::from_ne_bytes(b)).collect()),
        ElementType::Bool => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
    };
    Ok(Tensor::new(dtype_of(element), dims, data)?)
}

/// A tensor's elements row-major in native byte order; floats are rounded to the type.
pub(crate) fn bytes_of_tensor(tensor: &Tensor) -> Result<Vec<u8>> {
    Ok(match element_of(tensor.dtype)? {
        ElementType::F32 => tensor.to_f32().iter().flat_map(|value| value.to_ne_bytes()).collect(),
        ElementType::F64 => tensor.to_f64().iter().flat_map(|value| value.to_ne_bytes()).collect(),
        ElementType::I32 => tensor.to_i32().iter().flat_map(|value| value.to_ne_bytes()).collect(),
        ElementType::I64 => match &tensor.data {
            Data::Int(values) => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
            _ => return Err(DriverError::Bug("an integer tensor holds no integers".to_owned())),
        },
        ElementType::Bool => match &tensor.data {
            Data::Bool(values) => values.iter().map(|&value| u8::from(value)).collect(),
            _ => return Err(DriverError::Bug("a bool tensor holds no bools".to_owned())),
        },
    })
}

/// A host tensor for the interpreter.
pub(crate) fn tensor_of_host(tensor: &HostTensor) -> Result<Tensor> {
    tensor_of_bytes(tensor.element, &tensor.dims, &tensor.bytes)
}

/// A tensor of the interpreter for the runtime, rounded to its type.
pub(crate) fn host_of_tensor(tensor: &Tensor) -> Result<HostTensor> {
    Ok(HostTensor::new(element_of(tensor.dtype)?, tensor.dims.clone(), bytes_of_tensor(tensor)?)?)
}

/// Extents of a port for a batch of `n`.
pub(crate) fn port_dims(port: &Port, n: usize) -> Vec<usize> {
    port.dims.iter().map(|dim| dim.at(n)).collect()
}

/// Bytes that a port takes for a batch of `n`.
pub(crate) fn port_bytes(port: &Port, n: usize) -> usize {
    port.elements(n) * port.element.size()
}

/// `f32[N, 10]`, with the batch named.
pub(crate) fn port_text(port: &Port) -> String {
    let dims = port.dims.iter().map(|dim| match (dim.batch, dim.scale) {
        (true, 1) => "N".to_owned(),
        (true, scale) => format!("{scale}N"),
        (false, scale) => scale.to_string(),
    });
    format!("{}[{}]", dtype_of(port.element), dims.collect::<Vec<_>>().join(", "))
}
