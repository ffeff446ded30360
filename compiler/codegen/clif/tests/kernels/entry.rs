//! A whole program: storage, barriers, shares of the points, a batch of none.

use crate::build::{at, load, op, store};
use crate::machine::isa;
use cranelift_codegen::ir::{self, FuncRef};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use dlc_abi::{Context, Entry};
use dlc_codegen_clif::{build_entry, build_kernel, entry_signature, kernel_signature};
use dlc_kernel::{Binary, Buffer, BufferId, Kernel, KernelId, Launch, Program, ScalarOp, Storage};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Dim};
use std::ffi::c_void;
use std::sync::Barrier;

fn add(coordinate_extent: Dim) -> Kernel {
    crate::build::kernel(
        &[DType::F32; 3],
        &[coordinate_extent],
        &[0],
        vec![
            load(0, 0, at(0)),
            load(1, 1, at(0)),
            op(2, DType::F32, ScalarOp::Binary(Binary::Add), &[0, 1]),
            store(2, at(0), 2),
        ],
    )
}

/// `y = (x + constants) + persistent`, the sum in the arena between two launches.
fn program() -> Program {
    let mut program = Program { name: "predict".into(), arena_bytes: 256, ..Program::default() };
    let places = [
        Storage::Binding(0),
        Storage::Constants(16),
        Storage::Arena(64),
        Storage::Persistent(0),
        Storage::Binding(1),
    ];
    for (number, storage) in places.into_iter().enumerate() {
        program.buffers.push(Buffer {
            name: format!("b{number}"),
            dtype: DType::F32,
            bytes: 80,
            storage,
            border: None,
        });
    }
    let kernel = program.kernels.push(add(Dim::Batch(2)));
    let buffers = |list: [usize; 3]| list.map(BufferId::from_usize).to_vec();
    program.launches.push(Launch {
        kernel,
        arguments: buffers([0, 1, 2]),
        barrier: false,
        part: None,
        rounds: Vec::new(),
    });
    program.launches.push(Launch {
        kernel,
        arguments: buffers([2, 3, 4]),
        barrier: true,
        part: None,
        rounds: Vec::new(),
    });
    program
}

unsafe extern "C" fn wait(data: *const c_void) {
    // SAFETY: every context below points to a barrier that outlives the call.
    unsafe { &*data.cast::<Barrier>() }.wait();
}

fn compile(program: &Program) -> (JITModule, Entry) {
    let mut module = JITModule::new(JITBuilder::with_isa(isa(true), default_libcall_names()));
    let mut ids: Vec<FuncId> = Vec::new();
    for (number, kernel) in program.kernels.iter() {
        let signature = kernel_signature(kernel, module.isa().default_call_conv());
        let id = module.declare_function(&format!("{number}"), Linkage::Local, &signature).unwrap();
        let mut context = module.make_context();
        context.func = build_kernel(kernel, module.isa(), &mut FunctionBuilderContext::new()).unwrap();
        module.define_function(id, &mut context).unwrap();
        ids.push(id);
    }
    let signature = entry_signature(module.isa().default_call_conv());
    let entry = module.declare_function("entry", Linkage::Export, &signature).unwrap();
    let mut context = module.make_context();
    let isa = isa(true);
    let mut import = |function: &mut ir::Function, kernel: KernelId| -> FuncRef {
        module.declare_func_in_func(ids[kernel.as_usize()], function)
    };
    context.func = build_entry(program, &*isa, &mut FunctionBuilderContext::new(), &mut import).unwrap();
    module.define_function(entry, &mut context).unwrap();
    module.finalize_definitions().unwrap();
    let code = module.get_finalized_function(entry);
    // SAFETY: the function was declared with the entry's signature.
    let entry: Entry = unsafe { std::mem::transmute(code) };
    (module, entry)
}

struct Shared(Context);
// SAFETY: threads write disjoint elements, told by the barrier.
unsafe impl Sync for Shared {}

#[test]
fn threads_share_the_points() {
    let program = program();
    let (module, entry) = compile(&program);
    for batch in [0_usize, 1, 3, 8] {
        for threads in 1..=4 {
            let x: Vec<f32> = (0..16).map(|number| number as f32).collect();
            let mut y = vec![-1.0_f32; 16];
            let mut arena = [0.0_f32; 64];
            let mut persistent: Vec<f32> = (0..16).map(|number| number as f32 * 100.0).collect();
            let constants: Vec<f32> = (0..20).map(|number| number as f32 * 10_000.0).collect();
            let bindings = [x.as_ptr().cast::<u8>().cast_mut(), y.as_mut_ptr().cast::<u8>()];
            let barrier = Barrier::new(threads);
            let context = Shared(Context {
                arena: arena.as_mut_ptr().cast(),
                persistent: persistent.as_mut_ptr().cast(),
                constants: constants.as_ptr().cast(),
                bindings: bindings.as_ptr(),
                batch: batch as i64,
                threads: threads as i64,
                barrier: wait,
                barrier_data: std::ptr::from_ref(&barrier).cast(),
                prepare: 1,
                scratch: std::ptr::null_mut(),
                scratch_bytes: 0,
            });
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let shared = &context;
                    scope.spawn(move || {
                        // SAFETY: the context holds what the program addresses.
                        unsafe { entry(&shared.0, thread as i64) };
                    });
                }
            });
            for (number, &value) in y.iter().enumerate() {
                let number = number as f32;
                let expected = if number < 2.0 * batch as f32 {
                    number + (number + 4.0) * 10_000.0 + number * 100.0
                } else {
                    -1.0
                };
                assert_eq!(value, expected, "batch {batch}, {threads} threads");
            }
        }
    }
    // SAFETY: no thread runs the code any more.
    unsafe { module.free_memory() };
}

#[test]
fn a_buffer_without_a_place_is_refused() {
    let mut program = program();
    let buffer = program.buffers.push(Buffer {
        name: "late".into(),
        dtype: DType::F32,
        bytes: 4,
        storage: Storage::Arena(usize::MAX),
        border: None,
    });
    program.launches[0].arguments[0] = buffer;
    let mut import = |function: &mut ir::Function, _: KernelId| -> FuncRef {
        let signature = function.import_signature(ir::Signature::new(isa(true).default_call_conv()));
        function.import_function(ir::ExtFuncData {
            name: ir::ExternalName::user(ir::UserExternalNameRef::from_u32(0)),
            signature,
            colocated: false,
            patchable: false,
        })
    };
    let error = build_entry(&program, &*isa(true), &mut FunctionBuilderContext::new(), &mut import);
    assert!(error.unwrap_err().to_string().contains("no place"));
}
