//! The vocabulary that every level of `dlc` shares: element types, dimensions and shapes, typed
//! indices, source spans and diagnostics.
//!
//! This crate depends on nothing of ours, so that a code generator, a frontend and the runtime's
//! tools can speak of `f32[N, 64, 32, 32]` without seeing one another.

pub mod diagnostic;
pub mod dtype;
pub mod element;
pub mod index;
mod named;
pub mod random;
pub mod shape;
pub mod span;

pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use dtype::DType;
pub use index::IndexVec;
pub use shape::{Dim, Shape, TensorType};
pub use span::{FileId, SourceFile, SourceMap, Span};
