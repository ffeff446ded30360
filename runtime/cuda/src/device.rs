//! A model on a GPU.

use crate::call::Slot;
use crate::driver::{Driver, Failure, OUT_OF_MEMORY, UNSUPPORTED_PTX_VERSION};
use crate::error::{CudaError, Result};
use crate::info::{self, DeviceInfo};
use crate::kept::KeptGraphs;
use crate::owned::{Context, DeviceBlock, Function, LoadedModule, PinnedBlock, Stream};
use crate::plan::{Needs, Plan};
use crate::times::{LaunchMarks, Marks};
use dlc_abi::{DECLARED_SHARED_BYTES, DeviceFunction, DeviceKernel, DeviceModule, Interface};
use dlc_runtime::{Call, CallTimes, LaunchTime};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt::{self, Debug, Formatter};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Asks for launches one by one, each waited for.
pub const STEPWISE_VARIABLE: &str = "DLC_CUDA_STEPWISE";

/// A kernel, ready to launch.
pub(crate) struct Kernel {
    pub(crate) kernel: DeviceKernel,
    pub(crate) function: Function,
}

impl Kernel {
    /// Bytes of shared memory that the launch gives.
    pub(crate) fn dynamic_shared(&self) -> u32 {
        if self.kernel.shared_bytes > DECLARED_SHARED_BYTES { self.kernel.shared_bytes } else { 0 }
    }
}

/// What the driver made of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelInfo {
    /// Its name in the module.
    pub name: String,
    /// Threads of a block.
    pub threads: usize,
    /// Bytes of shared memory of a block.
    pub shared_bytes: usize,
    /// Registers of a thread.
    pub registers: usize,
    /// Bytes of a thread that found no registers: not 0 where the driver spilled.
    pub local_bytes: usize,
}

/// A model on a GPU: its code, its memory there, and what its functions launch.
///
/// Fields are dropped in the order of declaration: whatever the stream may use stands before it.
pub struct CudaDevice {
    pub(crate) info: DeviceInfo,
    pub(crate) plan: Plan,
    pub(crate) functions: Vec<DeviceFunction>,
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) graphs: KeptGraphs,
    pub(crate) stepwise: bool,
    /// Whether launches are recorded as graphs: until there is no memory left for one.
    pub(crate) recording: bool,
    pub(crate) marks: Marks,
    /// Whether launches are timed.
    pub(crate) timed: bool,
    pub(crate) launch_marks: LaunchMarks,
    /// Of the last call, and what each of them has on top.
    pub(crate) launch_times: Vec<LaunchTime>,
    pub(crate) mark_time: f32,
    /// The call that nobody has waited for yet, and the outputs that are wanted of it.
    pub(crate) begun: Option<Call>,
    pub(crate) wanted: Vec<usize>,
    /// The function and the batch whose inputs were sent ahead.
    pub(crate) staged: Option<(usize, usize)>,
    /// Inputs on their way to the GPU, in turn.
    pub(crate) slots: [Slot; 2],
    pub(crate) turn: usize,
    pub(crate) outputs: PinnedBlock,
    /// Where each output of the last call lies in `outputs`; empty where it was not wanted.
    pub(crate) output_ranges: Vec<Range<usize>>,
    /// Functions that were called since the stream was last waited for: a failure that is noticed later may be theirs.
    pub(crate) unwaited: RefCell<BTreeSet<usize>>,
    /// The first failure of the GPU, after which nothing that it holds is of use.
    pub(crate) lost: OnceLock<CudaError>,
    pub(crate) block: DeviceBlock,
    _module: LoadedModule,
    pub(crate) stream: Stream,
}

impl Debug for CudaDevice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaDevice")
            .field("info", &self.info)
            .field("needs", &self.plan.needs)
            .finish_non_exhaustive()
    }
}

