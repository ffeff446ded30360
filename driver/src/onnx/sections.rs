//! Sections of the language for an ONNX file, which has none: data and training as flags tell them.

use crate::load::{load_onnx_with, model_name};
use crate::{DriverError, Loaded, Result, is_onnx, load};
use dlc_runtime::Checkpoint;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What training an ONNX file needs to be told.
#[derive(Clone, Debug, Default)]
pub struct OnnxTraining {
    /// A loss such as `cross_entropy`, or an expression of `output` and `target`.
    pub loss: Option<String>,
    /// The update rule, such as `adam(lr=1e-3)`.
    pub optimizer: Option<String>,
    /// Metrics such as `accuracy`; by default those that fit the loss.
    pub metrics: Vec<String>,
    /// A CSV file, a folder of pictures, or CIFAR-10's folder.
    pub data: Option<PathBuf>,
    /// The column of a CSV file that is to be predicted.
    pub target: Option<String>,
    /// Samples per step.
    pub batch: Option<usize>,
    /// Shares of the samples for validation and for the test; a tenth each by default. CIFAR-10 has a test split
    /// of its own.
    pub split: (Option<f64>, Option<f64>),
    /// Epochs.
    pub epochs: Option<usize>,
    /// Parameters that stay as they are, by patterns of their names.
    pub freeze: Vec<String>,
    /// Layers that are made anew: (`fc`, `dense(5)`).
    pub replace: Vec<(String, String)>,
}

/// What the flags became: the text around an ONNX file. Checkpoints hold it, so that a checkpoint and the file are all
/// that evaluating, predicting, exporting and resuming need.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sections {
    /// The model's name.
    model: String,
    /// Layers in place of the file's, behind the model's line.
    head: String,
    /// The data's and the training's section.
    sections: String,
    /// Where the data was, as the user told it.
    data: PathBuf,
    /// Settings, sizes and values given ahead, as [`load`](crate::load) takes them.
    #[serde(default)]
    settings: Vec<(String, String)>,
}

/// A text in quotes, as the language writes it.
fn quoted(what: &str, text: &str) -> Result<String> {
    if text.contains(['"', '{', '}', '\\', '\n']) {
        return Err(DriverError::User(format!("{what} `{text}` has quotes, braces or backslashes")));
    }
    Ok(format!("\"{text}\""))
}

fn needed<'a, T>(value: &'a Option<T>, flag: &str, example: &str) -> Result<&'a T> {
    value.as_ref().ok_or_else(|| {
        DriverError::User(format!(
            "an ONNX file says nothing about training: give `{flag} {example}` (or write a model file with \
             `model m = onnx(\"…\")`, see the language's documentation)"
        ))
    })
}

/// An expression, or the name of a function of the output and the target.
fn applied(text: &str) -> String {
    if text.contains('(') { text.to_owned() } else { format!("{text}(output, target)") }
}

impl OnnxTraining {
    /// Whether nothing is told.
    pub fn is_empty(&self) -> bool {
        let texts = [&self.loss, &self.optimizer, &self.target].iter().all(|text| text.is_none());
        texts
            && self.metrics.is_empty()
            && self.freeze.is_empty()
            && self.replace.is_empty()
            && self.batch.is_none()
            && self.split == (None, None)
    }

    /// Source and split.
    fn source(&self) -> Result<String> {
        let path = needed(&self.data, "--data", "PATH")?;
        let is_cifar = path.join("data_batch_1.bin").exists();
        let (validation, test) = (self.split.0.unwrap_or(0.1), self.split.1.unwrap_or(0.1));
        let test = if is_cifar && self.split.1.is_none() { 0.0 } else { test };
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        // The path itself goes to the trainer apart, since it is not relative to the model's folder.
        let source = if is_csv {
            let target = needed(&self.target, "--target", "COLUMN")?;
            format!("csv(\"data.csv\", target = {})", quoted("the column", target)?)
        } else if is_cifar {
            "cifar10(\"data\")".to_owned()
        } else {
            "image_folder(\"data\")".to_owned()
        };
        let split = format!("split(validation = {validation:?}, test = {test:?})");
        Ok(format!("source = {source} -> (input, target)\n  split  = {split}"))
    }

