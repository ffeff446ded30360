//! How fast contractions of bytes are beside the same ones of floats, per code generator, on one thread:
//! `cargo run --release -p dlc-tests --example integer_speed`. Runs of both take turns, and the best of each counts.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example")]

use dlc_compiler::CompileOptions;
use dlc_compiler::lower::Winograd;
use dlc_ir::{Builder, Convolution, Function, Literal, NodeId, OutputRole};
use dlc_runtime::Session;
use dlc_tests::harness::{compilation_for, load_for, targets_with_bytes};
use dlc_types::{DType, Shape, TensorType};
use std::time::Instant;

const ROUNDS: usize = 15;

/// One layer with a scale, over numbers made inside of the function so that the caller's copies count for nothing.
fn layer(dtype: DType, kind: &str) -> (Function, f64) {
    let mut b = Builder::new("predict");
    let narrow = |b: &mut Builder, dims: &[usize], name: &str| -> NodeId {
        let x = b.input(name, TensorType::new(dtype, Shape::fixed(dims))).unwrap();
        if dtype == DType::F32 { x } else { b.cast(x, DType::I32).unwrap() }
    };
    let weights = |b: &mut Builder, dims: &[usize]| -> NodeId {
        let count: usize = dims.iter().product();
        if dtype == DType::F32 {
            let values: Vec<f64> = (0..count).map(|at| (at % 255) as f64 - 127.0).collect();
            return b.constant(Literal::floats(dtype, dims, &values)).unwrap();
        }
        let values: Vec<i64> = (0..count).map(|at| (at % 255) as i64 - 127).collect();
        let w = b.constant(Literal::ints(DType::I8, dims, &values)).unwrap();
        b.cast(w, DType::I32).unwrap()
    };
    let (y, products) = if kind == "dense" {
        let (x, w) = (narrow(&mut b, &[1024, 1024], "x"), weights(&mut b, &[1024, 1024]));
        (b.matmul(x, w).unwrap(), 1024.0 * 1024.0 * 1024.0)
    } else {
        let taps = if kind == "3x3" { 3 } else { 1 };
        let (x, w) = (narrow(&mut b, &[32, 128, 16, 16], "x"), weights(&mut b, &[128, 128, taps, taps]));
        let pad = i64::from(taps == 3);
        let convolution = Convolution {
            strides: vec![1; 2],
            padding: vec![(pad, pad); 2],
            input_dilation: vec![1; 2],
            kernel_dilation: vec![1; 2],
            groups: 1,
        };
        let y = b.convolve(x, w, convolution).unwrap();
        (y, 32.0 * 256.0 * 128.0 * 128.0 * (taps * taps) as f64)
    };
    let y = b.cast(y, DType::F32).unwrap();
    let y = b.scale(y, 0.001).unwrap();
    let y = if dtype == DType::F32 {
        y
    } else {
        let y = b.unary(dlc_ir::Unary::Round, y).unwrap();
        b.cast(y, dtype).unwrap()
    };
    b.output(OutputRole::Output, "y".to_owned(), y);
    (b.finish(), products * 2.0)
}

fn run(session: &mut Session, function: &Function, x: &[u8], y: &mut [u8]) -> f64 {
    let started = Instant::now();
    session.run(&function.name, 1, &[("x", x)], &mut [("y", y)]).unwrap();
    started.elapsed().as_secs_f64()
}

fn main() {
    for (cpu, target) in targets_with_bytes() {
        let bytes = target.multiplies_bytes();
        for kind in ["dense", "3x3", "1x1"] {
            let mut layers: Vec<_> = [DType::F32, DType::U8, DType::I8]
                .into_iter()
                .map(|dtype| {
                    let (function, operations) = layer(dtype, kind);
                    let winograd = Winograd::Off;
                    let options = CompileOptions { byte_products: bytes, winograd, ..CompileOptions::new(1) };
                    let compilation = compilation_for(&function, &options).unwrap();
                    let session = Session::new(load_for(&compilation, &target).unwrap(), 1).unwrap();
                    let length = |ty: &TensorType| ty.shape.at(1).iter().product::<usize>() * ty.dtype.size();
                    let input = &compilation.functions[0].lowered.inputs[0].1;
                    let buffers = (
                        vec![1; length(input)],
                        vec![0; length(function.tensor_type(function.outputs[0].value))],
                    );
                    (dtype, function, operations, session, buffers, f64::INFINITY)
                })
                .collect();
            for _ in 0..ROUNDS {
                for (_, function, _, session, (x, y), best) in &mut layers {
                    *best = best.min(run(session, function, x, y));
                }
            }
            let float = layers[0].5;
            for (dtype, _, operations, _, _, best) in &layers {
                println!(
                    "{:16} {kind:6} {dtype:4} {:8.3} ms {:8.1} Gop/s {:5.2}x",
                    cpu.name(),
                    best * 1e3,
                    operations / best / 1e9,
                    float / best
                );
            }
        }
    }
}
