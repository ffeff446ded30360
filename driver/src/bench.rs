//! `dlc bench`: check, then time.
//!
//! The numbers are checked at batch 2 by the local bound before anything is timed. Then the step (or the
//! inference) runs on synthetic inputs, warmed up, for at least six calls and three seconds. On a device a step is told
//! of the next one's inputs, as the trainer tells it. Where the
//! optimiser is timed against its absence, both take turns in the same minutes, and their outputs are compared
//! first. The
//! operations are the mathematical ones of contractions and convolutions, and the share is told against
//! the peak that the same machine shows in the same run.

use crate::compare::synthetic_inputs;
use crate::data::port_bytes;
use crate::flops::function_flops;
use crate::rewriting::baseline;
use crate::{
    BenchTarget, CompareOptions, CompileChoices, DriverError, Loaded, Machine, Result, TimedOptions,
    compare_loaded, peak_gflops, session,
};
use dlc_compiler::CompileOptions;
use dlc_runtime::{FunctionHandle, Samples, Session};
use dlc_trainer::Engine;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Calls of every round before the clock starts.
const WARM_UP: usize = 2;
/// Least number of timed calls.
const CALLS: usize = 6;
/// Least time of all timed calls.
const SPAN: Duration = Duration::from_secs(3);
/// Most calls of a round.
const CALLS_LIMIT: usize = 100_000;
/// Rounds that the calls are divided into; with and without the optimiser take turns.
const ROUNDS: usize = 3;
/// How far outputs of both may be apart, by their norm: they are rounded in other places.
const AGREEMENT: f64 = 1e-3;
/// Steps that a schedule is told of: more than are timed.
const TOTAL_STEPS: usize = 1_000_000;

/// What a user may choose about a benchmark.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// What is timed, and how.
    pub timed: TimedOptions,
    /// Whether the compilation without the optimiser is timed too ([`crate::baseline`]).
    pub against_baseline: bool,
}

/// What was measured; serialises as `dlc bench --json` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BenchReport {
    /// Median time of a call in milliseconds.
    pub median_ms: f64,
    /// Least time of a call in milliseconds.
    pub min_ms: f64,
    /// Billions of operations per second at the median.
    pub gflops: f64,
    /// Samples per second at the median.
    pub samples_per_s: f64,
    /// The machine's peak of fused multiply-adds on as many threads, where it is measured: not on a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_gflops: Option<f64>,
    /// `gflops` over `peak_gflops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Median time of a call without the optimiser, in milliseconds, measured in alternation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_ms: Option<f64>,
}

/// A function made ready to be called on synthetic inputs, and the times of its calls.
struct Subject {
    session: Session,
    handle: FunctionHandle,
    batch: usize,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    flops: u64,
    times: Vec<Duration>,
    /// Loss and metrics of a step on a device; empty for other calls.
    report: Vec<f32>,
    /// Steps that were told ahead.
    steps: u64,
}

impl Subject {
    fn new(
        loaded: &Loaded,
        options: &TimedOptions,
        compile_options: &CompileOptions,
        choices: &CompileChoices,
    ) -> Result<Subject> {
        let name = options.target.function();
        let compilation = dlc_compiler::compile(&loaded.model, compile_options)?;
        let missing = || DriverError::Bug(format!("there is no function `{name}`"));
        let function = compilation.functions.iter().find(|one| one.name == name).ok_or_else(missing)?;
        let interface =
            compilation.interface.functions.iter().find(|one| one.name == name).ok_or_else(missing)?;
        let batch = compile_options.batch_max;
        let mut session = session(&compilation, options.machine, options.threads(), choices)?;
        loaded.begin(&mut session, options.seed)?;
        Engine::set_total_steps(&mut session, TOTAL_STEPS)?;
        let mut all = synthetic_inputs(loaded, &compilation.interface, batch, options.seed);
        let report = match (options.target, session.device()) {
            (BenchTarget::Train, Some(_)) => vec![0.0; session.report_length(name, batch)?],
            _ => Vec::new(),
        };
        Ok(Subject {
            report,
            steps: 0,
            handle: session.prepare(name)?,
            session,
            batch,
            inputs: interface.inputs.iter().filter_map(|port| all.remove(&port.name)).collect(),
            outputs: interface.outputs.iter().map(|port| vec![0; port_bytes(port, batch)]).collect(),
            flops: function_flops(&function.graph, batch),
            times: Vec::new(),
        })
    }

