//! What most commands take: the model, and who computes.

use super::MachineArguments;
use crate::console::Console;
use crate::values::{key_value, name_file, positive};
use clap::{Args, ValueEnum};
use dlc_driver::{CompileChoices, DriverError, EngineKind};
use std::path::PathBuf;

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
    /// The value of an input of an ONNX file, from `.npy`, `.npz` or `.pb`; the model is made for it, and it is no
    /// input any more. For inputs that tell shapes, axes or counts; may be given several times [default: none].
    #[arg(long = "bind", value_name = "NAME=@FILE", value_parser = name_file)]
    pub(crate) binds: Vec<(String, PathBuf)>,
}

/// A model with the values that its weights have.
#[derive(Debug, Args)]
pub(crate) struct WeightedModelArguments {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Trained weights; a quantised checkpoint makes it the quantised model, one of a pruned model has the channels that
    /// are left [default: those that came with the model, else initial ones].
    #[arg(long, value_name = "CKPT")]
    pub(crate) checkpoint: Option<PathBuf>,
}

impl ModelArguments {
    /// Settings, sizes and values as loading takes them.
    pub(crate) fn all_settings(&self) -> Vec<(String, String)> {
        let dims = self.dims.iter().map(|(name, size)| (format!("dim.{name}"), size.clone()));
        let file = |path: &PathBuf| path.to_string_lossy().into_owned();
        let binds = self.binds.iter().map(|(name, path)| (format!("bind.{name}"), file(path)));
        self.settings.iter().cloned().chain(dims).chain(binds).collect()
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
    #[command(flatten)]
    pub(crate) machine: MachineArguments,
}

impl EngineArguments {
    /// The engine that the flags name; what there is to say of its machine goes to the console.
    pub(crate) fn kind(
        &self,
        console: &Console,
        choices: &CompileChoices,
    ) -> Result<EngineKind, DriverError> {
        match self.engine {
            Engine::Native => Ok(EngineKind::Native(self.machine.machine(console, choices)?)),
            Engine::Interp if self.machine.is_elsewhere() => {
                let what = "the interpreter computes on the CPU; leave out `--device`, or `--engine interp`";
                Err(DriverError::User(what.to_owned()))
            }
            Engine::Interp => Ok(EngineKind::Interpreter),
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
