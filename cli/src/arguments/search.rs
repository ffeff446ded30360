//! The flags of `tune`.

use super::{EngineArguments, ModelArguments, StartArguments};
use crate::choices::ChoiceArguments;
use crate::values::positive;
use clap::Args;
use dlc_driver::Dimension;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// A setting with its values: `train.optimizer.lr=0.1,0.01`, or a range for `--random`: `LOW..HIGH`, with `:log`
    /// behind it where factors count and not distances; may be given several times.
    #[arg(long = "try", value_name = "KEY=VALUES", required = true, value_parser = Dimension::parse)]
    pub(crate) space: Vec<Dimension>,
    /// Draw so many combinations [default: the grid of all].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) random: Option<usize>,
    /// Successive halving: train all for a few epochs, and one of FACTOR for FACTOR times as many, until the last
    /// train to the end [default: train all to the end; without a number 3].
    #[arg(long, value_name = "FACTOR", num_args = 0..=1, default_missing_value = "3", value_parser = positive)]
    pub(crate) halving: Option<usize>,
    /// Cross-validation over K parts of what the test leaves [default: the file's validation samples].
    #[arg(long, value_name = "K", value_parser = positive)]
    pub(crate) folds: Option<usize>,
    /// What decides, such as `accuracy` [default: the file's `monitor`, else the loss].
    #[arg(long, value_name = "METRIC")]
    pub(crate) metric: Option<String>,
    /// The data's file or folder [default: what the file says].
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Epochs of a whole run [default: what the file says].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) epochs: Option<usize>,
    /// Seed of what is drawn, and of every run [default: what the file says].
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) start: StartArguments,
    /// Folder of the search; one that was interrupted goes on [default: runs/MODEL-search].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where the best configuration is written [default: beside the model's file, as NAME.best.dsl for NAME.dsl].
    #[arg(long, value_name = "FILE")]
    pub(crate) best: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object to stdout [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}
