//! Flags of `compare`, `bench`, `profile`, `inspect` and `explain`.

use super::{MachineArguments, WeightedModelArguments};
use crate::choices::ChoiceArguments;
use crate::console::Console;
use crate::values::positive;
use clap::{Args, ValueEnum};
use dlc_driver::{BenchTarget, DriverError, TimedOptions};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    #[command(flatten)]
    pub(crate) weighted: WeightedModelArguments,
    /// Samples.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = positive)]
    pub(crate) batch: usize,
    /// Seed of weights and synthetic inputs.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object to stdout [default: text].
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is timed, on which model and how.
#[derive(Debug, Args)]
pub(crate) struct TimedArguments {
    /// What is timed: a training step or an inference.
    #[arg(value_enum)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) weighted: WeightedModelArguments,
    /// Samples per call [default: the file's batch, or 1 without a data section].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    /// Threads [default: as many as the machine runs at once].
    #[arg(long, value_name = "T", value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Seed of weights and synthetic inputs.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
}

impl TimedArguments {
    /// What the driver is told; warnings go to the console.
    pub(crate) fn options(&self, console: &Console) -> Result<TimedOptions, DriverError> {
        let choices = self.choices.choices(console)?;
        Ok(TimedOptions {
            target: self.target.into(),
            batch: self.batch,
            threads: self.threads,
            seed: self.seed,
            machine: self.machine.machine(console, &choices)?,
            choices,
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) timed: TimedArguments,
    /// Also time every kernel by itself and list the longest, as `dlc profile` does; with --json a second
    /// object, that of `dlc profile --json` [default: the whole alone].
    #[arg(long)]
    pub(crate) per_kernel: bool,
    /// Print one JSON object to stdout [default: text].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    #[command(flatten)]
    pub(crate) timed: TimedArguments,
    /// List all kernels [default: the 25 that take longest].
    #[arg(long)]
    pub(crate) all: bool,
    /// Write the roofline as a picture: operations per byte against operations per second, a dot per kernel
    /// [default: none].
    #[arg(long, value_name = "PATH")]
    pub(crate) svg: Option<PathBuf>,
    /// Print one JSON object with all kernels and all launches to stdout [default: tables].
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// One training step.
    Train,
    /// One inference.
    Run,
}

impl From<Target> for BenchTarget {
    fn from(target: Target) -> BenchTarget {
        match target {
            Target::Train => BenchTarget::Train,
            Target::Run => BenchTarget::Run,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    #[command(flatten)]
    pub(crate) weighted: WeightedModelArguments,
    /// Print one JSON object to stdout [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) weighted: WeightedModelArguments,
    /// A kernel, or a layer by its path, to tell all about; a part of the name that fits only one will do
    /// [default: all kernels in a table].
    pub(crate) kernel: Option<String>,
    /// The function: predict, evaluate, train, initialize or gradients [default: train, or predict of a
    /// model without a train section].
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Samples that costs are estimated for [default: the file's batch, or 1 without a data section].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    /// List the small kernels too [default: those that matter].
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object to stdout [default: text].
    #[arg(long)]
    pub(crate) json: bool,
}
