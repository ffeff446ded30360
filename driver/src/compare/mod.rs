//! `dlc compare`: compiled against interpreted numbers, with two bounds.
//!
//! *Local*: every value that the compiled run stores is computed again by the oracle from the run's own
//! stored values, so no error travels and none can hide behind another. *End to end*: outputs, loss,
//! metrics and initial values against the oracle in `f64` from the same weights. Gradients are reported
//! end to end, with the decisions (rectifiers, maxima) that flipped, and not judged: the correct `f32`
//! gradients of a deep net differ from those in `f64` by more than any tight bound for that reason alone.
//! What the compiler did to the graph before it lowered it is judged in `f64` (`rewritten`), gradients and
//! updates included.

mod end_to_end;
mod flips;
mod local;
mod measure;
mod rewritten;
mod stored;
mod synthetic;
#[cfg(test)]
mod tests;
mod ties;

pub(crate) use synthetic::synthetic_inputs;

use crate::data::port_bytes;
use crate::{CompileChoices, DriverError, Loaded, Machine, Math, Result, load, session};
use dlc_abi::FunctionInterface;
use dlc_compiler::{Compilation, CompileOptions, CompiledFunction, FunctionKind};
use dlc_runtime::Session;
use dlc_trainer::Engine;
use end_to_end::{GradientReport, OutputError};
use rewritten::RewriteReport;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use stored::Memory;

/// Greatest norm-wise error of either bound, where no 16-bit floats are at work ([`measure::allowed`]).
pub(crate) const TOLERANCE: f64 = 1e-5;
/// The same where all floats are `f64`.
pub(crate) const DOUBLE_TOLERANCE: f64 = 1e-12;

/// Steps of the run that the compared step is said to belong to; schedules need it.
const TOTAL_STEPS: usize = 100;

/// Threads of the compiled run: more than one, so that barriers matter.
const THREADS: usize = 2;

