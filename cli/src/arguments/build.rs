//! Flags of `check`, `fmt`, `compile`, `targets`, `export` and `ops`.

use super::{ModelArguments, StartArguments};
use crate::choices::ChoiceArguments;
use crate::values::{positive, size};
use clap::{Args, ValueEnum};
use dlc_driver::{Architecture, ArtifactKind, CodeTarget, Cpu};
use std::path::PathBuf;
use std::str::FromStr;

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
    /// Trained weights; a quantised checkpoint makes it the quantised model, one of a pruned model has the channels that
    /// are left. A library gets them as NAME.safetensors beside it [default: those that came with the model, else
    /// initial ones].
    #[arg(long, value_name = "CKPT")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Machine that the code is for, as `dlc targets` lists them; nvptx64 stands for NVIDIA's GPUs, whose code is
    /// `--emit ptx`, with header and c for programs that run it [default: this machine].
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Option<CodeTarget>,
    /// Architecture of the GPU with --target nvptx64: 75 or 80, whose code runs on every later one, or 90a, whose code runs
    /// on that one alone [default: 80].
    #[arg(long, value_name = "NUMBER", value_parser = dlc_driver::architecture)]
    pub(crate) sm: Option<Architecture>,
    /// Instructions that the code may use: native, portable, x86-64-v3 or x86-64-v4, the
    /// latter two also with -vnni; or multi, for a library that has code for the levels of x86-64 and takes the widest
    /// that the machine runs. Nothing is run, so they need not be this machine's [default: native, or portable with
    /// --target].
    #[arg(long, value_name = "NAME")]
    pub(crate) cpu: Option<Instructions>,
    /// Folder that the forms of `--emit` are written to, as MODEL.FUNCTION.KIND; drawings come as
    /// MODEL.FUNCTION.before.KIND and .after.KIND [default: the current one].
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Forms to write, separated by commas [default: none].
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub(crate) emit: Vec<Emit>,
    /// Greatest batch of the compiled functions, which take every smaller one, too [default: the file's batch, or 1
    /// without a data section].
    #[arg(long, visible_alias = "max-batch", value_name = "N", value_parser = positive)]
    pub(crate) batch: Option<usize>,
    /// Whether the library, or the code for a GPU, also trains: init, train_step and eval_step beside predict [default:
    /// it predicts].
    #[arg(long)]
    pub(crate) train: bool,
    /// What the files of a library, or of code for a GPU, are called and symbols begin with [default: the model's name].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Put the weights into the library itself [default: a file beside it].
    #[arg(long)]
    pub(crate) embed_weights: bool,
    /// Folder that the text of every stage is written to [default: none].
    #[arg(long, value_name = "DIR")]
    pub(crate) dump_phases: Option<PathBuf>,
    /// Tell what lies in the arena of every function where most does [default: its size alone].
    #[arg(long)]
    pub(crate) memory_report: bool,
    /// Bytes of scratch memory that a function may need, such as 8MiB: where training needs more, it computes values again
    /// instead of keeping them; what cannot do with so many is refused, with a batch that would do and the floor [default:
    /// no limit].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_arena: Option<usize>,
    #[command(flatten)]
    pub(crate) choices: ChoiceArguments,
    /// Print the summary as one JSON object to stdout [default: a table].
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--cpu` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// One set.
    Of(Cpu),
    /// Several in one library.
    Multi,
}

impl FromStr for Instructions {
    type Err = String;

    fn from_str(text: &str) -> Result<Instructions, String> {
        match text {
            "multi" => Ok(Instructions::Multi),
            _ => text.parse().map(Instructions::Of).map_err(|error: String| format!("{error}, multi")),
        }
    }
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
    /// Machine code as text.
    Asm,
    /// Code for a GPU: NAME.launches, which a runtime loads, and the PTX in it as NAME.ptx.
    Ptx,
    /// The library's object file NAME.o: complete but for threads and files.
    Obj,
    /// Its header NAME.h, with dlc_runtime.h; of code for a GPU, too.
    Header,
    /// Its C file NAME.c, with dlc_runtime.c: threads, files, errors; of code for a GPU with dlc_cuda.c, too.
    C,
    /// The object file as libNAME.a.
    Staticlib,
    /// All of it as libNAME.so, by the system's C compiler.
    So,
    /// A Rust module NAME.rs over the object file, for programs that use dlc-runtime.
    Rust,
}

impl From<Emit> for ArtifactKind {
    fn from(emit: Emit) -> ArtifactKind {
        match emit {
            Emit::Ir => ArtifactKind::Ir,
            Emit::Kernels => ArtifactKind::Kernels,
            Emit::Clif => ArtifactKind::Clif,
            Emit::Dot => ArtifactKind::Dot,
            Emit::Svg => ArtifactKind::Svg,
            Emit::Asm => ArtifactKind::Asm,
            Emit::Ptx => ArtifactKind::Ptx,
            Emit::Obj => ArtifactKind::Obj,
            Emit::Header => ArtifactKind::Header,
            Emit::C => ArtifactKind::C,
            Emit::Staticlib => ArtifactKind::Staticlib,
            Emit::So => ArtifactKind::So,
            Emit::Rust => ArtifactKind::Rust,
        }
    }
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
    #[arg(long, value_name = "CKPT", conflicts_with_all = ["seed", "start"])]
    pub(crate) checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) start: StartArguments,
    /// Seed of initial weights.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print what was written as one JSON object [default: as text].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// Print them as one JSON list [default: as a table].
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorArguments {
    /// Print them as one JSON list [default: as a table].
    #[arg(long)]
    pub(crate) json: bool,
}
