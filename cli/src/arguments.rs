//! The flags of every command, with the defaults told in their help.

use crate::console::Console;
use clap::{Args, Parser, Subcommand, ValueEnum};
use dlc_driver::{ArtifactKind, BenchTarget, Cpu, DriverError, EngineKind, OnnxTraining, TimedOptions};
use std::path::PathBuf;

use crate::choices::ChoiceArguments;
use crate::values::{key_value, name_file, positive, size};

/// An ahead-of-time compiler for deep-learning models: from a text file to a trained network.
#[derive(Debug, Parser)]
#[command(name = "dlc", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Colour of messages: on a terminal, always or never.
    #[arg(long, value_enum, default_value_t = Colour::Auto, global = true)]
    pub(crate) color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Parse, infer shapes and verify; tells all errors at once.
    Check(CheckArguments),
    /// Lay a model file out in the one way.
    Fmt(FormatArguments),
    /// Compile a model, print a summary and write its forms.
    Compile(CompileArguments),
    /// Run a model on tensors from files; an ONNX file (`.onnx`), too.
    Run(RunArguments),
    /// Write the inference graph of a model with its weights as an ONNX file.
    Export(ExportArguments),
    /// List the operators of ONNX that are known.
    Ops(OperatorArguments),
    /// Predict for rows of a CSV file or pictures, with a trained checkpoint.
    Predict(PredictArguments),
    /// Train a model on its data.
    Train(Box<TrainArguments>),
    /// Loss and metrics of a checkpoint on the test split.
    Eval(EvalArguments),
    /// Find a learning rate: a short run whose rate grows from step to step.
    Lr(RateArguments),
    /// Compare compiled with interpreted numbers: every value of a training step, and end to end.
    Compare(CompareArguments),
    /// Check, then time a training step or an inference.
    Bench(BenchArguments),
    /// Tell where the time of a training step or an inference goes, against what the machine can do.
    Profile(ProfileArguments),
    /// List the layers with shapes, parameters, operations and receptive field.
    Inspect(InspectArguments),
    /// Tell which layers, rewrites and groupings each kernel came from, and what they save.
    Explain(ExplainArguments),
}

/// The model's file and settings that replace what it says.
#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// The model's file.
    pub(crate) file: PathBuf,
    /// Replace a setting or option, such as `train.epochs=3`, `data.batch=64`, `resnet.width=32`; may be
    /// given several times [default: what the file says].
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) settings: Vec<(String, String)>,
    /// Size of a symbolic extent, such as `seq=128`; of an ONNX file's extent without a name `INPUT.AXIS=SIZE`;
    /// may be given several times [default: one is the batch, others must be given].
    #[arg(long = "dim", value_name = "NAME=SIZE", value_parser = key_value)]
    pub(crate) dims: Vec<(String, String)>,
}

impl ModelArguments {
    /// Settings and sizes as loading takes them.
    pub(crate) fn all_settings(&self) -> Vec<(String, String)> {
        let dims = self.dims.iter().map(|(name, size)| (format!("dim.{name}"), size.clone()));
        self.settings.iter().cloned().chain(dims).collect()
    }
}

/// Who computes, on how many threads.
#[derive(Debug, Args)]
pub(crate) struct EngineArguments {
    /// Who computes: compiled code, or the interpreter.
    #[arg(long, value_enum, default_value_t = Engine::Native)]
    pub(crate) engine: Engine,
    /// Threads of compiled code [default: as many as the machine runs at once].
    #[arg(long, value_name = "T", value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Instructions that compiled code may use: native, portable, x86-64-v3 or x86-64-v4.
    #[arg(long, value_name = "NAME", default_value = "native")]
    pub(crate) cpu: Cpu,
}

impl EngineArguments {
    /// The engine that the flags name.
    pub(crate) fn kind(&self) -> EngineKind {
        match self.engine {
            Engine::Native => EngineKind::Native(self.cpu),
            Engine::Interp => EngineKind::Interpreter,
        }
    }
}

