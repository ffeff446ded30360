//! ONNX's messages for values (`TensorProto`, `SequenceProto`, `OptionalProto`), from bytes and to bytes.
//!
//! Reading is bounded by the bytes at hand: lengths are checked before they are used, dims never allocate before the data
//! that they need has been found, nesting has an end, and no input panics. All element types are read from raw bytes and
//! from the typed fields; data in other files is refused, since this crate opens none.

mod packing;
mod read;
mod wire;
mod write;

pub use read::{MessageKind, read_optional, read_sequence, read_tensor, read_value};
pub use write::{write_optional, write_sequence, write_tensor, write_value};
