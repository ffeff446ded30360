//! Statistics of activations, gradients and parameters, on request: `statistics.csv`, and histograms for TensorBoard.
//!
//! They are taken once per epoch, behind it, on the first samples of the training split without augmentation, so that
//! epochs can be compared.

use crate::evaluate::{Feed, function_of};
use crate::loader::{Pass, each_batch};
use crate::options::{InspectedKind, Inspector};
use crate::prepare::PreparedData;
use crate::tensorboard::EventFile;
use crate::{Engine, Result};
use dlc_runtime::abi::{ElementType, PersistentRole};
use dlc_runtime::{Checkpoint, write_atomically};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const HEADER: &str = "epoch,kind,name,mean,deviation,least,greatest,norm,zeros";

/// `statistics.csv`, with the rows so far.
#[derive(Debug)]
pub(crate) struct StatisticsTable {
    path: PathBuf,
    text: String,
}

impl StatisticsTable {
    /// Begins the table, or goes on behind the rows of the first `done` epochs.
    pub(crate) fn open(path: &Path, done: usize) -> StatisticsTable {
        let mut text = format!("{HEADER}\n");
        // A file that cannot be read is one that begins anew.
        let before = if done > 0 { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        let mut lines = before.lines();
        if lines.next() == Some(HEADER) {
            let epoch = |line: &str| line.split(',').next().and_then(|cell| cell.parse::<usize>().ok());
            for line in lines.filter(|line| epoch(line).is_some_and(|epoch| epoch <= done)) {
                text.push_str(line);
                text.push('\n');
            }
        }
        StatisticsTable { path: path.to_owned(), text }
    }

    fn add(&mut self, epoch: usize, kind: &str, name: &str, values: &[f32]) {
        let count = values.len().max(1) as f64;
        let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
        let mean = sum / count;
        let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        let spread: f64 = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
        let least = values.iter().copied().fold(f32::INFINITY, f32::min);
        let greatest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let zeros = values.iter().filter(|&&value| value == 0.0).count() as f64 / count;
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.text,
            "{epoch},{kind},{name},{mean},{},{least},{greatest},{},{zeros}",
            (spread / count).sqrt(),
            squares.sqrt()
        );
    }

    fn write(&self) -> Result<()> {
        Ok(write_atomically(&self.path, self.text.as_bytes())?)
    }
}

/// Takes the statistics of an epoch that ended after `step` steps of the run.
pub(crate) fn take(
    (table, events): (&mut StatisticsTable, &mut EventFile),
    (engine, data, feed): (&dyn Engine, &PreparedData, &Feed),
    inspector: &Inspector,
    checkpoint: &Checkpoint,
    batch: usize,
    (epoch, step): (usize, usize),
) -> Result<()> {
    for tensor in engine.interface().tensors.iter().filter(|t| t.role == PersistentRole::Parameter) {
        let value = checkpoint.tensors.get(&tensor.name).filter(|value| value.element == ElementType::F32);
        if let Some(value) = value {
            let values = value.f32_values()?;
            table.add(epoch, "parameter", &tensor.name, &values);
            events.histogram(step, &format!("parameter/{}", tensor.name), &values)?;
        }
    }
    let first: Vec<usize> = data.parts.training.iter().copied().take(batch).collect();
    let pass = Pass { order: &first, batch, feed: &feed.fields, random: None };
    let names: Vec<String> =
        function_of(engine, "train")?.inputs.iter().map(|port| port.name.clone()).collect();
    each_batch(data, &pass, |batch| {
        let inputs: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(batch.inputs.iter().map(Vec::as_slice)).collect();
        for one in (inspector.0)(checkpoint, batch.samples, &inputs)? {
            let kind = match one.kind {
                InspectedKind::Activation => "activation",
                InspectedKind::Gradient => "gradient",
            };
            table.add(epoch, kind, &one.name, &one.values);
            events.histogram(step, &format!("{kind}/{}", one.name), &one.values)?;
        }
        Ok(true)
    })?;
    table.write()
}
