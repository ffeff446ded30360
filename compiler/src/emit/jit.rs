//! Machine code in this process's memory.

use super::{Defined, Target, define_program, perf_map};
use crate::pipeline::{Compilation, CompileError};
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
/// `DLC_PERF_MAP` is `1`, their places and names are written for Linux's `perf` as well.
pub fn jit(compilation: &Compilation, target: &Target) -> Result<JitCode, CompileError> {
    let builder = JITBuilder::with_isa(target.isa.clone(), cranelift_module::default_libcall_names());
    let mut module = JITModule::new(builder);
    let mut functions = Vec::new();
    for function in &compilation.functions {
        let symbol = format!("{}_{}", compilation.interface.model, function.name);
        let defined = define_program(&mut module, target, &function.lowered.program, &symbol)?;
        functions.push((function.name.as_str(), defined));
    }
    module.finalize_definitions()?;
    let mut entries = Vec::new();
    let mut ranges = Vec::new();
    for (name, defined) in functions {
        for Defined { id, symbol, kernel, bytes } in defined {
            let code = module.get_finalized_function(id);
            if kernel.is_none() {
                // SAFETY: `define_program` gives the function the signature of `Entry`, in the target's
                // default calling convention, which is that of `extern "C"` on the host.
                let entry = unsafe { std::mem::transmute::<*const u8, Entry>(code) };
                entries.push((name.to_owned(), entry));
            }
            ranges.push(CodeRange { start: code.addr(), bytes, symbol, function: name.to_owned(), kernel });
        }
    }
    perf_map::write_if_asked(&ranges)?;
    Ok(JitCode { entries, ranges, owner: Box::new(Code(Mutex::new(Some(module)))) })
}
