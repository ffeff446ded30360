//! The way of a model through the compiler, on one page.
//!
//! ```text
//! model ── step functions ──> graphs ── expand ──> graphs ── rewrite ──> graphs ── lower ──> programs ── emit
//!          (autodiff inside)  verify   (widen)  verify      (legalize)  verify     verify, bounds, plan
//! ```
//!
//! Each stage is timed and followed by the verifier of the form that it made.

use crate::autodiff::AutodiffError;
use crate::composite::{CompositeError, Statistics, expand_composites};
use crate::legalize::{LegalizeError, legalize, widen};
use crate::lower::{
    self, Constants, LowerError, LowerOptions, Lowered, PersistentOrders, PersistentPlaces, Winograd,
};
use crate::prune::prune_scans;
use crate::rewrite::{RewriteError, RewriteOptions, RewriteReport, RuleSelection, rewrite};
use crate::step::{self, StepError};
use dlc_abi::{
    ElementType, Extent, FunctionInterface, Interface, PersistentRole, PersistentTensor, Port, PortRole,
};
use dlc_ir::{Function, Model, Op, OutputRole};
use dlc_kernel::{Program, Storage};
use dlc_types::{Dim, TensorType};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What a compilation may choose by.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Greatest batch that the functions can be called with.
    pub batch_max: usize,
    /// Pieces that long reductions are split into, whatever the number of threads.
    pub max_parallel: usize,
    /// Which rewrite rules are used, and their bounds.
    pub rewrite: RewriteOptions,
    /// Whether values are grouped into kernels beyond elementwise chains.
    pub fuse_epilogues: bool,
    /// Whether convolutions may be computed by Winograd's tiles, and of what size.
    pub winograd: Winograd,
    /// Computes all convolutions by tiles that can be, whether or not that is faster (for tests).
    pub winograd_always: bool,
    /// Whether the machine multiplies bytes ([`crate::emit::Target::multiplies_bytes`]); where it does not, products of
    /// small integers are made of 16-bit ones.
    pub byte_products: bool,
    /// Keeps every intermediate value in a place of its own (for `dlc compare`).
    pub keep_all: bool,
    /// Which functions are wanted; those that a model has no sections for are left out.
    pub functions: Vec<FunctionKind>,
    /// Leaves out parameters and states that none of these functions uses.
    pub only_used: bool,
}

impl CompileOptions {
    /// The defaults for a greatest batch: predict, evaluate, train and initialize.
    pub fn new(batch_max: usize) -> CompileOptions {
        CompileOptions {
            batch_max,
            max_parallel: 16,
            rewrite: RewriteOptions::default(),
            fuse_epilogues: true,
            winograd: Winograd::default(),
            winograd_always: false,
            byte_products: false,
            keep_all: false,
            functions: FunctionKind::STANDARD.to_vec(),
            only_used: false,
        }
    }

    /// How batch-norms take their statistics.
    pub fn statistics(&self) -> Statistics {
        if self.rewrite.rules == RuleSelection::Off { Statistics::Centred } else { Statistics::Shifted }
    }
}

/// The functions that can be made of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FunctionKind {
    /// Seed -> first values of parameters and states.
    Initialize,
    /// Inputs -> outputs.
    Predict,
    /// Inputs, targets -> loss and metrics, in inference mode.
    Evaluate,
    /// Inputs, targets -> loss, metrics; parameters and states move on.
    Train,
    /// Inputs, targets -> loss, metrics, gradients; nothing moves on.
    Gradients,
    /// Inputs, targets -> loss, values of layers, gradients; nothing moves on.
    Inspect,
}

impl FunctionKind {
    /// What a session needs to train and predict.
    pub const STANDARD: [FunctionKind; 4] =
        [FunctionKind::Initialize, FunctionKind::Predict, FunctionKind::Evaluate, FunctionKind::Train];
}

