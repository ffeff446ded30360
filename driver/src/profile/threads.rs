//! On this process's threads: time of each launch of a program and of the whole, taken in turns.
//!
//! Every launch is called as a function of its own, in the program's order, on the memory that the launches
//! before it left, so that caches are as warm as in the whole. What it costs to call a function is
//! included; a function without launches tells how much that is.

use super::subject::{Rounds, Subject, Times, nothing_to_time};
use crate::{DriverError, Loaded, Result, TimedOptions};
use dlc_abi::FunctionInterface;
use dlc_compiler::lower::Lowered;
use dlc_compiler::rewrite::RewriteReport;
use dlc_compiler::{Compilation, CompiledFunction};
use dlc_ir::Function;
use dlc_kernel::{Launch, Program};
use dlc_types::IndexVec;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The functions of `compilation`, and behind them one without launches and one for each launch of the last.
/// These rely on the zeros that a call of the whole function leaves. Returns their names.
fn split(mut compilation: Compilation) -> Result<(Compilation, Vec<String>)> {
    let whole = compilation.functions.last().cloned().ok_or_else(nothing_to_time)?;
    let interface = compilation.interface.functions.last().cloned().ok_or_else(nothing_to_time)?;
    let launches = &whole.lowered.program.launches;
    let pieces = std::iter::once(None).chain(launches.iter().map(Some)).enumerate();
    let bare = bare(&whole);
    let mut names = Vec::new();
    for (number, launch) in pieces {
        let name = format!("{}_{number}", whole.name);
        let mut one = bare.clone();
        let program = &mut one.lowered.program;
        if let Some(launch) = launch {
            let kernel = program.kernels.push(whole.lowered.program.kernels[launch.kernel].clone());
            program.launches.push(Launch { kernel, barrier: false, ..launch.clone() });
        }
        program.name.clone_from(&name);
        one.name.clone_from(&name);
        compilation.functions.push(one);
        let cleared = Vec::new();
        let interface = FunctionInterface { name: name.clone(), cleared, ..interface.clone() };
        compilation.interface.functions.push(interface);
        names.push(name);
    }
    Ok((compilation, names))
}

/// The function without kernels, launches and all that is known of where they came from, which takes long to
/// copy for each of a thousand launches.
fn bare(whole: &CompiledFunction) -> CompiledFunction {
    let program = &whole.lowered.program;
    CompiledFunction {
        name: whole.name.clone(),
        graph: Function::default(),
        expanded: Function::default(),
        rewrites: RewriteReport::default(),
        lowered: Lowered {
            program: Program {
                kernels: IndexVec::new(),
                launches: Vec::new(),
                prologue: 0,
                name: program.name.clone(),
                buffers: program.buffers.clone(),
                sequences: program.sequences.clone(),
                repetitions: program.repetitions.clone(),
                arena_bytes: program.arena_bytes,
                thread_bytes: program.thread_bytes,
            },
            function: Function::default(),
            values: BTreeMap::new(),
            inputs: whole.lowered.inputs.clone(),
            outputs: whole.lowered.outputs.clone(),
            purposes: Vec::new(),
        },
    }
}

/// Times the last function of a compilation and its launches on synthetic inputs.
pub(super) fn measure(
    loaded: &Loaded,
    compilation: &Compilation,
    batch: usize,
    options: &TimedOptions,
) -> Result<Times> {
    let whole = compilation.functions.last().ok_or_else(nothing_to_time)?.name.clone();
    let (compilation, names) = split(compilation.clone())?;
    let mut subject = Subject::new(loaded, &compilation, batch, options)?;
    let handles =
        names.iter().map(|name| subject.session.prepare(name)).collect::<std::result::Result<Vec<_>, _>>()?;
    let whole = subject.session.prepare(&whole)?;
    let mut least = vec![Duration::MAX; handles.len()];
    let mut least_whole = Duration::MAX;
    for _ in Rounds::begin() {
        // The first call does what later ones need not: it clears borders and runs the prologue.
        subject.call(whole)?;
        let mut time = |handle| {
            let started = Instant::now();
            subject.call(handle)?;
            Ok::<Duration, DriverError>(started.elapsed())
        };
        least_whole = least_whole.min(time(whole)?);
        for (least, &handle) in least.iter_mut().zip(&handles) {
            *least = time(handle)?.min(*least);
        }
    }
    let mut milliseconds = least.into_iter().map(|time| time.as_secs_f64() * 1e3);
    Ok(Times {
        timings: vec![1; handles.len() - 1],
        whole: least_whole.as_secs_f64() * 1e3,
        call: milliseconds.next().unwrap_or(0.0),
        launches: milliseconds.collect(),
        transfers: None,
    })
}
