//! What a quantised checkpoint says of itself, beside its tensors.
//!
//! The note is JSON: which layers hold integers and of what type their inputs are, and the note of the checkpoint that
//! was quantised. A model file with such a checkpoint is loaded as the quantised model.

use crate::{DriverError, Result};
use dlc_compiler::quantize::Plan;
use dlc_types::DType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a model was quantised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantization {
    /// Bits of weights and inputs.
    pub bits: u8,
    /// Type of the input of every layer that holds integers: `u8` or `i8`.
    pub layers: BTreeMap<String, String>,
    /// How ranges were chosen.
    pub calibration: String,
    /// Samples that they were chosen by.
    pub samples: usize,
}

#[derive(Serialize, Deserialize)]
struct Note {
    quantized: Quantization,
    /// The note before.
    #[serde(default)]
    note: Option<String>,
}

impl Quantization {
    /// The note of a quantised checkpoint, with that of the checkpoint before.
    pub(super) fn note(&self, before: Option<String>) -> Result<String> {
        let note = Note { quantized: self.clone(), note: before };
        serde_json::to_string(&note).map_err(|error| DriverError::Bug(error.to_string()))
    }

    /// What a note says of quantisation, and what is left of it.
    pub(crate) fn split(note: Option<String>) -> (Option<Quantization>, Option<String>) {
        match note.as_deref().map(serde_json::from_str::<Note>) {
            Some(Ok(Note { quantized, note })) => (Some(quantized), note),
            _ => (None, note),
        }
    }

    /// The layers and the types of their inputs.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let layers = self.layers.iter().map(|(name, dtype)| match dtype.parse() {
            Ok(dtype @ (DType::U8 | DType::I8)) if self.bits == 8 => Ok((name.clone(), dtype)),
            _ => Err(DriverError::User(format!(
                "the checkpoint's layer `{name}` has inputs of {} bits and type `{dtype}`, which this version does not know",
                self.bits
            ))),
        });
        Ok(Plan(layers.collect::<Result<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn notes_come_back() {
        let layers = BTreeMap::from([("head".to_owned(), "u8".to_owned())]);
        let mut quantization = Quantization { bits: 8, layers, calibration: "mse".to_owned(), samples: 3 };
        let text = quantization.note(Some("{\"model\":\"m\"}".to_owned())).unwrap();
        let (found, before) = Quantization::split(Some(text));
        assert_eq!(found, Some(quantization.clone()));
        assert_eq!(before.as_deref(), Some("{\"model\":\"m\"}"));
        assert_eq!(quantization.plan().unwrap().0["head"], DType::U8);
        let other = Some("{\"model\":\"m\"}".to_owned());
        assert_eq!(Quantization::split(other.clone()), (None, other));
        quantization.layers.insert("head".to_owned(), "f32".to_owned());
        assert_eq!(quantization.plan().unwrap_err().exit_code(), 1);
    }
}
