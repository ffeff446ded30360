//! The flags of `prune`.

use super::{EngineArguments, ModelArguments};
use crate::choices::ChoiceArguments;
use crate::values::positive;
use clap::{Args, ValueEnum};
use dlc_driver::{Norm, PruneSettings, Scope};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Trained weights.
    #[arg(long, value_name = "CKPT")]
    checkpoint: PathBuf,
    /// Share that goes, between 0 and 1: of the weights of kernels, or with --structured of the channels.
    #[arg(long, value_name = "SHARE")]
    sparsity: f64,
    /// Take whole channels out, so that the network really gets smaller [default: set single weights to zero].
    #[arg(long)]
    structured: bool,
    /// Prune these layers alone, such as `stage1.*`; may be given several times [default: all].
    #[arg(long, value_name = "PATTERN")]
    layers: Vec<String>,
    /// Leave these layers alone, such as `head`; may be given several times [default: none].
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// Take the same share of every layer, or the least of all layers together.
    #[arg(long, value_enum, default_value_t = ScopeName::Layer)]
    scope: ScopeName,
    /// How channels are ranked: by sums of magnitudes, or of squares.
    #[arg(long, value_enum, default_value_t = NormName::L2)]
    norm: NormName,
    /// Numbers of channels are multiples of this where a layer has twice as many.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = 8)]
    multiple: usize,
    /// Prune in so many steps, spread over the epochs: much at first, little at the end.
    #[arg(long, value_name = "K", value_parser = positive, default_value_t = 1)]
    steps: usize,
    /// Train for so many epochs behind it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    epochs: usize,
    /// What the file's learning rates are multiplied with in that training [default: 0.1, or 1 where `--set` gives an
    /// optimizer or a rate].
    #[arg(long, value_name = "FACTOR")]
    rate_factor: Option<f64>,
    /// Fail with exit code 3, and write no checkpoint, if the metric gets worse by more [default: no limit].
    #[arg(long, value_name = "DROP")]
    max_drop: Option<f64>,
    /// Held-out samples that the loss with each layer pruned alone is measured on.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = 512)]
    samples: usize,
    /// The data's file or folder [default: what the file says].
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Seed of the split and of the training [default: the checkpoint's].
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Folder for pruned.safetensors, prune.csv, prune.json and what the training leaves [default: runs/MODEL-pruned].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object per epoch and one at the end to stdout [default: tables].
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether every layer gives the same share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScopeName {
    /// The same share of every layer.
    Layer,
    /// The least of all layers together.
    Global,
}

/// How channels are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NormName {
    /// Sums of magnitudes.
    L1,
    /// Roots of sums of squares.
    L2,
}

impl PruneArguments {
    /// The model's file and settings.
    pub(crate) fn model(&self) -> &ModelArguments {
        &self.model
    }

    /// What the driver is told, but for how the model is compiled, and where it runs.
    pub(crate) fn settings(&self) -> PruneSettings {
        let own_rate = self.model.settings.iter().any(|(key, _)| key.starts_with("train.optimizer"));
        PruneSettings {
            structured: self.structured,
            layers: self.layers.clone(),
            keep: self.keep.clone(),
            scope: match self.scope {
                ScopeName::Layer => Scope::Layer,
                ScopeName::Global => Scope::Global,
            },
            norm: match self.norm {
                NormName::L1 => Norm::L1,
                NormName::L2 => Norm::L2,
            },
            multiple: self.multiple,
            steps: self.steps,
            epochs: self.epochs,
            rate_factor: self.rate_factor.unwrap_or(if own_rate { 1.0 } else { 0.1 }),
            max_drop: self.max_drop,
            samples: self.samples,
            data: self.data.clone(),
            seed: self.seed,
            threads: self.engine.threads,
            out: self.out.clone(),
            ..PruneSettings::new(&self.checkpoint, self.sparsity)
        }
    }
}
