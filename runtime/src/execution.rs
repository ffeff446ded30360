//! One call of a function: check every length, bind buffers, run on the team, hand out results.

use crate::block::Block;
use crate::error::{Result, RuntimeError};
use crate::plan::PortPlan;
use crate::program::Program;
use crate::session::Session;
use dlc_abi::{Context, ElementType, FunctionInterface};
use std::sync::Arc;

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

/// Outputs that a call is asked for.
pub(crate) enum Asked<'a, 'b> {
    /// One buffer for each of these outputs.
    Buffers(&'a [usize], &'a mut [&'b mut [u8]]),
    /// The elements of the loss and of every metric, one behind the other.
    Report(&'a mut [f32]),
}

fn is_aligned(pointer: *const u8, plan: &PortPlan) -> bool {
    (pointer as usize).is_multiple_of(plan.element.size())
}

impl Session {
    /// Checks, binds, runs, and hands out what was asked for.
    pub(crate) fn execute(
        &mut self,
        function: usize,
        batch: usize,
        inputs: &[&[u8]],
        mut asked: Asked<'_, '_>,
    ) -> Result<()> {
        let program = Arc::clone(&self.program);
        self.check(&program, function, batch, inputs, &asked)?;
        let plan = program.plan(function);
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
        if let Asked::Buffers(numbers, buffers) = &mut asked {
            for (&number, buffer) in numbers.iter().zip(buffers.iter_mut()) {
                if is_aligned(buffer.as_ptr(), &plan.outputs[number]) {
                    self.bindings[inputs.len() + number] = buffer.as_mut_ptr();
                }
            }
        }
        self.enter(&program, function, batch);
        match asked {
            Asked::Buffers(numbers, buffers) => {
                for (&number, buffer) in numbers.iter().zip(buffers) {
                    let output = &plan.outputs[number];
                    if !is_aligned(buffer.as_ptr(), output) {
                        buffer.copy_from_slice(&self.staging.bytes()[output.staging..][..buffer.len()]);
                    }
                }
            }
            Asked::Report(report) => {
                let mut rest = report;
                for &number in &plan.report {
                    let output = &plan.outputs[number];
                    let (values, behind) = rest.split_at_mut(output.elements(batch));
                    self.read(output, values);
                    rest = behind;
                }
            }
        }
        Ok(())
    }

    /// Runs the function on the team with the current bindings.
    fn enter(&mut self, program: &Program, function: usize, batch: usize) {
        let interface = &program.interface().functions[function];
        let other = self.arena_user.replace(function) != Some(function);
        let prepare = other || !self.persistent_seen;
        self.persistent_seen = interface.keeps_persistent;
        if other {
            for &(start, bytes) in &interface.cleared {
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
            batch: batch as i64,
            threads: self.team.threads() as i64,
            barrier,
            barrier_data,
            prepare: i64::from(prepare),
            scratch: self.scratch.pointer(),
            // Fits: the scratch of all threads was allocated.
            scratch_bytes: self.scratch_bytes as i64,
        };
        let entry = program.entry(function);
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

    /// Reads an output of loss or metric; `FunctionPlan::new` admits no other types.
    fn read(&self, plan: &PortPlan, values: &mut [f32]) {
        let bytes = &self.staging.bytes()[plan.staging..];
        if plan.element == ElementType::F64 {
            for (value, &bytes) in values.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *value = f64::from_ne_bytes(bytes) as f32;
            }
        } else {
            for (value, &bytes) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *value = f32::from_ne_bytes(bytes);
            }
        }
    }

    fn check(
        &self,
        program: &Program,
        function: usize,
        batch: usize,
        inputs: &[&[u8]],
        asked: &Asked<'_, '_>,
    ) -> Result<()> {
        let interface = &program.interface().functions[function];
        let plan = program.plan(function);
        let batch_max = program.interface().batch_max;
        if !self.has_weights {
            return Err(RuntimeError::NoWeights { model: program.interface().model.clone() });
        }
        if batch == 0 || batch > batch_max {
            return Err(RuntimeError::Batch { batch, batch_max });
        }
        if inputs.len() != plan.inputs.len() {
            return Err(count(interface, "inputs", plan.inputs.len(), inputs.len()));
        }
        let length = |name: &str, expected: usize, found: usize| {
            if expected == found {
                return Ok(());
            }
            let function = interface.name.clone();
            Err(RuntimeError::Length { function, name: name.to_owned(), batch, expected, found })
        };
        for ((port, plan), bytes) in interface.inputs.iter().zip(&plan.inputs).zip(inputs) {
            length(&port.name, plan.bytes(batch), bytes.len())?;
        }
        match asked {
            Asked::Buffers(numbers, buffers) => {
                for (&number, buffer) in numbers.iter().zip(buffers.iter()) {
                    let expected = plan.outputs[number].bytes(batch);
                    length(&interface.outputs[number].name, expected, buffer.len())?;
                }
            }
            Asked::Report(report) if report.len() != plan.report_length(batch) => {
                let expected = plan.report_length(batch);
                return Err(count(interface, "reported values", expected, report.len()));
            }
            Asked::Report(_) => {}
        }
        Ok(())
    }
}

/// The error of a wrong number of `what`.
pub(crate) fn count(
    interface: &FunctionInterface,
    what: &'static str,
    expected: usize,
    found: usize,
) -> RuntimeError {
    RuntimeError::Count { function: interface.name.clone(), what, expected, found }
}
