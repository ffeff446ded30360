//! How the code of contractions is chosen by measurement, within what leaves every bit of the results as it is.
//!
//! The contractions of a compilation are told apart by shape. Those that matter are timed once per machine, version
//! and number of threads, the heaviest first, until the time for it is over; what is left keeps the code
//! generator's own choice. What was found goes to a file ([`cache`]), so that the next compilation measures nothing.

mod cache;
mod machine;
#[cfg(test)]
mod tests;
mod trial;

use crate::{Cpu, Loaded, Result, TimedOptions};
use cache::Cache;
use dlc_compiler::Compilation;
use dlc_compiler::emit::{Choice, Target};
use dlc_kernel::{Kernel, Launch, Program, launch_operations};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use trial::{Outcome, Trial};

/// Operations of all launches of a shape in one call, below which it is not worth a trial.
const WORTH: u64 = 1_000_000;
/// Time for the trials of one compilation; the last one may pass it.
const BUDGET: Duration = Duration::from_secs(2);

/// Where choices for contractions come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TuneMode {
    /// From the code generator alone; no file is read.
    #[default]
    Off,
    /// From the file, where it has any; nothing is written but in place of a damaged file.
    Cached,
    /// From the file, and from trials of what it lacks.
    On,
}

/// How the code of contractions is chosen.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// Where choices come from.
    pub mode: TuneMode,
    /// The file; `None` for `$DLC_TUNING_CACHE`, or `dlc/tuning.json` in the user's folder of caches.
    pub file: Option<PathBuf>,
    /// Is told of a file that cannot be read or written.
    pub warn: fn(&str),
}

impl Default for TuneOptions {
    fn default() -> Self {
        TuneOptions { mode: TuneMode::default(), file: None, warn: |_| {} }
    }
}

impl TuneOptions {
    /// The same without trials.
    pub(crate) fn without_trials(&self) -> TuneOptions {
        let mode = if self.mode == TuneMode::On { TuneMode::Cached } else { self.mode };
        TuneOptions { mode, ..self.clone() }
    }
}

/// What the trial of one shape showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TunedShape {
    /// The first kernel of the shape.
    pub kernel: String,
    /// Launches of the shape.
    pub launches: usize,
    /// Operations of one launch.
    pub flops: u64,
    /// Choices that were timed.
    pub candidates: usize,
    /// Microseconds of one launch with the code generator's own choice.
    pub default_us: f64,
    /// Microseconds of one launch with the fastest candidate.
    pub best_us: f64,
    /// The code generator's own choice and the one that is used, as vectors, rows, straight, ahead, lanes outside.
    pub choices: [String; 2],
}

/// A shape of contractions in a compilation.
struct Shape<'a> {
    program: &'a Program,
    /// The first launch that has it.
    launch: &'a Launch,
    launches: usize,
    flops: u64,
}

impl Shape<'_> {
    fn kernel(&self) -> &Kernel {
        &self.program.kernels[self.launch.kernel]
    }
}

/// The shapes of all contractions that run more than once, by their texts.
fn shapes<'a>(compilation: &'a Compilation, target: &Target) -> BTreeMap<String, Shape<'a>> {
    let batch = compilation.interface.batch_max;
    let mut shapes: BTreeMap<String, Shape<'a>> = BTreeMap::new();
    for function in compilation.functions.iter().filter(|function| function.name != "initialize") {
        let program = &function.lowered.program;
        let texts: Vec<Option<String>> =
            program.kernels.values().map(|kernel| target.shape(kernel)).collect();
        let texts: BTreeMap<_, _> = program.kernels.iter().map(|(id, _)| id).zip(texts).collect();
        for launch in &program.launches {
            let Some(Some(text)) = texts.get(&launch.kernel) else { continue };
            let flops = launch_operations(program, launch, batch);
            let shape = shapes.entry(text.clone()).or_insert(Shape { program, launch, launches: 0, flops });
            shape.launches += 1;
        }
    }
    shapes
}

/// What a shape is called in the file: choices depend on the batch as well.
fn key(shape: &str, batch: usize) -> String {
    format!("batch {batch}; {shape}")
}

