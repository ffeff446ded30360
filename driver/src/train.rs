//! `dlc train`: compile the step, then hand it to the trainer.

use crate::engine::{EngineKind, default_threads, engine};
use crate::identity::identity;
use crate::inspector::inspector;
use crate::{CompileChoices, DriverError, LearningRate, Loaded, Quantization, Result, StartReport, meaning};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::Model;
use dlc_runtime::Checkpoint;
use dlc_trainer::{Observer, RateAt, RunOptions, TrainReport};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a user may choose about a run.
#[derive(Clone, Debug, Default)]
pub struct TrainSettings {
    /// Replaces the data's file or folder.
    pub data: Option<PathBuf>,
    /// Epochs of the whole run; `None` for the checkpoint's when resuming, else the recipe's.
    pub epochs: Option<usize>,
    /// Seed; `None` for the checkpoint's when resuming, else the recipe's.
    pub seed: Option<u64>,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Folder for checkpoints and metrics; `None` for `runs/MODEL`.
    pub out: Option<PathBuf>,
    /// Checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// End after this many epochs of the run are done.
    pub stop_after: Option<usize>,
    /// Whether statistics of activations, gradients and parameters are written every epoch.
    pub statistics: bool,
    /// Keep a checkpoint of every so many epochs, beside the last and the best.
    pub keep_every: Option<usize>,
    /// Renew the last checkpoint every so many steps inside an epoch, too.
    pub save_steps: Option<usize>,
    /// Who computes.
    pub engine: EngineKind,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

/// Whether the one input is an image.
fn takes_images(model: &Model) -> bool {
    matches!(model.inputs.as_slice(), [input] if input.ty.shape.rank() == 4)
}

/// A run goes on from weights in `f32`, with the state of its optimiser.
fn refuse_quantized(settings: &TrainSettings) -> Result<()> {
    let Some(path) = &settings.resume else { return Ok(()) };
    // What else is wrong with the file is told when its tensors are read.
    match Quantization::split(Checkpoint::read_note(path).ok().flatten()) {
        (Some(_), _) => Err(DriverError::User(format!(
            "{}: this checkpoint is quantised, and integers are not trained: resume from the checkpoint that it was made \
             of, then quantise again",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Writes what a run begins with into its folder as `start.txt`; that of another run goes.
fn record_start(folder: &Path, report: Option<&StartReport>) -> Result<()> {
    let path = folder.join("start.txt");
    let failed = |path: &Path, cause| DriverError::File { path: path.to_owned(), cause };
    let Some(report) = report else {
        return match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(failed(&path, cause)),
            _ => Ok(()),
        };
    };
    std::fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
    Ok(dlc_runtime::write_atomically(&path, report.text().as_bytes())?)
}

/// Trains a loaded model. `stop` ends the run after the current step, with a checkpoint.
pub fn train(
    loaded: &Loaded,
    settings: &TrainSettings,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<TrainReport> {
    let recipe = loaded.recipe("dlc train")?;
    refuse_quantized(settings)?;
    let started = if settings.resume.is_none() { loaded.started()? } else { None };
    if let Some(started) = &started {
        started.report.lines().iter().for_each(|line| observer.told(line));
    }
    let out = settings.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&loaded.model.name));
    if settings.resume.is_none() {
        record_start(&out, started.as_ref().map(|started| &started.report))?;
    }
    let mut functions = vec![FunctionKind::Initialize, FunctionKind::Evaluate, FunctionKind::Train];
    if takes_images(&loaded.model) {
        // The report shows samples with what the model says of them.
        functions.push(FunctionKind::Predict);
    }
    let options = CompileOptions {
        functions,
        ..settings.choices.options_for(recipe.data.batch, settings.engine.machine())?
    };
    let compilation = dlc_compiler::compile(&loaded.model, &options)?;
    let threads = settings.threads.unwrap_or_else(default_threads);
    let machine = settings.engine.machine();
    let inspector = inspector(&loaded.model, &settings.choices, recipe.data.batch, machine, threads);
    let mut engine = engine(&compilation, settings.engine, threads, &settings.choices)?;
    let rate = loaded.model.training.as_ref().map(LearningRate::new).transpose()?;
    let rate_at = rate.map(|rate| RateAt(Arc::new(move |step, total, epoch| rate.at(step, total, epoch))));
    let run = RunOptions {
        renamed: None,
        epochs: settings.epochs,
        seed: settings.seed,
        threads,
        out,
        resume: settings.resume.clone(),
        stop_after: settings.stop_after,
        data: settings.data.clone(),
        initial: loaded.initial(started.as_ref()),
        classes: meaning::classes(&loaded.model),
        decide: meaning::decide(&loaded.model),
        note: loaded.note.clone(),
        identity: Some(identity(&loaded.model)),
        rate_at,
        inspector: Some(inspector),
        statistics: settings.statistics,
        keep_every: settings.keep_every,
        save_steps: settings.save_steps,
    };
    Ok(dlc_trainer::train(recipe, &loaded.folder, engine.as_mut(), &run, observer, stop)?)
}
