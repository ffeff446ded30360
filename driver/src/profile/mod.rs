//! `dlc profile`: where the time of a training step or an inference goes, against what the machine can do.
//!
//! Every launch is timed ([`threads`], [`gpu`]) and counted ([`count`]); launches of one kernel are joined into a row and
//! held against the machine's roofs ([`roofline`]); [`picture`] draws the rows. Times are the least of several
//! rounds: they tell what the code can do, not what a busy machine makes of it.

mod count;
mod gpu;
mod picture;
mod roofline;
mod subject;
mod threads;

use crate::flops::function_flops;
use crate::ptx::arithmetic;
use crate::{DriverError, Loaded, Machine, Result, TimedOptions};
use dlc_compiler::Compilation;
pub use roofline::{CacheRoofs, KernelRow, Limit, Roofs};
use serde::Serialize;
use std::path::Path;

/// A kernel this much beyond the measured peak, or a whole this much longer than the sum of its launches, tells
/// that something else ran, as does an empty call that takes long.
const BEYOND_PEAK: f64 = 1.1;
const BEYOND_SUM: f64 = 1.4;
/// Milliseconds that an empty call takes where a thread of the team had to wait for its core.
const WAITING: f64 = 0.05;

/// What a kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Multiplies: dense layers, convolutions, their gradients and all that is fused into them.
    Contraction,
    /// Brings operands of contractions into another form, or their results back: tiles of minimal filtering,
    /// copies, partial results.
    Transform,
    /// All other values: elementwise passes, reductions, pooling.
    Elementwise,
    /// Updates of parameters.
    Optimizer,
}

impl Category {
    /// Every category, in the order of declaration.
    pub const ALL: [Category; 4] =
        [Category::Contraction, Category::Transform, Category::Elementwise, Category::Optimizer];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Category::Contraction => "contraction",
            Category::Transform => "transform",
            Category::Elementwise => "elementwise",
            Category::Optimizer => "optimizer",
        }
    }
}

/// One launch of a program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LaunchProfile {
    /// Its number in the program.
    pub launch: usize,
    /// Name of the kernel.
    pub kernel: String,
    /// What it is for.
    pub category: Category,
    /// Least time of a call's rounds in milliseconds, with what timing costs: calling a function, or on a GPU a mark for
    /// each round.
    pub ms: f64,
    /// How many times a call timed it: once, on a GPU once for each of its rounds.
    pub timings: usize,
    /// Operations that it does ([`dlc_kernel::operations`]).
    pub operations: u64,
    /// Its share of the mathematical operations of its contraction ([`crate::node_flops`]); 0 for other kernels.
    pub effective_operations: u64,
    /// Bytes that it reads and writes ([`dlc_kernel::traffic`]).
    pub bytes: u64,
    /// Whether every call runs it; otherwise it runs once after parameters or states changed.
    pub every_call: bool,
}

/// Time of all launches of a category.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CategoryTime {
    /// What they are for.
    pub category: Category,
    /// How many.
    pub launches: usize,
    /// Milliseconds.
    pub ms: f64,
    /// Share of the sum of all launches.
    pub share: f64,
}

/// A profiled function; serialises as `dlc profile --json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The model's name.
    pub model: String,
    /// The function's name.
    pub function: String,
    /// Samples.
    pub batch: usize,
    /// Threads of this process.
    pub threads: usize,
    /// The GPU that it ran on, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Least time of the whole function in milliseconds; on a GPU that of its launches.
    pub whole_ms: f64,
    /// Least time of inputs on their way to the GPU and outputs on their way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfers_ms: Option<f64>,
    /// Sum of the least times of all launches that every call runs, each by itself.
    pub sum_ms: f64,
    /// What each timing of a launch has on top: the least time of a function without launches, or on a GPU of nothing
    /// between two marks.
    pub call_ms: f64,
    /// Mathematical operations of contractions and convolutions.
    pub flops: u64,
    /// Whether figures contradict one another, as they do where other work keeps the machine busy: a kernel passes the
    /// peak, or on threads the whole takes much longer than the sum or an empty call takes long.
    pub disturbed: bool,
    /// What the machine can do, measured in the same run; a GPU's by its clocks and widths.
    pub roofs: Roofs,
    /// Time by category, in the order of [`Category::ALL`]; those without launches are left out.
    pub categories: Vec<CategoryTime>,
    /// Launches that every call runs, joined by kernel, longest first.
    pub kernels: Vec<KernelRow>,
    /// All launches in order.
    pub launches: Vec<LaunchProfile>,
}

