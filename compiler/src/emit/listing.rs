//! Machine code as text, for reading.

use super::{Target, wide_kernel};
use crate::{CompileError, CompiledFunction};
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilderContext;
use std::fmt::Write;

/// The code of every kernel of a function, in the assembly language of the target. Addresses are relative to the
/// beginning of each kernel.
pub fn assembly_text(function: &CompiledFunction, target: &Target) -> Result<String, CompileError> {
    let isa = target.object_isa.as_ref();
    let mut builder_context = FunctionBuilderContext::new();
    let mut text = String::new();
    for kernel in function.lowered.program.kernels.values() {
        let _ = writeln!(text, "; {}.{}", function.name, kernel.name);
        match wide_kernel(target, kernel)? {
            Some(bytes) => text.push_str(&dlc_codegen_x86::disassemble(&bytes)),
            None => {
                let built = dlc_codegen_clif::build_kernel(kernel, isa, &mut builder_context)?;
                text.push_str(&compiled(built, isa)?);
            }
        }
        text.push('\n');
    }
    Ok(text)
}

fn compiled(function: cranelift_codegen::ir::Function, isa: &dyn TargetIsa) -> Result<String, CompileError> {
    let mut context = Context::for_function(function);
    context.set_disasm(true);
    let code = context
        .compile(isa, &mut ControlPlane::default())
        .map_err(|error| CompileError::Module(format!("{:?}", error.inner)))?;
    if isa.name() == "x64" {
        return Ok(dlc_codegen_x86::disassemble(code.code_buffer()));
    }
    Ok(code.vcode.clone().unwrap_or_default())
}
