//! `dlc prune`: a trained model with fewer weights or fewer channels, trained on, and measured at every turn.
//!
//! Weights by magnitude become zero and stay so (`magnitude`, and masks in the compiled step); channels are taken out
//! of every tensor that has them (`channels`, [`dlc_compiler::narrow`]). Either is a *plan*, made of the weights as they
//! are (`subject`). With several steps there are several plans, each for more than the one before, with training between
//! them (`fine_tune`). What each layer alone does to the model is measured before (`sensitivity`); the report says what
//! is left and what cannot be pruned (`report`).

mod channels;
mod fine_tune;
mod kernels;
mod magnitude;
mod report;
mod sensitivity;
mod subject;
mod tensors;

pub use report::{MetricValues, PruneReport, PrunedLayer, Totals, Unpruned};

use crate::checkpoint::{misfits, read};
use crate::engine::{EngineKind, default_threads, engine};
use crate::{CompileChoices, DriverError, Loaded, Result, meaning};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_runtime::{Checkpoint, LoadPolicy, RuntimeError, write_atomically};
use dlc_trainer::{Measures, Observer, Probe, RunOptions, TrainError, is_falling};
use fine_tune::Tuned;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use subject::Subject;
use tensors::Tensors;

/// The name of the result in its folder.
const RESULT: &str = "pruned.safetensors";

/// Whether every layer gives the same share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The same share of every layer.
    #[default]
    Layer,
    /// The share of all layers together: of weights by their magnitudes, of channels by their norms over their layer's.
    Global,
}

/// How large the slices of a channel are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The sum of magnitudes.
    L1,
    /// The root of the sum of squares.
    #[default]
    L2,
}

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct PruneSettings {
    /// The trained weights.
    pub checkpoint: PathBuf,
    /// Share that goes, of weights or of channels; between 0 and 1.
    pub sparsity: f64,
    /// Whether channels go, rather than single weights.
    pub structured: bool,
    /// Patterns of the kernels that are pruned; none for all.
    pub layers: Vec<String>,
    /// Patterns of kernels that are not.
    pub keep: Vec<String>,
    /// Whether every layer gives the same share.
    pub scope: Scope,
    /// How channels are ranked.
    pub norm: Norm,
    /// What numbers of channels are multiples of, where a layer has twice as many.
    pub multiple: usize,
    /// Steps in which the share grows, spread over the epochs.
    pub steps: usize,
    /// Epochs of training behind it; 0 for none.
    pub epochs: usize,
    /// What the file's learning rates are multiplied with in that training.
    pub rate_factor: f64,
    /// How much the metric may get worse.
    pub max_drop: Option<f64>,
    /// Held-out samples that each layer's effect on the loss is measured on.
    pub samples: usize,
    /// Replaces the data's file or folder.
    pub data: Option<PathBuf>,
    /// Seed of split and training; `None` for the checkpoint's, else the recipe's.
    pub seed: Option<u64>,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Folder of the result; `None` for `runs/MODEL-pruned`.
    pub out: Option<PathBuf>,
    /// Who computes.
    pub engine: EngineKind,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

impl PruneSettings {
    /// All but checkpoint and sparsity at their defaults.
    pub fn new(checkpoint: &Path, sparsity: f64) -> PruneSettings {
        PruneSettings {
            checkpoint: checkpoint.to_owned(),
            sparsity,
            structured: false,
            layers: Vec::new(),
            keep: Vec::new(),
            scope: Scope::default(),
            norm: Norm::default(),
            multiple: 8,
            steps: 1,
            epochs: 0,
            rate_factor: 0.1,
            max_drop: None,
            samples: 512,
            data: None,
            seed: None,
            threads: None,
            out: None,
            engine: EngineKind::default(),
            choices: CompileChoices::default(),
        }
    }

    fn check(&self) -> Result<()> {
        let refused = |what: String| Err(DriverError::User(what));
        if !(self.sparsity > 0.0 && self.sparsity < 1.0) {
            return refused(format!("the sparsity lies between 0 and 1, not at {}", self.sparsity));
        }
        if self.max_drop.is_some_and(|drop| drop.is_nan() || drop < 0.0) {
            return refused("`--max-drop` is a number of at least 0".to_owned());
        }
        if !(self.rate_factor > 0.0 && self.rate_factor.is_finite()) {
            return refused(format!(
                "learning rates are multiplied with a number above 0, not {}",
                self.rate_factor
            ));
        }
        if self.steps > 1 && self.steps > self.epochs {
            let (steps, epochs) = (self.steps, self.epochs);
            return refused(format!(
                "{steps} steps need an epoch of training each, but there are {epochs}; give `--epochs {steps}` or more"
            ));
        }
        Ok(())
    }
}

/// Prunes a model whose checkpoint the settings name; `loaded` is the model as that checkpoint has it
/// ([`crate::load_for_checkpoint`]). `stop` ends the training behind it after the current step.
///
/// # Errors
/// Settings that ask for nothing that can be, a checkpoint of another model, [`DriverError::TooMuchLost`] where the
/// metric got worse than it may; then there is no result.
pub fn prune(
    loaded: &Loaded,
    settings: &PruneSettings,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<PruneReport> {
    settings.check()?;
    let recipe = loaded.recipe("dlc prune")?;
    let base = read_base(loaded, &settings.checkpoint)?;
    let subject = Subject::new(loaded, settings, &base.tensors)?;
    let options = RunOptions {
        threads: settings.threads.unwrap_or_else(default_threads),
        data: settings.data.clone(),
        classes: meaning::classes(&loaded.model),
        ..RunOptions::default()
    };
    let saved = base.to_bytes().and_then(|bytes| dlc_trainer::read_checkpoint(&bytes));
    let saved = saved.map_err(|cause| checkpoint_fault(&settings.checkpoint, cause))?;
    let seed = settings.seed.or(saved.progress.map(|progress| progress.seed)).unwrap_or(recipe.seed);
    let probe = Probe::open(recipe, &loaded.folder, &options, seed, &saved.fitted)?;
    let out = settings.out.clone();
    let out = out.unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-pruned", loaded.model.name)));

    observer.note("measuring the model, and each layer pruned alone");
    let before = measured(&subject.model(&subject.start)?, loaded, &base.tensors, &probe, settings)?;
    let effects = subject.effects(&base.tensors, &probe)?;
    let mut session = fine_tune::Session { subject: &subject, probe: &probe, settings, out: &out, seed };
    let tuned = session.run(&base, observer, stop)?;
    let mut report = report::assemble(&subject, &base.tensors, &tuned, effects, before)?;
    report.part = probe.part();
    report.samples = probe.len();
    judge(&mut report, recipe.monitor.as_deref(), settings.max_drop);
    if !tuned.finished {
        return Ok(report);
    }
    write(&mut report, tuned, &out, settings.max_drop)?;
    Ok(report)
}

fn checkpoint_fault(path: &Path, cause: RuntimeError) -> DriverError {
    TrainError::Checkpoint { path: path.to_owned(), cause }.into()
}

/// The checkpoint; averages of weights, which evaluation goes by, are the weights from here on.
fn read_base(loaded: &Loaded, path: &Path) -> Result<Checkpoint> {
    let mut base = read(path)?;
    let faults = misfits(&loaded.model, &base);
    if !faults.is_empty() {
        let origin = base.origin(&loaded.model.name);
        return Err(checkpoint_fault(path, RuntimeError::OtherModel { origin, faults }));
    }
    if loaded.model.training.as_ref().is_some_and(|training| training.average.is_some()) {
        let suffix = format!(".{}", dlc_ir::training::AVERAGE);
        let averages: Vec<(String, _)> = base
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_suffix(&suffix)?.to_owned(), tensor.clone())))
            .collect();
        base.tensors.extend(averages);
    }
    Ok(base)
}

