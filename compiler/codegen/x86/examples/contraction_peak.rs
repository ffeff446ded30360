//! How near contractions come to the machine's peak of multiply-adds, on one core.
//!
//! `cargo run --release -p dlc-codegen-x86 --example contraction_peak [avx2] [bytes] [FILTER]` prints GFLOP/s of
//! common shapes and the share of a loop of multiply-adds on registers that is timed in turn with them;
//! with `bytes` it prints the peak of products of bytes, with `disasm` their machine code instead. Forward kernels come with epilogues as well.
#![allow(clippy::unwrap_used, reason = "an example")]

use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, default_libcall_names};
use dlc_codegen_x86::{Level, build_kernel};
use dlc_kernel::{Body, Contraction, ContractionDim, Kernel, Operand, Role, Split, Tap, Tile, parse_kernel};
use dlc_types::{DType, Dim};
use iced_x86::code_asm::registers::gpr64::rdi;
use iced_x86::code_asm::registers::{ymm, zmm};
use iced_x86::code_asm::{CodeAssembler, IcedError};
use iced_x86::{Decoder, DecoderOptions, Register};
use std::time::Instant;

fn load(bytes: &[u8]) -> *const u8 {
    let isa = cranelift_native::builder()
        .unwrap()
        .finish(cranelift_codegen::settings::Flags::new(cranelift_codegen::settings::builder()))
        .unwrap();
    let mut module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64); 6]);
    let id = module.declare_function("timed", Linkage::Export, &signature).unwrap();
    module.define_function_bytes(id, 64, bytes, &[]).unwrap();
    module.finalize_definitions().unwrap();
    let code = module.get_finalized_function(id);
    // The code has to stay until the process ends.
    std::mem::forget(module);
    code
}

/// Timings of each case, of which the best counts: neighbours take the caches with them.
const ROUNDS: usize = 100;

/// Multiply-adds in one round of the peak loop.
const ROUND: usize = 24;

/// As many rounds of independent multiply-adds as the first argument says.
fn peak_loop(level: Level) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    let mut head = asm.create_label();
    asm.set_label(&mut head)?;
    for sum in 0..ROUND as u32 {
        match level {
            Level::Avx512 => {
                asm.vfmadd231ps(zmm::get_zmm(Register::ZMM0 + sum).unwrap(), zmm::zmm30, zmm::zmm31)?;
            }
            Level::Avx2 => {
                asm.vfmadd231ps(ymm::get_ymm(Register::YMM0 + sum % 12).unwrap(), ymm::ymm14, ymm::ymm15)?;
            }
        }
    }
    asm.dec(rdi)?;
    asm.jne(head)?;
    asm.vzeroupper()?;
    asm.ret()?;
    asm.assemble(0)
}

/// The same of products of bytes, by AVX512_VNNI or AVX-VNNI.
fn peak_loop_of_bytes(level: Level) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    let mut head = asm.create_label();
    asm.set_label(&mut head)?;
    for sum in 0..ROUND as u32 {
        match level {
            Level::Avx512 => {
                asm.vpdpbusd(zmm::get_zmm(Register::ZMM0 + sum).unwrap(), zmm::zmm30, zmm::zmm31)?;
            }
            Level::Avx2 => {
                let sum = ymm::get_ymm(Register::YMM0 + sum % 12).unwrap();
                asm.vex().vpdpbusd(sum, ymm::ymm14, ymm::ymm15)?;
            }
        }
    }
    asm.dec(rdi)?;
    asm.jne(head)?;
    asm.vzeroupper()?;
    asm.ret()?;
    asm.assemble(0)
}

fn dim(name: &str, extent: impl Into<Dim>, role: Role, strides: [i64; 3]) -> ContractionDim {
    ContractionDim { name: name.into(), extent: extent.into(), role, strides, split: None }
}

