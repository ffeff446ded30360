//! Machine code in this process's memory.

use super::{Cpu, Defined, Names, Target, define, perf_map};
use crate::{Compilation, CompileError};
use cranelift_jit::{JITBuilder, JITModule};
use dlc_abi::{CodeRange, Entry};
use std::sync::Mutex;

/// Compiled code and what keeps it alive.
pub struct JitCode {
    /// Entry of every function, by the function's name.
    pub entries: Vec<(String, Entry)>,
    /// Where every kernel and entry lies.
    pub ranges: Vec<CodeRange>,
    /// The memory that the entries lie in; they must not be called after it is dropped.
    pub owner: Box<dyn std::any::Any + Send + Sync>,
}

impl std::fmt::Debug for JitCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

/// Owns the module's memory and frees it when dropped.
struct Code(Mutex<Option<JITModule>>);

impl Drop for Code {
    fn drop(&mut self) {
        let module = self.0.get_mut().ok().and_then(Option::take);
        if let Some(module) = module {
            // SAFETY: the entries are documented not to be called after their owner is dropped.
            unsafe { module.free_memory() };
        }
    }
}

/// Compiles all functions of a compilation into memory, for this machine. Where the environment variable
/// `DLC_PERF_MAP` is `1`, their places and names are written for Linux's `perf` as well. A target
/// that this machine may not be ([`Target::elsewhere`]) is refused.
pub fn jit(compilation: &Compilation, target: &Target) -> Result<JitCode, CompileError> {
    target.check_runs_on(&Target::host(Cpu::Native)?)?;
    let builder = JITBuilder::with_isa(target.isa.clone(), cranelift_module::default_libcall_names());
    let mut module = JITModule::new(builder);
    let model = &compilation.interface.model;
    let entry = |function: &str| format!("{model}_{function}");
    let names = Names { prefix: model, entry: &entry };
    let functions = define(&mut module, target.isa.as_ref(), compilation, target, names)?;
    module.finalize_definitions()?;
    let mut entries = Vec::new();
    let mut ranges = Vec::new();
    for (name, defined) in compilation.functions.iter().map(|function| &function.name).zip(functions) {
        for Defined { id, symbol, kernel, bytes } in defined {
            let code = module.get_finalized_function(id);
            if kernel.is_none() {
                // SAFETY: `define_program` gives the function the signature of `Entry`, in the target's
                // default calling convention, which is that of `extern "C"` on the host.
                let entry = unsafe { std::mem::transmute::<*const u8, Entry>(code) };
                entries.push((name.clone(), entry));
            }
            ranges.push(CodeRange { start: code.addr(), bytes, symbol, function: name.clone(), kernel });
        }
    }
    perf_map::write_if_asked(&ranges)?;
    Ok(JitCode { entries, ranges, owner: Box::new(Code(Mutex::new(Some(module)))) })
}