    /// Layers in place of the file's, behind the model's line.
    fn head(&self) -> Result<String> {
        if self.replace.is_empty() {
            return Ok(String::new());
        }
        let mut lines = String::from(" {\n");
        for (layer, call) in &self.replace {
            lines.push_str(&format!("  {} = {call}\n", quoted("the layer", layer)?));
        }
        lines.push('}');
        Ok(lines)
    }

    fn text(&self, model: &str) -> Result<String> {
        let loss = needed(&self.loss, "--loss", "cross_entropy")?;
        let optimizer = needed(&self.optimizer, "--optimizer", "'adam(lr=1e-3)'")?;
        let mut metrics: Vec<String> = self.metrics.iter().map(|metric| applied(metric)).collect();
        if metrics.is_empty() && loss == "cross_entropy" {
            metrics.push(applied("accuracy"));
        }
        let mut text = format!(
            "data given {{\n  {}\n  batch  = {}\n}}\n\ntrain {model} on given {{\n  \
             loss      = {}\n  optimizer = {optimizer}\n  epochs    = {}\n",
            self.source()?,
            self.batch.unwrap_or(32),
            applied(loss),
            needed(&self.epochs, "--epochs", "10")?,
        );
        if !metrics.is_empty() {
            text.push_str(&format!("  metrics   = [{}]\n", metrics.join(", ")));
        }
        if !self.freeze.is_empty() {
            let patterns: Result<Vec<String>> =
                self.freeze.iter().map(|pattern| quoted("the pattern", pattern)).collect();
            text.push_str(&format!("  freeze    = [{}]\n", patterns?.join(", ")));
        }
        text.push_str("}\n");
        Ok(text)
    }

    fn sections(&self, path: &Path, settings: &[(String, String)]) -> Result<Sections> {
        let model = model_name(path);
        let sections = self.text(&model)?;
        let data = needed(&self.data, "--data", "PATH")?.clone();
        Ok(Sections { head: self.head()?, sections, data, model, settings: settings.to_vec() })
    }
}

impl Sections {
    /// Loads the file with its own settings, but those that are given replace them.
    fn load(&self, path: &Path, given: &[(String, String)]) -> Result<Loaded> {
        let is_given = |key: &String| given.iter().any(|(other, _)| other == key);
        let own = self.settings.iter().filter(|(key, _)| !is_given(key));
        let settings: Vec<(String, String)> = own.chain(given).cloned().collect();
        let mut loaded = load_onnx_with(path, &self.model, &self.head, &self.sections, &settings)?;
        // The text has a place holder: the path is not relative to the model's folder.
        let place = std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone());
        if let Some(path) = loaded.recipe.as_mut().and_then(|recipe| recipe.data.source.path_mut()) {
            *path = place.to_string_lossy().into_owned();
        }
        let note = serde_json::to_string(self).map_err(|error| DriverError::Bug(error.to_string()))?;
        loaded.note = Some(note);
        Ok(loaded)
    }
}

/// Loads an ONNX file to be trained. Its input is called `input`, its output `output`, the label `target`.
pub fn load_for_training(
    path: &Path,
    training: &OnnxTraining,
    settings: &[(String, String)],
) -> Result<Loaded> {
    training.sections(path, settings)?.load(path, settings)
}

/// Loads a file to go with a checkpoint: an ONNX file as the training by flags saw it that the checkpoint is of.
pub(crate) fn load_with_note(
    path: &Path,
    checkpoint: &Path,
    settings: &[(String, String)],
) -> Result<Loaded> {
    if !is_onnx(path) {
        return load(path, settings);
    }
    let fault = |cause: String| DriverError::User(format!("{}: {cause}", checkpoint.display()));
    let note = Checkpoint::read_note(checkpoint);
    let note =
        note.map_err(|cause| dlc_trainer::TrainError::Checkpoint { path: checkpoint.to_owned(), cause })?;
    match note {
        None => load(path, settings),
        Some(note) => {
            let sections = serde_json::from_str::<Sections>(&note);
            let sections = sections
                .map_err(|error| fault(format!("its note does not tell how it was trained ({error})")))?;
            sections.load(path, settings)
        }
    }
}