struct Case {
    name: String,
    kernel: Kernel,
    batch: usize,
    /// Elements of the operands.
    elements: Vec<usize>,
    flops: f64,
}

fn kernel(dims: Vec<ContractionDim>, taps: Vec<Tap>) -> Kernel {
    let tile = Tile { vectors: 2, rows: 6 };
    let contraction = Contraction {
        dims,
        offsets: [0; 3],
        taps,
        accumulate: false,
        turns_rows: false,
        tile,
        epilogue: None,
    };
    let operand =
        |number| Operand { name: format!("o{number}"), dtype: DType::F32, writes: number == 2, reads: true };
    Kernel {
        name: "contraction".into(),
        operands: (0..3).map(operand).collect(),
        space: contraction.space(),
        body: Body::Contraction(contraction),
    }
}

/// 3x3 over NHWC, padded: lanes along output channels, rows along a row of pixels. Weights lie in the order
/// (tap, input, output), or packed in blocks of 32 output channels.
fn forward(inputs: usize, outputs: usize, size: usize, batch: usize, packed: bool) -> Case {
    let (c, o, q) = (inputs as i64, outputs as i64, size as i64);
    let (row, image) = ((q + 2) * c, (q + 2) * (q + 2) * c);
    let block = if packed { 32 } else { o };
    let taps = (0..9).map(|t| Tap { lanes: t * c * block, rows: (t / 3) * row + (t % 3) * c }).collect();
    let dims = vec![
        dim("ob", (o / block) as usize, Role::Parallel, [9 * c * block, 0, block]),
        dim("n", Dim::N, Role::Parallel, [0, image, q * q * o]),
        dim("p", size, Role::Parallel, [0, row, q * o]),
        dim("oc", block as usize, Role::Lanes, [1, 0, 1]),
        dim("q", size, Role::Rows, [0, c, o]),
        dim("ci", inputs, Role::Reduce, [block, 1, 0]),
    ];
    Case {
        name: format!("forward {inputs}->{outputs} @{size} b{batch}{}", if packed { " packed" } else { "" }),
        kernel: kernel(dims, taps),
        batch,
        elements: vec![9 * inputs * outputs, batch * image as usize, batch * size * size * outputs],
        flops: 2.0 * 9.0 * (batch * size * size * inputs * outputs) as f64,
    }
}

/// The same with statements behind each sum, which see the coordinates as `i0` to `i5`.
fn followed(mut case: Case, name: &str, operands: &[(&str, usize)], epilogue: &str) -> Case {
    let Body::Contraction(contraction) = &case.kernel.body else { return case };
    let coordinates: Vec<String> = (0..contraction.dims.len()).map(|dim| format!("i{dim}")).collect();
    let text = case.kernel.to_string();
    let (head, _) = text.trim_end().rsplit_once('}').unwrap();
    let names: String = operands.iter().map(|(name, _)| format!(", {name}: f32 read write")).collect();
    let head = head.replacen(") space", &format!("{names}) space"), 1);
    let text = format!("{head} epilogue ({}) v0 {{ {epilogue} }}", coordinates.join(", "));
    case.kernel = parse_kernel(&text).unwrap();
    case.elements.extend(operands.iter().map(|&(_, elements)| elements));
    case.name = format!("{} {name}", case.name);
    case
}

/// A forward kernel with factors, summands and a residual, and with two sums over each row of pixels.
fn with_epilogues(channels: usize, size: usize, batch: usize) -> [Case; 2] {
    let plain = || forward(channels, channels, size, batch, false);
    let all = plain().elements[2];
    let (o, q) = (channels, size);
    let at = format!("{}*i1 + {}*i2 + i3 + {o}*i4", q * q * o, q * o);
    let residual = followed(
        plain(),
        "residual",
        &[("scale", o), ("shift", o), ("x", all)],
        &format!(
            "v1 = load scale[i3] v2 = load shift[i3] v3: f32 = fma v0, v1, v2 v4: f32 = relu v3
            v5 = load x[{at}] v6: f32 = add v4, v5 store o2[{at}] = v6 }}"
        ),
    );
    let per_row = format!("{}*i1 + {o}*i2 + i3", q * o);
    let sums = followed(
        plain(),
        "sums",
        &[("a", batch * q * o), ("b", batch * q * o)],
        &format!("v1: f32 = mul v0, v0 store o2[{at}] = v0 }} sum a[{per_row}] = v0 sum b[{per_row}] = v1"),
    );
    [residual, sums]
}

