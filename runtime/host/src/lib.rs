//! What no kernel should compute, for models that are executed stage by stage: tensors of every ONNX element type,
//! strings, sequences and optionals, and operators whose results have shapes that only their data tell.
//!
//! [`evaluate`] computes one node of the newest form of its operator. Models are not known here: no graph, no scopes, no
//! control flow; the executor holds those. [`proto`] reads and writes the files that such values come in.
//!
//! Clarity goes before speed: elements are computed one by one in `f64` or `i128` and rounded once. Results depend on
//! inputs and attributes alone. No input panics; whatever a model asks for, no tensor is larger than [`MAX_ELEMENTS`].

mod attribute;
mod call;
mod decimal;
mod element;
mod error;
mod index;
mod minifloat;
mod number;
mod operator;
mod operators;
mod philox;
pub mod proto;
mod tensor;
mod value;

pub use attribute::{Attribute, Attributes};
pub use element::Element;
pub use error::HostError;
pub use index::MAX_ELEMENTS;
pub use operator::{Operator, OperatorName, evaluate, find, operators};
pub use tensor::{Data, Tensor};
pub use value::Value;