impl CudaDevice {
    /// Puts a model on the GPU of this number: translates its code, allocates all its memory, and copies its constants.
    /// Parameters and states are zero until [`upload`](dlc_runtime::Device::upload).
    ///
    /// # Errors
    /// Everything that [`CudaError`] tells, before anything was computed.
    ///
    /// # Safety
    /// Each kernel of the module's text does what `module` and `interface` say of it: it touches only the operands that
    /// it is given, within their blocks. What a compiler of this version made for this interface does.
    pub unsafe fn load(
        ordinal: usize,
        interface: &Interface,
        module: &DeviceModule,
        constants: &[u8],
    ) -> Result<CudaDevice> {
        let plan = Plan::new(interface, module, constants.len())?;
        let driver = Driver::get()?;
        let info = info::info(driver, ordinal)?;
        let (major, minor) = (info.major, info.minor);
        if !module.capability.runs_on(major, minor) {
            return Err(CudaError::Generation { code: module.capability, device: info.name, major, minor });
        }
        let context = Arc::new(info::context(driver, ordinal)?);
        let block = allocate(&context, &info, plan.needs)?;
        let loaded = translate(&context, driver, &module.text)?;
        let kernels = kernels(&context, &info, &loaded, &module.kernels)?;
        let [input_bytes, output_bytes] = plan.host_bytes();
        let slots = [Slot::new(&context, input_bytes)?, Slot::new(&context, input_bytes)?];
        let device = CudaDevice {
            graphs: KeptGraphs::new(module.functions.len()),
            stepwise: std::env::var_os(STEPWISE_VARIABLE).is_some_and(|value| value == "1"),
            marks: Marks::new(&context)?,
            recording: true,
            timed: false,
            launch_marks: LaunchMarks::default(),
            launch_times: Vec::new(),
            mark_time: 0.0,
            begun: None,
            wanted: Vec::new(),
            staged: None,
            slots,
            turn: 0,
            outputs: pinned(&context, output_bytes)?,
            output_ranges: Vec::new(),
            unwaited: RefCell::default(),
            lost: OnceLock::new(),
            block,
            _module: loaded,
            stream: Stream::new(&context)?,
            functions: module.functions.clone(),
            info,
            plan,
            kernels,
        };
        device.fill(constants)?;
        Ok(device)
    }

    /// Zeroes scratch, parameters and states, and copies the constants.
    fn fill(&self, constants: &[u8]) -> Result<()> {
        let _current = self.stream.context().enter()?;
        let base = self.block.address();
        // SAFETY: arena and persistent block lie there one behind the other, and constants of this length behind them;
        // the stream is waited for.
        unsafe {
            self.stream.zero(base, self.plan.constants_start())?;
            self.stream.copy_in(base + self.plan.constants_start() as u64, constants)?;
        }
        Ok(self.stream.wait()?)
    }

    /// The GPU.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Memory of the GPU that the model has.
    pub fn needs(&self) -> Needs {
        self.plan.needs
    }

    /// What the driver made of every kernel, in the module's order.
    pub fn kernels(&self) -> Vec<KernelInfo> {
        let told = |Kernel { kernel, function }: &Kernel| KernelInfo {
            name: kernel.name.clone(),
            threads: kernel.threads as usize,
            shared_bytes: kernel.shared_bytes as usize,
            registers: function.registers,
            local_bytes: function.local_bytes,
        };
        self.kernels.iter().map(told).collect()
    }

    /// Whether every launch is waited for from now on: errors name their kernel, and launches are timed. At first it is
    /// as [`STEPWISE_VARIABLE`] says. Results are the same.
    pub fn set_stepwise(&mut self, stepwise: bool) {
        self.stepwise = stepwise;
    }

    /// How long the last call took on the GPU; `None` before the first one. Launches are among it where they were timed
    /// ([`time_launches`](dlc_runtime::Device::time_launches)) or waited for.
    ///
    /// # Errors
    /// That of a GPU that failed.
    pub fn last_times(&self) -> Result<Option<CallTimes>> {
        self.alive()?;
        let times = self.keep(self.marks.times().map_err(CudaError::Driver))?;
        let launches = || self.launch_times.clone();
        Ok(times.map(|times| CallTimes { launches: launches(), mark: self.mark_time, ..times }))
    }

