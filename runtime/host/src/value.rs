//! What flows between nodes: tensors, sequences, optionals.

use crate::error::{Result, invalid};
use crate::tensor::Tensor;

/// A value of an ONNX graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// Values of one type, in order.
    Sequence(Vec<Value>),
    /// A value or none.
    Optional(Option<Box<Value>>),
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Tensor(_) => "tensor",
            Value::Sequence(_) => "sequence",
            Value::Optional(_) => "optional",
        }
    }

    /// The tensor, also of an optional that has one.
    ///
    /// # Errors
    ///
    /// [`crate::HostError::Invalid`] if it is none.
    pub fn tensor(&self) -> Result<&Tensor> {
        match self {
            Value::Tensor(tensor) => Ok(tensor),
            Value::Optional(Some(value)) => value.tensor(),
            other => Err(invalid(format!("a tensor should stand where there is a {}", other.kind()))),
        }
    }

    /// The values of a sequence, also of an optional that has one.
    ///
    /// # Errors
    ///
    /// [`crate::HostError::Invalid`] if it is none.
    pub fn sequence(&self) -> Result<&[Value]> {
        match self {
            Value::Sequence(values) => Ok(values),
            Value::Optional(Some(value)) => value.sequence(),
            other => Err(invalid(format!("a sequence should stand where there is a {}", other.kind()))),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Tensor(tensor)
    }
}