impl Profile {
    /// Billions of mathematical operations per second of the whole function.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / self.whole_ms / 1e6
    }

    /// What it ran on, in words.
    pub fn place(&self) -> String {
        self.device.clone().unwrap_or_else(|| format!("threads {}", self.threads))
    }

    /// Launches that every call runs.
    pub fn counted_launches(&self) -> usize {
        self.launches.iter().filter(|launch| launch.every_call).count()
    }

    /// Milliseconds of [`Profile::sum_ms`] that timing cost.
    pub fn timing_ms(&self) -> f64 {
        let counted = self.launches.iter().filter(|launch| launch.every_call);
        self.call_ms * counted.map(|launch| launch.timings).sum::<usize>() as f64
    }
}

/// Profiles a training step or an inference on synthetic inputs.
///
/// # Errors
/// A training step of a model without a train section, a batch of 0, a GPU that fails or that does not tell its clocks.
/// On a GPU also a call of more than 8,192 launches.
pub fn profile(loaded: &Loaded, options: &TimedOptions) -> Result<Profile> {
    let compile_options = options.compile_options(loaded, "dlc profile")?;
    let batch = compile_options.batch_max;
    let compilation = dlc_compiler::compile(&loaded.model, &compile_options)?;
    let function = compilation
        .functions
        .last()
        .ok_or_else(|| DriverError::Bug("there is no function to profile".to_owned()))?;
    let Measured { times, roofs, device } = measure(loaded, &compilation, batch, options)?;
    let program = &function.lowered.program;
    let counts = count::count(&function.lowered, batch);
    let measured = program.launches.iter().zip(counts).zip(&times.launches).enumerate();
    let launches: Vec<LaunchProfile> = measured
        .map(|(number, ((launch, count), &ms))| LaunchProfile {
            launch: number,
            kernel: program.kernels[launch.kernel].name.clone(),
            category: count.category,
            ms,
            timings: times.timings[number],
            operations: count.operations,
            effective_operations: count.effective,
            bytes: count.bytes,
            every_call: number >= program.prologue,
        })
        .collect();
    let sum_ms = launches.iter().filter(|launch| launch.every_call).map(|launch| launch.ms).sum();
    let kernels = roofline::rows(&launches, &roofs, times.call);
    let over = kernels.iter().any(|row| row.peak_share > BEYOND_PEAK);
    Ok(Profile {
        model: loaded.model.name.clone(),
        function: function.name.clone(),
        batch,
        threads: options.threads(),
        whole_ms: times.whole,
        sum_ms,
        call_ms: times.call,
        flops: function_flops(&function.graph, batch),
        disturbed: over || device.is_none() && (times.whole > BEYOND_SUM * sum_ms || times.call > WAITING),
        device,
        transfers_ms: times.transfers,
        categories: roofline::categories(&launches),
        kernels,
        launches,
        roofs,
    })
}

/// What was found.
struct Measured {
    times: subject::Times,
    roofs: Roofs,
    /// The GPU.
    device: Option<String>,
}

fn measure(
    loaded: &Loaded,
    compilation: &Compilation,
    batch: usize,
    options: &TimedOptions,
) -> Result<Measured> {
    match options.machine {
        Machine::Threads(_) => {
            // Before and behind the timing: the best that the machine showed counts.
            let before = Roofs::measured(options.threads());
            let times = threads::measure(loaded, compilation, batch, options)?;
            let roofs = before.best(&Roofs::measured(options.threads()));
            Ok(Measured { times, roofs, device: None })
        }
        Machine::Cuda { ordinal, architecture } => {
            let info = dlc_cuda::device(ordinal)?;
            let math = options.choices.device_code(architecture)?.math;
            let roofs = Roofs::of_gpu(&info, arithmetic(math)).ok_or_else(|| {
                let what =
                    format!("the driver of {} does not tell its clocks, which a profile needs", info.name);
                DriverError::Unsupported(what)
            })?;
            let times = gpu::measure(loaded, compilation, batch, options)?;
            Ok(Measured { times, roofs, device: Some(info.name) })
        }
    }
}

/// Writes the roofline picture of a profile as SVG.
///
/// # Errors
/// A file that cannot be written.
pub fn write_roofline(profile: &Profile, path: &Path) -> Result<()> {
    std::fs::write(path, picture::svg(profile))
        .map_err(|cause| DriverError::File { path: path.to_owned(), cause })
}
