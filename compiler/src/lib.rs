//! From the graph of a model to machine code: differentiation, step functions, rewriting, lowering and
//! the emission of a module. [`pipeline`] reads as one page.

pub mod autodiff;
pub mod composite;
pub mod emit;
mod error;
mod interface;
pub mod legalize;
pub mod lower;
pub mod narrow;
mod options;
mod persistent;
pub mod pipeline;
pub mod prune;
pub mod quantize;
pub mod rematerialize;
pub mod rewrite;
pub mod step;
mod words;

pub use dlc_codegen_ptx::PtxError;
pub use error::CompileError;
pub use options::{CompileOptions, FunctionKind};
pub use pipeline::{Compilation, CompiledFunction, compile};