    /// Calls the function for at least this number of times and this long.
    fn run(&mut self, calls: usize, span: Duration, timed: bool) -> Result<()> {
        let inputs: Vec<&[u8]> = self.inputs.iter().map(Vec::as_slice).collect();
        let mut slots: Vec<&mut [u8]> = self.outputs.iter_mut().map(Vec::as_mut_slice).collect();
        let started = Instant::now();
        for call in 0..CALLS_LIMIT {
            if call >= calls && started.elapsed() >= span {
                break;
            }
            let one = Instant::now();
            if timed && !self.report.is_empty() {
                self.steps += 1;
                let step = Samples { number: self.steps, batch: self.batch, inputs: &inputs };
                let next = Samples { number: self.steps + 1, ..step };
                self.session.train_step_ahead(step, Some(next), &mut self.report)?;
            } else {
                self.session.call(self.handle, self.batch, &inputs, &mut slots)?;
            }
            if timed {
                self.times.push(one.elapsed());
            }
        }
        Ok(())
    }
}

/// That both forms give the same on their first call.
fn agree(on: &Subject, off: &Subject) -> Result<()> {
    let floats = |bytes: &[u8]| -> Vec<f64> {
        let words = bytes.chunks_exact(4).map(|word| <[u8; 4]>::try_from(word).unwrap_or_default());
        words.map(|word| f64::from(f32::from_le_bytes(word))).collect()
    };
    for (one, other) in on.outputs.iter().zip(&off.outputs).filter(|(one, other)| one != other) {
        let (one, other) = (floats(one), floats(other));
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let distance = norm(&mut one.iter().zip(&other).map(|(one, other)| one - other));
        let size = norm(&mut other.iter().copied());
        if distance.is_nan() || distance > AGREEMENT * size {
            return Err(DriverError::Mismatch(format!(
                "with and without the optimiser, outputs are {distance:.2e} apart of {size:.2e}"
            )));
        }
    }
    Ok(())
}

/// Checks a model, then times it.
pub fn bench(loaded: &Loaded, options: &BenchOptions) -> Result<BenchReport> {
    let timed = &options.timed;
    let compile_options = timed.compile_options(loaded, "dlc bench")?;
    let checked = compare_loaded(
        loaded,
        &CompareOptions {
            seed: timed.seed,
            machine: timed.machine,
            choices: timed.choices.clone(),
            ..CompareOptions::default()
        },
    )?;
    if let Some(first) = checked.mismatches.first() {
        return Err(DriverError::Mismatch(first.to_string()));
    }
    let choices = &timed.choices;
    let mut on = Subject::new(loaded, timed, &compile_options, choices)?;
    let mut off = match options.against_baseline {
        true => Some(Subject::new(loaded, timed, &baseline(&compile_options), &choices.without_trials())?),
        false => None,
    };
    let warm_up = Duration::ZERO;
    on.run(1, warm_up, false)?;
    if let Some(off) = &mut off {
        off.run(1, warm_up, false)?;
        agree(&on, off)?;
    }
    for _ in 0..ROUNDS {
        for subject in std::iter::once(&mut on).chain(&mut off) {
            subject.run(WARM_UP, warm_up, false)?;
            subject.run(CALLS.div_ceil(ROUNDS), SPAN / ROUNDS as u32, true)?;
        }
    }
    let batch = compile_options.batch_max;
    let peak = match timed.machine {
        Machine::Threads(_) => Some(peak_gflops(timed.threads())),
        Machine::Cuda { .. } => None,
    };
    let mut report = report(&mut on.times, on.flops, batch, peak);
    report.baseline_ms = off.map(|mut off| median_ms(&mut off.times));
    Ok(report)
}

/// The median of some times in milliseconds; sorts them.
fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    let middle = times.len() / 2;
    match times.len() % 2 {
        0 => (milliseconds(times.get(middle.wrapping_sub(1))) + milliseconds(times.get(middle))) / 2.0,
        _ => milliseconds(times.get(middle)),
    }
}

fn report(times: &mut [Duration], flops: u64, batch: usize, peak_gflops: Option<f64>) -> BenchReport {
    let median_ms = median_ms(times);
    let gflops = flops as f64 / median_ms / 1e6;
    BenchReport {
        median_ms,
        min_ms: times.first().map_or(f64::NAN, |time| time.as_secs_f64() * 1e3),
        gflops,
        samples_per_s: batch as f64 / median_ms * 1e3,
        peak_gflops,
        share: peak_gflops.map(|peak| gflops / peak),
        baseline_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_what_the_times_say() {
        let mut times = [5, 1, 2, 9].map(Duration::from_millis);
        let found = report(&mut times, 7_000_000, 14, Some(4.0));
        assert_eq!((found.median_ms, found.min_ms), (3.5, 1.0));
        assert_eq!((found.gflops, found.samples_per_s, found.share), (2.0, 4000.0, Some(0.5)));
    }
}
