//! Data ready to be made into batches: read, divided, with the fitted scaling of every field.

use crate::dataset::{self, Column, Dataset, sample_elements};
use crate::field::{FieldPipeline, units_of};
use crate::split::{Parts, divide};
use crate::transform::{Scaling, Statistics, needs_statistics};
use crate::{Result, RunOptions, TrainError};
use dlc_recipe::{Data, Field, Recipe, Transform};
use dlc_runtime::Checkpoint;
use std::path::Path;

/// A recipe's data, ready for batches.
#[derive(Debug)]
pub struct PreparedData {
    pub(crate) dataset: Dataset,
    pub(crate) parts: Parts,
    pub(crate) pipelines: Vec<FieldPipeline>,
}

/// What data preparation needs beside the recipe.
#[derive(Clone, Copy, Debug)]
pub struct Preparation<'a> {
    /// The model's folder, against which paths are resolved.
    pub folder: &'a Path,
    /// The caller's choices.
    pub options: &'a RunOptions,
    /// The run's seed.
    pub seed: u64,
    /// A checkpoint whose scaling replaces fitting.
    pub saved: Option<&'a Checkpoint>,
}

/// Least, greatest, mean and deviation of every unit over some samples.
fn statistics(column: &Column, units: usize, samples: &[usize]) -> Result<Vec<Statistics>> {
    let mut all =
        vec![
            Statistics { least: f64::INFINITY, greatest: f64::NEG_INFINITY, mean: 0.0, deviation: 0.0 };
            units
        ];
    let mut counts = vec![0u64; units];
    each_value(column, samples, |unit, value| {
        let statistics = &mut all[unit];
        statistics.least = statistics.least.min(value);
        statistics.greatest = statistics.greatest.max(value);
        statistics.mean += value;
        counts[unit] += 1;
    })?;
    for (statistics, &count) in all.iter_mut().zip(&counts) {
        statistics.mean /= count.max(1) as f64;
    }
    // A second pass keeps the deviation exact where the mean is large.
    each_value(column, samples, |unit, value| {
        let difference = value - all[unit].mean;
        all[unit].deviation += difference * difference;
    })?;
    for (statistics, &count) in all.iter_mut().zip(&counts) {
        statistics.deviation = (statistics.deviation / count.max(1) as f64).sqrt();
        if statistics.least == statistics.greatest {
            statistics.deviation = 0.0;
        }
    }
    Ok(all)
}

fn each_value(column: &Column, samples: &[usize], mut visit: impl FnMut(usize, f64)) -> Result<()> {
    match column {
        Column::Pictures(pictures) => {
            let mut bytes = Vec::new();
            for &sample in samples {
                pictures.read(sample, &mut bytes)?;
                for (channel, plane) in bytes.chunks_exact(pictures.plane().max(1)).enumerate() {
                    plane.iter().for_each(|&byte| visit(channel, f64::from(byte) / 255.0));
                }
            }
        }
        Column::Numbers { values, width } => {
            for &sample in samples {
                for (unit, &value) in values[sample * width..][..*width].iter().enumerate() {
                    visit(unit, f64::from(value));
                }
            }
        }
        Column::Integers { .. } => {}
    }
    Ok(())
}

/// Each sample's class, for a stratified split: the first label column, or else a last column of single
/// numbers with few values.
fn classes(dataset: &Dataset) -> Option<Vec<i64>> {
    let labels = dataset.columns.iter().find_map(|column| match column {
        Column::Integers { values, width: 1 } => Some(values.clone()),
        _ => None,
    });
    labels.or_else(|| match dataset.columns.last() {
        Some(Column::Numbers { values, width: 1 }) => {
            let classes: Vec<i64> = values.iter().map(|value| i64::from(value.to_bits())).collect();
            let distinct: std::collections::BTreeSet<_> = classes.iter().collect();
            (distinct.len() * 10 <= classes.len()).then_some(classes)
        }
        _ => None,
    })
}

/// That every label is one that the model knows.
fn check_labels(dataset: &Dataset, field: &Field, column: &Column, classes: Option<usize>) -> Result<()> {
    let Column::Integers { values, width: 1 } = column else { return Ok(()) };
    let elements = sample_elements(field)?;
    let one_hot = field.ty.dtype.is_float() && elements > 1;
    let limit = if one_hot { Some(elements) } else { classes };
    let fits = |label: i64| usize::try_from(label).is_ok_and(|label| limit.is_none_or(|limit| label < limit));
    match values.iter().position(|&label| !fits(label)) {
        None => Ok(()),
        Some(sample) => Err(TrainError::Label {
            path: dataset.path.clone(),
            place: format!("{} {}", dataset.sample_noun, sample + 1),
            label: values[sample],
            classes: limit.unwrap_or(i32::MAX as usize),
        }),
    }
}

