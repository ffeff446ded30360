//! The way of a model through the compiler, on one page.
//!
//! ```text
//! model ── step functions ──> graphs ── expand ──> graphs ── rewrite ──> graphs ── lower ──> programs ── emit
//!          (autodiff inside)  verify   (widen)  verify      (legalize)  verify     verify, bounds, plan
//! ```
//!
//! Where a program needs more memory than it may, values are computed again and it is lowered anew (`rematerialize`).
//!
//! Each stage is timed and followed by the verifier of the form that it made.

use crate::composite::expand_composites;
use crate::interface::interface;
use crate::legalize::{legalize, widen};
use crate::lower::{self, Constants, LowerError, LowerOptions, Lowered, Threads};
use crate::persistent::{persistent_places, used_tensors};
use crate::prune::prune_scans;
use crate::rematerialize::{plans, rematerialize};
use crate::rewrite::{RewriteReport, rewrite};
use crate::step;
use crate::{CompileError, CompileOptions, FunctionKind};
use dlc_abi::Interface;
use dlc_ir::{Function, Model};
use std::time::{Duration, Instant};

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
        threads: options.threads,
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
        let lowered = timings.measure("lower", || {
            let lower = |graph: &Function, constants: &mut Constants| {
                lower::lower(graph, &lower_options, &persistent, constants)
            };
            within_arena(&rewritten, options.max_arena, &lower, &mut constants)
        })?;
        timings.measure("verify", || verify_program(&lowered, options))?;
        let name = graph.name.clone();
        functions.push(CompiledFunction { name, graph, expanded, rewrites, lowered });
    }
    let interface = interface(model, options, &persistent, constants, &functions)?;
    Ok(Compilation { interface, functions, timings: timings.stages })
}

/// Lowers a function; with an arena over the limit, by the plan that computes least again of those that keep to it, or
/// that needs least.
fn within_arena(
    function: &Function,
    limit: Option<usize>,
    lower: &dyn Fn(&Function, &mut Constants) -> Result<Lowered, LowerError>,
    constants: &mut Constants,
) -> Result<Lowered, CompileError> {
    let before = constants.clone();
    let mut best = lower(function, constants)?;
    let Some(limit) = limit else { return Ok(best) };
    for plan in plans(function) {
        if best.program.arena_bytes <= limit {
            break;
        }
        let again = rematerialize(function, plan);
        checked("rematerialize", &again, dlc_ir::verify::verify(&again))?;
        let mut with = before.clone();
        let lowered = lower(&again, &mut with)?;
        if lowered.program.arena_bytes < best.program.arena_bytes {
            (best, *constants) = (lowered, with);
        }
    }
    Ok(best)
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

fn verify_program(lowered: &Lowered, options: &CompileOptions) -> Result<(), CompileError> {
    let program = &lowered.program;
    let invalid =
        |error: String| CompileError::Invalid { stage: "lower", function: program.name.clone(), error };
    dlc_kernel::verify::verify_program(program).map_err(|error| invalid(error.to_string()))?;
    dlc_kernel::verify::verify_bounds(program, options.batch_max)
        .map_err(|error| invalid(error.to_string()))?;
    dlc_kernel::check::check_plan(program).map_err(|error| invalid(error.to_string()))?;
    if options.threads == Threads::Many { crate::emit::check_for_device(program) } else { Ok(()) }
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
