//! A model file, loaded and free of errors: a text of the language, or an ONNX file.
//!
//! An ONNX file is loaded as the text `model NAME = onnx("FILE")` would be, so that every command treats both
//! alike. Its weights stay in the mapped file until a session begins.

use crate::checkpoint::{first_values, misfits};
use crate::identity::identity;
use crate::onnx::{OnnxImporter, array_of_host, host_of_array, is_onnx};
use crate::{DriverError, Quantization, Result, is_device_image, is_library};
use dlc_compiler::quantize::QuantizeError;
use dlc_dsl::LoadOptions;
use dlc_ir::Model;
use dlc_onnx::Array;
use dlc_recipe::{Recipe, Start};
use dlc_runtime::{HostTensor, RuntimeError};
use dlc_trainer::{Engine, InitialTensors, SavedRun, TrainError};
use dlc_types::{Diagnostics, SourceMap};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Values that came with a model, by the name of their parameter or state.
#[derive(Clone, Debug, Default)]
pub struct Weights(Arc<BTreeMap<String, Array>>);

/// What a file says, with its warnings.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The model.
    pub model: Model,
    /// Values that came with it.
    pub weights: Weights,
    /// Data and training; `None` for a file without a train section.
    pub recipe: Option<Recipe>,
    /// Weights that a run begins with: the recipe's, or those that a flag names.
    pub start: Option<Start>,
    /// The folder that paths in the recipe are relative to.
    pub folder: PathBuf,
    /// ONNX files that it is made of.
    pub imported: Vec<PathBuf>,
    /// The texts that spans point into.
    pub sources: SourceMap,
    /// Warnings.
    pub diagnostics: Diagnostics,
    /// What was told beside the file, for [`load_for_checkpoint`](crate::load_for_checkpoint): it goes into
    /// checkpoints.
    pub note: Option<String>,
    /// How the model was quantised, where it was loaded for a checkpoint that is.
    pub quantization: Option<Quantization>,
    /// The model as the file says it, where a checkpoint has fewer channels.
    pub wide: Option<Arc<Model>>,
}

/// What loading gives: the model unless there are errors, with the texts and all diagnostics.
pub(crate) type Parts = (Option<dlc_dsl::Loaded>, SourceMap, Diagnostics);

/// What a file's import ended with is told plainly, since the text around it is not the user's.
fn finish(parts: Parts, importer: &OnnxImporter) -> Result<Loaded> {
    let (loaded, sources, diagnostics) = parts;
    match loaded {
        Some(dlc_dsl::Loaded { model, recipe, folder }) => {
            importer.check_binds()?;
            let weights = Weights(Arc::new(importer.weights(&model)));
            let start = recipe.as_ref().and_then(|recipe| recipe.start.clone());
            let (note, wide, quantization) = (None, None, None);
            Ok(Loaded {
                model,
                weights,
                recipe,
                start,
                folder,
                imported: importer.paths(),
                sources,
                diagnostics,
                note,
                wide,
                quantization,
            })
        }
        None => match importer.failure() {
            Some(error) => Err(error),
            None => Err(DriverError::Invalid { sources: Box::new(sources), diagnostics }),
        },
    }
}

/// Reads a file without judging what it says.
pub(crate) fn read(path: &Path, settings: &[(String, String)], importer: &OnnxImporter) -> Result<Parts> {
    let options = LoadOptions { settings: OnnxImporter::others(settings), importer: Some(importer) };
    if !is_onnx(path) {
        refuse_compiled(path)?;
        return Ok(dlc_dsl::load(path, &options));
    }
    let (name, text) = text_of_onnx(path, &model_name(path))?;
    Ok(dlc_dsl::load_text_in(&name, &text, folder_of(path), &options))
}

/// What dlc made of a model is no model again.
fn refuse_compiled(path: &Path) -> Result<()> {
    if path.is_file() && (is_device_image(path) || is_library(path)) {
        return Err(DriverError::User(format!(
            "{} is compiled code: `dlc inspect` shows what is in it, programs open or link it; this command takes the model \
             that it was made of",
            path.display()
        )));
    }
    Ok(())
}

/// Loads a file. `settings` replace what it says, as `--set k=v` gives them; `dim.NAME` is the size of an extent,
/// `bind.NAME` a file with the value of an ONNX file's input.
pub fn load(path: &Path, settings: &[(String, String)]) -> Result<Loaded> {
    let importer = OnnxImporter::of(path, settings);
    finish(read(path, settings, &importer)?, &importer)
}

/// Loads an ONNX file as a model of that name with layers in place of the file's (`head`), and with sections of the
/// language behind it: data and training.
pub(crate) fn load_onnx_with(
    path: &Path,
    model: &str,
    head: &str,
    sections: &str,
    settings: &[(String, String)],
) -> Result<Loaded> {
    let importer = OnnxImporter::of(path, settings);
    let options = LoadOptions { settings: OnnxImporter::others(settings), importer: Some(&importer) };
    let (name, text) = text_of_onnx(path, &format!("{model}(input) -> (output)"))?;
    let text = format!("{}{head}\n\n{sections}", text.trim_end());
    let loaded = finish(dlc_dsl::load_text_in(&name, &text, folder_of(path), &options), &importer);
    if loaded.as_ref().is_err_and(|error| error.exit_code() == 1) {
        importer.check_trainable(path, settings)?;
    }
    loaded
}

