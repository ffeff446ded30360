//! `dlc compile`: the forms of a model as files, and a summary of what was made.

use crate::code::Code;
use crate::drawing::{lowered_dot, lowered_svg, written_svg};
use crate::flops::function_flops;
use crate::folder::make_folder;
use crate::library::MadeFor;
use crate::memory::{ArenaReport, arena_report, check_arena};
use crate::{
    CompileChoices, DeviceSummary, DriverError, Loaded, Math, Movement, Result, baseline, library, movement,
    ptx,
};
use dlc_compiler::emit::{Architecture, Cpu, Platform, assembly_text};
use dlc_compiler::{Compilation, CompileOptions, CompiledFunction};
use dlc_runtime::write_atomically;
use dlc_types::TensorType;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A form that can be written to a file, one per function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArtifactKind {
    /// The graph.
    Ir,
    /// The program of kernels.
    Kernels,
    /// Cranelift's IR.
    Clif,
    /// The graph before rewriting and after lowering, for Graphviz.
    Dot,
    /// The same as pictures.
    Svg,
    /// Machine code as text.
    Asm,
    /// Code for a GPU, of all functions: the text, and the file that a runtime loads.
    Ptx,
    /// The object file of the library.
    Obj,
    /// Its header, with that of the runtime; of code for a GPU, too.
    Header,
    /// Its C file, with that of the runtime; of code for a GPU, too.
    C,
    /// The object file as a static library.
    Staticlib,
    /// Everything as a shared library.
    So,
    /// A Rust module over the object file and `dlc-runtime`.
    Rust,
}

impl ArtifactKind {
    /// Every kind.
    pub const ALL: [ArtifactKind; 13] = [
        ArtifactKind::Ir,
        ArtifactKind::Kernels,
        ArtifactKind::Clif,
        ArtifactKind::Dot,
        ArtifactKind::Svg,
        ArtifactKind::Asm,
        ArtifactKind::Ptx,
        ArtifactKind::Obj,
        ArtifactKind::Header,
        ArtifactKind::C,
        ArtifactKind::Staticlib,
        ArtifactKind::So,
        ArtifactKind::Rust,
    ];

    /// Whether it is a part of a library, of which there is one for all functions.
    pub const fn is_library(self) -> bool {
        self as usize >= ArtifactKind::Obj as usize
    }

    /// The name, which is also the extension of files that hold one function.
    pub const fn name(self) -> &'static str {
        match self {
            ArtifactKind::Ir => "ir",
            ArtifactKind::Kernels => "kernels",
            ArtifactKind::Clif => "clif",
            ArtifactKind::Dot => "dot",
            ArtifactKind::Svg => "svg",
            ArtifactKind::Asm => "asm",
            ArtifactKind::Ptx => "ptx",
            ArtifactKind::Obj => "obj",
            ArtifactKind::Header => "header",
            ArtifactKind::C => "c",
            ArtifactKind::Staticlib => "staticlib",
            ArtifactKind::So => "so",
            ArtifactKind::Rust => "rust",
        }
    }
}

