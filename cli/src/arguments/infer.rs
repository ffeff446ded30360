//! Flags of `run` and `predict`.

use super::{EngineArguments, ModelArguments, StartArguments};
use crate::choices::ChoiceArguments;
use crate::values::name_file;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// A file for an input of the model, once per input: `.npy`, or `.npz` with an array of that name. The
    /// batch is the leading dimension. For an ONNX model also `.pb`, a serialised TensorProto.
    #[arg(long = "input", value_name = "NAME=@FILE", value_parser = name_file)]
    pub(crate) inputs: Vec<(String, PathBuf)>,
    /// Trained weights [default: initial ones].
    #[arg(long, value_name = "CKPT", conflicts_with_all = ["seed", "start"])]
    pub(crate) checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) start: StartArguments,
    /// Seed of initial weights.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder that every output is written to, as NAME.npy; of an ONNX model as NAME.pb, unless its inputs were
    /// NumPy's files [default: outputs are printed].
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print the outputs as one JSON object [default: as text].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Trained weights, with the scaling that training fitted.
    #[arg(long, value_name = "CKPT")]
    pub(crate) checkpoint: PathBuf,
    /// CSV files with the feature columns, pictures, or `.npy` arrays, as the data section's source has them.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Folder for predictions.csv (with the probability of every class), pictures of samples, label maps of
    /// segmentation as maps/*.png, and report.html; made if absent [default: none].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where the training data lies, if class names are to be read from it [default: what the file says].
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}
