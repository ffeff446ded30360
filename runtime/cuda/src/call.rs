//! A call of a function: inputs to the GPU, launches, wanted outputs back.
//!
//! Launches are recorded once for a function, a batch and whether the prologue is part of it, and started as one graph
//! from then on, unless the GPU has no memory left for that. A call with wanted outputs waits once, at its end; one
//! without returns when everything is in the queue. Inputs of the next call may be taken over before that wait: they are
//! copied to memory that the GPU reads, while it computes; from there they go to its own behind all it has still to do,
//! since one stream is all there is.

use crate::device::{CudaDevice, pinned};
use crate::driver::{Failure, OUT_OF_MEMORY};
use crate::error::{CudaError, Result};
use crate::kept::{KeptGraphs, Recorded};
use crate::owned::{Answer, Context, Event, Graph, Grid, PinnedBlock, Stream};
use crate::times::MOST_TIMED;
use dlc_abi::{DeviceFunction, DeviceStep, LaunchTurn};
use dlc_runtime::{Ahead, Call, LaunchTime};
use std::sync::Arc;

/// Launches beyond which a function is not recorded: a graph takes memory of the GPU for each of them, about a kibibyte,
/// and what it saves is the time between launches, which many small launches in a row hide.
pub(crate) const MOST_RECORDED: u64 = 1 << 13;

/// Bytes of an input that go to the GPU at once.
const PIECE: usize = 4 << 20;

/// Inputs of one call on their way to the GPU.
pub(crate) struct Slot {
    block: PinnedBlock,
    /// Behind the copy that reads the block last.
    passed: Event,
    used: bool,
}

impl Slot {
    pub(crate) fn new(context: &Arc<Context>, bytes: usize) -> Result<Slot> {
        Ok(Slot { passed: Event::new(context)?, block: pinned(context, bytes)?, used: false })
    }

    /// The block, when nothing reads it any more.
    fn free(&mut self) -> Answer<&mut [u8]> {
        if std::mem::take(&mut self.used) {
            self.passed.wait()?;
        }
        Ok(self.block.bytes_mut())
    }
}

/// How many launches a function has, with its prologue.
pub(crate) fn launches(function: &DeviceFunction) -> u64 {
    DeviceStep::count(&function.prologue).saturating_add(DeviceStep::count(&function.steps))
}

