//! Conversions between the three forms of a tensor: bytes at the runtime's boundary, the runtime's host
//! tensors and the interpreter's.

use crate::Result;
use dlc_abi::{ElementType, Port};
use dlc_interp::{Data, Tensor};
use dlc_runtime::HostTensor;
use dlc_types::DType;

/// The graph's name of a boundary type.
pub(crate) fn dtype_of(element: ElementType) -> DType {
    // Both list the same types in the same order, which a test holds.
    DType::ALL[element as usize]
}

/// The boundary's name of a graph type.
pub(crate) fn element_of(dtype: DType) -> ElementType {
    ElementType::ALL[dtype as usize]
}

/// Row-major elements in native byte order as a tensor of the interpreter.
pub(crate) fn tensor_of_bytes(element: ElementType, dims: &[usize], bytes: &[u8]) -> Result<Tensor> {
    let dtype = dtype_of(element);
    let data = match dtype {
        DType::Bool => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        _ if dtype.is_float() => Data::Float(dtype.floats(bytes)),
        _ => Data::Int(dtype.integers(bytes)),
    };
    Ok(Tensor::new(dtype, dims, data)?)
}

/// A tensor's elements row-major in native byte order; floats are rounded to the type.
pub(crate) fn bytes_of_tensor(tensor: &Tensor) -> Vec<u8> {
    let dtype = tensor.dtype;
    let mut bytes = Vec::with_capacity(tensor.data.len() * dtype.size());
    match &tensor.data {
        Data::Float(values) => values.iter().for_each(|&value| dtype.push_float(value, &mut bytes)),
        Data::Int(values) => values.iter().for_each(|&value| dtype.push_integer(value, &mut bytes)),
        Data::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    bytes
}

/// A host tensor for the interpreter.
pub(crate) fn tensor_of_host(tensor: &HostTensor) -> Result<Tensor> {
    tensor_of_bytes(tensor.element, &tensor.dims, &tensor.bytes)
}

/// A tensor of the interpreter for the runtime, rounded to its type.
pub(crate) fn host_of_tensor(tensor: &Tensor) -> Result<HostTensor> {
    Ok(HostTensor::new(element_of(tensor.dtype), tensor.dims.clone(), bytes_of_tensor(tensor))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_one_name() {
        for dtype in DType::ALL {
            let element = element_of(dtype);
            assert_eq!((element.name(), element.size()), (dtype.name(), dtype.size()));
            assert_eq!(dtype_of(element), dtype);
        }
    }
}
