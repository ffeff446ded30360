//! Pruning with training between its steps, by the trainer that trains every model.
//!
//! All steps are one run of so many epochs, so that schedules see the whole of it. Before the first epoch of each stretch
//! the run's checkpoint is pruned where it lies, with what the optimiser keeps, and the run goes on from it. The share
//! grows as Zhu and Gupta's does ("To prune, or not to prune", 2017): `s (1 - (1 - k / K)^3)` at step `k` of `K`, fast at
//! first, while there is much to spare, and slowly at the end.

use super::channels::Kept;
use super::subject::{Plan, Subject};
use super::{PruneSettings, measured};
use crate::checkpoint::{first_values, scale_rates};
use crate::identity::identity;
use crate::load::Weights;
use crate::{DriverError, Loaded, Result, TrainSettings, train};
use dlc_ir::Model;
use dlc_runtime::Checkpoint;
use dlc_trainer::{Measures, Observer, Outcome, Probe};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Progress that another model's epochs made.
const BEST: [&str; 2] = ["trainer.best", "trainer.best_epoch"];

/// What came of it.
pub(super) struct Tuned {
    /// The result.
    pub(super) checkpoint: Checkpoint,
    /// Its channels.
    pub(super) kept: Kept,
    /// Loss and metrics behind the last pruning, before training.
    pub(super) pruned: Measures,
    /// Loss and metrics at the end, where there was training.
    pub(super) tuned: Option<Measures>,
    /// Whether no one interrupted.
    pub(super) finished: bool,
}

/// One pruning.
pub(super) struct Session<'a> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) probe: &'a Probe<'a>,
    pub(super) settings: &'a PruneSettings,
    pub(super) out: &'a Path,
    pub(super) seed: u64,
}

/// The share that is gone behind step `step` (from 1) of so many.
fn share(sparsity: f64, step: usize, steps: usize) -> f64 {
    sparsity * (1.0 - (1.0 - step as f64 / steps.max(1) as f64).powi(3))
}

impl Session<'_> {
    /// Prunes, and trains if epochs are asked for.
    pub(super) fn run(
        &mut self,
        base: &Checkpoint,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Tuned> {
        let (steps, epochs) = (self.settings.steps.max(1), self.settings.epochs);
        let mut current = base.clone();
        let mut kept = self.subject.start.clone();
        let mut pruned = Measures::default();
        for step in 1..=steps {
            let sparsity = share(self.settings.sparsity, step, steps);
            let plan = self.subject.plan(&current.tensors, &kept, sparsity)?;
            self.subject.apply(&mut current.tensors, &mut kept, &plan);
            let model = self.model(&kept, &plan)?;
            current.identity = Some(identity(&model));
            observer.note("measuring the pruned model");
            pruned = measured(&model, self.subject.loaded, &current.tensors, self.probe, self.settings)?;
            if epochs == 0 {
                break;
            }
            let end = if step == steps { None } else { Some(epochs * step / steps) };
            let resumed = (step > 1).then(|| self.rewrite(&mut current)).transpose()?;
            let report = self.train(model, &current, resumed, end, observer, stop)?;
            let last = self.out.join("last.safetensors");
            current = Checkpoint::read(&last)?;
            if report == Outcome::Interrupted {
                return Ok(Tuned { checkpoint: current, kept, pruned, tuned: None, finished: false });
            }
        }
        if epochs == 0 {
            return Ok(Tuned { checkpoint: current, kept, pruned, tuned: None, finished: true });
        }
        // The weights of the best epoch at full sparsity, which a run writes whenever it gets better.
        let best = self.out.join("best.safetensors");
        let checkpoint = if best.is_file() { Checkpoint::read(&best)? } else { current };
        let mut model = self.subject.model(&kept)?;
        scale_rates(&mut model, self.settings.rate_factor);
        let tuned = measured(&model, self.subject.loaded, &checkpoint.tensors, self.probe, self.settings)?;
        Ok(Tuned { checkpoint, kept, pruned, tuned: Some(tuned), finished: true })
    }

    /// The model of a plan, as it is trained on.
    fn model(&self, kept: &Kept, plan: &Plan) -> Result<Model> {
        let mut model = self.subject.model(kept)?;
        if let (Plan::Weights(masks), Some(training)) = (plan, &mut model.training) {
            let pruned = model.parameters.iter().filter(|one| one.trainable && masks.contains_key(&one.name));
            let before = std::mem::take(&mut training.masked);
            training.masked = pruned.map(|one| one.name.clone()).collect();
            training.masked.extend(before.into_iter().filter(|name| !masks.contains_key(name)));
        }
        if self.settings.epochs > 0 {
            scale_rates(&mut model, self.settings.rate_factor);
        }
        Ok(model)
    }

    /// Puts a pruned checkpoint in the place of the run's last one. What was best before counts no more.
    fn rewrite(&self, current: &mut Checkpoint) -> Result<PathBuf> {
        BEST.iter().for_each(|name| {
            current.tensors.remove(*name);
        });
        let best = self.out.join("best.safetensors");
        if best.is_file() {
            std::fs::remove_file(&best).map_err(|cause| DriverError::File { path: best, cause })?;
        }
        let last = self.out.join("last.safetensors");
        current.write(&last)?;
        Ok(last)
    }

    /// Trains a model from these tensors, or goes on with a run, to the end of an epoch.
    fn train(
        &self,
        model: Model,
        current: &Checkpoint,
        resume: Option<PathBuf>,
        stop_after: Option<usize>,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let weights = Weights::of_tensors(&first_values(&model, &current.tensors))?;
        let mut recipe = self.subject.loaded.recipe.clone();
        if let Some(recipe) = &mut recipe {
            // Patience would count epochs of a model that was larger.
            recipe.early_stop = None;
        }
        let loaded = Loaded { model, weights, recipe, wide: None, ..self.subject.loaded.clone() };
        let settings = TrainSettings {
            data: self.settings.data.clone(),
            epochs: Some(self.settings.epochs),
            seed: Some(self.seed),
            threads: self.settings.threads,
            out: Some(self.out.to_owned()),
            resume,
            stop_after,
            engine: self.settings.engine,
            choices: self.settings.choices.clone(),
            ..TrainSettings::default()
        };
        Ok(train(&loaded, &settings, observer, stop)?.outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_share_grows_fast_at_first() {
        let shares: Vec<f64> = (1..=4).map(|step| share(0.8, step, 4)).collect();
        assert_eq!(shares.last(), Some(&0.8));
        let growth: Vec<f64> =
            std::iter::once(&0.0).chain(&shares).zip(&shares).map(|(before, after)| after - before).collect();
        assert!(growth.windows(2).all(|pair| pair[0] > pair[1]), "{growth:?}");
        assert!((share(0.5, 1, 1) - 0.5).abs() < 1e-12);
    }
}