/// Why a model cannot be compiled.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each variant wraps the error of one stage")]
pub enum CompileError {
    #[error(transparent)]
    Autodiff(#[from] AutodiffError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Composite(#[from] CompositeError),
    #[error(transparent)]
    Legalize(#[from] LegalizeError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Clif(#[from] dlc_codegen_clif::ClifError),
    #[error(transparent)]
    X86(#[from] dlc_codegen_x86::X86Error),
    #[error("no code can be generated for this machine: {0}")]
    Target(String),
    #[error("code for {cpu} cannot run here: this machine lacks {lacks}; `native` uses all that it has")]
    Cpu { cpu: &'static str, lacks: String },
    #[error("{path}, which DLC_PERF_MAP asks for, cannot be written: {cause}")]
    PerfMap { path: String, cause: std::io::Error },
    #[error("the code generator failed, which is a bug in dlc: {0}")]
    Module(String),
    #[error("stage {stage} made something invalid of function {function}, which is a bug in dlc: {error}")]
    Invalid { stage: &'static str, function: String, error: String },
}

impl From<cranelift_module::ModuleError> for CompileError {
    fn from(error: cranelift_module::ModuleError) -> Self {
        CompileError::Module(format!("{error:?}"))
    }
}

/// A model in all its forms but machine code.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// What a session needs to know.
    pub interface: Interface,
    /// The functions, in the order of the interface.
    pub functions: Vec<CompiledFunction>,
    /// Time that each stage took, over all functions, in order.
    pub timings: Vec<(&'static str, Duration)>,
}

/// One function in all its forms but machine code.
#[derive(Clone, Debug)]
pub struct CompiledFunction {
    /// Its name.
    pub name: String,
    /// The graph as the step builder made it, composite ops included.
    pub graph: Function,
    /// The same without composite ops, before rewriting.
    pub expanded: Function,
    /// What rewriting did.
    pub rewrites: RewriteReport,
    /// The program and what lowering knows of it.
    pub lowered: Lowered,
}

/// Brings a model into programs.
pub fn compile(model: &Model, options: &CompileOptions) -> Result<Compilation, CompileError> {
    let mut timings = Timings::default();
    let graphs = timings.measure("step", || step_functions(model, options))?;
    for graph in &graphs {
        checked("step", graph, dlc_ir::verify::verify(graph))?;
    }
    let expanded = timings.measure("expand", || {
        graphs
            .iter()
            .map(|graph| Ok(expand_composites(&widen(&prune_scans(graph))?, options.statistics())?))
            .collect::<Result<Vec<Function>, CompileError>>()
    })?;
    for graph in &expanded {
        checked("expand", graph, dlc_ir::verify::verify(graph))?;
    }
    let rewritten = timings.measure("rewrite", || {
        expanded
            .iter()
            .map(|graph| {
                let (rewritten, report) = rewrite(graph, &options.rewrite)?;
                Ok((legalize(&rewritten)?, report))
            })
            .collect::<Result<Vec<_>, CompileError>>()
    })?;
    for (graph, _) in &rewritten {
        checked("rewrite", graph, dlc_ir::verify::verify(graph))?;
    }
    let lower_options = LowerOptions {
        batch_max: options.batch_max,
        max_parallel: options.max_parallel,
        inputs: model.inputs.iter().chain(&model.targets).map(|input| input.name.clone()).collect(),
        fuse_epilogues: options.fuse_epilogues,
        winograd: options.winograd,
        winograd_always: options.winograd_always,
        byte_products: options.byte_products,
        keep_all: options.keep_all,
    };
    let rewritten_graphs = rewritten.iter().map(|(graph, _)| graph);
    let used = options.only_used.then(|| used_tensors(rewritten_graphs.clone()));
    let persistent = persistent_places(model, rewritten_graphs, &lower_options, used.as_ref())?;
    let mut constants = Constants::default();
    let mut functions = Vec::new();
    for ((graph, expanded), (rewritten, rewrites)) in graphs.into_iter().zip(expanded).zip(rewritten) {
        let lowered = timings
            .measure("lower", || lower::lower(&rewritten, &lower_options, &persistent, &mut constants))?;
        timings.measure("verify", || verify_program(&lowered, options.batch_max))?;
        let name = graph.name.clone();
        functions.push(CompiledFunction { name, graph, expanded, rewrites, lowered });
    }
    let interface = interface(model, options, &persistent, constants, &functions)?;
    Ok(Compilation { interface, functions, timings: timings.stages })
}

fn step_functions(model: &Model, options: &CompileOptions) -> Result<Vec<Function>, CompileError> {
    let mut functions = Vec::new();
    for kind in &options.functions {
        let trainable = model.forward.is_some() && model.training.is_some();
        match kind {
            FunctionKind::Initialize => functions.push(step::initialize(model)?),
            FunctionKind::Predict => {
                functions.push(named("predict", &step::of_averages(&model.predict, model)))
            }
            FunctionKind::Evaluate => {
                let averaged = model.evaluate.as_ref().map(|function| step::of_averages(function, model));
                functions.extend(averaged.map(|function| named("evaluate", &function)));
            }
            FunctionKind::Train if trainable => functions.push(step::training_step(model)?),
            FunctionKind::Gradients if trainable => functions.push(step::gradients(model)?),
            FunctionKind::Inspect if trainable => functions.push(step::inspection(model)?),
            FunctionKind::Train | FunctionKind::Gradients | FunctionKind::Inspect => {}
        }
    }
    Ok(functions)
}

fn named(name: &str, function: &Function) -> Function {
    Function { name: name.to_owned(), ..function.without_dead_nodes() }
}

/// Lays parameters and states out: the order of axes is the one that the first function with a wish
/// asks for, the training step before the others.
fn persistent_places<'a>(
    model: &Model,
    functions: impl Iterator<Item = &'a Function> + Clone,
    options: &LowerOptions,
    used: Option<&BTreeSet<String>>,
) -> Result<PersistentPlaces, CompileError> {
    let wanted = |name: &str| used.is_none_or(|used| used.contains(name));
    let mut orders = PersistentOrders::new();
    let by_weight = functions.clone().filter(|f| f.name == "train").chain(functions);
    for function in by_weight {
        for (name, order) in lower::wished_persistent_orders(function, options) {
            orders.entry(name).or_insert(order);
        }
    }
    let mut places = PersistentPlaces::default();
    for parameter in model.parameters.iter().filter(|parameter| wanted(&parameter.name)) {
        places.add(&parameter.name, &parameter.ty, orders.get(&parameter.name).cloned())?;
    }
    for state in model.states.iter().chain(&step::step_states(model)) {
        if wanted(&state.name) && !places.places.contains_key(&state.name) {
            places.add(&state.name, &state.ty, orders.get(&state.name).cloned())?;
        }
    }
    Ok(places)
}

/// Names of parameters and states that functions read or write.
fn used_tensors<'a>(functions: impl Iterator<Item = &'a Function>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for function in functions {
        used.extend(function.nodes.values().filter_map(|node| match &node.op {
            Op::Parameter { name } | Op::State { name } => Some(name.clone()),
            _ => None,
        }));
        let written = |role| matches!(role, OutputRole::Parameter | OutputRole::State);
        let outputs = function.outputs.iter().filter(|output| written(output.role));
        used.extend(outputs.map(|output| output.name.clone()));
    }
    used
}

fn verify_program(lowered: &Lowered, batch_max: usize) -> Result<(), CompileError> {
    let program = &lowered.program;
    let invalid =
        |error: String| CompileError::Invalid { stage: "lower", function: program.name.clone(), error };
    dlc_kernel::verify::verify_program(program).map_err(|error| invalid(error.to_string()))?;
    dlc_kernel::verify::verify_bounds(program, batch_max).map_err(|error| invalid(error.to_string()))?;
    dlc_kernel::check::check_plan(program).map_err(|error| invalid(error.to_string()))
}

fn checked<E: ToString>(
    stage: &'static str,
    function: &Function,
    result: Result<(), E>,
) -> Result<(), CompileError> {
    result.map_err(|error| CompileError::Invalid {
        stage,
        function: function.name.clone(),
        error: format!("{}\n{}", error.to_string(), dlc_ir::text::print(function)),
    })
}

fn interface(
    model: &Model,
    options: &CompileOptions,
    persistent: &PersistentPlaces,
    constants: Constants,
    functions: &[CompiledFunction],
) -> Result<Interface, CompileError> {
    let parameters: BTreeSet<&str> =
        model.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let mut tensors = Vec::new();
    for (name, (offset, ty, layout)) in &persistent.places {
        let role = if parameters.contains(name.as_str()) {
            PersistentRole::Parameter
        } else {
            PersistentRole::State
        };
        tensors.push(PersistentTensor {
            name: name.clone(),
            role,
            element: ElementType::ALL[ty.dtype as usize],
            dims: ty.shape.as_fixed().unwrap_or_default(),
            strides: layout.strides.iter().map(|&stride| stride.unsigned_abs() as usize).collect(),
            offset: *offset,
            bytes: layout.elements * ty.dtype.size(),
        });
    }
    let functions = functions.iter().map(function_interface).collect::<Result<Vec<_>, _>>()?;
    Ok(Interface {
        version: dlc_abi::VERSION,
        model: model.name.clone(),
        batch_max: options.batch_max,
        persistent_bytes: persistent.bytes,
        tensors,
        constants: constants.bytes,
        functions,
    })
}

fn function_interface(function: &CompiledFunction) -> Result<FunctionInterface, CompileError> {
    let port = |name: &str, role: PortRole, ty: &TensorType| -> Result<Port, CompileError> {
        Ok(Port {
            name: name.to_owned(),
            role,
            element: ElementType::ALL[ty.dtype as usize],
            dims: ty.shape.dims().iter().map(|&dim| extent(dim)).collect(),
        })
    };
    let lowered = &function.lowered;
    let inputs = lowered.inputs.iter().map(|(name, ty)| port(name, PortRole::Input, ty));
    let outputs = lowered.outputs.iter().map(|(role, name, ty)| {
        let role = match role {
            OutputRole::Loss => PortRole::Loss,
            OutputRole::Metric => PortRole::Metric,
            OutputRole::Gradient => PortRole::Gradient,
            _ => PortRole::Output,
        };
        port(name, role, ty)
    });
    Ok(FunctionInterface {
        name: function.name.clone(),
        arena_bytes: lowered.program.arena_bytes,
        thread_bytes: lowered.program.thread_bytes,
        cleared: cleared(&lowered.program),
        keeps_persistent: keeps_persistent(&lowered.program),
        inputs: inputs.collect::<Result<_, _>>()?,
        outputs: outputs.collect::<Result<_, _>>()?,
    })
}

/// Whether no launch writes a parameter or state.
fn keeps_persistent(program: &Program) -> bool {
    program.launches.iter().all(|launch| {
        let operands = launch.arguments.iter().zip(&program.kernels[launch.kernel].operands);
        operands.into_iter().all(|(&buffer, operand)| {
            !operand.writes || !matches!(program.buffers[buffer].storage, Storage::Persistent(_))
        })
    })
}

/// The places of buffers with a border of zeros.
fn cleared(program: &Program) -> Vec<(usize, usize)> {
    let bordered = program.buffers.values().filter(|buffer| buffer.border.is_some());
    let places = bordered.filter_map(|buffer| match buffer.storage {
        Storage::Arena(start) => Some((start, buffer.bytes)),
        _ => None,
    });
    places.collect::<BTreeSet<_>>().into_iter().collect()
}

fn extent(dim: Dim) -> Extent {
    match dim {
        Dim::Fixed(scale) => Extent { scale, batch: false },
        Dim::Batch(scale) => Extent { scale, batch: true },
    }
}

#[derive(Default)]
struct Timings {
    stages: Vec<(&'static str, Duration)>,
}

impl Timings {
    fn measure<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let elapsed = start.elapsed();
        match self.stages.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, total)) => *total += elapsed,
            None => self.stages.push((stage, elapsed)),
        }
        result
    }
}
