//! Measuring several engines on the same held-out samples: what compressing a model asks at every turn.
//!
//! The data is read and divided once, as the run that made the checkpoint divided it.

use crate::evaluate::{Feed, measure};
use crate::loader::{Batch, Pass, each_batch};
use crate::metrics::Evaluated;
use crate::prepare::{Preparation, PreparedData};
use crate::{Engine, Fitted, Result, RunOptions};
use dlc_recipe::Recipe;
use std::path::Path;

/// Samples that no step was trained on.
#[derive(Debug)]
pub struct Probe<'a> {
    recipe: &'a Recipe,
    data: PreparedData,
    part: &'static str,
}

impl<'a> Probe<'a> {
    /// Opens the data as the run of that seed saw it. The validation split is measured, else the test's, else the
    /// training's.
    pub fn open(
        recipe: &'a Recipe,
        folder: &Path,
        options: &RunOptions,
        seed: u64,
        fitted: &Fitted,
    ) -> Result<Probe<'a>> {
        let with = Preparation { folder, options, seed, saved: Some(fitted) };
        let data = PreparedData::open(recipe, &with)?;
        let part = match &data.parts {
            parts if !parts.validation.is_empty() => "validation",
            parts if !parts.test.is_empty() => "test",
            _ => "train",
        };
        Ok(Probe { recipe, data, part })
    }

    /// The name of the part that is measured.
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// Its samples.
    fn samples(&self) -> &[usize] {
        let parts = &self.data.parts;
        match self.part {
            "validation" => &parts.validation,
            "test" => &parts.test,
            _ => &parts.training,
        }
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples().len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples().is_empty()
    }

    /// Loss and metrics of the first samples, so many at most.
    pub fn measure(&self, engine: &mut dyn Engine, most: usize) -> Result<Evaluated> {
        let feed = Feed::new(engine, "evaluate", &self.data, &self.recipe.metrics)?;
        let samples = &self.samples()[..most.min(self.len())];
        let batch = self.recipe.data.batch.min(engine.interface().batch_max);
        measure(engine, &self.data, &feed, samples, batch)
    }

    /// The first batch as the function of that name takes it.
    pub fn first_batch(&self, engine: &dyn Engine, function: &str) -> Result<Batch> {
        let feed = Feed::new(engine, function, &self.data, &[])?;
        let batch = self.recipe.data.batch.min(engine.interface().batch_max);
        let order = &self.samples()[..batch.min(self.len())];
        let pass = Pass { order, batch, feed: &feed.fields, random: None };
        let mut first = Batch::default();
        each_batch(&self.data, &pass, |batch| {
            first = batch.clone();
            Ok(true)
        })?;
        Ok(first)
    }
}