/// Loss and metrics of tensors on held-out samples.
fn measured(
    model: &dlc_ir::Model,
    loaded: &Loaded,
    tensors: &Tensors,
    probe: &Probe<'_>,
    settings: &PruneSettings,
) -> Result<Measures> {
    let batch = loaded.recipe("dlc prune")?.data.batch;
    let options = CompileOptions {
        functions: vec![FunctionKind::Evaluate],
        ..settings.choices.options_for(batch, settings.engine.machine())?
    };
    let compilation = dlc_compiler::compile(model, &options)?;
    let threads = settings.threads.unwrap_or_else(default_threads);
    let mut engine = engine(&compilation, settings.engine, threads, &settings.choices)?;
    let checkpoint = Checkpoint { tensors: tensors.clone(), ..Checkpoint::default() };
    // A file of weights alone lacks the counters of a step, which no evaluation reads.
    let restored = engine.restore(&checkpoint, LoadPolicy::Parameters);
    restored.map_err(|cause| checkpoint_fault(&settings.checkpoint, cause))?;
    Ok(probe.measure(engine.as_mut(), usize::MAX)?.measures)
}

/// Says by what the model is judged, and how much worse it got: the file's monitor, else the first metric, else the loss.
fn judge(report: &mut PruneReport, monitor: Option<&str>, max_drop: Option<f64>) {
    let names: Vec<String> = report.before.0.iter().map(|(name, _)| name.clone()).collect();
    let plain = |name: &str| {
        name.strip_prefix("validation.").or(name.strip_prefix("validation_")).unwrap_or(name).to_owned()
    };
    let metric = monitor.map(plain).filter(|name| names.contains(name));
    let metric = metric.or_else(|| names.get(1).or(names.first()).cloned()).unwrap_or_default();
    let sign = if is_falling(&metric, &names) { 1.0 } else { -1.0 };
    let last = report.tuned.as_ref().unwrap_or(&report.pruned);
    let values = report.before.get(&metric).zip(last.get(&metric));
    report.drop = values.map(|(before, after)| sign * (after - before));
    report.metric = metric;
    report.max_drop = max_drop;
}

/// Writes the tables, and the checkpoint if the model did not lose too much.
fn write(report: &mut PruneReport, tuned: Tuned, out: &Path, max_drop: Option<f64>) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|cause| DriverError::File { path: out.to_owned(), cause })?;
    let table = out.join("prune.csv");
    write_atomically(&table, &report.csv()?)?;
    report.table = Some(table);
    if let Some(most) = max_drop {
        // A metric that is no number any more has lost everything.
        if report.drop.is_none_or(|drop| drop.is_nan() || drop > most) {
            let drop = report.drop.map_or("all that it told".to_owned(), |drop| format!("{drop:.4}"));
            return Err(DriverError::TooMuchLost(format!(
                "`{}` lost {drop} on {} samples of the {} split, and may lose {most}; no checkpoint is written \
                 (train for more `--epochs`, or lower the sparsity)",
                report.metric, report.samples, report.part
            )));
        }
    }
    let place = out.join(RESULT);
    tuned.checkpoint.write(&place)?;
    report.checkpoint = Some(place);
    let text = serde_json::to_string_pretty(report).map_err(|error| DriverError::Bug(error.to_string()))?;
    write_atomically(&out.join("prune.json"), format!("{text}\n").as_bytes())?;
    Ok(())
}
