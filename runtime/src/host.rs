//! A session's functions on the threads of this process: its team, its memory, and the bindings of a call.
//!
//! Every length has been checked before a call comes here. Buffers of the caller are bound where they lie, unless
//! they are not aligned to their elements: those pass through the staging block.

use crate::block::Block;
use crate::device::Call;
use crate::error::Result;
use crate::execution::{Asked, report};
use crate::plan::PortPlan;
use crate::program::Program;
use crate::team::Team;
use dlc_abi::{Context, Interface};

/// Threads and memory.
pub(crate) struct Host {
    pub(crate) team: Team,
    pub(crate) persistent: Block,
    pub(crate) arena: Block,
    /// Scratch of all threads.
    scratch: Block,
    /// Bytes from one thread's scratch to the next one's.
    scratch_bytes: usize,
    /// Outputs that nobody asked for, and misaligned buffers; grows to the largest function called.
    staging: Block,
    /// One pointer per input, then one per output; capacity for the function with the most.
    bindings: Vec<*mut u8>,
}

// SAFETY: the pointers in `bindings` are written anew in every call and used only within it.
unsafe impl Send for Host {}

/// A context that all threads of a call share.
struct SharedContext<'a>(&'a Context);

// SAFETY: threads only read the context; what it points to is divided among them by the contract of
// generated code.
unsafe impl Sync for SharedContext<'_> {}

impl SharedContext<'_> {
    fn pointer(&self) -> *const Context {
        self.0
    }
}

/// Bytes from one thread's scratch to the next one's: whole pages, so that threads share none.
fn scratch_bytes(interface: &Interface) -> usize {
    const PAGE: usize = 4096;
    let most = interface.functions.iter().map(|function| function.thread_bytes).max().unwrap_or(0);
    most.checked_next_multiple_of(PAGE).unwrap_or(most)
}

fn is_aligned(pointer: *const u8, plan: &PortPlan) -> bool {
    (pointer as usize).is_multiple_of(plan.element.size())
}

impl Host {
    /// Memory for a program's functions, beside its parameters and states; zero threads count as one.
    pub(crate) fn new(interface: &Interface, threads: usize, persistent: Block) -> Result<Host> {
        let arena_bytes = interface.functions.iter().map(|function| function.arena_bytes).max();
        let ports = interface.functions.iter().map(|f| f.inputs.len() + f.outputs.len()).max();
        let arena = Block::zeroed(arena_bytes.unwrap_or(0), "arena")?;
        let team = Team::new(threads)?;
        let scratch_bytes = scratch_bytes(interface);
        let scratch = Block::zeroed(scratch_bytes.saturating_mul(team.threads()), "scratch")?;
        let staging = Block::zeroed(0, "staging")?;
        let bindings = Vec::with_capacity(ports.unwrap_or(0));
        Ok(Host { team, persistent, arena, scratch, scratch_bytes, staging, bindings })
    }

    /// Parameters and states to change: a copy of their own where they were a library's until now.
    pub(crate) fn persistent_mut(&mut self) -> Result<&mut [u8]> {
        if self.persistent.is_shared() {
            self.persistent = Block::copy_of(self.persistent.bytes(), "parameters")?;
        }
        Ok(self.persistent.bytes_mut())
    }

    /// Binds, runs, and hands out what was asked for.
    pub(crate) fn call(
        &mut self,
        program: &Program,
        call: Call,
        inputs: &[&[u8]],
        asked: &mut Asked<'_, '_>,
    ) -> Result<()> {
        let plan = program.plan(call.function);
        if self.staging.len() < plan.staging_bytes {
            self.staging = Block::zeroed(plan.staging_bytes, "staging")?;
        }
        self.bindings.clear();
        for (plan, bytes) in plan.inputs.iter().zip(inputs) {
            let pointer = if is_aligned(bytes.as_ptr(), plan) {
                bytes.as_ptr().cast_mut()
            } else {
                self.staging.bytes_mut()[plan.staging..][..bytes.len()].copy_from_slice(bytes);
                self.staged(plan)
            };
            self.bindings.push(pointer);
        }
        for output in &plan.outputs {
            let pointer = self.staged(output);
            self.bindings.push(pointer);
        }
        if let Asked::Buffers(numbers, buffers) = asked {
            for (&number, buffer) in numbers.iter().zip(buffers.iter_mut()) {
                if is_aligned(buffer.as_ptr(), &plan.outputs[number]) {
                    self.bindings[inputs.len() + number] = buffer.as_mut_ptr();
                }
            }
        }
        self.enter(program, call);
        let staging = self.staging.bytes();
        match asked {
            Asked::Buffers(numbers, buffers) => {
                for (&number, buffer) in numbers.iter().zip(buffers.iter_mut()) {
                    let output = &plan.outputs[number];
                    if !is_aligned(buffer.as_ptr(), output) {
                        buffer.copy_from_slice(&staging[output.staging..][..buffer.len()]);
                    }
                }
            }
            Asked::Report(values) => {
                report(plan, call.batch, values, |number| &staging[plan.outputs[number].staging..]);
            }
        }
        Ok(())
    }

    /// Runs the function on the team with the current bindings.
    fn enter(&mut self, program: &Program, call: Call) {
        if call.clear {
            for &(start, bytes) in &program.interface().functions[call.function].cleared {
                self.arena.bytes_mut()[start..][..bytes].fill(0);
            }
        }
        let (barrier, barrier_data) = self.team.barrier_entry();
        let context = Context {
            arena: self.arena.pointer(),
            persistent: self.persistent.pointer(),
            constants: program.constants().pointer(),
            bindings: self.bindings.as_ptr(),
            // Both fit: the batch is at most `batch_max`, which does, and threads exist.
            batch: call.batch as i64,
            threads: self.team.threads() as i64,
            barrier,
            barrier_data,
            prepare: i64::from(call.prepare),
            scratch: self.scratch.pointer(),
            // Fits: the scratch of all threads was allocated.
            scratch_bytes: self.scratch_bytes as i64,
        };
        let entry = program.entry(call.function);
        let context = SharedContext(&context);
        self.team.run(&|thread| {
            // SAFETY: the program's maker vouched for the entry; blocks have the sizes its interface
            // asks for, bindings were checked, and every thread of the team makes this call.
            unsafe { entry(context.pointer(), thread as i64) };
        });
    }

    fn staged(&self, plan: &PortPlan) -> *mut u8 {
        self.staging.pointer().wrapping_add(plan.staging)
    }
}
