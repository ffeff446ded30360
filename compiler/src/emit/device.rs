//! A compilation as code for a device: the kernels of all functions in one module of PTX text, and every function's
//! launches.
//!
//! Invariants: kernels that differ in names alone, and whose operands are aligned alike, are one entry, named after the
//! first; elements have become bytes; every launch of a function is in its steps or its prologue, in the order of the program.
//!
//! A launch for which there is no work, because the batch is empty, is the runtime's to leave out
//! ([`DeviceKernel::blocks`](dlc_abi::DeviceKernel::blocks)).

use crate::{Compilation, CompileError};
use dlc_abi::{
    DeviceFunction, DeviceLaunch, DeviceMemory, DeviceModule, DeviceOperand, DeviceStep, DeviceStride,
};
use dlc_codegen_ptx::{Architecture, Math, Options, Source, alignments, emit_module};
use dlc_kernel::{Buffer, Kernel, KernelId, Launch, Program, Storage, Stride};
use std::collections::BTreeMap;
use std::ops::Range;

/// What code for a device depends on beside the compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceOptions {
    /// What it is for.
    pub architecture: Architecture,
    /// How contractions are multiplied.
    pub math: Math,
}

/// The code of a compilation that was made with [`CompileOptions::for_device`](crate::CompileOptions::for_device).
///
/// # Errors
/// [`CompileError::Ptx`] where a kernel has no form, [`CompileError::Invalid`] where a program asks for what only
/// processors have: scratch of a thread, or launches that are done part of the batch by part.
pub fn device(compilation: &Compilation, options: DeviceOptions) -> Result<DeviceModule, CompileError> {
    let interface = &compilation.interface;
    let mut kernels = Kernels::default();
    let mut functions = Vec::with_capacity(compilation.functions.len());
    for function in &compilation.functions {
        let program = &function.lowered.program;
        check(program)?;
        let alignments = alignments(program);
        let mut numbers = BTreeMap::new();
        for ((id, kernel), alignments) in program.kernels.iter().zip(alignments.values()) {
            numbers.insert(id, kernels.number(&function.name, kernel, alignments));
        }
        let launches = Launches { program, numbers };
        functions.push(DeviceFunction {
            prologue: launches.steps(0..program.prologue, 0)?,
            steps: launches.steps(program.prologue..program.launches.len(), 0)?,
        });
    }
    let sources = kernels.all.iter().map(|entry| Source {
        name: &entry.name,
        kernel: entry.kernel,
        alignments: &entry.alignments,
    });
    let sources: Vec<Source<'_>> = sources.collect();
    let DeviceOptions { architecture, math } = options;
    let options = Options { architecture, math, batch_max: interface.batch_max };
    let module = emit_module(&interface.model, &sources, options)?;
    Ok(DeviceModule {
        capability: architecture.capability(),
        text: module.text,
        kernels: module.entries,
        functions,
    })
}

/// Refuses what a device does not have.
pub(crate) fn check(program: &Program) -> Result<(), CompileError> {
    program.buffers.values().try_for_each(|buffer| place(program, buffer).map(drop))?;
    match program.launches.iter().any(|launch| launch.part.is_some()) {
        true => Err(invalid(program, "launches are done part of the batch by part".to_owned())),
        false => Ok(()),
    }
}

fn invalid(program: &Program, error: String) -> CompileError {
    CompileError::Invalid { stage: "lower for a device", function: program.name.clone(), error }
}

/// The block of memory that a buffer lies in, and its first byte there.
fn place(program: &Program, buffer: &Buffer) -> Result<(DeviceMemory, usize), CompileError> {
    Ok(match buffer.storage {
        Storage::Arena(byte) => (DeviceMemory::Arena, byte),
        Storage::Persistent(byte) => (DeviceMemory::Persistent, byte),
        Storage::Constants(byte) => (DeviceMemory::Constants, byte),
        Storage::Binding(number) => (DeviceMemory::Binding(number), 0),
        Storage::Thread(_) => {
            return Err(invalid(program, format!("{} lies in a thread's own scratch", buffer.name)));
        }
    })
}

/// A kernel of a module.
struct Entry<'a> {
    name: String,
    kernel: &'a Kernel,
    /// Bytes that divide where each operand begins.
    alignments: Vec<usize>,
}

/// The kernels of a module by their forms.
#[derive(Default)]
struct Kernels<'a> {
    all: Vec<Entry<'a>>,
    known: BTreeMap<String, usize>,
}

impl<'a> Kernels<'a> {
    /// The number of a kernel, added if there is none like it.
    fn number(&mut self, function: &str, kernel: &'a Kernel, alignments: &[usize]) -> usize {
        let all = &mut self.all;
        *self.known.entry(format!("{alignments:?} {}", kernel.form())).or_insert_with(|| {
            let name = format!("{function}_{}", kernel.name);
            all.push(Entry { name, kernel, alignments: alignments.to_vec() });
            all.len() - 1
        })
    }
}

/// A program's launches on the way to steps.
struct Launches<'a> {
    program: &'a Program,
    numbers: BTreeMap<KernelId, usize>,
}

impl Launches<'_> {
    /// The steps of neighbouring launches, which all stand in the same `depth` repetitions.
    fn steps(&self, launches: Range<usize>, depth: usize) -> Result<Vec<DeviceStep>, CompileError> {
        let mut steps = Vec::new();
        for (repetition, range) in self.program.blocks(launches, depth) {
            match repetition {
                None => {
                    for launch in &self.program.launches[range] {
                        steps.push(DeviceStep::Launch(self.launch(launch)?));
                    }
                }
                Some(repetition) => {
                    let times = self.program.repetitions[repetition].times;
                    steps.push(DeviceStep::Repeat { times, steps: self.steps(range, depth + 1)? });
                }
            }
        }
        Ok(steps)
    }

    fn launch(&self, launch: &Launch) -> Result<DeviceLaunch, CompileError> {
        let operands = (0..launch.arguments.len()).map(|operand| self.operand(launch, operand));
        Ok(DeviceLaunch {
            kernel: self.numbers[&launch.kernel],
            operands: operands.collect::<Result<_, _>>()?,
        })
    }

    fn operand(&self, launch: &Launch, operand: usize) -> Result<DeviceOperand, CompileError> {
        let buffer = &self.program.buffers[launch.arguments[operand]];
        let (memory, start) = place(self.program, buffer)?;
        let size = buffer.dtype.size();
        let strides: Vec<Stride> = launch.rounds.iter().map(|round| round.strides[operand]).collect();
        let first: usize = strides.iter().map(|stride| stride.first).sum();
        let times = launch.rounds.iter().map(|round| self.program.repetitions[round.repetition].times);
        let moves = strides.iter().zip(times).any(|(stride, times)| !stride.is_still(times));
        let bytes =
            |stride: Stride| DeviceStride { step: stride.step * size as i64, period: stride.period.max(1) };
        Ok(DeviceOperand {
            memory,
            byte: start + first * size,
            strides: if moves { strides.into_iter().map(bytes).collect() } else { Vec::new() },
        })
    }
}
