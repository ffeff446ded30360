//! The text form of functions: what dumps show and golden tests hold.
//!
//! Printing and parsing are inverse, down to the bits of floats; of a node's origin the path is kept and
//! the span is not, since it means nothing without the source. The parser checks that nodes are numbered
//! in order and that operands stand before their users; whether types are right is the verifier's
//! affair, so that ill-typed functions can be written too.
//!
//! ```text
//! # A comment.
//! fn train {
//!   %0: f32[N, 3, 8, 8] = input "image"
//!   %1: f32[16, 3, 3, 3] = parameter "stem.weight"
//!   %2: f32[N, 16, 8, 8] = convolve(%0, %1) strides=[1, 1] padding=[(1, 1), (1, 1)] ... groups=1 @ "stem"
//!   %3: f32[] = constant [0.5]
//!   output output "y" %2
//! }
//! ```
//!
//! A node is `%number: type = name`, a quoted name or bracketed elements where the op has them, operands
//! in parentheses where it has any, attributes `key=value` in any order, and `@ "path"`. Values are
//! words, lists of words and lists of pairs. A float is written with the fewest digits that give it
//! back; `inf`, `-inf`, `nan`, and `nan0x` with 16 hexadecimal digits of the `f64` for other NaNs. `end`
//! as a limit of a slice is the whole axis. A scan has its body, nodes and outputs in braces, behind its attributes.

mod attributes;
mod lexer;
mod op;
mod parse;
mod print;

use crate::Function;
use thiserror::Error;

/// Where and why a text is no function.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Counted from one.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// The text form of a function; the same as its [`Display`](std::fmt::Display).
pub fn print(function: &Function) -> String {
    function.to_string()
}

/// The function of that text form.
///
/// # Errors
/// The first place that does not follow the form.
pub fn parse(text: &str) -> Result<Function, ParseError> {
    parse::parse(text)
}

#[cfg(test)]
mod tests;