/// What a user may choose about a comparison.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// Samples.
    pub batch: usize,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Where the compiled code runs.
    pub machine: Machine,
    /// How the model is compiled.
    pub choices: CompileChoices,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions { batch: 2, seed: 0, machine: Machine::default(), choices: CompileChoices::default() }
    }
}

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mismatch {
    /// `local`, `end_to_end`, `rewritten` or `unchanged`.
    pub bound: &'static str,
    /// The function.
    pub function: String,
    /// Path of the layer, or name of the output.
    pub path: String,
    /// The kernels that computed it.
    pub kernels: Vec<String>,
    /// Coordinates of the element that differs most.
    pub index: Vec<usize>,
    /// Its compiled value.
    pub compiled: f64,
    /// The oracle's.
    pub interpreted: f64,
    /// Norm-wise error of the whole tensor.
    pub error: f64,
    /// What it may be.
    pub allowed: f64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` of {} at {:?}", self.path, self.function, self.index)?;
        if !self.kernels.is_empty() {
            write!(f, ", computed by {}", self.kernels.join(", "))?;
        }
        write!(f, ": compiled {:e}, interpreted {:e}", self.compiled, self.interpreted)?;
        let (bound, error, allowed) = (self.bound.replace('_', " "), self.error, self.allowed);
        write!(f, " ({bound} error {error:.2e}, allowed {allowed:.0e})")
    }
}

/// What the local bound saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LocalReport {
    /// The function that was checked value by value.
    pub function: String,
    /// Values that were computed again.
    pub values: usize,
    /// Values that agree only if a comparison of nearly equal numbers fell the other way.
    pub ties: usize,
    /// Greatest norm-wise error.
    pub worst_error: f64,
    /// Path of the value that has it.
    pub worst: String,
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompareReport {
    /// Name of the model.
    pub model: String,
    /// Samples.
    pub batch: usize,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Whether both bounds hold.
    pub agrees: bool,
    /// The local bound.
    pub local: LocalReport,
    /// The function as it was lowered against the one that was written, both by the oracle.
    pub rewritten: RewriteReport,
    /// End to end: one entry per output of each function.
    pub end_to_end: Vec<OutputError>,
    /// End to end: gradients, reported only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradients: Option<GradientReport>,
    /// All values that differ, in order.
    pub mismatches: Vec<Mismatch>,
    /// Wall-clock seconds, compilation included.
    pub seconds: f64,
}

/// Compares a model file.
pub fn compare(
    path: &Path,
    settings: &[(String, String)],
    options: &CompareOptions,
) -> Result<CompareReport> {
    compare_loaded(&load(path, settings)?, options)
}

/// One compiled function with its ports, ready to be called.
struct Subject<'a> {
    function: &'a CompiledFunction,
    interface: &'a FunctionInterface,
    /// How its products are computed.
    math: Math,
}

impl<'a> Subject<'a> {
    fn find(compilation: &'a Compilation, name: &str, math: Math) -> Option<Subject<'a>> {
        let function = compilation.functions.iter().find(|function| function.name == name)?;
        let interface = compilation.interface.functions.iter().find(|function| function.name == name)?;
        Some(Subject { function, interface, math })
    }

    /// The inputs that this function takes, in its order.
    fn inputs(&self, all: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let fed = self.interface.inputs.iter().map(|port| {
            let found = all.get(&port.name).cloned();
            found.ok_or_else(|| DriverError::Bug(format!("nothing feeds the input `{}`", port.name)))
        });
        fed.collect()
    }

    /// Calls the function and gives its outputs, in its order.
    fn call(&self, session: &mut Session, batch: usize, inputs: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let mut outputs: Vec<Vec<u8>> =
            self.interface.outputs.iter().map(|port| vec![0; port_bytes(port, batch)]).collect();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        let handle = session.prepare(&self.interface.name)?;
        session.call(handle, batch, &inputs, &mut slots)?;
        Ok(outputs)
    }
}

/// Compares a loaded model.
pub fn compare_loaded(loaded: &Loaded, options: &CompareOptions) -> Result<CompareReport> {
    let started = Instant::now();
    if options.batch == 0 {
        return Err(DriverError::User("the batch must be at least 1".to_owned()));
    }
    let mut functions = FunctionKind::STANDARD.to_vec();
    functions.push(FunctionKind::Gradients);
    let compile_options = CompileOptions {
        keep_all: true,
        functions,
        ..options.choices.options_for(options.batch, options.machine)?
    };
    let compilation = dlc_compiler::compile(&loaded.model, &compile_options)?;
    let (choices, math) = (options.choices.without_trials(), options.choices.math);
    let mut session = session(&compilation, options.machine, THREADS, &choices)?;
    session.initialize(options.seed)?;
    Engine::set_total_steps(&mut session, TOTAL_STEPS)?;
    let inputs = synthetic_inputs(loaded, &compilation.interface, options.batch, options.seed);
    let mut mismatches = Vec::new();
    let mut end_to_end = end_to_end::initial_values(&compilation, math, &session, &mut mismatches)?;
    loaded.weights.initial().fill(&mut session)?;
    for name in ["evaluate", "predict"] {
        if let Some(subject) = Subject::find(&compilation, name, math) {
            end_to_end.extend(end_to_end::outputs(
                &subject,
                &mut session,
                options.batch,
                &inputs,
                &mut mismatches,
            )?);
        }
    }
    let gradients = match Subject::find(&compilation, "gradients", math) {
        Some(subject) => Some(end_to_end::gradients(&subject, &mut session, options.batch, &inputs)?),
        None => None,
    };
    let subject =
        Subject::find(&compilation, "train", math).or_else(|| Subject::find(&compilation, "predict", math));
    let subject = subject.ok_or_else(|| DriverError::Bug("there is no function to compare".to_owned()))?;
    let floor = gradients.as_ref().map_or(0.0, |report| report.largest_norm);
    let externals = end_to_end::externals(&subject, &session, options.batch, &inputs)?;
    let rewritten = rewritten::check(&subject, options.batch, &externals, floor, &mut mismatches)?;
    let (local, found) = step(&subject, &mut session, options.batch, &inputs, floor)?;
    // The local bound names the kernel, so it comes first.
    mismatches.splice(0..0, found);
    Ok(CompareReport {
        model: loaded.model.name.clone(),
        batch: options.batch,
        seed: options.seed,
        agrees: mismatches.is_empty(),
        local,
        rewritten,
        end_to_end,
        gradients,
        mismatches,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Runs the function once and checks every value that it stored.
fn step(
    subject: &Subject<'_>,
    session: &mut Session,
    batch: usize,
    inputs: &BTreeMap<String, Vec<u8>>,
    largest_gradient: f64,
) -> Result<(LocalReport, Vec<Mismatch>)> {
    let inputs = subject.inputs(inputs)?;
    let before = session.persistent()?.into_owned();
    let outputs = subject.call(session, batch, &inputs)?;
    let memory = Memory {
        lowered: &subject.function.lowered,
        batch,
        math: subject.math,
        arena: &session.arena()?,
        before: &before,
        after: &session.persistent()?,
        inputs: &inputs,
        outputs: &outputs,
    };
    let (report, mut mismatches) = local::check_values(&memory, largest_gradient)?;
    mismatches.extend(local::check_outputs(&memory, session.program().interface(), largest_gradient)?);
    mismatches.extend(local::check_unchanged(&memory, session.program().interface()));
    Ok((report, mismatches))
}
