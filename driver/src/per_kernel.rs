//! Time per kernel run: each launch of a program as a function of its own, called in the program's order.
//!
//! Every launch works on the memory that the launches before it left, as in the whole program. What it
//! costs to call a function is included, some microseconds with several threads, so the sum is more
//! than the program's own time.

use crate::compare::synthetic_inputs;
use crate::data::port_bytes;
use crate::engine::default_threads;
use crate::flops::node_flops;
use crate::{BenchOptions, BenchTarget, DriverError, Loaded, Result, tuned_session};
use dlc_compiler::{Compilation, CompileOptions, CompiledFunction, FunctionKind};
use dlc_kernel::{Body, Launch};
use dlc_trainer::Engine;
use dlc_types::IndexVec;
use serde::Serialize;
use std::time::Instant;

/// Timed rounds over all launches; the least time of each counts.
const ROUNDS: usize = 7;

/// One launch of a program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelTime {
    /// Its number in the program.
    pub launch: usize,
    /// Name of the kernel.
    pub kernel: String,
    /// Least time in milliseconds.
    pub min_ms: f64,
    /// Billions of operations of contractions and convolutions per second; 0 for other kernels.
    pub gflops: f64,
}

/// The functions of `compilation`, with each launch of the last one as a function behind them. These rely on
/// the zeros that a call of the whole function leaves.
fn split(mut compilation: Compilation) -> Result<(Compilation, Vec<String>)> {
    let missing = || DriverError::Bug("there is no function to time".to_owned());
    let whole = compilation.functions.last().cloned().ok_or_else(missing)?;
    let interface = compilation.interface.functions.last().cloned().ok_or_else(missing)?;
    let mut names = Vec::new();
    for (number, launch) in whole.lowered.program.launches.iter().enumerate() {
        let name = format!("{}_{number}", whole.name);
        let mut one: CompiledFunction = whole.clone();
        let program = &mut one.lowered.program;
        let mut kernels = IndexVec::new();
        let kernel = kernels.push(program.kernels[launch.kernel].clone());
        program.kernels = kernels;
        program.launches = vec![Launch { kernel, barrier: false, ..launch.clone() }];
        program.name.clone_from(&name);
        program.prologue = 0;
        one.name.clone_from(&name);
        compilation.functions.push(one);
        compilation.interface.functions.push(dlc_abi::FunctionInterface {
            name: name.clone(),
            cleared: Vec::new(),
            ..interface.clone()
        });
        names.push(name);
    }
    Ok((compilation, names))
}

/// Times every launch of a training step or an inference, slowest first.
pub fn time_kernels(loaded: &Loaded, options: &BenchOptions) -> Result<Vec<KernelTime>> {
    let kind = match options.target {
        BenchTarget::Train => FunctionKind::Train,
        BenchTarget::Run => FunctionKind::Predict,
    };
    let batch = options.batch.or(loaded.recipe.as_ref().map(|recipe| recipe.data.batch)).unwrap_or(1);
    let compile_options =
        CompileOptions { functions: vec![FunctionKind::Initialize, kind], ..options.choices.options(batch)? };
    let (compilation, names) = split(dlc_compiler::compile(&loaded.model, &compile_options)?)?;
    let threads = options.threads.unwrap_or_else(default_threads);
    let tune = options.choices.tune.without_trials();
    let mut session = tuned_session(&compilation, threads, options.cpu, &tune)?;
    session.initialize(options.seed)?;
    Engine::set_total_steps(&mut session, 1000)?;
    let all = synthetic_inputs(loaded, &compilation.interface, batch, options.seed);
    let missing = || DriverError::Bug("there is no function to time".to_owned());
    let ports = compilation.interface.functions.last().ok_or_else(missing)?;
    let fed: Vec<&[u8]> =
        ports.inputs.iter().filter_map(|port| all.get(&port.name)).map(Vec::as_slice).collect();
    let mut outputs: Vec<Vec<u8>> =
        ports.outputs.iter().map(|port| vec![0; port_bytes(port, batch)]).collect();
    let mut slots: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    let handles =
        names.iter().map(|name| session.prepare(name)).collect::<std::result::Result<Vec<_>, _>>()?;
    let whole = session.prepare(&compilation.functions.get(1).ok_or_else(missing)?.name)?;
    session.call(whole, batch, &fed, &mut slots)?;
    let mut least = vec![f64::INFINITY; handles.len()];
    for _ in 0..ROUNDS {
        for (least, &handle) in least.iter_mut().zip(&handles) {
            let started = Instant::now();
            session.call(handle, batch, &fed, &mut slots)?;
            *least = least.min(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    let lowered = &compilation.functions.get(1).ok_or_else(missing)?.lowered;
    let launches = lowered.program.launches.iter().zip(&lowered.purposes).zip(least).enumerate();
    let mut times: Vec<KernelTime> = launches
        .map(|(launch, ((run, &purpose), min_ms))| {
            let kernel = &lowered.program.kernels[run.kernel];
            let contraction = matches!(kernel.body, Body::Contraction(_));
            let flops = if contraction { node_flops(&lowered.function, purpose, batch) } else { 0 };
            KernelTime { launch, kernel: kernel.name.clone(), min_ms, gflops: flops as f64 / min_ms / 1e6 }
        })
        .collect();
    times.sort_by(|a, b| b.min_ms.total_cmp(&a.min_ms));
    Ok(times)
}