fn steps_of<'a>(data: &'a Data, field: &str) -> Vec<&'a Transform> {
    data.transform.iter().filter(|(name, _)| name == field).map(|(_, step)| step).collect()
}

/// The pipeline of one field, its scaling fitted on `training` unless a checkpoint has it.
pub(crate) fn pipeline_of(
    data: &Data,
    field: &Field,
    column: &Column,
    training: &[usize],
    saved: Option<&Checkpoint>,
) -> Result<FieldPipeline> {
    let steps = steps_of(data, &field.name);
    if !matches!(column, Column::Pictures(_)) && steps.iter().any(|s| matches!(s, Transform::Resize { .. })) {
        return Err(TrainError::Recipe(format!("resize applies to pictures; `{}` is a table", field.name)));
    }
    let (units, channels) = units_of(column, field)?;
    let kept = saved.map(|saved| Scaling::saved(&field.name, units, saved)).transpose()?.flatten();
    let scaling = match kept {
        Some(scaling) => Some(scaling),
        None if saved.is_some() && needs_statistics(&steps) => {
            return Err(TrainError::Recipe(format!(
                "the checkpoint does not hold the fitted scaling of `{}`",
                field.name
            )));
        }
        None => {
            let fitted =
                if needs_statistics(&steps) { statistics(column, units, training)? } else { Vec::new() };
            Scaling::compose(&field.name, &steps, (units, channels), &fitted)?
        }
    };
    let augment = data.augment.iter().filter(|(name, _)| *name == field.name);
    FieldPipeline::new(field, column, augment.map(|(_, step)| step.clone()).collect(), scaling)
}

impl PreparedData {
    /// Reads, divides and fits.
    pub fn open(recipe: &Recipe, with: &Preparation<'_>) -> Result<PreparedData> {
        let data = &recipe.data;
        for (name, _) in &data.transform {
            check_field_name(data, name)?;
        }
        for (name, _) in &data.augment {
            check_field_name(data, name)?;
        }
        let dataset = dataset::open(data, with.folder, with.options, with.seed)?;
        PreparedData::from_dataset(data, dataset, with)
    }

    /// Divides and fits samples that were read already.
    pub fn from_dataset(data: &Data, dataset: Dataset, with: &Preparation<'_>) -> Result<PreparedData> {
        if data.batch == 0 {
            return Err(TrainError::Recipe("a batch needs at least one sample".to_owned()));
        }
        for (field, column) in data.fields.iter().zip(&dataset.columns) {
            check_labels(&dataset, field, column, with.options.classes)?;
        }
        let classes = if data.split.stratified { classes(&dataset) } else { None };
        let parts = divide(dataset.samples, dataset.own_test, classes.as_deref(), &data.split, with.seed)?;
        let fields = data.fields.iter().zip(&dataset.columns);
        let pipelines = fields
            .map(|(field, column)| pipeline_of(data, field, column, &parts.training, with.saved))
            .collect::<Result<Vec<_>>>()?;
        Ok(PreparedData { dataset, parts, pipelines })
    }

    /// The samples as they were read.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Which samples are for training, validation and test.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The composed map of a field's transforms, if it has any.
    pub fn scaling(&self, field: &str) -> Option<&Scaling> {
        self.pipelines.iter().find(|pipeline| pipeline.name == field)?.scaling()
    }

    /// Puts the scaling of every field into a checkpoint.
    pub fn save_scaling(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        for pipeline in &self.pipelines {
            if let Some(scaling) = pipeline.scaling() {
                scaling.save(&pipeline.name, checkpoint)?;
            }
        }
        Ok(())
    }
}

fn check_field_name(data: &Data, name: &str) -> Result<()> {
    if data.fields.iter().any(|field| field.name == name) {
        return Ok(());
    }
    let fields: Vec<&str> = data.fields.iter().map(|field| field.name.as_str()).collect();
    Err(TrainError::Recipe(format!("there is no field `{name}`; the fields are: {}", fields.join(", "))))
}