impl CudaDevice {
    /// Puts a call into the stream.
    pub(crate) fn start_function(&mut self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<()> {
        self.alive()?;
        self.begun = None;
        self.output_ranges.clear();
        self.launch_times.clear();
        self.mark_time = 0.0;
        self.check(call, inputs, wanted)?;
        let begun = self.enqueue(call, inputs, wanted);
        self.keep(begun)?;
        self.unwaited.borrow_mut().insert(call.function);
        self.begun = Some(call);
        self.wanted.clear();
        self.wanted.extend_from_slice(wanted);
        Ok(())
    }

    /// Waits for the outputs that are wanted of the call that began; a call without any goes on alone.
    pub(crate) fn finish_function(&mut self) -> Result<()> {
        let Some(call) = self.begun.take().filter(|_| !self.wanted.is_empty()) else { return Ok(()) };
        // What was sent ahead need not be there.
        let waited = if self.staged.is_some() { self.marks.wait() } else { self.stream.wait() };
        self.keep(waited.map_err(|failure| self.of_function(call, failure)))?;
        self.unwaited.borrow_mut().clear();
        let outputs = self.plan.functions[call.function].outputs.iter().enumerate();
        self.output_ranges.extend(outputs.map(|(number, output)| match self.wanted.contains(&number) {
            true => output.host..output.host + output.bytes(call.batch),
            false => 0..0,
        }));
        Ok(())
    }

    /// Sends inputs ahead of their call, behind all that is in the stream.
    pub(crate) fn stage_inputs(&mut self, next: Ahead<'_>) -> Result<()> {
        self.alive()?;
        let Ahead { function, batch, inputs } = next;
        let call = Call { function, batch, prepare: false, clear: false, staged: false };
        self.check(call, inputs, &[])?;
        let context = Arc::clone(self.stream.context());
        let sent = context.enter().and_then(|_current| self.send_inputs(call, inputs));
        self.keep(sent.map_err(|failure| self.of_unwaited(failure)))?;
        self.staged = Some((function, batch));
        Ok(())
    }

    /// Whether everything fits; a session has looked before.
    fn check(&self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<()> {
        let refuse = |what: String| Err(CudaError::Call(what));
        let Some(plan) = self.plan.functions.get(call.function) else {
            return refuse(format!("the model has no function {}", call.function));
        };
        if call.batch > self.plan.batch_max {
            let most = self.plan.batch_max;
            return refuse(format!("a batch of {} does not fit; `{}` takes {most}", call.batch, plan.name));
        }
        if inputs.len() != plan.inputs.len() {
            let (needed, given) = (plan.inputs.len(), inputs.len());
            return refuse(format!("`{}` has {needed} inputs; {given} were given", plan.name));
        }
        for (number, (input, bytes)) in plan.inputs.iter().zip(inputs).enumerate() {
            let (needed, given) = (input.bytes(call.batch), bytes.len());
            if needed != given {
                return refuse(format!("input {number} of `{}` has {needed} bytes, not {given}", plan.name));
            }
        }
        if let Some(number) = wanted.iter().find(|&&number| number >= plan.outputs.len()) {
            return refuse(format!("`{}` has no output {number}", plan.name));
        }
        match launches(&self.functions[call.function]) {
            many if self.timed && many > MOST_TIMED => {
                refuse(format!("`{}` has {many} launches; up to {MOST_TIMED} of a call are timed", plan.name))
            }
            _ => Ok(()),
        }
    }

    /// Puts all of a call into the stream.
    fn enqueue(&mut self, call: Call, inputs: &[&[u8]], wanted: &[usize]) -> Result<()> {
        let failed = |this: &CudaDevice, failure| this.of_function(call, failure);
        let context = Arc::clone(self.stream.context());
        let _current = context.enter().map_err(|failure| failed(self, failure))?;
        self.copy_inputs(call, inputs).map_err(|failure| failed(self, failure))?;
        self.launch(call)?;
        self.copy_outputs(call, wanted).map_err(|failure| failed(self, failure))
    }

    fn copy_inputs(&mut self, call: Call, inputs: &[&[u8]]) -> Answer<()> {
        self.marks.begin(&self.stream)?;
        let ahead = self.staged.take() == Some((call.function, call.batch));
        if !(call.staged && ahead) {
            self.send_inputs(call, inputs)?;
        }
        if call.clear {
            let base = self.block.address();
            for &(start, bytes) in &self.plan.functions[call.function].cleared {
                // SAFETY: the plan has checked that the part lies in the arena, which begins at the base.
                unsafe { self.stream.zero(base + start as u64, bytes)? };
            }
        }
        self.marks.next(&self.stream)
    }

    fn send_inputs(&mut self, call: Call, inputs: &[&[u8]]) -> Answer<()> {
        let plan = &self.plan.functions[call.function];
        let base = self.block.address();
        self.turn = (self.turn + 1) % self.slots.len();
        let slot = &mut self.slots[self.turn];
        let host = slot.free()?;
        for (input, bytes) in plan.inputs.iter().zip(inputs) {
            let to = base + (self.plan.bindings_start() + input.byte) as u64;
            let host = &mut host[input.host..][..bytes.len()];
            // Piece by piece, so that one is on its way while the next is copied.
            for (number, (host, bytes)) in host.chunks_mut(PIECE).zip(bytes.chunks(PIECE)).enumerate() {
                host.copy_from_slice(bytes);
                // SAFETY: the plan has room for the input at its greatest size, and the slot is written again only
                // behind its event.
                unsafe { self.stream.copy_in(to + (number * PIECE) as u64, host)? };
            }
        }
        slot.passed.record(&self.stream)?;
        slot.used = true;
        Ok(())
    }

    fn copy_outputs(&mut self, call: Call, wanted: &[usize]) -> Answer<()> {
        self.marks.next(&self.stream)?;
        let outputs = &self.plan.functions[call.function].outputs;
        let base = self.block.address() + self.plan.bindings_start() as u64;
        let host = self.outputs.bytes_mut();
        for (_, output) in outputs.iter().enumerate().filter(|(number, _)| wanted.contains(number)) {
            let to = &mut host[output.host..][..output.bytes(call.batch)];
            // SAFETY: the plan has room for the output at its greatest size; the call waits before anybody reads here.
            unsafe { self.stream.copy_out(to, base + output.byte as u64)? };
        }
        self.marks.next(&self.stream)
    }

    fn launch(&mut self, call: Call) -> Result<()> {
        if self.stepwise {
            return self.launch_stepwise(call);
        }
        if self.timed {
            return self.launch_timed(call);
        }
        if !self.recording || launches(&self.functions[call.function]) > MOST_RECORDED {
            return self.launch_all(call);
        }
        match self.launch_recorded(call) {
            Err(CudaError::Function { failure, .. }) if failure.code == OUT_OF_MEMORY => {
                // Nothing was started, and the next graph would find no more room than this one. Those that there are
                // may still run, and what they take others need more.
                self.recording = false;
                self.stream.wait().map_err(|failure| self.of_function(call, failure))?;
                self.graphs = KeptGraphs::new(self.functions.len());
                self.launch_all(call)
            }
            launched => launched,
        }
    }

    /// Launches all at once.
    fn launch_recorded(&mut self, call: Call) -> Result<()> {
        let recorded = Recorded { batch: call.batch, prepare: call.prepare };
        if let Some(graph) = self.graphs.find(call.function, recorded) {
            let launched = graph.launch(&self.stream);
            return launched.map_err(|failure| self.of_function(call, failure));
        }
        let graph = self.recorded(call, || self.launch_all(call))?;
        let launched = graph.launch(&self.stream);
        launched.map_err(|failure| self.of_function(call, failure))?;
        let dropped = self.graphs.keep(call.function, recorded, graph);
        if !dropped.is_empty() {
            // They may still run.
            self.stream.wait().map_err(|failure| self.of_function(call, failure))?;
        }
        Ok(())
    }

    /// What `work` launches for a call, as a graph.
    pub(crate) fn recorded(&self, call: Call, work: impl FnOnce() -> Result<()>) -> Result<Graph> {
        Graph::record(&self.stream, work).map_err(|error| match error {
            CudaError::Driver(failure) => self.of_function(call, failure),
            other => other,
        })
    }

    /// Launches one after the other.
    fn launch_all(&self, call: Call) -> Result<()> {
        self.walk(call, &mut |launch| {
            launch.start(&self.stream).map_err(|failure| self.of_function(call, failure))
        })
    }

    /// Launches one after the other, each waited for and timed.
    fn launch_stepwise(&mut self, call: Call) -> Result<()> {
        let mut times = Vec::new();
        let waited = self.stream.wait().map_err(|failure| self.of_function(call, failure));
        let walked = waited.and_then(|()| {
            self.walk(call, &mut |launch| {
                let timed = self.marks.timed(&self.stream, || launch.start(&self.stream));
                let milliseconds = timed.map_err(|failure| CudaError::Launch {
                    function: self.plan.functions[call.function].name.clone(),
                    launch: times.len(),
                    kernel: self.kernels[launch.kernel].kernel.name.clone(),
                    failure,
                })?;
                times.push(LaunchTime { number: launch.number, milliseconds });
                Ok(())
            })
        });
        self.launch_times = times;
        walked
    }

    /// Every launch of a call that has blocks, in order.
    pub(crate) fn walk(&self, call: Call, each: &mut dyn FnMut(Ready<'_>) -> Result<()>) -> Result<()> {
        let base = self.block.address();
        let mut parameters = Vec::new();
        let mut ready = |turn: LaunchTurn<'_>| {
            let LaunchTurn { number, launch, rounds } = turn;
            let kernel = &self.kernels[launch.kernel];
            let blocks = kernel.kernel.blocks(call.batch).and_then(|blocks| u32::try_from(blocks).ok());
            let blocks = blocks.ok_or_else(|| {
                CudaError::Malformed(format!("`{}` has too many blocks", kernel.kernel.name))
            })?;
            if blocks == 0 {
                return Ok(());
            }
            parameters.clear();
            parameters.push(call.batch as u64);
            self.plan.pointers(call.function, launch, rounds, base, &mut parameters)?;
            let shared_bytes = kernel.dynamic_shared();
            let grid = Grid { blocks, threads: kernel.kernel.threads, shared_bytes };
            let (kernel, function) = (launch.kernel, &kernel.function);
            each(Ready { number, kernel, function, grid, parameters: &parameters })
        };
        self.functions[call.function].walk(call.prepare, &mut ready)
    }

    pub(crate) fn of_function(&self, call: Call, failure: Failure) -> CudaError {
        self.unwaited.borrow_mut().insert(call.function);
        self.of_unwaited(failure)
    }

    /// A failure that may be that of any function that was called and not waited for.
    pub(crate) fn of_unwaited(&self, failure: Failure) -> CudaError {
        let unwaited = self.unwaited.borrow();
        let functions: Vec<String> =
            unwaited.iter().map(|&number| self.plan.functions[number].name.clone()).collect();
        match functions.is_empty() {
            true => CudaError::Driver(failure),
            false => CudaError::Function { functions, failure },
        }
    }
}

/// A launch with all its numbers.
pub(crate) struct Ready<'a> {
    /// Its number among the function's.
    pub(crate) number: usize,
    kernel: usize,
    function: &'a crate::owned::Function,
    grid: Grid,
    parameters: &'a [u64],
}

impl Ready<'_> {
    pub(crate) fn start(&self, stream: &Stream) -> Answer<()> {
        // SAFETY: whoever loaded the module vouched for its kernels; every parameter points into the block that the plan
        // gives the operand, and their number is the kernel's.
        unsafe { stream.launch(self.function, self.grid, self.parameters) }
    }
}
