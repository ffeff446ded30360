//! What a region may know of the values around it.

use super::convert::array_of_tensor;
use super::scope::Scope;
use super::value::Value;
use dlc_ir::Function;
use dlc_onnx::Array;
use dlc_onnx::convert::{AtHand, Hand};
use dlc_types::Dim;

/// The only output of a function without inputs, by the oracle.
pub(super) fn evaluate(function: &Function, batch: usize) -> Option<Array> {
    let results = dlc_interp::evaluate(function, batch, &|_| None).ok()?;
    array_of_tensor(results.first()?).ok()
}

/// By the compiler.
pub(super) fn differentiate(function: &Function, parameters: &[String]) -> Result<Function, String> {
    dlc_compiler::autodiff::differentiate(function, parameters).map_err(|error| error.to_string())
}

impl Hand for Scope<'_> {
    fn value(&self, name: &str) -> Option<AtHand> {
        let entry = self.get(name)?;
        Some(match &entry.value {
            Value::Tensor(array) => AtHand::Tensor {
                element: array.element(),
                dims: array.dims().iter().map(|&size| Dim::Fixed(size)).collect(),
                array: Some(array.clone()),
                fixed: entry.fixed,
            },
            _ => AtHand::Other,
        })
    }

    fn evaluate(&self, function: &Function, batch: usize) -> Option<Array> {
        evaluate(function, batch)
    }

    fn differentiate(&self, function: &Function, parameters: &[String]) -> Result<Function, String> {
        differentiate(function, parameters)
    }
}
