//! The oracle: every op of the graph evaluated naively, for clarity.
//!
//! Compiled code is right if it agrees with this crate, so nothing here is shared with the compiler and
//! every op is written the way its documentation in [`dlc_ir::op`] defines it, composite ops included.
//!
//! Numbers: floats are held as `f64` whatever their type. `f32` and `f64` are not rounded between ops, only
//! constants and casts to `f32` are; 16-bit floats are rounded behind every op, by way of `f32`. Integers are held as
//! `i64` and wrap at the width of their type (`u64` shares the bits of `i64`).
//!
//! Functions are expected to have passed [`dlc_ir::verify`].

mod arrange;
mod contraction;
mod convolution;
mod elementwise;
mod error;
mod evaluate;
mod indexing;
mod integer;
mod normalization;
mod offsets;
mod reduction;
mod scan;
mod source;
mod taps;
mod tensor;
mod window;

pub use error::InterpError;
pub use evaluate::{Values, evaluate, evaluate_nodes};
pub use tensor::{Data, Tensor};

/// The result of an evaluation.
pub type Result<T> = std::result::Result<T, InterpError>;
