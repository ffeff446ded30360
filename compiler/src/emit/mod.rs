//! Puts the functions of a compilation into a Cranelift module, or into one of PTX text ([`device()`]).
//!
//! A kernel is emitted by the widest code generator that has a form for it: AVX-512 or AVX2 code of our own
//! as bytes, Cranelift's for all others.
//!
//! The same code defines functions in memory (JIT) and in an object file: it is written against the
//! `Module` trait, and kernels have equal bytes in both. Every kernel is a local function named
//! `MODEL_FUNCTION.KERNEL`; every program has one exported entry with the signature of [`dlc_abi::Entry`].

mod device;
mod jit;
mod listing;
mod object;
mod perf_map;
mod platform;
mod target;
mod tuning;

pub(crate) use device::check as check_for_device;
pub use device::{DeviceOptions, device};
pub use dlc_codegen_ptx::{Architecture, Math};
pub use dlc_codegen_x86::{Choice, Level, Machine};
pub use jit::{JitCode, jit};
pub use listing::assembly_text;
pub use object::{ObjectCode, ObjectData, Variant, measure_code, object};
pub use platform::{Evidence, ObjectFormat, Platform, Processor};
pub use target::{Cpu, Target};
pub use tuning::Tuning;

use crate::{Compilation, CompileError};
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_module::{FuncId, Linkage, Module, ModuleReloc};
use dlc_kernel::{Kernel, KernelId, Program};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Alignment of wide kernels: a cache line.
const CODE_ALIGNMENT: u64 = 64;

/// The bytes of a kernel's wide form, where target and kernel have one.
fn wide_kernel(target: &Target, kernel: &Kernel) -> Result<Option<Vec<u8>>, CompileError> {
    match target.wide {
        Some(machine) => {
            let choice = target.tuning.choice(kernel, machine);
            Ok(dlc_codegen_x86::build_kernel_by(kernel, machine, choice.as_ref())?)
        }
        None => Ok(None),
    }
}

/// A function that was put into a module.
struct Defined {
    id: FuncId,
    symbol: String,
    /// The kernel's name; `None` for a program's entry.
    kernel: Option<String>,
    /// Length of its code in bytes.
    bytes: usize,
}

/// Compiles the context's function by `isa`, which need not be the module's own, and defines it; returns the length
/// of its code.
fn define_function(
    module: &mut dyn Module,
    isa: &dyn TargetIsa,
    id: FuncId,
    context: &mut Context,
) -> Result<usize, CompileError> {
    let compiled = context.compile(isa, &mut ControlPlane::default());
    compiled.map_err(|error| CompileError::Module(format!("{:?}", error.inner)))?;
    let none = || CompileError::Module("a function was compiled to nothing".to_owned());
    let code = context.compiled_code().ok_or_else(none)?;
    let (bytes, alignment) = (code.code_buffer().to_vec(), u64::from(code.buffer.alignment));
    let relocations: Vec<ModuleReloc> = code
        .buffer
        .relocs()
        .iter()
        .map(|relocation| ModuleReloc::from_mach_reloc(relocation, &context.func, id))
        .collect();
    module.define_function_bytes(id, alignment, &bytes, &relocations)?;
    Ok(bytes.len())
}

/// What functions are called in a module.
#[derive(Clone, Copy)]
struct Names<'a> {
    /// What the symbol of every kernel begins with.
    prefix: &'a str,
    /// The symbol of a function's entry.
    entry: &'a dyn Fn(&str) -> String,
}

/// Defines every function of a compilation, compiled by `isa`: per function its kernels, then its entry.
fn define(
    module: &mut dyn Module,
    isa: &dyn TargetIsa,
    compilation: &Compilation,
    target: &Target,
    names: Names<'_>,
) -> Result<Vec<Vec<Defined>>, CompileError> {
    let defined = compilation.functions.iter().map(|function| {
        let symbols = [format!("{}_{}", names.prefix, function.name), (names.entry)(&function.name)];
        define_program(module, isa, target, &function.lowered.program, symbols)
    });
    defined.collect()
}

/// Defines a program's kernels and entry, whose symbols are given in this order; returns them, the entry last.
fn define_program(
    module: &mut dyn Module,
    isa: &dyn TargetIsa,
    target: &Target,
    program: &Program,
    [kernels, symbol]: [String; 2],
) -> Result<Vec<Defined>, CompileError> {
    let mut builder_context = FunctionBuilderContext::new();
    let mut context = Context::new();
    let call_conv = isa.default_call_conv();
    let mut functions: BTreeMap<KernelId, FuncId> = BTreeMap::new();
    let mut defined = Vec::new();
    for (id, kernel) in program.kernels.iter() {
        let name = format!("{kernels}.{}", kernel.name);
        let signature = dlc_codegen_clif::kernel_signature(kernel, call_conv);
        let function = module.declare_function(&name, Linkage::Local, &signature)?;
        functions.insert(id, function);
        let bytes = if let Some(bytes) = wide_kernel(target, kernel)? {
            module.define_function_bytes(function, CODE_ALIGNMENT, &bytes, &[])?;
            bytes.len()
        } else {
            context.func = dlc_codegen_clif::build_kernel(kernel, isa, &mut builder_context)?;
            let bytes = define_function(module, isa, function, &mut context)?;
            context.clear();
            bytes
        };
        defined.push(Defined { id: function, symbol: name, kernel: Some(kernel.name.clone()), bytes });
    }
    let signature = dlc_codegen_clif::entry_signature(call_conv);
    let entry = module.declare_function(&symbol, Linkage::Export, &signature)?;
    let references: Vec<(KernelId, FuncId)> = functions.into_iter().collect();
    context.func =
        dlc_codegen_clif::build_entry(program, isa, &mut builder_context, &mut |function, kernel| {
            let position = references.binary_search_by_key(&kernel, |&(id, _)| id).unwrap_or(0);
            module.declare_func_in_func(references[position].1, function)
        })?;
    let bytes = define_function(module, isa, entry, &mut context)?;
    defined.push(Defined { id: entry, symbol, kernel: None, bytes });
    Ok(defined)
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