/// Gradient of the weights: lanes along output channels of dY, rows along input channels of X, blocks of
/// rows of pixels that stay in the nearest cache.
fn gradient(inputs: usize, outputs: usize, size: usize, batch: usize) -> Case {
    let (c, o, q) = (inputs as i64, outputs as i64, size as i64);
    let (row, image) = ((q + 2) * c, (q + 2) * (q + 2) * c);
    let block =
        (1..=size).rev().find(|p| size.is_multiple_of(*p) && p * size * (inputs + outputs) * 4 <= 32 << 10);
    let block = block.unwrap_or(1);
    let result = 9 * c * o;
    let mut dims = vec![
        dim("n", Dim::N, Role::ReduceOuter, [q * q * o, image, 0]),
        dim("pb", size / block, Role::ReduceOuter, [block as i64 * q * o, block as i64 * row, 0]),
        dim("r", 3, Role::Sequential, [0, row, 3 * c * o]),
        dim("s", 3, Role::Sequential, [0, c, c * o]),
        dim("oc", outputs, Role::Lanes, [1, 0, 1]),
        dim("ci", inputs, Role::Rows, [0, 1, o]),
        dim("p", block, Role::Reduce, [q * o, row, 0]),
        dim("q", size, Role::Reduce, [o, c, 0]),
    ];
    dims[0].split = Some(Split { chunks: 2, align: 1, result_stride: result });
    Case {
        name: format!("gradient {inputs}->{outputs} @{size} b{batch}"),
        kernel: kernel(dims, vec![Tap { lanes: 0, rows: 0 }]),
        batch,
        elements: vec![batch * size * size * outputs, batch * image as usize, 2 * result as usize],
        flops: 2.0 * 9.0 * (batch * size * size * inputs * outputs) as f64,
    }
}

/// A dense layer, weights `[inputs][outputs]`.
fn dense(inputs: usize, outputs: usize, batch: usize) -> Case {
    let (i, o) = (inputs as i64, outputs as i64);
    let dims = vec![
        dim("o", outputs, Role::Lanes, [1, 0, 1]),
        dim("n", batch, Role::Rows, [0, i, o]),
        dim("i", inputs, Role::Reduce, [o, 1, 0]),
    ];
    Case {
        name: format!("dense {inputs}->{outputs} b{batch}"),
        kernel: kernel(dims, vec![Tap { lanes: 0, rows: 0 }]),
        batch: 1,
        elements: vec![inputs * outputs, inputs * batch, batch * outputs],
        flops: 2.0 * (inputs * outputs * batch) as f64,
    }
}

fn cases() -> Vec<Case> {
    let shapes =
        [(16, 32, 128), (32, 16, 128), (64, 8, 128), (64, 32, 16), (128, 16, 16), (256, 8, 16), (512, 4, 16)];
    let mut cases = vec![forward(3, 16, 32, 128, false), forward(64, 10, 8, 64, false)];
    cases.extend(shapes.map(|(channels, size, batch)| forward(channels, channels, size, batch, false)));
    let wide = shapes.into_iter().filter(|&(channels, ..)| channels > 32);
    cases.extend(wide.map(|(channels, size, batch)| forward(channels, channels, size, batch, true)));
    cases.extend([(16, 32, 128), (64, 8, 128)].into_iter().flat_map(|(o, q, b)| with_epilogues(o, q, b)));
    cases.push(gradient(3, 16, 32, 128));
    cases.extend(shapes.map(|(channels, size, batch)| gradient(channels, channels, size, batch)));
    cases.extend(
        [(784, 512, 64), (512, 256, 64), (256, 10, 64), (784, 512, 1), (128, 512, 64)]
            .map(|(i, o, b)| dense(i, o, b)),
    );
    cases
}

