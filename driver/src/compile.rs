//! `dlc compile`: the forms of a model as files, and a summary of what was made.

use crate::drawing::{lowered_dot, lowered_svg, written_svg};
use crate::engine::default_threads;
use crate::flops::function_flops;
use crate::folder::make_folder;
use crate::memory::{ArenaReport, arena_report, check_arena};
use crate::tuning::tuned_target;
use crate::{CompileChoices, DriverError, Loaded, Math, Movement, Result, baseline, library, movement};
use dlc_compiler::emit::{Cpu, Platform, Target, assembly_text, clif_text, measure_code};
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
    /// The object file of the library.
    Obj,
    /// Its header, with that of the runtime.
    Header,
    /// Its C file, with that of the runtime.
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
    pub const ALL: [ArtifactKind; 12] = [
        ArtifactKind::Ir,
        ArtifactKind::Kernels,
        ArtifactKind::Clif,
        ArtifactKind::Dot,
        ArtifactKind::Svg,
        ArtifactKind::Asm,
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
    /// Bytes of machine code of all functions.
    pub code_bytes: usize,
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
    let mut made_for = library::targets(settings)?;
    // One layout and one program for all that is in a library.
    let byte_products = made_for.iter().all(|made| made.target.multiplies_bytes());
    let mut options = CompileOptions { byte_products, ..settings.choices.options(batch)? };
    let is_library = settings.emit.iter().any(|kind| kind.is_library());
    if is_library || settings.train {
        options.functions = library::functions(loaded, settings.train)?;
        options.only_used = !settings.train;
    } else if settings.embed_weights || settings.name.is_some() || settings.multi {
        let fault = "`--name`, `--embed-weights` and `--cpu multi` are about a library: give `--emit obj`, or another \
                     part of it";
        return Err(DriverError::User(fault.to_owned()));
    }
    options.max_arena = settings.max_arena;
    let compilation = dlc_compiler::compile(model, &options)?;
    check_arena(model, &options, &compilation, settings)?;
    let plain = CompileOptions { max_arena: None, ..baseline(&options) };
    let plain = dlc_compiler::compile(model, &plain)?;
    let started = Instant::now();
    let tune = settings.choices.tune.without_trials();
    let mut code_bytes = 0;
    for made in &mut made_for {
        // Only this machine's own instructions were timed here.
        if made.cpu == Cpu::Native {
            made.target = tuned_target(&compilation, Cpu::Native, default_threads(), &tune)?;
        }
        code_bytes += measure_code(&compilation, &made.target)?;
    }
    let Some(target) = made_for.last().map(|made| &made.target) else {
        return Err(DriverError::Bug("there is no target".to_owned()));
    };
    let code = started.elapsed();
    let stages = compilation.timings.iter().map(|(name, time)| ((*name).to_owned(), time.as_secs_f64()));
    let mut report = CompileReport {
        model: model.name.clone(),
        batch,
        math: settings.choices.math,
        parameters: parameter_count(model),
        persistent_bytes: compilation.interface.persistent_bytes,
        constant_bytes: compilation.interface.constants.len(),
        code_bytes,
        functions: compilation.functions.iter().map(|function| summary(function, &plain, batch)).collect(),
        stages: stages.chain([("code".to_owned(), code.as_secs_f64())]).collect(),
        files: Vec::new(),
    };
    if let Some(folder) = &settings.dump_phases {
        dump_phases(&compilation, target, folder, &mut report.files)?;
    }
    if !settings.emit.is_empty() {
        let here = PathBuf::from(".");
        let folder = settings.output_dir.as_ref().unwrap_or(&here);
        emit(&compilation, target, folder, &settings.emit, &mut report.files)?;
    }
    if is_library {
        library::write(loaded, &compilation, &made_for, settings, &mut report.files)?;
    }
    Ok(report)
}

/// The Cranelift IR of one function.
fn clif_of(compilation: &Compilation, target: &Target, function: &CompiledFunction) -> Result<String> {
    let one = Compilation {
        interface: compilation.interface.clone(),
        functions: vec![function.clone()],
        timings: Vec::new(),
    };
    Ok(clif_text(&one, target.isa.as_ref())?)
}

fn emit(
    compilation: &Compilation,
    target: &Target,
    folder: &Path,
    kinds: &[ArtifactKind],
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    for function in &compilation.functions {
        for kind in kinds.iter().filter(|kind| !kind.is_library()) {
            let (graph, lowered) = (&function.graph, &function.lowered);
            // Drawings come in two: as it was written, and as it was lowered.
            let texts = match kind {
                ArtifactKind::Ir => vec![("", dlc_ir::text::print(graph))],
                ArtifactKind::Kernels => vec![("", lowered.program.to_string())],
                ArtifactKind::Clif => vec![("", clif_of(compilation, target, function)?)],
                ArtifactKind::Asm => vec![("", assembly_text(function, target)?)],
                ArtifactKind::Dot => {
                    vec![(".before", dlc_ir::dot::dot(graph)), (".after", lowered_dot(lowered))]
                }
                ArtifactKind::Svg => {
                    vec![(".before", written_svg(graph)), (".after", lowered_svg(lowered))]
                }
                ArtifactKind::Obj
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
    target: &Target,
    folder: &Path,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    for function in &compilation.functions {
        let phases = [
            ("1-step.ir", dlc_ir::text::print(&function.graph)),
            ("2-expanded.ir", dlc_ir::text::print(&function.expanded)),
            ("3-prepared.ir", dlc_ir::text::print(&function.lowered.function)),
            ("4-lowered.kernels", function.lowered.program.to_string()),
            ("5-code.clif", clif_of(compilation, target, function)?),
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
