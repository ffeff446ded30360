//! Who computes: compiled code or the interpreter, behind the trainer's one interface.

use crate::machine::{Machine, session};
use crate::{CompileChoices, Interpreted, Result};
use dlc_compiler::Compilation;
use dlc_trainer::Engine;

/// Who computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Compiled code, on this machine.
    Native(Machine),
    /// The oracle: slow, and exact to `f64` within a call.
    Interpreter,
}

impl EngineKind {
    /// Where code runs; this process's threads where nothing is compiled to code.
    pub fn machine(self) -> Machine {
        match self {
            EngineKind::Native(machine) => machine,
            EngineKind::Interpreter => Machine::default(),
        }
    }
}

impl Default for EngineKind {
    fn default() -> Self {
        EngineKind::Native(Machine::default())
    }
}

/// An engine for a compilation. `threads` and `choices`, by which it was compiled, matter to compiled code alone.
pub fn engine(
    compilation: &Compilation,
    kind: EngineKind,
    threads: usize,
    choices: &CompileChoices,
) -> Result<Box<dyn Engine>> {
    Ok(match kind {
        EngineKind::Native(machine) => Box::new(session(compilation, machine, threads, choices)?),
        EngineKind::Interpreter => Box::new(Interpreted::new(compilation)?),
    })
}

/// The number of threads to use where the user names none.
pub(crate) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
