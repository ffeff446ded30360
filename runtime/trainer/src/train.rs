//! The training run: epochs of steps, validation, checkpoints, and the test at the end.
//!
//! `last.safetensors` is written after every epoch, `best.safetensors` when the watched value got
//! better: the recipe's monitor, else the validation loss, or the training loss without a validation
//! split. When the stop flag is set, the run ends after the current step and `last.safetensors` gets
//! that very state, position inside the epoch included. In every case a resumed run gives the weights,
//! bit for bit, of one that never stopped.

use crate::checkpoint::{Progress, SavedRun, not_finite};
use crate::evaluate::{Feed, measure, restore, slices};
use crate::loader::{Pass, each_batch, epoch_order, steps_per_epoch};
use crate::monitor::Monitor;
use crate::plateau::set_epoch_steps;
use crate::prepare::{Preparation, PreparedData};
use crate::report::{Best, EpochReport, Measures, MetricsTable, Observer, Outcome, TrainReport};
use crate::{Engine, Result, RunOptions, TrainError};
use dlc_recipe::Recipe;
use dlc_runtime::{Checkpoint, LoadPolicy};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A run that is under way.
struct Run<'a> {
    recipe: &'a Recipe,
    options: &'a RunOptions,
    engine: &'a mut dyn Engine,
    data: PreparedData,
    train_feed: Feed,
    evaluate_feed: Option<Feed>,
    monitor: Monitor,
    progress: Progress,
}

/// Trains by the recipe. `folder` is the model's, against which its data's path is resolved; `stop`
/// ends the run after the current step.
pub fn train(
    recipe: &Recipe,
    folder: &Path,
    engine: &mut dyn Engine,
    options: &RunOptions,
    observer: &mut dyn Observer,
    stop: &AtomicBool,
) -> Result<TrainReport> {
    let mut run = Run::begin(recipe, folder, engine, options)?;
    std::fs::create_dir_all(&options.out)
        .map_err(|cause| TrainError::File { path: options.out.clone(), cause })?;
    let parts = &run.data.parts;
    observer.data_ready(parts.training.len(), parts.validation.len(), parts.test.len());
    let mut table = MetricsTable::open(
        &options.out.join("metrics.csv"),
        &run.train_feed.names,
        run.validates(),
        run.progress.epoch,
    );
    let end = options.stop_after.unwrap_or(usize::MAX).min(run.progress.epochs);
    let mut report = TrainReport {
        outcome: if end < run.progress.epochs { Outcome::Stopped } else { Outcome::Finished },
        epochs: Vec::new(),
        test: None,
        best: None,
        checkpoint: run.last(),
    };
    while run.progress.epoch < end {
        match run.epoch(observer, stop)? {
            Some(epoch) => {
                table.add(&epoch)?;
                observer.epoch_finished(&epoch);
                report.epochs.push(epoch);
            }
            None => {
                report.outcome = Outcome::Interrupted;
                return Ok(report);
            }
        }
    }
    report.best = run.best();
    if let Some(resumed) = options.resume.as_ref().filter(|_| report.epochs.is_empty()) {
        report.checkpoint.clone_from(resumed);
    }
    if !run.data.parts.test.is_empty() {
        report.test = Some(run.measure(|data| &data.parts.test)?);
    }
    Ok(report)
}

fn resume_fault(path: &Path, problem: String) -> TrainError {
    TrainError::Resume { path: path.to_owned(), problem }
}

/// The progress that a checkpoint holds, if the options go with it.
fn resumed_progress(path: &Path, saved: &SavedRun, options: &RunOptions) -> Result<Progress> {
    let progress = saved.progress.clone().ok_or_else(|| {
        resume_fault(path, "this checkpoint holds no training run to resume, only weights".to_owned())
    })?;
    if let Some(epochs) = options.epochs.filter(|&epochs| epochs != progress.epochs) {
        return Err(resume_fault(
            path,
            format!(
                "this run has {} epochs in all, not {epochs}; learning rates depend on the total, so a \
                 resumed run keeps it (--stop-after ends a run early)",
                progress.epochs
            ),
        ));
    }
    if let Some(seed) = options.seed.filter(|&seed| seed != progress.seed) {
        return Err(resume_fault(path, format!("this run has the seed {}, not {seed}", progress.seed)));
    }
    Ok(progress)
}

