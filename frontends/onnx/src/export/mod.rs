//! From a graph function to an ONNX model: the way back.
//!
//! [`export`] writes every node of a function in operators of ONNX's own set ([`OPSET`]), one module per family
//! of ops; [`write()`] puts the model into a file. Composites that the graph spells out (batch-norm with running
//! statistics, mean, gelu, a dense layer, a convolution with bias) become the operator that means them
//! (`recognise`).
//!
//! Names: inputs, outputs, parameters and states keep theirs; nodes and the values between carry the path of the
//! layer and the operator. The batch is the symbolic extent `N`. The same function gives the same bytes.
//!
//! Broadcasts are not written where the user's operator broadcasts by itself: a value may stand in the model with
//! extents of 1, or fewer leading axes, in the place of what is repeated, and is expanded where that is needed.
//!
//! What has no form in ONNX is refused, all of it in one list.

mod constants;
mod contraction;
mod convolution;
mod elementwise;
mod indexing;
mod model;
mod movement;
mod normalization;
mod protobuf;
mod recognise;
mod reduction;
mod scan;
mod scope;
mod sources;
mod window;
mod write;

pub use model::{ExportError, Exported, OPSET, export};
pub use write::{INLINE_LIMIT, write};
