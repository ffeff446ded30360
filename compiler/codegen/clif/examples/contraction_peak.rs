//! How near contractions come to the machine's peak of 128-bit multiply-adds.
//!
//! `cargo run --release -p dlc-codegen-clif --example contraction_peak [-- disasm]` prints, for convolution
//! shapes of one core, GFLOP/s and the share of a loop of multiply-adds on registers timed in turn with
//! them; with `disasm` the machine code of the first shape instead. With `tiles` it tries tile shapes.
#![allow(clippy::unwrap_used, reason = "an example")]

use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, Signature, UserFuncName, types};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, default_libcall_names};
use dlc_codegen_clif::{build_kernel, flags, preferred_tile};
use dlc_kernel::{Body, Contraction, ContractionDim, Kernel, Operand, Role, Split, Tap, Tile};
use dlc_types::{DType, Dim};
use std::time::Instant;

fn isa() -> OwnedTargetIsa {
    cranelift_native::builder().unwrap().finish(flags().unwrap()).unwrap()
}

fn compile(function: Function) -> *const u8 {
    let mut module = JITModule::new(JITBuilder::with_isa(isa(), default_libcall_names()));
    let id = module.declare_function("timed", Linkage::Export, &function.signature).unwrap();
    let mut context = module.make_context();
    context.func = function;
    module.define_function(id, &mut context).unwrap();
    module.finalize_definitions().unwrap();
    let code = module.get_finalized_function(id);
    // The code has to stay until the process ends.
    std::mem::forget(module);
    code
}

/// `count` rounds of twelve independent multiply-adds of four lanes.
fn peak_loop() -> Function {
    let mut signature = Signature::new(isa().default_call_conv());
    signature.params.extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    let mut function = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let (count, target) = (builder.block_params(entry)[0], builder.block_params(entry)[1]);
    let half = builder.ins().f32const(0.5);
    let half = builder.ins().splat(types::F32X4, half);
    let head = builder.create_block();
    let left = builder.append_block_param(head, types::I64);
    let values: Vec<_> = (0..12).map(|_| builder.append_block_param(head, types::F32X4)).collect();
    let mut start = vec![count.into()];
    start.extend((0..12).map(|_| cranelift_codegen::ir::BlockArg::from(half)));
    builder.ins().jump(head, &start);
    builder.switch_to_block(head);
    let mut next: Vec<_> = values;
    for _ in 0..8 {
        next = next.into_iter().map(|value| builder.ins().fma(value, half, half)).collect();
    }
    let left = builder.ins().iadd_imm_s(left, -1);
    let exit = builder.create_block();
    let mut again = vec![left.into()];
    again.extend(next.iter().map(|&value| cranelift_codegen::ir::BlockArg::from(value)));
    builder.ins().brif(left, head, &again, exit, &[]);
    builder.switch_to_block(exit);
    for (number, value) in next.into_iter().enumerate() {
        builder.ins().store(cranelift_codegen::ir::MemFlagsData::new(), value, target, 16 * number as i32);
    }
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(isa().frontend_config());
    function
}

fn dim(name: &str, extent: impl Into<Dim>, role: Role, strides: [i64; 3]) -> ContractionDim {
    ContractionDim { name: name.into(), extent: extent.into(), role, strides, split: None }
}

struct Case {
    name: String,
    kernel: Kernel,
    batch: usize,
    /// Elements of the three operands.
    elements: [usize; 3],
    flops: f64,
}

fn kernel(contraction: Contraction) -> Kernel {
    let operands = (0..3)
        .map(|number| Operand {
            name: format!("o{number}"),
            dtype: DType::F32,
            writes: number == 2,
            reads: true,
        })
        .collect();
    Kernel {
        name: "contraction".into(),
        operands,
        space: contraction.space(),
        body: Body::Contraction(contraction),
    }
}

/// 3x3 over NHWC, padded: lanes along output channels, rows along a row of pixels.
fn forward(channels: usize, size: usize, batch: usize, tile: Option<Tile>) -> Case {
    let (c, q) = (channels as i64, size as i64);
    let (row, image) = ((q + 2) * c, (q + 2) * (q + 2) * c);
    let taps = (0..9).map(|t| Tap { lanes: t * c * c, rows: (t / 3) * row + (t % 3) * c }).collect();
    let contraction = Contraction {
        dims: vec![
            dim("n", Dim::N, Role::Parallel, [0, image, q * q * c]),
            dim("p", size, Role::Parallel, [0, row, q * c]),
            dim("oc", channels, Role::Lanes, [1, 0, 1]),
            dim("q", size, Role::Rows, [0, c, c]),
            dim("ci", channels, Role::Reduce, [c, 1, 0]),
        ],
        offsets: [0; 3],
        taps,
        accumulate: false,
        turns_rows: false,
        tile: tile.unwrap_or_else(|| preferred_tile(channels.into(), size.into())),
        epilogue: None,
    };
    Case {
        name: format!("forward  {channels:3} channels, {size:2} x {size:2}"),
        kernel: kernel(contraction),
        batch,
        elements: [9 * channels * channels, batch * image as usize, batch * size * size * channels],
        flops: 2.0 * 9.0 * (batch * size * size * channels * channels) as f64,
    }
}

