//! Epochs, and the steps of one.

use super::Run;
use crate::checkpoint::not_finite;
use crate::divergence::{Snapshot, find_origin};
use crate::evaluate::slices;
use crate::loader::{Pass, each_batch_ahead, epoch_order};
use crate::metrics::Evaluated;
use crate::record::Record;
use crate::report::{EpochReport, Observer, Outcome, StepReport};
use crate::{Result, TrainError, statistics};
use dlc_runtime::{Checkpoint, Samples};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Steps from one copy of the weights in memory to the next, from which a step that fails is found again.
const SNAPSHOT_STEPS: usize = 100;

/// Steps from one look at the learning rate to the next.
const RATE_STEPS: usize = 16;

/// A number that is not finite.
struct Fault {
    what: String,
    value: f64,
}

impl Run<'_> {
    /// All epochs that are left, or those until the run ends for another reason.
    pub(super) fn epochs(
        &mut self,
        record: &mut Record,
        reports: &mut Vec<EpochReport>,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let end = self.options.stop_after.unwrap_or(usize::MAX).min(self.progress.epochs);
        while self.progress.epoch < end {
            if self.is_patience_over() {
                return Ok(Outcome::EndedEarly);
            }
            match self.epoch(record, observer, stop)? {
                Some(epoch) => {
                    observer.epoch_finished(&epoch);
                    reports.push(epoch);
                }
                None => return Ok(Outcome::Interrupted),
            }
        }
        Ok(match (self.is_patience_over(), end < self.progress.epochs) {
            (true, _) => Outcome::EndedEarly,
            (false, true) => Outcome::Stopped,
            (false, false) => Outcome::Finished,
        })
    }

    /// Whether the best epoch lies as far back as the recipe allows.
    fn is_patience_over(&self) -> bool {
        let best = self.progress.best.map_or(0, |(_, epoch)| epoch);
        self.recipe.early_stop.is_some_and(|rule| self.progress.epoch.saturating_sub(best) >= rule.patience)
    }

    /// One epoch, or what is left of it; `None` when the stop flag ended it.
    fn epoch(
        &mut self,
        record: &mut Record,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Option<EpochReport>> {
        let started = Instant::now();
        let number = self.progress.epoch + 1;
        let steps = self.progress.steps_per_epoch;
        observer.epoch_started(number, self.progress.epochs, self.progress.step, steps);
        let snapshot = self.steps(observer, stop)?;
        if stop.load(Ordering::Relaxed) {
            let checkpoint = self.engine.checkpoint()?;
            self.write(&self.last(), checkpoint)?;
            return Ok(None);
        }
        let layout = &self.train_feed.layout;
        let train = self.progress.tally(layout).finish(layout).measures;
        let mut checkpoint = self.engine.checkpoint()?;
        if let Some((name, value)) = not_finite(&checkpoint) {
            let fault = Fault { what: format!("tensor `{name}`"), value };
            return Err(self.diverged(fault, Some(&snapshot), observer));
        }
        let validation = if self.validates() {
            self.measure(|data| &data.parts.validation)?
        } else {
            Evaluated::default()
        };
        if let Some((name, value)) = validation.measures.0.first().filter(|(_, value)| !value.is_finite()) {
            let fault = Fault { what: format!("validation {name}"), value: *value };
            return Err(self.diverged(fault, None, observer));
        }
        let lr = self.rate(number * steps - 1);
        (self.progress.epoch, self.progress.step, self.progress.samples) = (number, 0, 0);
        self.progress.sums.clear();
        let validation = self.validates().then_some(validation.measures);
        let watched = validation.as_ref().unwrap_or(&train);
        if let (Some(plateau), Some(value)) = (self.recipe.plateau.as_ref(), self.monitor.watched(watched)) {
            let standstill = self.progress.standstill.get_or_insert_default();
            standstill.watch(plateau, value, self.monitor.is_falling(), self.engine)?;
            // The next epoch's rate is part of the state.
            checkpoint = self.engine.checkpoint()?;
        }
        if let Some(value) = self.monitor.better(watched, self.progress.best) {
            self.progress.best = Some((value, number));
            self.write(&self.best(), checkpoint.clone())?;
        }
        if self.options.keep_every.is_some_and(|every| number.is_multiple_of(every.max(1))) {
            let path = self.options.out.join(format!("epoch-{number:04}.safetensors"));
            self.write(&path, checkpoint.clone())?;
        }
        let report = EpochReport { epoch: number, lr, seconds: 0.0, train, validation };
        record.epoch(&report, number * steps)?;
        if self.options.statistics {
            self.statistics(record, &checkpoint, (number, number * steps))?;
        }
        self.write(&self.last(), checkpoint)?;
        Ok(Some(EpochReport { seconds: started.elapsed().as_secs_f64(), ..report }))
    }

    /// Takes statistics, if steps can be looked into.
    fn statistics(&self, record: &mut Record, checkpoint: &Checkpoint, at: (usize, usize)) -> Result<()> {
        let Some(inspector) = &self.options.inspector else { return Ok(()) };
        let files = (&mut record.statistics, &mut record.events);
        let source = (&*self.engine, &self.data, &self.train_feed);
        statistics::take(files, source, inspector, checkpoint, self.recipe.data.batch, at)
    }

    /// The learning rate of a step of the run, from 0.
    fn rate(&self, step: usize) -> Option<f64> {
        let steps = self.progress.steps_per_epoch;
        let factor = self.progress.standstill.map_or(1.0, |standstill| standstill.factor);
        let rate = self.options.rate_at.as_ref();
        rate.map(|rate| factor * (rate.0)(step, self.progress.epochs * steps, steps))
    }

    /// The epoch's samples in their order, without those that no full batch takes.
    pub(super) fn order(&self) -> Vec<usize> {
        let (recipe, seed) = (self.recipe, self.progress.seed);
        let mut order =
            epoch_order(&self.data.parts.training, recipe.data.shuffle, seed, self.progress.epoch);
        order.truncate(self.progress.steps_per_epoch.saturating_mul(recipe.data.batch));
        order
    }

    /// The steps that are left of the epoch, until the stop flag is set; gives the newest copy of the weights that was
    /// made on the way.
    fn steps(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Snapshot> {
        let order = self.order();
        let (steps, batch, first) =
            (self.progress.steps_per_epoch, self.recipe.data.batch, self.progress.step);
        let mut snapshot = Snapshot { step: first, checkpoint: self.engine.checkpoint()? };
        let mut fault = None;
        let mut again = true;
        while std::mem::take(&mut again) {
            let from = self.progress.step;
            let pause = self
                .options
                .save_steps
                .map_or(steps, |every| (from / every.max(1) + 1).saturating_mul(every.max(1)));
            let end = pause.min(steps).saturating_mul(batch).min(order.len());
            let left = order.get(from * batch..end).unwrap_or_default();
            let random = Some((self.progress.seed, self.progress.epoch));
            let pass = Pass { order: left, batch, feed: &self.train_feed.fields, random };
            let layout = &self.train_feed.layout;
            let mut tally = self.progress.tally(layout);
            let mut report = vec![0.0f32; layout.length(batch)];
            let base = self.progress.epoch * steps;
            let total = self.progress.epochs * steps;
            let rate = self.options.rate_at.as_ref();
            let factor = self.progress.standstill.map_or(1.0, |standstill| standstill.factor);
            let mut lr = None;
            let (engine, progress) = (&mut self.engine, &mut self.progress);
            each_batch_ahead(&self.data, &pass, |batch, next| {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                if progress.step >= snapshot.step + SNAPSHOT_STEPS {
                    let checkpoint = engine.checkpoint()?;
                    // A copy of what is broken already would hide where it began.
                    if not_finite(&checkpoint).is_none() {
                        snapshot = Snapshot { step: progress.step, checkpoint };
                    }
                }
                let report = &mut report[..layout.length(batch.samples)];
                let number = (base + progress.step) as u64;
                let (inputs, next_inputs) = (slices(&batch.inputs), next.map(|next| slices(&next.inputs)));
                let step = Samples { number, batch: batch.samples, inputs: &inputs };
                let next = next.zip(next_inputs.as_ref()).map(|(next, inputs)| Samples {
                    number: number + 1,
                    batch: next.samples,
                    inputs,
                });
                engine.train_step_ahead(step, next, report)?;
                progress.step += 1;
                let loss = report.first().copied().unwrap_or(0.0);
                if !loss.is_finite() {
                    fault = Some(Fault { what: "loss".to_owned(), value: loss.into() });
                    return Ok(false);
                }
                tally.add(layout, report, batch.samples);
                // Telling the rate takes longer than a small step does.
                if lr.is_none() || progress.step.is_multiple_of(RATE_STEPS) {
                    lr = rate.map(|rate| factor * (rate.0)(base + progress.step - 1, total, steps));
                }
                observer.step(&StepReport { done: progress.step, steps, loss, lr, samples: batch.samples });
                Ok(true)
            })?;
            if let Some(fault) = fault {
                return Err(self.diverged(fault, Some(&snapshot), observer));
            }
            (self.progress.sums, self.progress.samples) = tally.saved();
            if !stop.load(Ordering::Relaxed) && self.progress.step < steps {
                self.write_finite()?;
                again = true;
            }
        }
        Ok(snapshot)
    }

    /// Renews the last checkpoint inside an epoch, unless it would hold what is broken; the next loss will tell.
    fn write_finite(&self) -> Result<()> {
        let checkpoint = self.engine.checkpoint()?;
        if not_finite(&checkpoint).is_some() { Ok(()) } else { self.write(&self.last(), checkpoint) }
    }

    /// The error of a number that is not finite, with where it began if that can be found.
    fn diverged(
        &mut self,
        fault: Fault,
        snapshot: Option<&Snapshot>,
        observer: &mut dyn Observer,
    ) -> TrainError {
        let (epoch, step) = (self.progress.epoch + 1, self.progress.step);
        let mut origin = None;
        if let (Some(snapshot), Some(inspector)) = (snapshot, &self.options.inspector) {
            observer.note("looking for where it began");
            let order = self.order();
            let batch = self.recipe.data.batch;
            let samples =
                order.get(snapshot.step * batch..(step * batch).min(order.len())).unwrap_or_default();
            let random = Some((self.progress.seed, self.progress.epoch));
            let pass = Pass { order: samples, batch, feed: &self.train_feed.fields, random };
            let length = self.train_feed.layout.length(batch);
            // The search may fail where the run did; then the first fault is all that can be told.
            origin = find_origin(self.engine, &self.data, &pass, snapshot, length, inspector).ok().flatten();
        }
        TrainError::NotFinite { what: fault.what, value: fault.value, epoch, step, origin }
    }
}
