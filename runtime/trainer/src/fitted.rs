//! What the training data has taught beside the scaling: names, vocabularies, and what fills gaps.
//!
//! It is saved with every checkpoint, so that prediction reads new files as training read its own:
//! `data.fitted` holds the names as JSON, `data.fill.FIELD` the numbers that stand for missing ones.

use crate::{Result, TrainError};
use dlc_runtime::{Checkpoint, HostTensor, RuntimeError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const NAMES: &str = "data.fitted";
const FILL: &str = "data.fill.";

/// Names and numbers that were fitted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fitted {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Feature columns of a table, in order.
    pub features: Vec<String>,
    /// Categories of columns of names.
    pub categories: BTreeMap<String, Vec<String>>,
    /// Words of columns of text, from number 2.
    pub vocabularies: BTreeMap<String, Vec<String>>,
    /// What stands for missing numbers of a field.
    pub fill: BTreeMap<String, Vec<f32>>,
}

/// The names as they are written.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Names {
    classes: Vec<String>,
    features: Vec<String>,
    categories: BTreeMap<String, Vec<String>>,
    vocabularies: BTreeMap<String, Vec<String>>,
}

/// Whether a tensor of a checkpoint is read by [`Fitted::read`].
pub(crate) fn is_fitted(name: &str) -> bool {
    name == NAMES || name.starts_with(FILL)
}

impl Fitted {
    /// Puts what there is into a checkpoint.
    pub fn save(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        let names = Names {
            classes: self.classes.clone(),
            features: self.features.clone(),
            categories: self.categories.clone(),
            vocabularies: self.vocabularies.clone(),
        };
        if names != Names::default() {
            let text = serde_json::to_vec(&names)
                .map_err(|error| TrainError::Recipe(format!("the names cannot be saved: {error}")))?;
            checkpoint.tensors.insert(NAMES.to_owned(), HostTensor::from_u8(&[text.len()], &text)?);
        }
        for (field, values) in &self.fill {
            let tensor = HostTensor::from_f32(&[values.len()], values)?;
            checkpoint.tensors.insert(format!("{FILL}{field}"), tensor);
        }
        Ok(())
    }

    /// Reads what a checkpoint holds; nothing where it holds none.
    pub fn read(tensors: &Checkpoint) -> std::result::Result<Fitted, RuntimeError> {
        let mut fitted = Fitted::default();
        for (name, tensor) in &tensors.tensors {
            if let Some(field) = name.strip_prefix(FILL) {
                let values = tensor.f32_values()?;
                if values.iter().any(|value| !value.is_finite()) {
                    return Err(RuntimeError::DamagedCheckpoint(format!("`{name}` is not finite")));
                }
                fitted.fill.insert(field.to_owned(), values);
            } else if name == NAMES {
                let names: Names = serde_json::from_slice(&tensor.u8_values()?)
                    .map_err(|error| RuntimeError::DamagedCheckpoint(format!("`{NAMES}`: {error}")))?;
                fitted = Fitted {
                    classes: names.classes,
                    features: names.features,
                    categories: names.categories,
                    vocabularies: names.vocabularies,
                    ..fitted
                };
            }
        }
        Ok(fitted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_was_fitted_comes_back() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let fitted = Fitted {
            classes: words(&["a\n\"b\"", "ü"]),
            features: words(&["x"]),
            categories: [("c".to_owned(), words(&["", "z"]))].into(),
            vocabularies: [("t".to_owned(), words(&["the"]))].into(),
            fill: [("x".to_owned(), vec![0.1, -3.0])].into(),
        };
        let mut file = Checkpoint::default();
        fitted.save(&mut file).unwrap();
        assert!(file.tensors.keys().all(|name| is_fitted(name)));
        assert_eq!(Fitted::read(&file).unwrap(), fitted);
        let mut empty = Checkpoint::default();
        Fitted::default().save(&mut empty).unwrap();
        assert!(empty.tensors.is_empty());
        let text = b"{\"classes\": 3}";
        file.tensors.insert(NAMES.to_owned(), HostTensor::from_u8(&[text.len()], text).unwrap());
        assert!(Fitted::read(&file).is_err());
    }
}
