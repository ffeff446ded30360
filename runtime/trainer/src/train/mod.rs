//! The training run: epochs of steps, validation, checkpoints, and the test at the end.
//!
//! `last.safetensors` is written at the beginning and after every epoch, `best.safetensors` when the watched value
//! got better: the recipe's monitor, else the validation loss, or the training loss without a validation split.
//! Everything else in the folder is written before `last.safetensors`, so a run that is killed between two files does
//! its last epoch again and writes the same. When the stop flag is set, the run ends after the current step and
//! `last.safetensors` gets that very state, position inside the epoch included. In every case a resumed run gives the
//! weights, bit for bit, of one that never stopped.

mod begin;
mod epoch;

use crate::checkpoint::{Progress, SavedRun};
use crate::evaluate::{Feed, measure, restore};
use crate::metrics::Evaluated;
use crate::monitor::Monitor;
use crate::prepare::PreparedData;
use crate::record::Record;
use crate::report::{Best, Observer, Outcome, TrainReport};
use crate::{Engine, Result, RunOptions, TrainError};
use dlc_recipe::Recipe;
use dlc_runtime::{Checkpoint, LoadPolicy};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

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
    let validation = run.evaluate_feed.as_ref().filter(|_| run.validates()).map(|feed| feed.layout.names());
    let mut record = Record::open(
        &options.out,
        &run.train_feed.layout.names(),
        validation.as_deref(),
        run.progress.epoch,
        run.progress.steps_per_epoch,
    )?;
    if options.resume.is_none() {
        let checkpoint = run.engine.checkpoint()?;
        run.write(&run.last(), checkpoint)?;
    }
    let mut report = TrainReport {
        outcome: Outcome::Finished,
        epochs: Vec::new(),
        test: None,
        best: None,
        checkpoint: run.last(),
        report: None,
    };
    report.outcome = run.epochs(&mut record, &mut report.epochs, observer, stop)?;
    report.best = run.best_epoch();
    if let Some(resumed) = options.resume.as_ref().filter(|_| report.epochs.is_empty()) {
        report.checkpoint.clone_from(resumed);
    }
    if report.outcome == Outcome::Interrupted {
        return Ok(report);
    }
    if recipe.early_stop.is_some() && run.take_best()? {
        report.checkpoint = run.best();
    }
    let mut tested = Evaluated::default();
    if !run.data.parts.test.is_empty() {
        tested = run.measure(|data| &data.parts.test)?;
        report.test = Some(tested.measures.clone());
    }
    report.report = Some(run.draw(&mut record, &tested, observer)?);
    Ok(report)
}

impl Run<'_> {
    fn validates(&self) -> bool {
        !self.data.parts.validation.is_empty()
    }

    fn last(&self) -> PathBuf {
        self.options.out.join("last.safetensors")
    }

    fn best(&self) -> PathBuf {
        self.options.out.join("best.safetensors")
    }

    fn best_epoch(&self) -> Option<Best> {
        let (metric, falling) = (self.monitor.name.clone(), self.monitor.is_falling());
        let validation = self.validates();
        self.progress.best.map(|(value, epoch)| Best { metric, value, epoch, falling, validation })
    }

    fn measure(&mut self, part: impl Fn(&PreparedData) -> &Vec<usize>) -> Result<Evaluated> {
        let Some(feed) = &self.evaluate_feed else { return Ok(Evaluated::default()) };
        measure(self.engine, &self.data, feed, part(&self.data), self.recipe.data.batch)
    }

    /// Brings the best weights back, if this folder has them; says whether it did.
    fn take_best(&mut self) -> Result<bool> {
        let Some((_, epoch)) = self.progress.best.filter(|_| self.best().is_file()) else { return Ok(false) };
        // Another run may have left its best here, where this one was resumed from elsewhere.
        let saved = SavedRun::read(&self.best())?;
        let own = |best: &Progress| best.epoch == epoch && best.seed == self.progress.seed;
        if !saved.progress.as_ref().is_some_and(own) {
            return Ok(false);
        }
        let path = self.best();
        restore(self.engine, &path, LoadPolicy::Exact)?;
        Ok(true)
    }

    /// Draws what the run looked like; gives the page.
    fn draw(
        &mut self,
        record: &mut Record,
        tested: &Evaluated,
        observer: &mut dyn Observer,
    ) -> Result<PathBuf> {
        observer.note("drawing the report");
        let step = self.progress.epoch * self.progress.steps_per_epoch;
        record.draw(step, self.recipe, self.engine, &self.data, self.evaluate_feed.as_ref(), tested)
    }

    /// Writes the engine's state with what was fitted and the progress.
    fn write(&self, path: &Path, mut checkpoint: Checkpoint) -> Result<()> {
        checkpoint.note.clone_from(&self.options.note);
        checkpoint.identity.clone_from(&self.options.identity);
        self.data.fitted.save(&mut checkpoint)?;
        self.progress.save(&mut checkpoint)?;
        Ok(checkpoint.write(path)?)
    }
}