/// What a user may choose about a compilation.
#[derive(Clone, Debug, Default)]
pub struct CompileSettings {
    /// Instructions of the code; it is not run, so this machine need not have them.
    pub cpu: Cpu,
    /// Whether a library has code for several sets of instructions, instead of one for `cpu`, and takes the widest that
    /// the machine runs when it is loaded.
    pub multi: bool,
    /// What machine the code is for; `None` for one of this machine's kind.
    pub platform: Option<Platform>,
    /// The GPU that the code is for; `None` for a processor.
    pub gpu: Option<Architecture>,
    /// Greatest batch; `None` for the recipe's, or 1 without one.
    pub batch: Option<usize>,
    /// Where artifacts are written.
    pub output_dir: Option<PathBuf>,
    /// Which are written.
    pub emit: Vec<ArtifactKind>,
    /// Whether a library trains, too.
    pub train: bool,
    /// What the symbols of a library begin with; `None` for the model's name.
    pub name: Option<String>,
    /// Weights of a library.
    pub checkpoint: Option<PathBuf>,
    /// Whether weights are part of a library; else they are a file beside it.
    pub embed_weights: bool,
    /// Where the text of every stage is written.
    pub dump_phases: Option<PathBuf>,
    /// Bytes of scratch that no function may exceed.
    pub max_arena: Option<usize>,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

/// One compiled function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionSummary {
    /// Its name.
    pub name: String,
    /// Operations of its graph.
    pub ops: usize,
    /// Different kernels.
    pub kernels: usize,
    /// Kernel runs per call.
    pub launches: usize,
    /// Barriers per call.
    pub barriers: usize,
    /// Floating-point operations of contractions and convolutions per call at the greatest batch.
    pub flops: u64,
    /// Bytes of scratch.
    pub arena_bytes: usize,
    /// What is in it where most is.
    pub arena: ArenaReport,
    /// What a call at the greatest batch takes.
    pub moved: Movement,
    /// The same without the optimiser: elementwise fusion alone.
    pub baseline: Movement,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompileReport {
    /// Name of the model.
    pub model: String,
    /// Greatest batch.
    pub batch: usize,
    /// How convolutions may be computed.
    pub math: Math,
    /// Trainable and frozen numbers.
    pub parameters: u64,
    /// Bytes of parameters and states.
    pub persistent_bytes: usize,
    /// Bytes of constants.
    pub constant_bytes: usize,
    /// Bytes of machine code of all functions, or of text for a GPU.
    pub code_bytes: usize,
    /// Code for a GPU; none where it is for a processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceSummary>,
    /// The functions.
    pub functions: Vec<FunctionSummary>,
    /// Seconds of every stage.
    pub stages: Vec<(String, f64)>,
    /// Files that were written.
    pub files: Vec<PathBuf>,
}

/// Number of elements of a parameter.
pub(crate) fn fixed_elements(ty: &TensorType) -> u64 {
    ty.shape.at(1).iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64))
}

/// The number of a model's parameters.
pub(crate) fn parameter_count(model: &dlc_ir::Model) -> u64 {
    model.parameters.iter().map(|parameter| fixed_elements(&parameter.ty)).fold(0, u64::saturating_add)
}

fn summary(function: &CompiledFunction, baseline: &Compilation, batch: usize) -> FunctionSummary {
    let program = &function.lowered.program;
    let op = |op: &dlc_ir::Op| !op.is_external() && !matches!(op, dlc_ir::Op::Constant(_));
    let plain = baseline.functions.iter().find(|plain| plain.name == function.name);
    FunctionSummary {
        name: function.name.clone(),
        ops: function.graph.nodes.values().filter(|node| op(&node.op)).count(),
        kernels: program.kernels.len(),
        launches: program.launches.len(),
        barriers: program.launches.iter().filter(|launch| launch.barrier).count(),
        flops: function_flops(&function.graph, batch),
        arena_bytes: program.arena_bytes,
        arena: arena_report(program),
        moved: movement(&function.lowered, batch),
        baseline: plain.map(|plain| movement(&plain.lowered, batch)).unwrap_or_default(),
    }
}

