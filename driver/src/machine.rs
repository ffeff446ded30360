//! Where compiled code runs: on this process's threads, or on a GPU of this machine.

use crate::native::native_program_for;
use crate::tuning::tuned_target;
use crate::{CompileChoices, Result};
use dlc_compiler::Compilation;
use dlc_compiler::emit::Cpu;
use dlc_runtime::Session;
use std::sync::Arc;

/// Where compiled code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// Threads of this process, with code of these instructions.
    Threads(Cpu),
}

impl Default for Machine {
    fn default() -> Self {
        Machine::Threads(Cpu::Native)
    }
}

impl Machine {
    /// The instructions of code for threads, which is all that `what` works with.
    ///
    /// # Errors
    /// [`DriverError::User`] for another machine.
    pub(crate) fn cpu(self, what: &str) -> Result<Cpu> {
        match self {
            Machine::Threads(cpu) => Ok(cpu),
        }
    }
}

impl From<Cpu> for Machine {
    fn from(cpu: Cpu) -> Machine {
        Machine::Threads(cpu)
    }
}

/// A session of a compilation that was made with the options for this machine; all parameters and states are zero.
/// `threads` are this process's.
pub fn session(
    compilation: &Compilation,
    machine: Machine,
    threads: usize,
    choices: &CompileChoices,
) -> Result<Session> {
    match machine {
        Machine::Threads(cpu) => {
            let target = tuned_target(compilation, cpu, threads, &choices.tune)?;
            Ok(Session::new(Arc::new(native_program_for(compilation, &target)?), threads)?)
        }
    }
}
