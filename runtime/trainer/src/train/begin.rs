//! Beginning a run, anew or from a checkpoint.

use super::Run;
use crate::checkpoint::{Progress, SavedRun};
use crate::evaluate::{Feed, restore};
use crate::loader::steps_per_epoch;
use crate::monitor::Monitor;
use crate::plateau::set_epoch_steps;
use crate::prepare::{Preparation, PreparedData};
use crate::{Engine, Result, RunOptions, TrainError};
use dlc_recipe::Recipe;
use dlc_runtime::LoadPolicy;
use std::path::Path;

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
    pub(super) fn begin(
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
        let train_feed = Feed::new(engine, "train", &data, &recipe.metrics)?;
        let evaluates = !data.parts.validation.is_empty() || !data.parts.test.is_empty();
        let evaluate_feed =
            evaluates.then(|| Feed::new(engine, "evaluate", &data, &recipe.metrics)).transpose()?;
        let watched = evaluate_feed.as_ref().filter(|_| !data.parts.validation.is_empty());
        let monitor = Monitor::new(recipe, &watched.unwrap_or(&train_feed).layout.names())?;
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
}
