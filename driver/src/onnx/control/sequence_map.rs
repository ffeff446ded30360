//! SequenceMap: a graph is applied to every element of sequences.
//!
//! History: since opset 17; a function of Loop and the sequence operators in the standard.

use super::{Flow, Value};
use crate::Result;

impl Flow<'_> {
    /// The first input is a sequence; others are sequences of the same length, or values that every call is given. Each
    /// result of the graph becomes a sequence.
    pub(super) fn map_sequence(&self) -> Result<Vec<Value>> {
        let body = self.body("body")?;
        let inputs = self.carried(0)?;
        let length = match inputs.first() {
            Some(Value::Sequence(values)) => values.len(),
            Some(other) => {
                let what = other.type_text();
                return Err(self.fault(format!("its first input is {what}, and must be a sequence")));
            }
            None => return Err(self.fault("it has no input")),
        };
        for input in &inputs {
            if let Value::Sequence(values) = input
                && values.len() != length
            {
                let other = values.len();
                return Err(self.fault(format!("its sequences have {length} and {other} elements")));
            }
        }
        let mut results: Vec<Vec<Value>> = vec![Vec::with_capacity(length); body.outputs.len()];
        for place in 0..length {
            let element = |input: &Value| match input {
                Value::Sequence(values) => values[place].clone(),
                value => value.clone(),
            };
            let values = self.call(body, inputs.iter().map(element).collect())?;
            results.iter_mut().zip(values).for_each(|(list, value)| list.push(value));
        }
        Ok(results.into_iter().map(Value::Sequence).collect())
    }
}
