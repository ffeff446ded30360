//! Who computes: compiled code or the interpreter, behind the trainer's one interface.

use crate::{Interpreted, Result, TuneOptions, tuned_session};
use dlc_compiler::Compilation;
use dlc_compiler::emit::Cpu;
use dlc_trainer::Engine;

/// Who computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Compiled machine code, of these instructions.
    Native(Cpu),
    /// The oracle: slow, and exact to `f64` within a call.
    Interpreter,
}

impl EngineKind {
    /// The instructions that code is made of; all that this machine has where nothing is compiled to code.
    pub fn cpu(self) -> Cpu {
        match self {
            EngineKind::Native(cpu) => cpu,
            EngineKind::Interpreter => Cpu::Native,
        }
    }
}

impl Default for EngineKind {
    fn default() -> Self {
        EngineKind::Native(Cpu::Native)
    }
}

/// An engine for a compilation. `threads` and `tune` matter to native code alone.
pub fn engine(
    compilation: &Compilation,
    kind: EngineKind,
    threads: usize,
    tune: &TuneOptions,
) -> Result<Box<dyn Engine>> {
    Ok(match kind {
        EngineKind::Native(cpu) => Box::new(tuned_session(compilation, threads, cpu, tune)?),
        EngineKind::Interpreter => Box::new(Interpreted::new(compilation)?),
    })
}

/// The number of threads to use where the user names none.
pub(crate) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