    /// The launches of the last call that were timed; of one that failed those before the fault, if they were started one by
    /// one.
    pub fn last_launches(&self) -> &[LaunchTime] {
        &self.launch_times
    }

    /// Refuses everything after the first failure.
    pub(crate) fn alive(&self) -> Result<()> {
        match self.lost.get() {
            Some(first) => Err(CudaError::Lost(first.to_string())),
            None => Ok(()),
        }
    }

    /// Remembers a failure.
    pub(crate) fn keep<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            // The first one stays.
            let _ = self.lost.set(error.clone());
        }
        result
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        // Whatever is on its way uses memory that goes now; a failure of it has nobody left to hear of it.
        let _ = self.stream.wait();
    }
}

/// The one block of the GPU's memory. What is free is an estimate, so that the driver is asked for the block itself.
fn allocate(context: &Arc<Context>, info: &DeviceInfo, needs: Needs) -> Result<DeviceBlock> {
    match DeviceBlock::new(context, needs.total()) {
        Err(failure) if failure.code == OUT_OF_MEMORY => {
            let free = info::free_bytes(context)?;
            Err(CudaError::Memory { needs, device: info.name.clone(), free })
        }
        allocated => Ok(allocated?),
    }
}

fn translate(context: &Arc<Context>, driver: &Driver, text: &str) -> Result<LoadedModule> {
    let text = CString::new(text);
    let text = text.map_err(|_| CudaError::Malformed("its text has a zero byte".to_owned()))?;
    LoadedModule::new(context, &text).map_err(|(failure, log)| match failure.code {
        OUT_OF_MEMORY => CudaError::Full { what: "the model's code", failure },
        UNSUPPORTED_PTX_VERSION => CudaError::TextVersion { version: driver.version },
        _ => CudaError::Text { failure, log },
    })
}

/// Every kernel of the table, with its limits checked.
fn kernels(
    context: &Context,
    info: &DeviceInfo,
    module: &LoadedModule,
    kernels: &[DeviceKernel],
) -> Result<Vec<Kernel>> {
    let most_shared = info::attribute(context.driver(), context.device(), info::SHARED_BYTES)?;
    let most_shared = usize::try_from(most_shared).unwrap_or(0);
    let limited = |kernel: &DeviceKernel, what, needed: u32, most| match needed as usize > most {
        true => Err(CudaError::Kernel {
            kernel: kernel.name.clone(),
            what,
            needed: needed as usize,
            most,
            device: info.name.clone(),
        }),
        false => Ok(()),
    };
    let load = |kernel: &DeviceKernel| {
        let name = CString::new(kernel.name.as_str());
        let name = name.map_err(|_| CudaError::Malformed(format!("{:?} is no name", kernel.name)))?;
        limited(kernel, "bytes of shared memory for a block", kernel.shared_bytes, most_shared)?;
        let function = module.function(&name).map_err(|failure| unknown(&kernel.name, failure))?;
        limited(kernel, "threads in a block", kernel.threads, function.most_threads)?;
        let kernel = Kernel { kernel: kernel.clone(), function };
        if kernel.dynamic_shared() > 0 {
            module.allow_shared(&kernel.function, kernel.dynamic_shared())?;
        }
        Ok(kernel)
    };
    kernels.iter().map(load).collect()
}

fn unknown(name: &str, failure: Failure) -> CudaError {
    CudaError::Malformed(format!("its text has no kernel `{name}`: {failure}"))
}

/// Memory of this machine for inputs or outputs.
pub(crate) fn pinned(context: &Arc<Context>, bytes: usize) -> Result<PinnedBlock> {
    PinnedBlock::new(context, bytes).map_err(|failure| CudaError::Pinned { bytes, failure })
}