/// Loads a text that stands in no folder.
pub fn load_text(name: &str, text: &str, settings: &[(String, String)]) -> Result<Loaded> {
    let options = LoadOptions { settings: settings.to_vec(), importer: None };
    finish(dlc_dsl::load_text(name, text, &options), &OnnxImporter::default())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name in the language of the model in a file: its stem, with `_` for what no name can have. A name that does
/// not begin with a letter, or is a word of the language, gets `onnx_` in front.
pub fn model_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let sound = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !dlc_dsl::is_reserved(&name);
    if sound { name } else { format!("onnx_{name}") }
}

/// The text that an ONNX file is loaded as with that header of the model, and its name in messages.
fn text_of_onnx(path: &Path, header: &str) -> Result<(String, String)> {
    let name =
        path.file_name().and_then(|name| name.to_str()).filter(|name| !name.contains(['"', '{', '\\', '\n']));
    let name = name.ok_or_else(|| {
        DriverError::User(format!(
            "{}: a file's name without quotes, braces and backslashes is needed",
            path.display()
        ))
    })?;
    std::fs::metadata(path).map_err(|cause| DriverError::File { path: path.to_owned(), cause })?;
    Ok((path.display().to_string(), format!("dlc 1\nmodel {header} = onnx(\"{name}\")\n")))
}

impl Weights {
    /// The value of a parameter or state in the plain order, if it came with the model.
    pub fn tensor(&self, name: &str) -> Result<Option<HostTensor>> {
        let Some(array) = self.0.get(name) else { return Ok(None) };
        let tensor = host_of_array(array)?;
        array.release();
        Ok(Some(tensor))
    }

    /// Values of tensors in memory.
    pub(crate) fn of_tensors(tensors: &BTreeMap<String, HostTensor>) -> Result<Weights> {
        let arrays = tensors.iter().map(|(name, tensor)| Ok((name.clone(), array_of_host(tensor)?)));
        Ok(Weights(Arc::new(arrays.collect::<Result<_>>()?)))
    }

    /// The same where it lies in the model's file.
    pub(crate) fn array(&self, name: &str) -> Option<Array> {
        self.0.get(name).cloned()
    }

    /// Whether nothing came with the model.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For whoever begins a run.
    pub(crate) fn initial(&self) -> InitialTensors {
        let weights = self.clone();
        InitialTensors(Arc::new(move |name| {
            weights.tensor(name).map_err(|error| RuntimeError::Engine(error.to_string()))
        }))
    }
}

impl Loaded {
    /// Sets first values: those of the seed, then those that came with the model.
    pub(crate) fn begin(&self, engine: &mut dyn Engine, seed: u64) -> Result<()> {
        Ok(self.weights.initial().begin(engine, seed)?)
    }

    /// The model as its quantisation made it.
    pub(crate) fn quantized(mut self, quantization: Quantization) -> Result<Loaded> {
        let plan = quantization.plan()?;
        self.model = dlc_compiler::quantize::quantized(&self.model, &plan).map_err(quantize_fault)?;
        self.quantization = Some(quantization);
        Ok(self)
    }

    /// Takes a checkpoint's values for those that came with the model, so that every command begins with them.
    ///
    /// # Errors
    /// A checkpoint that cannot be read, or lacks what the model's inference needs.
    pub fn with_weights_of(mut self, checkpoint: &Path) -> Result<Loaded> {
        let saved = SavedRun::read(checkpoint)?.model;
        let faults = misfits(&self.model, &saved);
        if !faults.is_empty() {
            let cause = RuntimeError::OtherModel { origin: saved.origin(&self.model.name), faults };
            return Err(TrainError::Checkpoint { path: checkpoint.to_owned(), cause }.into());
        }
        // Shapes may be equal where a layer between them is not.
        let own = identity(&self.model);
        if saved.identity.as_ref().is_some_and(|saved| saved.model != own.model && saved.graph != own.graph) {
            let faults = vec!["its tensors fit, but its inference graph is not this one".to_owned()];
            let cause = RuntimeError::OtherModel { origin: saved.origin(&own.model), faults };
            return Err(TrainError::Checkpoint { path: checkpoint.to_owned(), cause }.into());
        }
        self.weights = Weights::of_tensors(&first_values(&self.model, &saved.tensors))?;
        Ok(self)
    }

    /// The recipe, which `command` needs.
    pub(crate) fn recipe(&self, command: &str) -> Result<&Recipe> {
        self.recipe.as_ref().ok_or_else(|| {
            DriverError::User(format!(
                "`{command}` needs a `data` and a `train` section, which the model `{}` does not have",
                self.model.name
            ))
        })
    }
}

/// What a model and a plan that do not fit are told as.
pub(crate) fn quantize_fault(error: QuantizeError) -> DriverError {
    match error {
        QuantizeError::NoLayer { .. } => DriverError::User(error.to_string()),
        QuantizeError::Build(_) => DriverError::Bug(error.to_string()),
    }
}
