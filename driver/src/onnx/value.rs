//! What flows between the nodes of a model.

use dlc_onnx::Array;

/// A value at hand.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A tensor of any element type.
    Tensor(Array),
    /// Values of one type.
    Sequence(Vec<Value>),
    /// A value or nothing.
    Optional(Option<Box<Value>>),
}

impl Value {
    /// The tensor, unless it is something else.
    pub(super) fn tensor(&self) -> Option<&Array> {
        match self {
            Value::Tensor(array) => Some(array),
            _ => None,
        }
    }

    /// Its type: `f32[2, 3]`, `sequence of 2`.
    pub(super) fn type_text(&self) -> String {
        match self {
            Value::Tensor(array) => array.type_text(),
            Value::Sequence(values) => format!("sequence of {}", values.len()),
            Value::Optional(None) => "empty optional".to_owned(),
            Value::Optional(Some(value)) => format!("optional {}", value.type_text()),
        }
    }

    /// The elements of a tensor of numbers.
    pub(super) fn numbers(&self) -> Option<Vec<f64>> {
        self.tensor().and_then(Array::numbers)
    }
}
