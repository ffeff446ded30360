//! `dlc lr`: the training step with a rate that grows from step to step.

use crate::engine::{default_threads, engine};
use crate::{DriverError, EvalSettings, LearningRate, Loaded, Result, meaning};
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_ir::training::{Clock, Time};
use dlc_ir::{Schedule, Training};
use dlc_trainer::{Observer, RateAt, RateReport, RunOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What a user may choose about the search.
#[derive(Clone, Debug)]
pub struct RateSettings {
    /// Data, seed, threads, engine and folder as an evaluation takes them; `None` for `runs/MODEL`.
    pub run: EvalSettings,
    /// First rate.
    pub from: f64,
    /// Rate of the last step.
    pub to: f64,
    /// Number of steps.
    pub steps: usize,
}

/// Finds a learning rate for a model, from initial weights.
pub fn find_rate(
    loaded: &Loaded,
    settings: &RateSettings,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<RateReport> {
    let recipe = loaded.recipe("dlc lr")?;
    let (from, to, steps) = (settings.from, settings.to, settings.steps);
    let fits = from > 0.0 && from < to && to.is_finite() && steps >= 10;
    let Some(training) = loaded.model.training.as_ref().filter(|_| fits) else {
        return Err(DriverError::User(format!(
            "learning rates are searched from a number above 0 to a larger one in at least 10 steps, not from \
             {from} to {to} in {steps}"
        )));
    };
    let started = loaded.started()?;
    if let Some(started) = &started {
        started.report.lines().iter().for_each(|line| observer.told(line));
    }
    let factor = (to / from).powf(1.0 / (steps as f64 - 1.0));
    let every = Time { amount: 1.0, clock: Clock::Updates };
    let training = Training {
        schedule: Schedule::Step { rate: from, every, factor },
        plateau: false,
        accumulate: 1,
        average: None,
        ..training.clone()
    };
    let mut model = loaded.model.clone();
    let rate = LearningRate::new(&training)?;
    model.training = Some(training);
    let run = &settings.run;
    let options = CompileOptions {
        functions: vec![FunctionKind::Initialize, FunctionKind::Train],
        ..run.choices.options_for(recipe.data.batch, run.engine.machine())?
    };
    let compilation = dlc_compiler::compile(&model, &options)?;
    let threads = run.threads.unwrap_or_else(default_threads);
    let mut engine = engine(&compilation, run.engine, threads, &run.choices)?;
    let options = RunOptions {
        seed: run.seed,
        threads,
        out: run.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&loaded.model.name)),
        data: run.data.clone(),
        initial: loaded.initial(started.as_ref()),
        classes: meaning::classes(&loaded.model),
        rate_at: Some(RateAt(Arc::new(move |step, total, epoch| rate.at(step, total, epoch)))),
        ..RunOptions::default()
    };
    Ok(dlc_trainer::find_rate(recipe, &loaded.folder, engine.as_mut(), &options, steps, observer, stop)?)
}
