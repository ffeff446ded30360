//! Files of inputs and outputs: TensorProto messages (`.pb`), `.npy` and `.npz`.

use super::convert::{array_of_host, host_of_array};
use super::value::Value;
use crate::{DriverError, Result, read_npy, read_npz, write_npy};
use dlc_onnx::ValueType;
use dlc_onnx::decode::{tensor_from_bytes, tensor_to_bytes};
use dlc_runtime::write_atomically;
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
        return message(bytes, ty).map_err(|error| error.at(path));
    };
    Ok(Value::Tensor(array_of_host(&tensor)?))
}

enum MessageFault {
    Invalid(String),
    Unsupported(String),
}

impl MessageFault {
    fn at(self, path: &Path) -> DriverError {
        match self {
            MessageFault::Invalid(what) => DriverError::User(format!("{}: {what}", path.display())),
            MessageFault::Unsupported(what) => {
                DriverError::Unsupported(format!("{}: {what}", path.display()))
            }
        }
    }
}

/// The value in a serialised message, whose kind the declared type tells.
fn message(bytes: Vec<u8>, ty: &ValueType) -> std::result::Result<Value, MessageFault> {
    match ty {
        ValueType::Tensor { .. } | ValueType::Unknown => {
            let (_, array) = tensor_from_bytes(bytes).map_err(MessageFault::Invalid)?;
            Ok(Value::Tensor(array))
        }
        other => Err(MessageFault::Unsupported(format!("{other} cannot be read"))),
    }
}

/// Writes all outputs into a folder; the files.
pub(super) fn write(folder: &Path, outputs: &[(String, Value)], kind: Kind) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|cause| DriverError::File { path: folder.to_owned(), cause })?;
    let mut files = Vec::new();
    for (name, value) in outputs {
        let Value::Tensor(array) = value else {
            let what = format!("the output `{name}` is a {}, which cannot be written", value.type_text());
            return Err(DriverError::Unsupported(what));
        };
        let (extension, bytes) = match kind {
            Kind::Numpy if array.element().dtype().is_some() => {
                let bytes = write_npy(&host_of_array(array)?);
                ("npy", bytes.map_err(|fault| DriverError::Unsupported(fault.to_string()))?)
            }
            _ => ("pb", tensor_to_bytes(name, array).map_err(DriverError::Bug)?),
        };
        let path = folder.join(format!("{}.{extension}", name.replace('/', "_")));
        write_atomically(&path, &bytes)?;
        files.push(path);
    }
    Ok(files)
}
