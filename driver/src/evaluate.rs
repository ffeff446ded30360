//! `dlc eval`: loss and metrics of a checkpoint on the test split.

use crate::engine::{EngineKind, default_threads, engine};
use crate::{CompileChoices, DriverError, Loaded, Result, meaning};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_recipe::CLASS_WEIGHTS;
use dlc_trainer::{EvalReport, RunOptions};
use std::path::{Path, PathBuf};

/// What a user may choose about an evaluation or a prediction.
#[derive(Clone, Debug, Default)]
pub struct EvalSettings {
    /// Replaces the data's file or folder.
    pub data: Option<PathBuf>,
    /// Seed of the split; `None` for the checkpoint's.
    pub seed: Option<u64>,
    /// Folder for a page with pictures, and the table and label maps of predictions; `None` for none.
    pub out: Option<PathBuf>,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Who computes.
    pub engine: EngineKind,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

impl EvalSettings {
    pub(crate) fn run_options(&self, loaded: &Loaded) -> RunOptions {
        RunOptions {
            seed: self.seed,
            threads: self.threads.unwrap_or_else(default_threads),
            data: self.data.clone(),
            out: self.out.clone().unwrap_or_default(),
            classes: meaning::classes(&loaded.model),
            decide: meaning::decide(&loaded.model),
            ..RunOptions::default()
        }
    }
}

/// Evaluates a checkpoint on the test split, or the validation or training split where there is none.
pub fn evaluate(loaded: &Loaded, checkpoint: &Path, settings: &EvalSettings) -> Result<EvalReport> {
    let recipe = loaded.recipe("dlc eval")?;
    let mut functions = vec![FunctionKind::Evaluate];
    if settings.out.is_some() {
        // The page shows samples with what the model says of them.
        functions.push(FunctionKind::Predict);
    }
    let options = CompileOptions {
        functions,
        ..settings.choices.options_for(recipe.data.batch, settings.engine.machine())?
    };
    let compilation = dlc_compiler::compile(&loaded.model, &options)?;
    let renamed = loaded.renamed(checkpoint)?;
    if renamed.is_some() && loaded.model.states.iter().any(|state| state.name == CLASS_WEIGHTS) {
        return Err(DriverError::User(format!(
            "{}: these weights come without the balanced class weights that the loss reads, which training fits: train with \
             `--start`, and evaluate what comes of it",
            checkpoint.display()
        )));
    }
    let run = RunOptions { renamed, ..settings.run_options(loaded) };
    let mut engine = engine(&compilation, settings.engine, run.threads, &settings.choices)?;
    Ok(dlc_trainer::evaluate(recipe, &loaded.folder, engine.as_mut(), checkpoint, &run)?)
}
