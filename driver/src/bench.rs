//! `dlc bench`: check, then time.
//!
//! The numbers are checked at batch 2 by the local bound before anything is timed. Then the step (or the
//! inference) runs on synthetic inputs, warmed up, for at least five calls and three seconds. The
//! operations are the mathematical ones of contractions and convolutions, and the share is told against
//! the peak that the same machine shows in the same run.

use crate::compare::synthetic_inputs;
use crate::data::port_bytes;
use crate::engine::default_threads;
use crate::flops::function_flops;
use crate::{CompareOptions, Cpu, DriverError, Loaded, Result, compare_loaded, native_session, peak_gflops};
use dlc_compiler::rewrite::RewriteOptions;
use dlc_compiler::{CompileOptions, FunctionKind};
use dlc_trainer::Engine;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Calls before the clock starts.
const WARM_UP: usize = 2;
/// Least number of timed calls.
const CALLS: usize = 5;
/// Least time of all timed calls.
const SPAN: Duration = Duration::from_secs(3);
/// Most timed calls.
const CALLS_LIMIT: usize = 200_000;
/// Steps that a schedule is told of: more than are timed.
const TOTAL_STEPS: usize = 1_000_000;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchTarget {
    /// One training step.
    Train,
    /// One inference.
    Run,
}

/// What a user may choose about a benchmark.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// What is timed.
    pub target: BenchTarget,
    /// Samples; `None` for the recipe's batch, or 1 without one.
    pub batch: Option<usize>,
    /// Threads; `None` for as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Seed of weights and inputs.
    pub seed: u64,
    /// Instructions of the compiled code.
    pub cpu: Cpu,
    /// Which rewrite rules are used.
    pub rewrite: RewriteOptions,
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
    /// The machine's peak of fused multiply-adds on as many threads.
    pub peak_gflops: f64,
    /// `gflops` over `peak_gflops`.
    pub share: f64,
}

/// Checks a model, then times it.
pub fn bench(loaded: &Loaded, options: &BenchOptions) -> Result<BenchReport> {
    let (name, kind) = match options.target {
        BenchTarget::Train => ("train", FunctionKind::Train),
        BenchTarget::Run => ("predict", FunctionKind::Predict),
    };
    if options.target == BenchTarget::Train {
        loaded.recipe("dlc bench train")?;
    }
    let checked = compare_loaded(
        loaded,
        &CompareOptions {
            seed: options.seed,
            cpu: options.cpu,
            rewrite: options.rewrite.clone(),
            ..CompareOptions::default()
        },
    )?;
    if let Some(first) = checked.mismatches.first() {
        return Err(DriverError::Mismatch(first.to_string()));
    }
    let batch = options.batch.or(loaded.recipe.as_ref().map(|recipe| recipe.data.batch)).unwrap_or(1);
    if batch == 0 {
        return Err(DriverError::User("the batch must be at least 1".to_owned()));
    }
    let threads = options.threads.unwrap_or_else(default_threads);
    let compile_options = CompileOptions {
        functions: vec![FunctionKind::Initialize, kind],
        rewrite: options.rewrite.clone(),
        ..CompileOptions::new(batch)
    };
    let compilation = dlc_compiler::compile(&loaded.model, &compile_options)?;
    let missing = || DriverError::Bug(format!("there is no function `{name}`"));
    let function = compilation.functions.iter().find(|one| one.name == name).ok_or_else(missing)?;
    let interface =
        compilation.interface.functions.iter().find(|one| one.name == name).ok_or_else(missing)?;
    let mut session = native_session(&compilation, threads, options.cpu)?;
    session.initialize(options.seed)?;
    Engine::set_total_steps(&mut session, TOTAL_STEPS)?;
    let inputs = synthetic_inputs(loaded, &compilation.interface, batch, options.seed);
    let fed: Vec<&[u8]> =
        interface.inputs.iter().filter_map(|port| inputs.get(&port.name)).map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<u8>> =
        interface.outputs.iter().map(|port| vec![0; port_bytes(port, batch)]).collect();
    let handle = session.prepare(name)?;
    let mut times = Vec::new();
    let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let mut started = Instant::now();
    for call in 0..CALLS_LIMIT {
        if call == WARM_UP {
            started = Instant::now();
        }
        if times.len() >= CALLS && started.elapsed() >= SPAN {
            break;
        }
        let one = Instant::now();
        session.call(handle, batch, &fed, &mut slots)?;
        if call >= WARM_UP {
            times.push(one.elapsed());
        }
    }
    Ok(report(&mut times, function_flops(&function.graph, batch), batch, peak_gflops(threads)))
}

fn report(times: &mut [Duration], flops: u64, batch: usize, peak_gflops: f64) -> BenchReport {
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    let middle = times.len() / 2;
    let median_ms = match times.len() % 2 {
        0 => (milliseconds(times.get(middle.wrapping_sub(1))) + milliseconds(times.get(middle))) / 2.0,
        _ => milliseconds(times.get(middle)),
    };
    let gflops = flops as f64 / median_ms / 1e6;
    BenchReport {
        median_ms,
        min_ms: milliseconds(times.first()),
        gflops,
        samples_per_s: batch as f64 / median_ms * 1e3,
        peak_gflops,
        share: gflops / peak_gflops,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_what_the_times_say() {
        let mut times = [5, 1, 2, 9].map(Duration::from_millis);
        let found = report(&mut times, 7_000_000, 14, 4.0);
        assert_eq!((found.median_ms, found.min_ms), (3.5, 1.0));
        assert_eq!((found.gflops, found.samples_per_s, found.share), (2.0, 4000.0, 0.5));
    }
}
