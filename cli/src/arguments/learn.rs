//! Flags of `train` and `eval`.

use super::{EngineArguments, ModelArguments, StartArguments};
use crate::choices::ChoiceArguments;
use crate::values::{key_value, positive};
use clap::Args;
use dlc_driver::OnnxTraining;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// The data's file or folder [default: what the file says].
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) onnx: OnnxArguments,
    /// Epochs of the whole run [default: the checkpoint's when resuming, else what the file says].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) epochs: Option<usize>,
    /// Seed of weights, split, order and augmentation [default: the checkpoint's when resuming, else what
    /// the file says].
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Folder for checkpoints and metrics [default: runs/MODEL].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Checkpoint of a run to go on with [default: begin anew].
    #[arg(long, value_name = "CKPT", conflicts_with = "start")]
    pub(crate) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) start: StartArguments,
    /// End after this many epochs of the run are done; it can be resumed [default: all].
    #[arg(long, value_name = "K", value_parser = positive)]
    pub(crate) stop_after: Option<usize>,
    /// Keep a checkpoint of every so many epochs, as epoch-NNNN.safetensors [default: the last and the best].
    #[arg(long, value_name = "EPOCHS", value_parser = positive)]
    pub(crate) keep_every: Option<usize>,
    /// Renew the last checkpoint every so many steps inside an epoch, too [default: after every epoch].
    #[arg(long, value_name = "STEPS", value_parser = positive)]
    pub(crate) save_steps: Option<usize>,
    /// Write statistics of activations, gradients and parameters every epoch: statistics.csv, and histograms for
    /// TensorBoard [default: none].
    #[arg(long)]
    pub(crate) statistics: bool,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object per epoch and one at the end to stdout [default: text].
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an ONNX file does not say about training.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training an ONNX file")]
pub(crate) struct OnnxArguments {
    /// The loss: `cross_entropy`, `mse`, …, or an expression of `output` and `target` [default: none].
    #[arg(long, value_name = "LOSS")]
    loss: Option<String>,
    /// The update rule, such as `adam(lr=1e-3)` [default: none].
    #[arg(long, value_name = "RULE")]
    optimizer: Option<String>,
    /// A metric such as `accuracy`; may be given several times [default: accuracy beside cross_entropy].
    #[arg(long = "metric", value_name = "METRIC")]
    metrics: Vec<String>,
    /// The column of a CSV file that is to be predicted [default: none].
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Samples per step [default: 32].
    #[arg(long, value_name = "N", value_parser = positive)]
    batch: Option<usize>,
    /// Share of the samples for validation [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// Share of the samples for the test [default: 0.1; CIFAR-10 has a test split of its own].
    #[arg(long, value_name = "SHARE")]
    test: Option<f64>,
    /// Parameters that stay as they are, such as `layer1.*`; may be given several times [default: none].
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// A layer that is made anew, such as `fc=dense(5)`; may be given several times [default: none].
    #[arg(long = "replace-head", value_name = "LAYER=CALL", value_parser = key_value)]
    replace: Vec<(String, String)>,
}

impl TrainArguments {
    /// What the flags say about training a file that does not.
    pub(crate) fn onnx_training(&self) -> OnnxTraining {
        let flags = &self.onnx;
        OnnxTraining {
            loss: flags.loss.clone(),
            optimizer: flags.optimizer.clone(),
            metrics: flags.metrics.clone(),
            data: self.data.clone(),
            target: flags.target.clone(),
            batch: flags.batch,
            split: (flags.validation, flags.test),
            epochs: self.epochs,
            freeze: flags.freeze.clone(),
            replace: flags.replace.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Trained weights, with the scaling that training fitted.
    #[arg(long, value_name = "CKPT")]
    pub(crate) checkpoint: PathBuf,
    /// The data's file or folder [default: what the file says].
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Seed of the split [default: the checkpoint's].
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Folder for report.html and pictures; made if absent [default: none].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object [default: text].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RateArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// The data's file or folder [default: what the file says].
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Option<PathBuf>,
    /// Seed of weights, split, order and augmentation [default: what the file says].
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// First learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-6)]
    pub(crate) from: f64,
    /// Learning rate of the last step; the run ends before where the loss diverges.
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    pub(crate) to: f64,
    /// Number of steps.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = 120)]
    pub(crate) steps: usize,
    #[command(flatten)]
    pub(crate) start: StartArguments,
    /// Folder for the picture and the table of losses [default: runs/MODEL].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArguments,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print one JSON object [default: text].
    #[arg(long)]
    pub(crate) json: bool,
}
