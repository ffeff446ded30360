//! Runs a kernel's machine code on byte buffers.

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::Configurable;
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, default_libcall_names};
use dlc_codegen_clif::{ClifError, build_kernel, flags, kernel_signature};
use dlc_kernel::Kernel;

/// The ISA of this machine, or one that knows no fused multiply-add.
pub fn isa(fused: bool) -> OwnedTargetIsa {
    let mut builder = cranelift_native::builder().unwrap();
    if !fused {
        builder.set("has_fma", "false").unwrap();
    }
    builder.finish(flags().unwrap()).unwrap()
}

/// A compiled kernel.
pub struct Machine {
    code: *const u8,
    operands: usize,
    module: Option<JITModule>,
}

impl Machine {
    pub fn new(kernel: &Kernel, fused: bool) -> Result<Machine, ClifError> {
        let mut module = JITModule::new(JITBuilder::with_isa(isa(fused), default_libcall_names()));
        let signature = kernel_signature(kernel, module.isa().default_call_conv());
        let id = module.declare_function("kernel", Linkage::Export, &signature).unwrap();
        let mut context = module.make_context();
        context.func = build_kernel(kernel, module.isa(), &mut FunctionBuilderContext::new())?;
        if let Err(error) = module.define_function(id, &mut context) {
            panic!("{error:?}\n{}", context.func.display());
        }
        module.finalize_definitions().unwrap();
        let code = module.get_finalized_function(id);
        Ok(Machine { code, operands: kernel.operands.len(), module: Some(module) })
    }

    /// Runs points `begin..end`; buffers are the operands.
    pub fn run(&self, batch: i64, begin: i64, end: i64, buffers: &mut [Vec<u8>]) {
        assert_eq!(buffers.len(), self.operands);
        let p: Vec<*mut u8> = buffers.iter_mut().map(|buffer| buffer.as_mut_ptr()).collect();
        macro_rules! call {
            ($($pointer:ty),*; $($argument:expr),*) => {{
                // SAFETY: the code was built with this signature, and the buffers hold what the kernel addresses.
                unsafe {
                    let function: extern "C" fn(i64, i64, i64, $($pointer),*) = std::mem::transmute(self.code);
                    function(batch, begin, end, $($argument),*);
                }
            }};
        }
        match p.len() {
            1 => call!(*mut u8; p[0]),
            2 => call!(*mut u8, *mut u8; p[0], p[1]),
            3 => call!(*mut u8, *mut u8, *mut u8; p[0], p[1], p[2]),
            4 => call!(*mut u8, *mut u8, *mut u8, *mut u8; p[0], p[1], p[2], p[3]),
            5 => call!(*mut u8, *mut u8, *mut u8, *mut u8, *mut u8; p[0], p[1], p[2], p[3], p[4]),
            6 => {
                call!(*mut u8, *mut u8, *mut u8, *mut u8, *mut u8, *mut u8; p[0], p[1], p[2], p[3], p[4], p[5])
            }
            count => panic!("no call with {count} operands"),
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
