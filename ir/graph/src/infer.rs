//! Shape rules: the type of a node from its op and its operands.

use crate::{Op, Type};
use dlc_types::TensorType;
use std::fmt;

/// A node that cannot be: the rule that is broken, with the shapes at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferError {
    /// One sentence that names the rule and the shapes.
    pub message: String,
}

impl InferError {
    /// An error of that message.
    pub fn new(message: impl Into<String>) -> InferError {
        InferError { message: message.into() }
    }
}

impl fmt::Display for InferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InferError {}

/// The type of `op` over operands of these types. `declared` is the type that the maker of the node
/// asks for; ops whose type is a free choice need it, all others must agree with it.
pub fn infer(op: &Op, operands: &[&Type], declared: Option<&TensorType>) -> Result<Type, InferError> {
    let _ = (op, operands, declared);
    Err(InferError::new("no shape rule yet"))
}
