//! A model into a file.
//!
//! The bytes of weights go from where they are into the file; the messages around them are small. protobuf has
//! lengths in front of its messages and no message above 2 GiB: the lengths are summed up beforehand, and where
//! the model would be too large its weights go into a second file beside it, the name of which is the first's
//! with `.data` behind. Each file is written under another name and then moved, so that none is left half done.

use super::protobuf;
use crate::{Array, Document, OnnxError};
use ::protobuf::{EnumOrUnknown, Message};
use onnx_protobuf::tensor_proto::DataLocation;
use onnx_protobuf::{StringStringEntryProto, TensorProto};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes of a model that protobuf takes in one file.
pub const INLINE_LIMIT: u64 = (1 << 31) - 1;
/// Weights in a second file begin at multiples of this many bytes, so that they can be mapped.
const ALIGNMENT: u64 = 4096;
/// Smaller tensors stay in the first file.
const SMALL: usize = 1024;

/// The graph in the model, the initializers in the graph, the elements in a tensor.
const GRAPH: u8 = 7 << 3 | 2;
const INITIALIZER: u8 = 5 << 3 | 2;
const RAW_DATA: u8 = 9 << 3 | 2;

/// Writes the model to `path`, with the weights in a second file if it is larger than `limit` bytes; `version` is
/// the producer's. Gives the files that were written.
///
/// # Errors
/// A file that cannot be written; an attribute or type that no exported model has.
pub fn write(document: &Document, version: &str, path: &Path, limit: u64) -> Result<Vec<PathBuf>, OnnxError> {
    let model = encoded(&protobuf::model(document, version), path)?;
    let graph = protobuf::graph(document).map_err(|what| fault(path, &what))?;
    let graph = encoded(&graph, path)?;
    let inside = Layout::inside(document, path)?;
    if inside.size(&model, &graph) <= limit {
        inside.write(&model, &graph, path)?;
        return Ok(vec![path.to_owned()]);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".data");
    let beside = path.with_file_name(&name);
    let (layout, places) = Layout::beside(document, path, &name.to_string_lossy())?;
    save(&beside, |file| {
        let mut at = 0_u64;
        for (start, array) in &places {
            let gap = usize::try_from(start - at).map_err(std::io::Error::other)?;
            file.write_all(&vec![0; gap])?;
            file.write_all(array.bytes())?;
            at = start + array.bytes().len() as u64;
        }
        Ok(())
    })?;
    layout.write(&model, &graph, path)?;
    Ok(vec![path.to_owned(), beside])
}

fn fault(path: &Path, what: &str) -> OnnxError {
    OnnxError::Unsupported { file: path.display().to_string(), what: what.to_owned() }
}

fn encoded(message: &impl Message, path: &Path) -> Result<Vec<u8>, OnnxError> {
    message.write_to_bytes().map_err(|error| fault(path, &error.to_string()))
}

/// A number in seven bits a byte.
fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Field number and length of a message.
fn head(tag: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(varint(length));
    bytes
}

/// One initializer: its message in front of the elements, and these.
struct Part<'d> {
    message: Vec<u8>,
    elements: &'d [u8],
}

/// The initializers in order.
struct Layout<'d>(Vec<Part<'d>>);

impl<'d> Layout<'d> {
    fn part(proto: &TensorProto, elements: Option<&'d [u8]>, path: &Path) -> Result<Part<'d>, OnnxError> {
        let mut message = encoded(proto, path)?;
        let elements = match elements {
            Some(elements) => {
                message.extend(head(RAW_DATA, elements.len() as u64));
                elements
            }
            None => &[],
        };
        let mut whole = head(INITIALIZER, (message.len() + elements.len()) as u64);
        whole.extend(message);
        Ok(Part { message: whole, elements })
    }

    fn inside(document: &'d Document, path: &Path) -> Result<Layout<'d>, OnnxError> {
        let initializers = document.graph.initializers.iter();
        let parts = initializers
            .map(|(name, array)| Layout::part(&protobuf::tensor(name, array), Some(array.bytes()), path));
        Ok(Layout(parts.collect::<Result<_, _>>()?))
    }

    /// The layout, and what stands where in the second file.
    #[expect(clippy::type_complexity, reason = "the layout and its other half")]
    fn beside(
        document: &'d Document,
        path: &Path,
        location: &str,
    ) -> Result<(Layout<'d>, Vec<(u64, &'d Array)>), OnnxError> {
        let (mut parts, mut places, mut at) = (Vec::new(), Vec::new(), 0_u64);
        for (name, array) in &document.graph.initializers {
            let mut proto = protobuf::tensor(name, array);
            if array.bytes().len() < SMALL {
                parts.push(Layout::part(&proto, Some(array.bytes()), path)?);
                continue;
            }
            let start = at.next_multiple_of(ALIGNMENT);
            let length = array.bytes().len() as u64;
            let entries = [
                ("location", location.to_owned()),
                ("offset", start.to_string()),
                ("length", length.to_string()),
            ];
            proto.data_location = EnumOrUnknown::new(DataLocation::EXTERNAL);
            proto.external_data = entries
                .into_iter()
                .map(|(key, value)| StringStringEntryProto {
                    key: key.to_owned(),
                    value,
                    ..StringStringEntryProto::default()
                })
                .collect();
            parts.push(Layout::part(&proto, None, path)?);
            places.push((start, array));
            at = start + length;
        }
        Ok((Layout(parts), places))
    }

    fn initializers(&self) -> u64 {
        self.0.iter().map(|part| (part.message.len() + part.elements.len()) as u64).sum()
    }

    fn size(&self, model: &[u8], graph: &[u8]) -> u64 {
        let length = graph.len() as u64 + self.initializers();
        (model.len() + head(GRAPH, length).len()) as u64 + length
    }

    fn write(&self, model: &[u8], graph: &[u8], path: &Path) -> Result<(), OnnxError> {
        save(path, |file| {
            file.write_all(model)?;
            file.write_all(&head(GRAPH, graph.len() as u64 + self.initializers()))?;
            file.write_all(graph)?;
            for part in &self.0 {
                file.write_all(&part.message)?;
                file.write_all(part.elements)?;
            }
            Ok(())
        })
    }
}

/// Writes a file under another name, then gives it its own.
fn save(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), OnnxError> {
    let failed = |cause| OnnxError::File { path: path.to_owned(), cause };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let mut file = BufWriter::new(File::create(&partial).map_err(failed)?);
    let written = content(&mut file).and_then(|()| file.flush());
    drop(file);
    written.and_then(|()| std::fs::rename(&partial, path)).map_err(|cause| {
        // The first failure is told; the remains are removed if they can be.
        let _ = std::fs::remove_file(&partial);
        failed(cause)
    })
}
