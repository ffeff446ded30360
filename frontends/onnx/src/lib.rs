//! ONNX files: from bytes to graphs.
//!
//! Phases, one module each, in this order:
//!
//! 1. [`decode`] — bytes to a [`Document`]: plain structures, weights left in the mapped file.
//! 2. [`upgrade`] — every node in the newest form of its operator.
//! 3. [`inline`] — calls of the model's own functions replaced by their bodies.
//! 4. [`order`] — every value has one source, before its uses.
//! 5. `weights` — large constants among the initializers.
//! 6. [`convert`] — nodes to a graph function, region by region.
//!
//! [`network()`] converts a whole model at once, for what is compiled ahead or trained; [`export`] goes the other way.
//!
//! [`load`] does the first five. What regions there are, and what happens between them, is the caller's: see
//! the driver's `onnx` module, which runs models, and hands to the host what no kernel should compute.
//!
//! To add an operator, read [`convert`]; to teach an old form of one, [`upgrade`].
//!
//! A file is data from elsewhere: no number in it is trusted, and every fault is one line that names file and
//! node.

pub mod array;
pub mod convert;
pub mod decode;
pub mod document;
mod element;
mod error;
pub mod export;
pub mod inline;
pub mod network;
pub mod order;
mod sparse;
pub mod upgrade;
pub mod uses;
mod weights;

pub use array::Array;
pub use document::{Attribute, Document, Extent, Function, Graph, Node, SparseArray, ValueInfo, ValueType};
pub use element::Element;
pub use error::OnnxError;
pub use network::{Calculus, Layer, Network, NetworkError, NetworkOptions, network};

use std::path::Path;

/// Reads a model and brings it into the form that is converted.
///
/// # Errors
/// A file that cannot be read, is damaged, contradicts itself or is from the future.
pub fn load(path: &Path) -> Result<Document, OnnxError> {
    prepared(decode::open(path)?)
}

/// The same from memory. `file` is for messages.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(bytes: Vec<u8>, file: &str) -> Result<Document, OnnxError> {
    prepared(decode::from_bytes(bytes, file)?)
}

fn prepared(mut document: Document) -> Result<Document, OnnxError> {
    upgrade::upgrade(&mut document)?;
    inline::inline_functions(&mut document)?;
    order::check_order(&document)?;
    weights::hoist(&mut document);
    Ok(document)
}