/// Compiles a model, with all the functions that its sections ask for.
pub fn compile(loaded: &Loaded, settings: &CompileSettings) -> Result<CompileReport> {
    let model = &loaded.model;
    let batch = settings.batch.or(loaded.recipe.as_ref().map(|recipe| recipe.data.batch)).unwrap_or(1);
    if batch == 0 {
        return Err(DriverError::User("the batch must be at least 1".to_owned()));
    }
    let gpu = ptx::check(settings)?;
    let made_for = if gpu.is_some() { Vec::new() } else { library::targets(settings)? };
    let options = options(loaded, settings, batch, &made_for)?;
    let compilation = dlc_compiler::compile(model, &options)?;
    check_arena(model, &options, &compilation, settings)?;
    let plain = CompileOptions { max_arena: None, ..baseline(&options) };
    let plain = dlc_compiler::compile(model, &plain)?;
    let started = Instant::now();
    let code = match gpu {
        Some(options) => Code::for_gpu(&compilation, options)?,
        None => Code::for_processors(&compilation, made_for, settings)?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let stages = compilation.timings.iter().map(|(name, time)| ((*name).to_owned(), time.as_secs_f64()));
    let mut report = CompileReport {
        model: model.name.clone(),
        batch,
        math: settings.choices.math,
        parameters: parameter_count(model),
        persistent_bytes: compilation.interface.persistent_bytes,
        constant_bytes: compilation.interface.constants.len(),
        code_bytes: code.bytes(),
        device: code.summary(&compilation),
        functions: compilation.functions.iter().map(|function| summary(function, &plain, batch)).collect(),
        stages: stages.chain([("code".to_owned(), seconds)]).collect(),
        files: Vec::new(),
    };
    if let Some(folder) = &settings.dump_phases {
        dump_phases(&compilation, &code, folder, &mut report.files)?;
    }
    let folder = library::folder(settings);
    emit(&compilation, &code, folder, &settings.emit, &mut report.files)?;
    match code {
        Code::Gpu { options, module } if settings.emit.iter().any(|&kind| library::is_for_gpu(kind)) => {
            ptx::write(loaded, &compilation, module, options, settings, &mut report.files)?;
        }
        Code::Processor { made_for, .. } if settings.emit.iter().any(|kind| kind.is_library()) => {
            library::write(loaded, &compilation, &made_for, settings, &mut report.files)?;
        }
        _ => {}
    }
    Ok(report)
}

/// How a model is compiled, for these sets of instructions, or for a device where there are none.
fn options(
    loaded: &Loaded,
    settings: &CompileSettings,
    batch: usize,
    made_for: &[MadeFor],
) -> Result<CompileOptions> {
    let mut options = match settings.gpu {
        Some(_) => settings.choices.device_options(batch)?,
        // One layout and one program for all that is in a library.
        None => CompileOptions {
            byte_products: made_for.iter().all(|made| made.target.multiplies_bytes()),
            ..settings.choices.options(batch)?
        },
    };
    let whole = |kind: &ArtifactKind| kind.is_library() || *kind == ArtifactKind::Ptx;
    if settings.emit.iter().any(whole) || settings.train {
        options.functions = library::functions(loaded, settings.train)?;
        options.only_used = !settings.train;
    } else if settings.embed_weights || settings.name.is_some() || settings.multi {
        let fault = "`--name`, `--embed-weights` and `--cpu multi` are about a library: give `--emit obj`, or another \
                     part of it";
        return Err(DriverError::User(fault.to_owned()));
    }
    options.max_arena = settings.max_arena;
    Ok(options)
}

fn emit(
    compilation: &Compilation,
    code: &Code,
    folder: &Path,
    kinds: &[ArtifactKind],
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    for function in &compilation.functions {
        for kind in kinds {
            let (graph, lowered) = (&function.graph, &function.lowered);
            // Drawings come in two: as it was written, and as it was lowered.
            let texts = match kind {
                ArtifactKind::Ir => vec![("", dlc_ir::text::print(graph))],
                ArtifactKind::Kernels => vec![("", lowered.program.to_string())],
                ArtifactKind::Clif => vec![("", code.text(compilation, function)?.1)],
                ArtifactKind::Asm => vec![("", assembly_text(function, code.target()?)?)],
                ArtifactKind::Dot => {
                    vec![(".before", dlc_ir::dot::dot(graph)), (".after", lowered_dot(lowered))]
                }
                ArtifactKind::Svg => {
                    vec![(".before", written_svg(graph)), (".after", lowered_svg(lowered))]
                }
                ArtifactKind::Ptx
                | ArtifactKind::Obj
                | ArtifactKind::Header
                | ArtifactKind::C
                | ArtifactKind::Staticlib
                | ArtifactKind::So
                | ArtifactKind::Rust => continue,
            };
            for (part, text) in texts {
                let (model, name) = (&compilation.interface.model, &function.name);
                write(folder, &format!("{model}.{name}{part}.{}", kind.name()), &text, files)?;
            }
        }
    }
    Ok(())
}

fn dump_phases(
    compilation: &Compilation,
    code: &Code,
    folder: &Path,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    for function in &compilation.functions {
        let (kind, code) = code.text(compilation, function)?;
        let last = format!("5-code.{kind}");
        let phases = [
            ("1-step.ir", dlc_ir::text::print(&function.graph)),
            ("2-expanded.ir", dlc_ir::text::print(&function.expanded)),
            ("3-prepared.ir", dlc_ir::text::print(&function.lowered.function)),
            ("4-lowered.kernels", function.lowered.program.to_string()),
            (&last, code),
        ];
        for (phase, text) in phases {
            let name = format!("{}.{}.{phase}", compilation.interface.model, function.name);
            write(folder, &name, &text, files)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    make_folder(folder)?;
    let path = folder.join(name);
    write_atomically(&path, text.as_bytes())?;
    files.push(path);
    Ok(())
}