/// The machine that this process runs on, with what is known or found out about a compilation's contractions.
pub(crate) fn tuned_target(
    compilation: &Compilation,
    cpu: Cpu,
    threads: usize,
    options: &TuneOptions,
) -> Result<Target> {
    let mut target = Target::host(cpu)?;
    if options.mode == TuneMode::Off || target.wide.is_none() {
        return Ok(target);
    }
    let path = options.file.clone().or_else(cache::place);
    let (mut cache, warning) = path.as_deref().map(Cache::read).unwrap_or_default();
    warning.iter().for_each(|warning| (options.warn)(warning));
    let damaged = warning.is_some();
    let machine = machine::describe(&target, threads);
    let known = cache.of(&machine);
    let batch = compilation.interface.batch_max;
    let mut missing = Vec::new();
    for (text, shape) in shapes(compilation, &target) {
        match known.get(&key(&text, batch)) {
            Some(&choice) => {
                target.tuning.by_shape.insert(text, choice);
            }
            None => missing.push((text, shape)),
        }
    }
    let mut measured = BTreeMap::new();
    if options.mode == TuneMode::On {
        for (text, _, outcome) in trials(missing, &target, batch, threads, Some(BUDGET))? {
            measured.insert(key(&text, batch), outcome.choice);
            target.tuning.by_shape.insert(text, outcome.choice);
        }
    }
    if let Some(path) = path.filter(|_| damaged || !measured.is_empty()) {
        cache.add(&machine, measured);
        cache.write(&path).iter().for_each(|warning| (options.warn)(warning));
    }
    Ok(target)
}

/// Tries the shapes that are worth it, heaviest first.
fn trials<'a>(
    mut shapes: Vec<(String, Shape<'a>)>,
    target: &Target,
    batch: usize,
    threads: usize,
    budget: Option<Duration>,
) -> Result<Vec<(String, Shape<'a>, Outcome)>> {
    let weight = |shape: &Shape<'_>| shape.flops.saturating_mul(shape.launches as u64);
    shapes.retain(|(_, shape)| weight(shape) >= WORTH);
    shapes.sort_by_key(|(_, shape)| std::cmp::Reverse(weight(shape)));
    let started = Instant::now();
    let mut found = Vec::new();
    for (text, shape) in shapes {
        if budget.is_some_and(|budget| started.elapsed() >= budget) {
            break;
        }
        let candidates = target.candidates(shape.kernel())?;
        if candidates.is_empty() {
            continue;
        }
        let trial = Trial { program: shape.program, launch: shape.launch, batch, threads };
        let outcome = trial.run(target, &candidates)?;
        found.push((text, shape, outcome));
    }
    Ok(found)
}

/// Tries every shape that matters, whatever a file knows, and tells what each could gain; nothing is kept.
pub fn tuning_table(loaded: &Loaded, options: &TimedOptions) -> Result<Vec<TunedShape>> {
    let compile_options = options.compile_options(loaded, "the table of the tuning")?;
    let compilation = dlc_compiler::compile(&loaded.model, &compile_options)?;
    let target = Target::host(options.machine.cpu("the table of the tuning")?)?;
    let all = shapes(&compilation, &target).into_iter().collect();
    let rows = trials(all, &target, compile_options.batch_max, options.threads(), None)?.into_iter().map(
        |(_, shape, outcome)| {
            let candidates = target.candidates(shape.kernel())?;
            let own = candidates.first().copied().unwrap_or(outcome.choice);
            Ok(TunedShape {
                kernel: shape.kernel().name.clone(),
                launches: shape.launches,
                flops: shape.flops,
                candidates: candidates.len(),
                default_us: outcome.default * 1e6,
                best_us: outcome.best * 1e6,
                choices: [own, outcome.choice].map(numbers),
            })
        },
    );
    rows.collect()
}

fn numbers(choice: Choice) -> String {
    let Choice { vectors, rows, straight, ahead, lanes_outside } = choice;
    let word = |on: bool, word: &'static str| if on { word } else { "" };
    format!(
        "{vectors} x {rows}, {straight}{}{}",
        word(ahead, ", ahead"),
        word(lanes_outside, ", lanes outside")
    )
}
