//! Machine code in this process's memory.

use super::{Target, define_program};
use crate::pipeline::{Compilation, CompileError};
use cranelift_jit::{JITBuilder, JITModule};
use dlc_abi::Entry;
use std::sync::Mutex;

/// Compiled code and what keeps it alive.
pub struct JitCode {
    /// Entry of every function, by the function's name.
    pub entries: Vec<(String, Entry)>,
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

/// Compiles all functions of a compilation into memory, for this machine.
pub fn jit(compilation: &Compilation, target: &Target) -> Result<JitCode, CompileError> {
    let builder = JITBuilder::with_isa(target.isa.clone(), cranelift_module::default_libcall_names());
    let mut module = JITModule::new(builder);
    let mut entries = Vec::new();
    for function in &compilation.functions {
        let symbol = format!("{}_{}", compilation.interface.model, function.name);
        entries.push((
            function.name.clone(),
            define_program(&mut module, target, &function.lowered.program, &symbol)?,
        ));
    }
    module.finalize_definitions()?;
    let entries = entries
        .into_iter()
        .map(|(name, id)| {
            let code = module.get_finalized_function(id);
            // SAFETY: `define_program` gives the function the signature of `Entry`, in the target's
            // default calling convention, which is that of `extern "C"` on the host.
            (name, unsafe { std::mem::transmute::<*const u8, Entry>(code) })
        })
        .collect();
    Ok(JitCode { entries, owner: Box::new(Code(Mutex::new(Some(module)))) })
}
