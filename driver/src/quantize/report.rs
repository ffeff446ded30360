//! What a quantisation tells.

use super::Result;
use crate::DriverError;
use dlc_trainer::Measures;
use serde::Serialize;
use std::path::PathBuf;

/// What a layer's input was seen to be, and how it becomes integers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputRange {
    /// `u8` or `i8`.
    #[serde(rename = "type")]
    pub dtype: String,
    /// Least value that was seen.
    pub least: f32,
    /// Greatest value that was seen.
    pub greatest: f32,
    /// The magnitude that the greatest integer stands for.
    pub limit: f64,
    /// What one integer is worth.
    pub scale: f32,
    /// Share of the values beyond the limit, counted in bins.
    pub clipped: f64,
}

/// One product with weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerReport {
    /// Path of the layer.
    pub name: String,
    /// Such as `conv2d`.
    pub kind: String,
    /// Bits of its weights and inputs: 8, or 32 where it stays in `f32`.
    pub bits: u8,
    /// Why it stays in `f32`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Number of weights.
    pub weights: usize,
    /// Its input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<InputRange>,
    /// Norm of what rounding takes of the weights, over their norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_error: Option<f64>,
    /// Norm of what changes of its output where it is quantised alone, over the output's norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_alone: Option<f64>,
    /// The same where all layers are quantised that are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_together: Option<f64>,
}

/// Signal over noise in decibels, of a relative error.
pub fn decibels(error: f64) -> f64 {
    -20.0 * error.log10()
}

/// What a quantisation did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuantizeReport {
    /// Name of the model.
    pub model: String,
    /// How ranges were chosen.
    pub calibration: String,
    /// Samples that they were chosen by.
    pub samples: usize,
    /// Samples that the layers' errors were measured on.
    pub error_samples: usize,
    /// The layers in the order of their computation, then those that integers cannot compute.
    pub layers: Vec<LayerReport>,
    /// Norm of what changes of the model's first output, over its norm.
    pub output_error: f64,
    /// What the metrics were measured on: `validation`, `test` or `train`; `samples` for models without data.
    pub part: &'static str,
    /// Its samples.
    pub part_samples: usize,
    /// Metrics in `f32`.
    pub before: Measures,
    /// Metrics of the quantised model.
    pub after: Measures,
    /// The largest drop of a metric: the difference where more is better, relative growth where less is.
    pub drop: f64,
    /// The metric that has it.
    pub decided_by: String,
    /// What a drop may be.
    pub max_drop: f64,
    /// Whether the quantised model was written.
    pub accepted: bool,
    /// Bytes of parameters and states that prediction reads, in `f32`.
    pub bytes_before: u64,
    /// The same of the quantised model.
    pub bytes_after: u64,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

impl QuantizeReport {
    /// The layers as a table of comma-separated values.
    pub(super) fn csv(&self) -> Result<Vec<u8>> {
        let bug = |error: csv::Error| DriverError::Bug(error.to_string());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = [
            "layer",
            "kind",
            "bits",
            "reason",
            "weights",
            "input_type",
            "least",
            "greatest",
            "limit",
            "scale",
            "clipped",
            "weight_error",
            "error_alone",
            "error_together",
        ];
        writer.write_record(header).map_err(bug)?;
        for layer in &self.layers {
            let input = |text: fn(&InputRange) -> String| layer.input.as_ref().map(text).unwrap_or_default();
            let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
            let record = [
                layer.name.clone(),
                layer.kind.clone(),
                layer.bits.to_string(),
                layer.reason.clone().unwrap_or_default(),
                layer.weights.to_string(),
                input(|input| input.dtype.clone()),
                input(|input| input.least.to_string()),
                input(|input| input.greatest.to_string()),
                input(|input| input.limit.to_string()),
                input(|input| input.scale.to_string()),
                input(|input| input.clipped.to_string()),
                number(layer.weight_error),
                number(layer.error_alone),
                number(layer.error_together),
            ];
            writer.write_record(record).map_err(bug)?;
        }
        writer.into_inner().map_err(|error| DriverError::Bug(error.to_string()))
    }
}
