//! Compiled code made ready to run in this process.

use crate::Result;
use dlc_compiler::Compilation;
use dlc_compiler::emit::{Cpu, Target, jit};
use dlc_runtime::{Program, Session, name_code};
use std::sync::Arc;

/// Generates machine code for these instructions of this machine and joins it to its interface. Reports of
/// crashes know its kernels by name ([`crate::report_crashes`]).
pub fn native_program(compilation: &Compilation, cpu: Cpu) -> Result<Program> {
    native_program_for(compilation, &Target::host(cpu)?)
}

/// The same for a target that is this machine.
pub(crate) fn native_program_for(compilation: &Compilation, target: &Target) -> Result<Program> {
    let code = jit(compilation, target)?;
    // In this order: names are forgotten before the memory is freed.
    let owner = Box::new((name_code(&code.ranges), code.owner));
    // SAFETY: the entries were generated from this compilation's programs, whose buffers lie within the
    // sizes of its interface (bounds and plan are verified by the pipeline), and `owner` keeps the code.
    Ok(unsafe { Program::new(compilation.interface.clone(), code.entries, owner) }?)
}

/// A session on `threads` threads; all parameters and states are zero.
pub fn native_session(compilation: &Compilation, threads: usize, cpu: Cpu) -> Result<Session> {
    Ok(Session::new(Arc::new(native_program(compilation, cpu)?), threads)?)
}