/// Names of the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Compiled machine code.
    Native,
    /// The oracle; slow.
    Interp,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Print one JSON object per diagnostic to stdout [default: drawings on stderr].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FormatArguments {
    /// The model files, which are rewritten where their layout differs.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; exit with 1 and name the files whose layout differs [default: rewrite].
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the result to stdout and leave the file alone [default: rewrite].
    #[arg(long, conflicts_with = "check")]
    pub(crate) stdout: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Instructions that the code may use: native, portable, x86-64-v3 or x86-64-v4. Nothing is run, so they
    /// need not be this machine's.
    #[arg(long, value_name = "NAME", default_value = "native")]
    pub(crate) cpu: Cpu,
    /// Folder that the forms of `--emit` are written to, as MODEL.FUNCTION.KIND; drawings come as
    /// MODEL.FUNCTION.before.KIND and .after.KIND [default: the current one].
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Forms to write, separated by commas [default: none].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub(crate) emit: Vec<Emit>,
    /// Greatest batch of the compiled functions [default: the file's batch, or 1 without a data section].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    /// Folder that the text of every stage is written to [default: none].
    #[arg(long, value_name = "DIR")]
    pub(crate) dump_phases: Option<PathBuf>,
    /// Refuse a function that needs more scratch memory, such as 8MiB [default: no limit].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_arena: Option<usize>,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print the summary as one JSON object to stdout [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}

/// Names of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Emit {
    /// The graph as text.
    Ir,
    /// The program of kernels as text.
    Kernels,
    /// Cranelift's IR as text.
    Clif,
    /// The graph before rewriting and after lowering, for Graphviz.
    Dot,
    /// The same two as pictures.
    Svg,
}

impl From<Emit> for ArtifactKind {
    fn from(emit: Emit) -> ArtifactKind {
        match emit {
            Emit::Ir => ArtifactKind::Ir,
            Emit::Kernels => ArtifactKind::Kernels,
            Emit::Clif => ArtifactKind::Clif,
            Emit::Dot => ArtifactKind::Dot,
            Emit::Svg => ArtifactKind::Svg,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// A file for an input of the model, once per input: `.npy`, or `.npz` with an array of that name. The
    /// batch is the leading dimension. For an ONNX model also `.pb`, a serialised TensorProto.
    #[arg(long = "input", value_name = "NAME=@FILE", value_parser = name_file)]
    pub(crate) inputs: Vec<(String, PathBuf)>,
    /// Trained weights [default: initial ones].
    #[arg(long, value_name = "CKPT", conflicts_with = "seed")]
    pub(crate) checkpoint: Option<PathBuf>,
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
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// The file to write; weights of a model above 2 GiB go into a second one, the name of which ends with
    /// `.data`.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Trained weights [default: those that came with the model, else initial ones].
    #[arg(long, value_name = "CKPT", conflicts_with = "seed")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Seed of initial weights.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print what was written as one JSON object [default: as text].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorArguments {
    /// Print them as one JSON list [default: as a table].
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
    /// CSV files with the feature columns, or pictures.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
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
    #[arg(long, value_name = "CKPT")]
    pub(crate) resume: Option<PathBuf>,
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

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Samples.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = positive)]
    pub(crate) batch: usize,
    /// Seed of weights and synthetic inputs.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Instructions that compiled code may use: native, portable, x86-64-v3 or x86-64-v4.
    #[arg(long, value_name = "NAME", default_value = "native")]
    pub(crate) cpu: Cpu,
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
    pub(crate) model: ModelArguments,
    /// Samples per call [default: the file's batch, or 1 without a data section].
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    /// Threads [default: as many as the machine runs at once].
    #[arg(long, value_name = "T", value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Seed of weights and synthetic inputs.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Instructions that compiled code may use: native, portable, x86-64-v3 or x86-64-v4.
    #[arg(long, value_name = "NAME", default_value = "native")]
    pub(crate) cpu: Cpu,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
}

impl TimedArguments {
    /// What the driver is told; warnings go to the console.
    pub(crate) fn options(&self, console: &Console) -> Result<TimedOptions, DriverError> {
        Ok(TimedOptions {
            target: self.target.into(),
            batch: self.batch,
            threads: self.threads,
            seed: self.seed,
            cpu: self.cpu,
            choices: self.choices.choices(console)?,
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
    pub(crate) model: ModelArguments,
    /// Print one JSON object to stdout [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }
}
