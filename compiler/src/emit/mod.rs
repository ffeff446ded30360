//! Puts the functions of a compilation into a Cranelift module.
//!
//! The same code defines functions in memory (JIT) and in an object file: it is written against the
//! `Module` trait. Every kernel is a local function named `FUNCTION.KERNEL`; every program has one
//! exported entry named `MODEL_FUNCTION` with the signature of [`dlc_abi::Entry`].

mod jit;

pub use jit::{JitCode, jit};

use crate::pipeline::{Compilation, CompileError};
use cranelift_codegen::Context;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{FuncId, Linkage, Module};
use dlc_kernel::{KernelId, Program};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The machine that this process runs on.
pub fn host_isa() -> Result<OwnedTargetIsa, CompileError> {
    let flags = dlc_codegen_clif::flags()?;
    let builder = cranelift_native::builder().map_err(|reason| CompileError::Target(reason.to_owned()))?;
    builder.finish(flags).map_err(|error| CompileError::Target(error.to_string()))
}

/// Defines a program's kernels and entry; returns the entry.
fn define_program(
    module: &mut dyn Module,
    isa: &dyn TargetIsa,
    program: &Program,
    symbol: &str,
) -> Result<FuncId, CompileError> {
    let mut builder_context = FunctionBuilderContext::new();
    let mut context = Context::new();
    let call_conv = isa.default_call_conv();
    let mut functions: BTreeMap<KernelId, FuncId> = BTreeMap::new();
    for (id, kernel) in program.kernels.iter() {
        let name = format!("{symbol}.{}", kernel.name);
        let signature = dlc_codegen_clif::kernel_signature(kernel, call_conv);
        let function = module.declare_function(&name, Linkage::Local, &signature)?;
        context.func = dlc_codegen_clif::build_kernel(kernel, isa, &mut builder_context)?;
        module.define_function(function, &mut context)?;
        context.clear();
        functions.insert(id, function);
    }
    let signature = dlc_codegen_clif::entry_signature(call_conv);
    let entry = module.declare_function(symbol, Linkage::Export, &signature)?;
    let references: Vec<(KernelId, FuncId)> = functions.into_iter().collect();
    context.func =
        dlc_codegen_clif::build_entry(program, isa, &mut builder_context, &mut |function, kernel| {
            let position = references.binary_search_by_key(&kernel, |&(id, _)| id).unwrap_or(0);
            module.declare_func_in_func(references[position].1, function)
        })?;
    module.define_function(entry, &mut context)?;
    Ok(entry)
}

/// The Cranelift IR of every kernel and entry of a compilation, as text.
pub fn clif_text(compilation: &Compilation, isa: &dyn TargetIsa) -> Result<String, CompileError> {
    let mut builder_context = FunctionBuilderContext::new();
    let mut text = String::new();
    for function in &compilation.functions {
        for kernel in function.lowered.program.kernels.values() {
            let built = dlc_codegen_clif::build_kernel(kernel, isa, &mut builder_context)?;
            let _ = writeln!(text, "; {}.{}\n{built}", function.name, kernel.name);
        }
    }
    Ok(text)
}