/// Gradient of the weights: lanes along output channels of dY, rows along input channels of X.
fn gradient(channels: usize, size: usize, batch: usize, tile: Option<Tile>) -> Case {
    let (c, q) = (channels as i64, size as i64);
    let (row, image) = ((q + 2) * c, (q + 2) * (q + 2) * c);
    let mut dims = vec![
        dim("n", Dim::N, Role::ReduceOuter, [q * q * c, image, 0]),
        dim("r", 3, Role::Sequential, [0, row, 3 * c * c]),
        dim("s", 3, Role::Sequential, [0, c, c * c]),
        dim("oc", channels, Role::Lanes, [1, 0, 1]),
        dim("ci", channels, Role::Rows, [0, 1, c]),
        dim("p", size, Role::Reduce, [q * c, row, 0]),
        dim("q", size, Role::Reduce, [c, c, 0]),
    ];
    dims[0].split = Some(Split { chunks: 2, align: 1, result_stride: 9 * c * c });
    let contraction = Contraction {
        dims,
        offsets: [0; 3],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        accumulate: false,
        turns_rows: false,
        tile: tile.unwrap_or_else(|| preferred_tile(channels.into(), channels.into())),
        epilogue: None,
    };
    Case {
        name: format!("gradient {channels:3} channels, {size:2} x {size:2}"),
        kernel: kernel(contraction),
        batch,
        elements: [batch * size * size * channels, batch * image as usize, 2 * 9 * channels * channels],
        flops: 2.0 * 9.0 * (batch * size * size * channels * channels) as f64,
    }
}

fn seconds(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Best GFLOP/s of the case and of the peak loop, timed in turn.
fn measure(case: &Case, peak: &dyn Fn() -> f64, rounds: usize) -> (f64, f64) {
    let isa = isa();
    let function = build_kernel(&case.kernel, &*isa, &mut FunctionBuilderContext::new()).unwrap();
    let code = compile(function);
    // SAFETY: the code was built with this signature.
    let run: extern "C" fn(i64, i64, i64, *const f32, *const f32, *mut f32) =
        unsafe { std::mem::transmute(code) };
    let lanes = vec![0.5_f32; case.elements[0]];
    let rows = vec![0.25_f32; case.elements[1]];
    let mut result = vec![0.0_f32; case.elements[2]];
    let points: usize = case.kernel.space.iter().map(|dim| dim.at(case.batch)).product();
    let (mut best, mut best_peak) = (0.0_f64, 0.0_f64);
    for _ in 0..rounds {
        best_peak = best_peak.max(peak());
        let time = seconds(|| {
            run(case.batch as i64, 0, points as i64, lanes.as_ptr(), rows.as_ptr(), result.as_mut_ptr());
        });
        best = best.max(case.flops / time / 1e9);
    }
    (best, best_peak)
}

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    if mode == "disasm" {
        let isa = isa();
        let case = forward(16, 32, 1, None);
        let start = Instant::now();
        let function = build_kernel(&case.kernel, &*isa, &mut FunctionBuilderContext::new()).unwrap();
        let mut context = Context::for_function(function);
        context.set_disasm(true);
        let compiled = context.compile(&*isa, &mut Default::default()).unwrap();
        eprintln!("compiled in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
        println!("{}", compiled.vcode.as_deref().unwrap_or_default());
        return;
    }
    let code = compile(peak_loop());
    // SAFETY: the code was built with this signature.
    let peak_code: extern "C" fn(i64, *mut f32) = unsafe { std::mem::transmute(code) };
    let peak = || {
        let mut target = [0.0_f32; 48];
        let rounds = 60_000;
        let time = seconds(|| peak_code(rounds, target.as_mut_ptr()));
        rounds as f64 * 8.0 * 12.0 * 8.0 / time / 1e9
    };
    type Make = fn(usize, usize, usize, Option<Tile>) -> Case;
    for make in [forward as Make, gradient as Make] {
        for (channels, size) in [(16, 32), (32, 16), (64, 8)] {
            let tiles: Vec<Option<Tile>> = if mode == "tiles" {
                [(2, 4), (2, 5), (2, 6), (3, 4), (4, 2), (4, 3), (1, 8), (1, 10), (1, 12), (1, 14)]
                    .map(|(vectors, rows)| Some(Tile { vectors, rows }))
                    .to_vec()
            } else {
                vec![None]
            };
            for tile in tiles {
                let case = make(channels, size, 16, tile);
                let Body::Contraction(contraction) = &case.kernel.body else { continue };
                let Tile { vectors, rows } = contraction.tile;
                let (rate, peak) = measure(&case, &peak, 15);
                println!(
                    "{} tile {vectors}x{rows}: {rate:6.1} of {peak:5.1} GFLOP/s, {:3.0} %",
                    case.name,
                    100.0 * rate / peak
                );
            }
        }
    }
}
