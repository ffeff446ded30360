//! The flags of `quantize`.

use super::ModelArguments;
use crate::choices::ChoiceArguments;
use crate::console::Console;
use crate::values::{name_file, positive};
use clap::{Args, ValueEnum};
use dlc_driver::{Calibration, Cpu, DriverError, QuantizeSettings};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct QuantizeArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Trained weights in f32, with the scaling that training fitted [default: those that came with the model].
    #[arg(long, value_name = "CKPT")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The quantised checkpoint to write; a table of the layers stands beside it, as .csv.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The data's file or folder [default: what the file says].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// For a model without a data section, arrays of samples, once per input: `.npy`, or `.npz` with an array of that
    /// name.
    #[arg(long = "input", value_name = "NAME=@FILE", value_parser = name_file)]
    inputs: Vec<(String, PathBuf)>,
    /// Training samples that the ranges of values are chosen by, at most.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = positive)]
    samples: usize,
    /// How ranges are chosen: with the least squared error, so that a share of all magnitudes lies within
    /// (--percentile), or from the least to the greatest value.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = How::Mse)]
    calibrate: How,
    /// The share of magnitudes for `--calibrate percentile`, in percent.
    #[arg(long, value_name = "SHARE", default_value_t = 99.99)]
    percentile: f64,
    /// What a metric may drop on the validation split: a difference where more is better, as of an accuracy; a share
    /// where less is, as of an error. If it drops further, layers with large errors stay in f32, at most a quarter of
    /// them; if that does not do, nothing is written and the exit code is 3.
    #[arg(long, value_name = "DROP", default_value_t = 0.01)]
    max_drop: f64,
    /// Layers that stay in f32, such as `head` or `stage0.*`; may be given several times [default: none].
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// Threads [default: as many as the machine runs at once].
    #[arg(long, value_name = "T", value_parser = positive)]
    threads: Option<usize>,
    /// Instructions that compiled code may use: native, portable, x86-64-v3 or x86-64-v4, the
    /// latter two also with -vnni.
    #[arg(long, value_name = "NAME", default_value = "native")]
    cpu: Cpu,
    #[command(flatten)]
    choices: ChoiceArguments,
    /// Print one JSON object to stdout [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}

/// How ranges are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    Mse,
    Percentile,
    Minmax,
}

impl QuantizeArguments {
    /// What the driver is told; warnings go to the console.
    pub(crate) fn settings(&self, console: &Console) -> Result<QuantizeSettings, DriverError> {
        let calibration = match self.calibrate {
            How::Mse => Calibration::Mse,
            How::Percentile => Calibration::Percentile(self.percentile / 100.0),
            How::Minmax => Calibration::MinMax,
        };
        Ok(QuantizeSettings {
            checkpoint: self.checkpoint.clone(),
            output: self.output.clone(),
            data: self.data.clone(),
            inputs: self.inputs.clone(),
            samples: self.samples,
            calibration,
            max_drop: self.max_drop,
            keep: self.keep.clone(),
            threads: self.threads,
            cpu: self.cpu,
            choices: self.choices.choices(console)?,
        })
    }
}
