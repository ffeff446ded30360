//! From the bytes of a file to a [`Document`].
//!
//! Two steps: a scan over the mapped file finds where the elements of each tensor lie (`scan`), and
//! `onnx-protobuf` decodes what is left, which is small. Element and attribute types are matched by
//! number, because ONNX has more of them than that crate knows. A version of the format or of ONNX's own
//! operators that is newer than this program is refused by name.

mod files;
mod graph;
mod scan;
mod tensor;

pub use files::MappedFile;

use crate::{Array, Document, OnnxError};
use files::Files;
use onnx_protobuf::{Message as _, ModelProto, TensorProto};
use scan::Message;
use std::path::Path;

/// Newest version of the file format.
const NEWEST_FORMAT: i64 = 14;

/// Newest versions of operator sets, by domain.
const NEWEST_OPSETS: &[(&str, i64)] =
    &[("", 28), ("ai.onnx.ml", 5), ("ai.onnx.preview.training", 1), ("ai.onnx.preview", 1)];

/// Reads a model. Its weights stay in the file, which is mapped as long as the document lives.
///
/// # Errors
/// A file that cannot be read, is damaged, contradicts itself or is from the future.
pub fn open(path: &Path) -> Result<Document, OnnxError> {
    let main = MappedFile::open(path)?;
    let folder =
        path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    document(Files::new(main, folder.map(Path::to_owned)), &path.display().to_string())
}

/// Reads a model from memory; it can have no external data. `file` is for messages.
///
/// # Errors
/// As [`open`].
pub fn from_bytes(bytes: Vec<u8>, file: &str) -> Result<Document, OnnxError> {
    document(Files::new(MappedFile::owned(bytes), None), file)
}

fn document(files: Files, file: &str) -> Result<Document, OnnxError> {
    let invalid = |what: String| OnnxError::Invalid { file: file.to_owned(), what };
    let stripped = scan::strip(files.main.bytes(), Message::Model).map_err(invalid)?;
    let mut proto = ModelProto::parse_from_bytes(&stripped)
        .map_err(|error| invalid(format!("it is no ONNX model ({error})")))?;
    drop(stripped);
    let main = proto.graph.take().ok_or_else(|| {
        let what = if files.main.bytes().is_empty() {
            "it is empty"
        } else {
            "it is no ONNX model: it holds no graph"
        };
        invalid(what.to_owned())
    })?;
    let opsets = graph::opsets(&proto.opset_import);
    check_versions(&proto, &opsets, file)?;
    let decoder = graph::Decoder { files: &files, opsets: &opsets };
    let mut functions = Vec::new();
    for function in std::mem::take(&mut proto.functions) {
        let own = graph::opsets(&function.opset_import);
        let decoder = graph::Decoder { files: &files, opsets: &own };
        functions.push(decoder.function(function).map_err(invalid)?);
    }
    Ok(Document {
        file: file.to_owned(),
        ir_version: proto.ir_version,
        producer: proto.producer_name.clone(),
        graph: decoder.graph(main).map_err(invalid)?,
        functions,
        opsets,
    })
}

fn check_versions(
    proto: &ModelProto,
    opsets: &std::collections::BTreeMap<String, i64>,
    file: &str,
) -> Result<(), OnnxError> {
    let invalid = |what: String| OnnxError::Invalid { file: file.to_owned(), what };
    let future = |what: String| OnnxError::Unsupported { file: file.to_owned(), what };
    if proto.ir_version < 1 {
        return Err(invalid("it names no version of the format, so it is no ONNX model".to_owned()));
    }
    for (domain, newest) in NEWEST_OPSETS {
        let name = if domain.is_empty() { "ai.onnx" } else { domain };
        match opsets.get(*domain) {
            Some(version) if version > newest => {
                return Err(future(format!(
                    "it needs opset {version} of {name}, which is newer than {newest}, the newest that is known"
                )));
            }
            Some(version) if *version < 1 => {
                return Err(invalid(format!("{version} is no version of the opset {name}")));
            }
            _ => {}
        }
    }
    if proto.ir_version > NEWEST_FORMAT {
        return Err(future(format!(
            "it has version {} of the format; {NEWEST_FORMAT} is the newest that is known",
            proto.ir_version
        )));
    }
    if opsets.is_empty() && proto.ir_version >= 3 {
        return Err(invalid("it imports no opset".to_owned()));
    }
    Ok(())
}

/// Reads a serialised `TensorProto`, with its name.
///
/// # Errors
/// Where the bytes are no tensor.
pub fn tensor_from_bytes(bytes: Vec<u8>) -> Result<(String, Array), String> {
    let files = Files::new(MappedFile::owned(bytes), None);
    let stripped = scan::strip(files.main.bytes(), Message::Tensor)?;
    let proto = TensorProto::parse_from_bytes(&stripped)
        .map_err(|error| format!("it is no TensorProto ({error})"))?;
    Ok((proto.name.clone(), tensor::array(proto, &files)?))
}

/// The bytes of a `TensorProto`.
pub fn tensor_to_bytes(name: &str, array: &Array) -> Result<Vec<u8>, String> {
    let mut proto = TensorProto {
        name: name.to_owned(),
        data_type: array.element().number(),
        dims: array.dims().iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect(),
        ..TensorProto::default()
    };
    match array.as_texts() {
        Some(texts) => proto.string_data = texts.to_vec(),
        None => proto.raw_data = array.bytes().to_vec(),
    }
    proto.write_to_bytes().map_err(|error| error.to_string())
}
