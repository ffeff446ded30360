//! The text form of kernels and programs: a printer and a parser that invert one another.
//!
//! ```text
//! program "predict" arena 4096 {
//!   buffer b0 "image" f32 2048 bytes binding 0
//!   buffer b1 "hidden" f32 2048 bytes arena 64 border [0 + 8 + 0, 1 + 62 + 1]
//!   kernel "relu" (x: f32 read, y: f32 write) space [N, 32] {
//!     at (i0, i1)
//!     lanes for i2 in 0 .. 16 {
//!       v0 = load x[512*i0 + 16*i1 + i2] where 0 <= i1 - 1 < 32 else 0.0
//!       v1: f32 = relu v0
//!       store y[512*i0 + 16*i1 + i2] = v1
//!     }
//!   }
//!   barrier
//!   launch k0 (b0, b1)  # relu
//! }
//! ```
//!
//! - A name that is not a plain word is quoted. Operands are named in loads and stores, or given as `@2`
//!   where two share a name or none has the number.
//! - Operations: `const 0.5`, `int 7`, `extent 4N`, `index i3`, `random(5) v0, v1, v2`, and all others by
//!   name with their operands on the same line.
//! - Indices: `i3 = FORM`, `i3 = (FORM) / 4`, `i3 = (FORM) % 4`, `i3 = chunk FORM of 16 over FORM`,
//!   `i3 = clamp v0 below FORM`.
//! - Loops: `for i2 in 0 .. 8 carry (v1: f32 = v0) { … yield v2 -> v3 }`, or `yield v2 sum -> v3` in lanes.
//! - Contractions: `contraction` after the space, then lines `dim`, `offsets`, `taps`, `tile`, `accumulate`
//!   and `epilogue (i0, i1) v0 { … }`, behind it
//!   `sum o[i0] = v1` for each sum. Strides and offsets are those of lanes operand, rows operand, result.
//! - `#` begins a comment.
//!
//! Round trip: what the printer writes, the parser reads as an equal value, whether or not it keeps the
//! rules of [`crate::verify`]; only forms come back canonical, and NaN is unequal to itself. The parser
//! never panics and its stack is bounded.

mod cursor;
mod parse_body;
mod parse_contraction;
mod parse_program;
mod print;
mod tokens;

use crate::{Kernel, Program};
use cursor::Cursor;
use thiserror::Error;

/// A text that is no kernel or program.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads one kernel.
///
/// # Errors
///
/// The first place that does not fit the form.
pub fn parse_kernel(text: &str) -> Result<Kernel, ParseError> {
    let mut cursor = Cursor::new(text)?;
    let kernel = cursor.kernel()?;
    cursor.end()?;
    Ok(kernel)
}

/// Reads a program.
///
/// # Errors
///
/// The first place that does not fit the form.
pub fn parse_program(text: &str) -> Result<Program, ParseError> {
    let mut cursor = Cursor::new(text)?;
    let program = cursor.program()?;
    cursor.end()?;
    Ok(program)
}
