//! Machine code of a kernel in memory, from either code generator.

use cranelift_codegen::ir::{Signature, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, default_libcall_names};
use dlc_codegen_clif::{build_kernel, flags, kernel_signature};
use dlc_kernel::Kernel;

/// A compiled kernel.
pub(crate) struct Machine {
    code: *const u8,
    module: Option<JITModule>,
}

fn empty() -> JITModule {
    let isa = cranelift_native::builder().unwrap().finish(flags().unwrap()).unwrap();
    JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()))
}

impl Machine {
    /// The portable code.
    pub(crate) fn portable(kernel: &Kernel) -> Machine {
        let mut module = empty();
        let signature = kernel_signature(kernel, CallConv::SystemV);
        let id = module.declare_function("kernel", Linkage::Export, &signature).unwrap();
        let mut context = module.make_context();
        context.func = build_kernel(kernel, module.isa(), &mut FunctionBuilderContext::new()).unwrap();
        module.define_function(id, &mut context).unwrap();
        module.finalize_definitions().unwrap();
        Machine { code: module.get_finalized_function(id), module: Some(module) }
    }

    /// Finished bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Machine {
        let mut module = empty();
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend([cranelift_codegen::ir::AbiParam::new(types::I64); 6]);
        let id = module.declare_function("kernel", Linkage::Export, &signature).unwrap();
        module.define_function_bytes(id, 64, bytes, &[]).unwrap();
        module.finalize_definitions().unwrap();
        Machine { code: module.get_finalized_function(id), module: Some(module) }
    }

    /// Runs points `begin..end`, with ten operands at most.
    pub(crate) fn run(&self, batch: i64, begin: i64, end: i64, operands: &[*mut f32]) {
        type P = *mut f32;
        let at = |number: usize| operands.get(number).copied().unwrap_or(std::ptr::null_mut());
        assert!(operands.len() <= 10);
        // SAFETY: the code was built with this signature but for parameters that it does not read, which the
        // caller takes away; the buffers hold what the kernel addresses.
        unsafe {
            let function: extern "sysv64" fn(i64, i64, i64, P, P, P, P, P, P, P, P, P, P) =
                std::mem::transmute(self.code);
            function(batch, begin, end, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: the code is run by methods of `self` alone.
            unsafe { module.free_memory() };
        }
    }
}
