//! Files of inputs and outputs: TensorProto messages (`.pb`), `.npy` and `.npz`.

use super::convert::{array_of_host, host_of_array};
use super::host::{HostFault, from_host, to_host};
use super::value::Value;
use crate::{DriverError, Result, read_npy, read_npz, write_npy};
use dlc_host::proto::{MessageKind, read_value, write_value};
use dlc_onnx::decode::{tensor_from_bytes, tensor_to_bytes};
use dlc_onnx::{Array, ValueType};
use dlc_runtime::write_atomically;
use dlc_types::DType;
use std::path::{Path, PathBuf};

/// The kind of file that outputs are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Serialised ONNX messages.
    Message,
    /// NumPy's.
    Numpy,
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

impl Kind {
    /// Outputs come as the inputs did: NumPy's files if there are some and all are NumPy's.
    pub(super) fn of_inputs(inputs: &[(String, PathBuf)]) -> Kind {
        let numpy = |path: &Path| has_extension(path, "npy") || has_extension(path, "npz");
        if !inputs.is_empty() && inputs.iter().all(|(_, path)| numpy(path)) {
            Kind::Numpy
        } else {
            Kind::Message
        }
    }
}

/// Reads the value of an input, which the model declares to be of that type.
pub(super) fn read(path: &Path, name: &str, ty: &ValueType) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(|cause| DriverError::File { path: path.to_owned(), cause })?;
    let fault = |what: String| DriverError::User(format!("{}: {what}", path.display()));
    let tensor = if has_extension(path, "npz") {
        read_npz(&bytes, name).map_err(|error| fault(error.to_string()))?
    } else if has_extension(path, "npy") {
        read_npy(&bytes).map_err(|error| fault(error.to_string()))?
    } else {
        return message(bytes, ty).map_err(|error| match error {
            HostFault::Invalid(what) => fault(what),
            HostFault::NotDone(what) => DriverError::Unsupported(format!("{}: {what}", path.display())),
            HostFault::Unknown => DriverError::Bug("the host has no such message".to_owned()),
        });
    };
    Ok(Value::Tensor(array_of_host(&tensor)?))
}

/// The value in a serialised message, whose kind the declared type tells.
fn message(bytes: Vec<u8>, ty: &ValueType) -> std::result::Result<Value, HostFault> {
    let kind = match ty {
        ValueType::Sequence(_) => MessageKind::Sequence,
        ValueType::Optional(_) => MessageKind::Optional,
        _ => {
            let (_, array) = tensor_from_bytes(bytes).map_err(HostFault::Invalid)?;
            return Ok(Value::Tensor(array));
        }
    };
    from_host(&read_value(kind, &bytes)?)
}

/// Writes all outputs into a folder; the files.
pub(super) fn write(folder: &Path, outputs: &[(String, Value)], kind: Kind) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|cause| DriverError::File { path: folder.to_owned(), cause })?;
    let mut files = Vec::new();
    for (name, value) in outputs {
        let numpy = |array: &Array| array.element().dtype().is_some_and(|dtype| dtype != DType::BF16);
        let (extension, bytes) = match (kind, value) {
            (Kind::Numpy, Value::Tensor(array)) if numpy(array) => {
                let fault = |error: crate::ArrayFault| DriverError::Bug(error.to_string());
                ("npy", write_npy(&host_of_array(array)?).map_err(fault)?)
            }
            (_, Value::Tensor(array)) => ("pb", tensor_to_bytes(name, array).map_err(DriverError::Bug)?),
            (_, value) => match to_host(value) {
                Ok(value) => ("pb", write_value(&value)),
                Err(fault) => return Err(DriverError::Bug(format!("the output `{name}`: {fault:?}"))),
            },
        };
        let path = folder.join(format!("{}.{extension}", name.replace('/', "_")));
        write_atomically(&path, &bytes)?;
        files.push(path);
    }
    Ok(files)
}
