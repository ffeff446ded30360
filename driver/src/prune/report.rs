//! What pruning left, layer by layer.

use super::fine_tune::Tuned;
use super::kernels::Kernel;
use super::sensitivity::Effect;
use super::subject::Subject;
use super::tensors::{Tensors, floats};
use crate::flops::function_flops;
use crate::{DriverError, Result};
use dlc_ir::Model;
use dlc_trainer::Measures;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Loss and metrics.
pub type MetricValues = Measures;

/// One kernel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrunedLayer {
    /// The path of its layer.
    pub layer: String,
    /// The parameter.
    pub parameter: String,
    /// Weights that are not zero, before.
    pub weights_before: u64,
    /// Weights that are not zero, after.
    pub weights_after: u64,
    /// Share of its places that is gone or zero.
    pub sparsity: f64,
    /// Channels that it computes, before.
    pub channels_before: Option<usize>,
    /// Channels that it computes, after.
    pub channels_after: Option<usize>,
    /// Operations per sample before.
    pub flops_before: u64,
    /// Operations per sample after; zeros among the weights count.
    pub flops_after: u64,
    /// Distance of the layer's output when it alone is pruned, over the output's norm.
    pub output_error: Option<f64>,
    /// How much the loss grows when the layer alone is pruned.
    pub loss_change: Option<f64>,
}

/// A kernel that keeps its channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unpruned {
    /// The parameter.
    pub parameter: String,
    /// Why.
    pub reason: String,
}

/// Numbers of the whole model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Parameters, zeros included.
    pub parameters: u64,
    /// Parameters that are not zero.
    pub nonzero: u64,
    /// Operations per sample.
    pub flops: u64,
}

/// What pruning did; serialises as `dlc prune --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PruneReport {
    /// Name of the model.
    pub model: String,
    /// Whether channels went.
    pub structured: bool,
    /// The share that was asked for.
    pub sparsity: f64,
    /// What the file's learning rates were multiplied with; `None` without training.
    pub rate_factor: Option<f64>,
    /// Epochs of training behind it.
    pub epochs: usize,
    /// What was measured: `validation`, `test` or `train`.
    pub part: &'static str,
    /// Its samples.
    pub samples: usize,
    /// Loss and metrics before.
    pub before: MetricValues,
    /// Loss and metrics when the last share was gone, before training.
    pub pruned: MetricValues,
    /// Loss and metrics behind the training.
    pub tuned: Option<MetricValues>,
    /// The metric that the model is judged by.
    pub metric: String,
    /// How much worse it got; below 0 where it got better.
    pub drop: Option<f64>,
    /// How much worse it may get.
    pub max_drop: Option<f64>,
    /// The model before.
    pub total_before: Totals,
    /// The model after.
    pub total_after: Totals,
    /// The kernels that were pruned.
    pub layers: Vec<PrunedLayer>,
    /// The kernels that keep their channels.
    pub whole: Vec<Unpruned>,
    /// Whether nobody interrupted.
    pub finished: bool,
    /// The result.
    pub checkpoint: Option<PathBuf>,
    /// The table of layers as CSV.
    pub table: Option<PathBuf>,
}

/// Puts together what is known.
pub(super) fn assemble(
    subject: &Subject<'_>,
    before: &Tensors,
    tuned: &Tuned,
    effects: BTreeMap<String, Effect>,
    measures: Measures,
) -> Result<PruneReport> {
    let (wide, narrow) = (subject.model(&subject.start)?, subject.model(&tuned.kept)?);
    let after = &tuned.checkpoint.tensors;
    let of_kernel = |kernel: &Kernel| {
        let name = &kernel.parameter;
        let places = count(before, name).1;
        let (weights_before, weights_after) = (count(before, name).0, count(after, name).0);
        let effect = effects.get(name).copied().unwrap_or_default();
        let axis = subject.groups_of(name).flat_map(|group| &group.producers).find(|(of, _)| of == name);
        let axis = axis.map(|(_, axis)| *axis);
        let channels = |tensors: &Tensors| tensors.get(name)?.dims.get(axis?).copied();
        PrunedLayer {
            layer: kernel.layer.clone(),
            parameter: name.clone(),
            weights_before,
            weights_after,
            sparsity: 1.0 - weights_after as f64 / places.max(1) as f64,
            channels_before: channels(before),
            channels_after: channels(after),
            flops_before: kernel.flops(&wide.predict),
            flops_after: kernel.flops(&narrow.predict),
            output_error: effect.output_error,
            loss_change: effect.loss_change,
        }
    };
    let settings = subject.settings;
    let whole = subject
        .whole
        .iter()
        .map(|(parameter, reason)| Unpruned { parameter: parameter.clone(), reason: reason.clone() });
    Ok(PruneReport {
        model: wide.name.clone(),
        structured: settings.structured,
        sparsity: settings.sparsity,
        rate_factor: (settings.epochs > 0).then_some(settings.rate_factor),
        epochs: settings.epochs,
        part: "",
        samples: 0,
        before: measures,
        pruned: tuned.pruned.clone(),
        tuned: tuned.tuned.clone(),
        metric: String::new(),
        drop: None,
        max_drop: None,
        total_before: totals(&wide, before),
        total_after: totals(&narrow, after),
        layers: subject.kernels.iter().map(of_kernel).collect(),
        whole: whole.collect(),
        finished: tuned.finished,
        checkpoint: None,
        table: None,
    })
}

/// Elements of a tensor that are not zero, and all of them.
fn count(tensors: &Tensors, name: &str) -> (u64, u64) {
    let Some(tensor) = tensors.get(name) else { return (0, 0) };
    let values = floats(tensor);
    (values.iter().filter(|&&value| value != 0.0).count() as u64, values.len() as u64)
}

fn totals(model: &Model, tensors: &Tensors) -> Totals {
    let floats = model.parameters.iter().filter(|one| one.ty.dtype.is_float());
    let counts: Vec<(u64, u64)> = floats.map(|one| count(tensors, &one.name)).collect();
    Totals {
        parameters: counts.iter().map(|(_, all)| all).sum(),
        nonzero: counts.iter().map(|(nonzero, _)| nonzero).sum(),
        flops: function_flops(&model.predict, 1),
    }
}

impl PruneReport {
    /// The layers as a table.
    pub(super) fn csv(&self) -> Result<Vec<u8>> {
        let fault =
            |error: csv::Error| DriverError::Bug(format!("the table of layers cannot be made: {error}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        self.layers.iter().try_for_each(|layer| writer.serialize(layer)).map_err(fault)?;
        writer.into_inner().map_err(|error| DriverError::Bug(error.to_string()))
    }
}