fn seconds(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Best GFLOP/s of the case and of the peak loop, timed in turn.
fn measure(case: &Case, bytes: &[u8], peak: &dyn Fn() -> f64) -> (f64, f64) {
    type P = *mut f32;
    // SAFETY: the code was built with this signature but for operands that it does not read.
    let run: extern "sysv64" fn(i64, i64, i64, P, P, P, P, P, P) =
        unsafe { std::mem::transmute(load(bytes)) };
    let mut operands: Vec<Vec<f32>> = case.elements.iter().map(|&elements| vec![0.5; elements]).collect();
    let mut pointers: Vec<P> = operands.iter_mut().map(|operand| operand.as_mut_ptr()).collect();
    pointers.resize(6, std::ptr::null_mut());
    let [a, b, c, d, e, f] = pointers[..] else { return (0.0, 0.0) };
    let points: usize = case.kernel.space.iter().map(|dim| dim.at(case.batch)).product();
    let repeats = (2e8 / case.flops).ceil() as usize;
    let (mut best, mut best_peak) = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        best_peak = best_peak.max(peak());
        let time = seconds(|| {
            for _ in 0..repeats {
                run(case.batch as i64, 0, points as i64, a, b, c, d, e, f);
            }
        });
        best = best.max(case.flops * repeats as f64 / time / 1e9);
    }
    (best, best_peak)
}

/// Prints the peak of products of bytes.
fn bytes_peak(level: Level) {
    if !level.detect_vnni() {
        return println!("this machine has no VNNI for these vectors");
    }
    let code = load(&peak_loop_of_bytes(level).unwrap());
    // SAFETY: the code was built with this signature.
    let code: extern "sysv64" fn(i64) = unsafe { std::mem::transmute(code) };
    let rounds = 60_000;
    let best = (0..ROUNDS).map(|_| seconds(|| code(rounds))).fold(f64::INFINITY, f64::min);
    let operations = rounds as f64 * (ROUND * 8 * level.lanes_f32()) as f64;
    println!("products of bytes: {:.1} Gop/s", operations / best / 1e9);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let filter = arguments.iter().find(|argument| !["avx2", "disasm", "bytes"].contains(&argument.as_str()));
    let Some(level) = Level::detect() else { return println!("this machine has no wide vectors") };
    let level = if has("avx2") { Level::Avx2 } else { level };
    if has("bytes") {
        return bytes_peak(level);
    }
    let code = load(&peak_loop(level).unwrap());
    // SAFETY: the code was built with this signature.
    let peak_code: extern "sysv64" fn(i64) = unsafe { std::mem::transmute(code) };
    let peak = || {
        let rounds = 60_000;
        let time = seconds(|| peak_code(rounds));
        rounds as f64 * (ROUND * 2 * level.lanes_f32()) as f64 / time / 1e9
    };
    for case in cases() {
        if filter.is_some_and(|filter| !case.name.contains(filter.as_str())) {
            continue;
        }
        let bytes = build_kernel(&case.kernel, level).unwrap().unwrap();
        if has("disasm") {
            let mut decoder = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE);
            decoder.iter().for_each(|instruction| println!("{:5x}  {instruction}", instruction.ip()));
            continue;
        }
        let (rate, peak) = measure(&case, &bytes, &peak);
        let share = 100.0 * rate / peak;
        println!("{:32} {rate:6.1} of {peak:5.1} GFLOP/s, {share:3.0} %, {:5} bytes", case.name, bytes.len());
    }
}