impl<'a> Run<'a> {
    /// Prepares data and engine, anew or from a checkpoint.
    fn begin(
        recipe: &'a Recipe,
        folder: &Path,
        engine: &'a mut dyn Engine,
        options: &'a RunOptions,
    ) -> Result<Run<'a>> {
        let mut resumed = None;
        if let Some(path) = &options.resume {
            let saved = SavedRun::read(path)?;
            resumed = Some((resumed_progress(path, &saved, options)?, saved, path));
        }
        let seed = match &resumed {
            Some((progress, _, _)) => progress.seed,
            None => options.seed.unwrap_or(recipe.seed),
        };
        let fitted = resumed.as_ref().map(|(_, saved, _)| &saved.fitted);
        let data = PreparedData::open(recipe, &Preparation { folder, options, seed, saved: fitted })?;
        let (batch, batch_max) = (recipe.data.batch, engine.interface().batch_max);
        if batch > batch_max {
            return Err(TrainError::Recipe(format!(
                "the batch is {batch}, but the model was compiled for at most {batch_max}"
            )));
        }
        let train_feed = Feed::new(engine, "train", &data)?;
        let evaluates = !data.parts.validation.is_empty() || !data.parts.test.is_empty();
        let evaluate_feed = evaluates.then(|| Feed::new(engine, "evaluate", &data)).transpose()?;
        let monitor = Monitor::new(recipe, &train_feed.names)?;
        let steps = steps_per_epoch(data.parts.training.len(), batch);
        let progress = match resumed {
            Some((progress, _, path)) => {
                if progress.steps_per_epoch != steps || progress.step > steps {
                    return Err(resume_fault(
                        path,
                        format!(
                            "this run has {} steps per epoch, the data now gives {steps}; data and batch \
                             must be the same to go on",
                            progress.steps_per_epoch
                        ),
                    ));
                }
                restore(engine, path, LoadPolicy::Exact)?;
                progress
            }
            None => {
                let progress = Run::start_anew(recipe, engine, options, seed, steps)?;
                data.teach(engine)?;
                progress
            }
        };
        Ok(Run { recipe, options, engine, data, train_feed, evaluate_feed, monitor, progress })
    }

    fn start_anew(
        recipe: &Recipe,
        engine: &mut dyn Engine,
        options: &RunOptions,
        seed: u64,
        steps: usize,
    ) -> Result<Progress> {
        let epochs = options.epochs.unwrap_or(recipe.epochs);
        let total = epochs.checked_mul(steps).filter(|&total| total > 0 && i32::try_from(total).is_ok());
        let total = total.ok_or_else(|| {
            TrainError::Recipe(format!("{epochs} epochs of {steps} steps are no possible run"))
        })?;
        options.initial.begin(engine, seed)?;
        engine.set_total_steps(total)?;
        set_epoch_steps(engine, steps)?;
        Ok(Progress {
            epochs,
            epoch: 0,
            steps_per_epoch: steps,
            step: 0,
            seed,
            best: None,
            standstill: recipe.plateau.map(|_| Default::default()),
            sums: Vec::new(),
            samples: 0,
        })
    }

    fn validates(&self) -> bool {
        !self.data.parts.validation.is_empty()
    }

    fn best(&self) -> Option<Best> {
        let Monitor { name, falling } = &self.monitor;
        let (metric, falling, validation) = (name.clone(), *falling, self.validates());
        self.progress.best.map(|(value, epoch)| Best { metric, value, epoch, falling, validation })
    }

    fn last(&self) -> PathBuf {
        self.options.out.join("last.safetensors")
    }

    fn measure(&mut self, part: impl Fn(&PreparedData) -> &Vec<usize>) -> Result<Measures> {
        let Some(feed) = &self.evaluate_feed else { return Ok(Measures::default()) };
        measure(self.engine, &self.data, feed, part(&self.data), self.recipe.data.batch)
    }

    /// One epoch, or what is left of it; `None` when the stop flag ended it.
    fn epoch(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Option<EpochReport>> {
        let started = Instant::now();
        let number = self.progress.epoch + 1;
        let steps = self.progress.steps_per_epoch;
        observer.epoch_started(number, self.progress.epochs, self.progress.step, steps);
        self.steps(observer, stop)?;
        if stop.load(Ordering::Relaxed) {
            let checkpoint = self.engine.checkpoint()?;
            self.write(&self.last(), checkpoint)?;
            return Ok(None);
        }
        let names = &self.train_feed.names;
        let train = self.progress.means(names.len()).measures(names);
        let validation =
            if self.validates() { Some(self.measure(|data| &data.parts.validation)?) } else { None };
        if let Some((name, value)) = validation.iter().flat_map(|m| m.0.first()).find(|(_, v)| !v.is_finite())
        {
            return Err(self.diverged(format!("validation {name}"), *value));
        }
        let total = self.progress.epochs * steps;
        let lr = self.options.rate_at.as_ref().map(|rate| (rate.0)(number * steps - 1, total, steps));
        let lr = lr.map(|rate| rate * self.progress.standstill.map_or(1.0, |standstill| standstill.factor));
        let watched = validation.as_ref().unwrap_or(&train);
        if let (Some(plateau), Some(value)) = (self.recipe.plateau.as_ref(), self.monitor.watched(watched)) {
            let standstill = self.progress.standstill.get_or_insert_default();
            standstill.watch(plateau, value, self.monitor.is_falling(), self.engine)?;
        }
        let checkpoint = self.engine.checkpoint()?;
        if let Some((name, value)) = not_finite(&checkpoint) {
            return Err(self.diverged(format!("tensor `{name}`"), value));
        }
        self.progress.epoch = number;
        self.progress.step = 0;
        self.progress.sums.clear();
        self.progress.samples = 0;
        if let Some(value) = self.monitor.better(watched, self.progress.best) {
            self.progress.best = Some((value, number));
            self.write(&self.options.out.join("best.safetensors"), checkpoint.clone())?;
        }
        self.write(&self.last(), checkpoint)?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Some(EpochReport { epoch: number, lr, seconds, train, validation }))
    }

    /// The steps that are left of the epoch, until the stop flag is set.
    fn steps(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<()> {
        let (recipe, steps) = (self.recipe, self.progress.steps_per_epoch);
        let (seed, epoch, batch) = (self.progress.seed, self.progress.epoch, recipe.data.batch);
        let mut order = epoch_order(&self.data.parts.training, recipe.data.shuffle, seed, epoch);
        order.truncate(steps.saturating_mul(batch));
        let left = order.get(self.progress.step * batch..).unwrap_or_default();
        let pass = Pass { order: left, batch, feed: &self.train_feed.fields, random: Some((seed, epoch)) };
        let mut means = self.progress.means(self.train_feed.names.len());
        let mut report = vec![0.0f32; self.train_feed.names.len()];
        let (engine, progress) = (&mut self.engine, &mut self.progress);
        each_batch(&self.data, &pass, |batch| {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            engine.train_step(batch.samples, &slices(&batch.inputs), &mut report)?;
            progress.step += 1;
            let loss = report.first().copied().unwrap_or(0.0);
            if !loss.is_finite() {
                let (epoch, step) = (epoch + 1, progress.step);
                return Err(TrainError::NotFinite {
                    what: "loss".to_owned(),
                    value: loss.into(),
                    epoch,
                    step,
                });
            }
            means.add(&report, batch.samples);
            observer.step(progress.step, steps, loss);
            Ok(true)
        })?;
        self.progress.sums = means.sums;
        self.progress.samples = means.samples;
        Ok(())
    }

    fn diverged(&self, what: String, value: f64) -> TrainError {
        TrainError::NotFinite { what, value, epoch: self.progress.epoch + 1, step: self.progress.step }
    }

    /// Writes the engine's state with what was fitted and the progress.
    fn write(&self, path: &Path, mut checkpoint: Checkpoint) -> Result<()> {
        checkpoint.note.clone_from(&self.options.note);
        self.data.fitted.save(&mut checkpoint)?;
        self.progress.save(&mut checkpoint)?;
        Ok(checkpoint.write(path)?)
    }
}
