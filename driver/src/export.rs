//! `dlc export`: the inference graph of a model as an ONNX file.
//!
//! The weights are a checkpoint's, or those that came with the model, or initial ones of a seed. The scaling of the
//! data is part of the graph, so the file takes raw values, too.

use crate::data::dtype_of;
use crate::engine::{EngineKind, default_threads, engine};
use crate::onnx::array_of_host;
use crate::start::Started;
use crate::{CompileChoices, DriverError, Loaded, Result, StartReport};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::training::AVERAGE;
use dlc_onnx::Array;
use dlc_onnx::export::{ExportError, Exported, INLINE_LIMIT, OPSET};
use dlc_runtime::Checkpoint;
use dlc_types::TensorType;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a user may choose about an export.
#[derive(Clone, Debug, Default)]
pub struct ExportSettings {
    /// The file.
    pub output: PathBuf,
    /// Weights; `None` for those that came with the model, or initial ones.
    pub checkpoint: Option<PathBuf>,
    /// Seed of initial weights.
    pub seed: u64,
    /// Bytes of a file above which weights go into a second one; `None` for the most that ONNX allows.
    pub limit: Option<u64>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportReport {
    /// Name of the model.
    pub model: String,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// Inputs as `name: type`.
    pub inputs: Vec<String>,
    /// Outputs as `name: type`.
    pub outputs: Vec<String>,
    /// Operators and how often each is there.
    pub operators: BTreeMap<String, usize>,
    /// Tensors that are weights.
    pub weights: usize,
    /// Bytes of the weights.
    pub weight_bytes: u64,
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// The weights that were begun with, if they are no checkpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<StartReport>,
}

/// Writes the inference graph with its weights.
pub fn export(loaded: &Loaded, settings: &ExportSettings) -> Result<ExportReport> {
    let model = &loaded.model;
    let started = if settings.checkpoint.is_none() { loaded.started_untaught()? } else { None };
    let mut values = Values { loaded, settings, started: started.as_ref(), read: None };
    let mut failure = None;
    let exported = dlc_onnx::export::export(&model.name, &model.predict, &model.inputs, &mut |name, ty| {
        values.array(name, ty).map_err(|error| {
            let text = error.to_string();
            failure = Some(error);
            text
        })
    });
    let exported = exported.map_err(|error| failure.take().unwrap_or_else(|| refused(&model.name, error)))?;
    let limit = settings.limit.unwrap_or(INLINE_LIMIT);
    let version = env!("CARGO_PKG_VERSION");
    let files = dlc_onnx::export::write(&exported.document, version, &settings.output, limit)?;
    let start = started.map(|started| started.report);
    Ok(ExportReport { start, ..report(loaded, &exported, files) })
}

fn report(loaded: &Loaded, exported: &Exported, files: Vec<PathBuf>) -> ExportReport {
    let predict = &loaded.model.predict;
    let initializers = &exported.document.graph.initializers;
    let weights = exported.weights.iter().filter_map(|name| initializers.get(name));
    let typed = |name: &str, ty: &TensorType| format!("{name}: {ty}");
    ExportReport {
        model: loaded.model.name.clone(),
        opset: OPSET,
        inputs: loaded.model.inputs.iter().map(|input| typed(&input.name, &input.ty)).collect(),
        outputs: predict
            .outputs
            .iter()
            .map(|output| typed(&output.name, predict.tensor_type(output.value)))
            .collect(),
        operators: exported.operators.clone(),
        weights: exported.weights.len(),
        weight_bytes: weights.map(|array| array.bytes().len() as u64).sum(),
        files,
        start: None,
    }
}

fn refused(model: &str, error: ExportError) -> DriverError {
    match error {
        ExportError::NoForm(lines) => DriverError::Unsupported(format!(
            "the model `{model}` has what ONNX has no form for:\n  {}",
            lines.join("\n  ")
        )),
        ExportError::Invalid(what) => {
            DriverError::User(format!("the model `{model}` is not written: {what}"))
        }
    }
}

/// The values of parameters and states, taken one after another so that none is held twice.
struct Values<'a> {
    loaded: &'a Loaded,
    settings: &'a ExportSettings,
    /// Weights to begin with, if there is no checkpoint.
    started: Option<&'a Started>,
    /// A checkpoint's tensors, or initial ones.
    read: Option<Checkpoint>,
}

impl Values<'_> {
    fn array(&mut self, name: &str, ty: &TensorType) -> Result<Array> {
        if let Some(tensor) = self.started.and_then(|started| started.tensor(name)) {
            return array_of_host(tensor);
        }
        if self.settings.checkpoint.is_none()
            && let Some(array) = self.loaded.weights.array(name)
        {
            return Ok(array);
        }
        self.saved()?;
        if self.read.is_none() {
            self.read = Some(initial(self.loaded, self.settings.seed)?);
        }
        let averages = self.loaded.model.training.as_ref().is_some_and(|training| training.average.is_some());
        let found = self.read.as_mut().and_then(|read| {
            let average = averages.then(|| read.tensors.remove(&format!("{name}.{AVERAGE}"))).flatten();
            average.or_else(|| read.tensors.remove(name))
        });
        let place = self.settings.checkpoint.as_ref().map(|path| path.display().to_string());
        let place = place.unwrap_or_else(|| "the initial values".to_owned());
        let tensor =
            found.ok_or_else(|| DriverError::User(format!("{place}: `{name}` ({ty}) is missing")))?;
        if tensor.dims != ty.shape.at(1) || dtype_of(tensor.element) != ty.dtype {
            let found = tensor.type_text();
            return Err(DriverError::User(format!(
                "{place}: `{name}` is {found}, but {ty} in the model `{}`",
                self.loaded.model.name
            )));
        }
        array_of_host(&tensor)
    }

    /// Reads the checkpoint, if one is given.
    fn saved(&mut self) -> Result<()> {
        if let (Some(path), None) = (&self.settings.checkpoint, &self.read) {
            let bytes =
                std::fs::read(path).map_err(|cause| DriverError::File { path: path.clone(), cause })?;
            let saved = dlc_trainer::read_checkpoint(&bytes);
            let saved =
                saved.map_err(|cause| dlc_trainer::TrainError::Checkpoint { path: path.clone(), cause })?;
            self.read = Some(saved.model);
        }
        Ok(())
    }
}

/// First values by seed.
fn initial(loaded: &Loaded, seed: u64) -> Result<Checkpoint> {
    let choices = CompileChoices::default();
    let options = CompileOptions { functions: vec![FunctionKind::Initialize], ..choices.options(1)? };
    let compilation = dlc_compiler::compile(&loaded.model, &options)?;
    let mut engine = engine(&compilation, EngineKind::default(), default_threads(), &choices)?;
    loaded.begin(engine.as_mut(), seed)?;
    Ok(engine.checkpoint()?)
}
