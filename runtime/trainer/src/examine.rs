//! A checkpoint's data, for those who change a trained model and must know what it does before and after.

use crate::checkpoint::SavedRun;
use crate::evaluate::{Feed, measure, slices};
use crate::loader::{Pass, each_batch};
use crate::prepare::{Preparation, PreparedData};
use crate::{Engine, EvalReport, Result, RunOptions};
use dlc_recipe::Recipe;
use dlc_types::random::Stream;
use std::path::Path;

/// Names the use of the seed for the choice of training samples.
const STREAM: u32 = 0xD1C0_0011;

/// Data that was divided and scaled as the checkpoint's run did.
#[derive(Debug)]
pub struct Examination<'a> {
    recipe: &'a Recipe,
    data: PreparedData,
    seed: u64,
}

impl<'a> Examination<'a> {
    /// Reads and divides the data by the seed of the checkpoint's run, unless the options have one.
    ///
    /// # Errors
    /// Data that cannot be read, or does not fit the recipe.
    pub fn open(
        recipe: &'a Recipe,
        folder: &Path,
        saved: &SavedRun,
        options: &RunOptions,
    ) -> Result<Examination<'a>> {
        let own = saved.progress.as_ref().map(|progress| progress.seed);
        let seed = options.seed.or(own).unwrap_or(recipe.seed);
        let with = Preparation { folder, options, seed, saved: Some(&saved.fitted) };
        Ok(Examination { recipe, data: PreparedData::open(recipe, &with)?, seed })
    }

    /// Loss and metrics by the engine's `evaluate` on the validation split, or the test or training split where there is
    /// none.
    ///
    /// # Errors
    /// Inputs that the data does not feed, and failures of the engine.
    pub fn measure(&self, engine: &mut dyn Engine) -> Result<EvalReport> {
        let parts = &self.data.parts;
        let all = [("validation", &parts.validation), ("test", &parts.test)];
        let (part, samples) =
            all.into_iter().find(|(_, samples)| !samples.is_empty()).unwrap_or(("train", &parts.training));
        let feed = Feed::new(engine, "evaluate", &self.data, &self.recipe.metrics)?;
        let batch = self.recipe.data.batch.min(engine.interface().batch_max);
        let evaluated = measure(engine, &self.data, &feed, samples, batch)?;
        Ok(EvalReport { part, samples: samples.len(), evaluated })
    }

    /// Hands batches of training samples, without augmentation, to `consume` with the engine: how many samples, and the
    /// inputs of its `predict`. The samples are `count` of the training split (or all, if there are fewer), chosen by
    /// the seed; the first of them are the same for any `count`. `Ok(false)` ends it. Gives how many there were.
    ///
    /// # Errors
    /// Inputs that the data does not feed, and what `consume` fails with.
    pub fn training_samples(
        &self,
        engine: &mut dyn Engine,
        count: usize,
        mut consume: impl FnMut(&mut dyn Engine, usize, &[&[u8]]) -> Result<bool>,
    ) -> Result<usize> {
        let mut order = self.data.parts.training.clone();
        Stream::new(self.seed, STREAM, 0).shuffle(&mut order);
        order.truncate(count);
        let feed = Feed::new(engine, "predict", &self.data, &self.recipe.metrics)?;
        let batch = engine.interface().batch_max;
        let pass = Pass { order: &order, batch, feed: &feed.fields, random: None };
        each_batch(&self.data, &pass, |batch| consume(engine, batch.samples, &slices(&batch.inputs)))?;
        Ok(order.len())
    }
}
