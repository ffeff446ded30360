//! Contractions and convolutions of small integers: equal to the oracle in every bit, by every code generator, in bytes and in
//! halves, for extreme numbers that betray an intermediate result which saturates.
#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_compiler::CompileOptions;
use dlc_interp::{Data, Tensor};
use dlc_ir::{Binary, Builder, Convolution, Function, Literal, NodeId, Op, OutputRole, Unary};
use dlc_kernel::{Body, Contraction};
use dlc_tests::harness::{agree, compare_for, compilation_for};
use dlc_types::random::Stream;
use dlc_types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

/// Numbers of a type, half of them extreme.
fn numbers(dtype: DType, count: usize, draws: &mut Stream) -> Vec<i64> {
    let (least, greatest) = dtype.integer_range();
    let mut number = || match draws.below(6) {
        0 | 1 => least,
        2 | 3 => greatest,
        4 => i64::from(draws.below(3)) - i64::from(!dtype.is_unsigned()),
        _ => least + i64::from(draws.below(256)),
    };
    (0..count).map(|_| number()).collect()
}

fn inputs(function: &Function, batch: usize, seed: u64) -> BTreeMap<String, Tensor> {
    let mut draws = Stream::new(seed, 3, 0);
    let mut fed = BTreeMap::new();
    for node in function.nodes.values() {
        let (Op::Input { name }, Some(ty)) = (&node.op, node.ty.tensor()) else { continue };
        let dims = ty.shape.at(batch);
        let count = dims.iter().product();
        let data = match ty.dtype {
            DType::F32 => Data::Float((0..count).map(|_| f64::from(draws.unit() - 0.5)).collect()),
            dtype => Data::Int(numbers(dtype, count, &mut draws)),
        };
        fed.insert(name.clone(), Tensor::new(ty.dtype, &dims, data).unwrap());
    }
    fed
}

/// Compares with the oracle, in both forms of words; tells how many contractions multiply bytes and halves.
fn check(function: &Function, seed: u64) -> [usize; 2] {
    let mut found = [0; 2];
    for byte_products in [true, false] {
        let options = CompileOptions { byte_products, ..CompileOptions::new(3) };
        let exact = |compiled: &Tensor, oracle: &Tensor, _: &dyn Fn() -> Tensor| agree(compiled, oracle);
        let fed = |batch| inputs(function, batch, seed + batch as u64);
        if let Err(difference) = compare_for(function, &[3, 1], &fed, &exact, &options) {
            panic!("bytes {byte_products}: {difference}");
        }
        let counts = words_of(function, &options);
        if byte_products {
            found = counts;
        } else {
            assert_eq!(counts[0], 0, "bytes are multiplied where the machine does not");
        }
    }
    found
}

fn words_of(function: &Function, options: &CompileOptions) -> [usize; 2] {
    let compilation = compilation_for(function, options).unwrap();
    let kernels = compilation.functions[0].lowered.program.kernels.values();
    let of_parts = |parts: usize| {
        let factors = kernels.clone().filter(|kernel| matches!(kernel.body, Body::Contraction(_)));
        factors
            .filter_map(|kernel| Contraction::factors(&kernel.operands))
            .filter(|of| of.parts == parts)
            .count()
    };
    [of_parts(4), of_parts(2)]
}

fn tensor(dtype: DType, dims: &[usize]) -> TensorType {
    TensorType::new(dtype, Shape::fixed(dims))
}

fn batched(dtype: DType, dims: &[usize]) -> TensorType {
    let dims = std::iter::once(Dim::N).chain(dims.iter().copied().map(Dim::Fixed)).collect();
    TensorType::new(dtype, Shape(dims))
}

fn weights(b: &mut Builder, dtype: DType, dims: &[usize], seed: u64) -> NodeId {
    let count = dims.iter().product();
    let values = numbers(dtype, count, &mut Stream::new(seed, 5, 0));
    b.constant(Literal::ints(dtype, dims, &values)).unwrap()
}

fn wide(b: &mut Builder, x: NodeId, zero: f64) -> NodeId {
    let x = b.cast(x, DType::I32).unwrap();
    if zero == 0.0 {
        return x;
    }
    let zero = b.splat_like(x, zero).unwrap();
    b.sub(x, zero).unwrap()
}

#[derive(Clone)]
struct Layer {
    x: DType,
    w: DType,
    channels: usize,
    outputs: usize,
    size: [usize; 2],
    taps: [usize; 2],
    groups: usize,
    stride: usize,
    dilation: usize,
    input_dilation: usize,
    padding: [(i64, i64); 2],
    zeros: [f64; 2],
}

impl Layer {
    fn new(x: DType, channels: usize, outputs: usize) -> Layer {
        Layer {
            x,
            w: DType::I8,
            channels,
            outputs,
            size: [6, 7],
            taps: [3, 3],
            groups: 1,
            stride: 1,
            dilation: 1,
            input_dilation: 1,
            padding: [(1, 1); 2],
            zeros: [0.0; 2],
        }
    }

    fn convolution(&self) -> Convolution {
        Convolution {
            strides: vec![self.stride; 2],
            padding: self.padding.to_vec(),
            input_dilation: vec![self.input_dilation; 2],
            kernel_dilation: vec![self.dilation; 2],
            groups: self.groups,
        }
    }

    fn function(&self) -> Function {
        let mut b = Builder::new("predict");
        let [height, width] = self.size;
        let x = b.input("x", batched(self.x, &[self.channels, height, width])).unwrap();
        let dims = [self.outputs, self.channels / self.groups, self.taps[0], self.taps[1]];
        let w = weights(&mut b, self.w, &dims, 11);
        let x = wide(&mut b, x, self.zeros[0]);
        let w = wide(&mut b, w, self.zeros[1]);
        let y = b.convolve(x, w, self.convolution()).unwrap();
        b.output(OutputRole::Output, "y".to_owned(), y);
        b.finish()
    }
}

use DType::{I8, U8};

#[test]
fn convolutions_of_odd_sizes() {
    for x in [I8, U8] {
        for (channels, outputs) in [(1, 1), (3, 5), (4, 16), (6, 17), (7, 33), (8, 64), (5, 130), (16, 96)] {
            let found = check(&Layer::new(x, channels, outputs).function(), 1);
            assert_eq!(found, [1, 0], "{channels} to {outputs} channels of {x}");
        }
    }
}

#[test]
fn convolutions_with_every_option() {
    let layer = |x| Layer::new(x, 12, 20);
    for x in [I8, U8] {
        let mut cases = vec![
            Layer { stride: 2, ..layer(x) },
            Layer { dilation: 2, padding: [(2, 2); 2], ..layer(x) },
            Layer { padding: [(0, 2), (3, 0)], taps: [2, 4], ..layer(x) },
            Layer { padding: [(-1, 0), (0, -2)], ..layer(x) },
            Layer { taps: [1, 1], padding: [(0, 0); 2], ..layer(x) },
            Layer { groups: 3, outputs: 21, ..layer(x) },
            Layer { groups: 2, channels: 16, outputs: 160, ..layer(x) },
            Layer { w: U8, ..layer(x) },
            Layer { zeros: [0.0, 128.0], w: U8, ..layer(x) },
        ];
        if x == U8 {
            cases.push(Layer { zeros: [128.0, 0.0], ..layer(x) });
        }
        for case in cases {
            assert_eq!(check(&case.function(), 2), [1, 0]);
        }
        // Halves: any zero point, groups of two channels; a part of the taps at each output where bits would be turned.
        for case in [
            Layer { zeros: [7.0, 0.0], ..layer(x) },
            Layer { zeros: [3.0, -5.0], w: U8, ..layer(x) },
            Layer { groups: 6, outputs: 18, ..layer(x) },
        ] {
            assert_eq!(check(&case.function(), 3), [0, 1]);
        }
        let phases = check(&Layer { input_dilation: 2, ..layer(x) }.function(), 4);
        assert_eq!(phases.iter().filter(|&&count| count > 0).count(), 1);
        assert_eq!(phases[0] > 0, x == U8, "phases in bytes need no turned bits");
    }
}

/// Floats that hold every sum take what has no words.
#[test]
fn depthwise_convolutions_are_exact_in_floats() {
    for x in [I8, U8] {
        let depthwise = Layer { groups: 10, channels: 10, outputs: 20, ..Layer::new(x, 10, 20) };
        let function = depthwise.function();
        assert_eq!(check(&function, 5), [0, 0]);
        let compilation = compilation_for(&function, &CompileOptions::new(3)).unwrap();
        let kernels = &compilation.functions[0].lowered.program.kernels;
        assert!(kernels.values().any(|kernel| matches!(kernel.body, Body::Contraction(_))));
    }
}

fn product(x: DType, w: DType, dims: [usize; 3], dynamic: bool) -> Function {
    let [rows, depth, columns] = dims;
    let mut b = Builder::new("predict");
    let x = b.input("x", batched(x, &[rows, depth])).unwrap();
    let w = match dynamic {
        true => b.input("w", tensor(w, &[depth, columns])).unwrap(),
        false => weights(&mut b, w, &[depth, columns], 13),
    };
    let (x, w) = (wide(&mut b, x, 0.0), wide(&mut b, w, 0.0));
    let y = b.contract(x, w, &[], &[(2, 0)]).unwrap();
    b.output(OutputRole::Output, "y".to_owned(), y);
    b.finish()
}

#[test]
fn products_of_odd_sizes() {
    for x in [I8, U8] {
        for w in [I8, U8] {
            for dims in [[1, 1, 1], [3, 5, 7], [2, 8, 16], [9, 13, 31], [4, 64, 160], [17, 66, 65]] {
                for dynamic in [false, true] {
                    assert_eq!(check(&product(x, w, dims, dynamic), 7), [1, 0], "{dims:?} {x} {w}");
                }
            }
        }
    }
}

/// Batch axes, several summed axes, transposed and crossed operands, an operand without an axis of its own.
#[test]
fn products_of_any_axes() {
    type Pairs<'a> = &'a [(usize, usize)];
    let forms: [(&[usize], &[usize], Pairs<'_>, Pairs<'_>); 7] = [
        (&[3, 5], &[5, 4], &[(0, 0)], &[(2, 1)]),
        (&[3, 5], &[4, 5], &[(0, 0)], &[(2, 2)]),
        (&[2, 3, 5], &[5, 2, 4], &[(0, 0), (1, 2)], &[(3, 1)]),
        (&[3, 5], &[5, 3], &[(0, 0)], &[(1, 2), (2, 1)]),
        (&[4, 3, 6], &[6, 3, 4], &[(0, 0)], &[(3, 1), (2, 2)]),
        (&[7, 9], &[9], &[(0, 0)], &[(2, 1)]),
        (&[9], &[9, 7], &[(0, 0)], &[(1, 1)]),
    ];
    for (left_type, right_type) in [(I8, I8), (U8, I8), (I8, U8), (U8, U8)] {
        for (left, right, batch, contract) in forms {
            let mut b = Builder::new("predict");
            let x = b.input("x", batched(left_type, left)).unwrap();
            let w = b.input("w", batched(right_type, right)).unwrap();
            let (x, w) = (wide(&mut b, x, 0.0), wide(&mut b, w, 0.0));
            let y = b.contract(x, w, batch, contract).unwrap();
            b.output(OutputRole::Output, "y".to_owned(), y);
            check(&b.finish(), 9);
        }
    }
}

/// A chain of quantised layers as `dlc quantize` makes them: scales per channel, a bias, a residual, an activation, and the
/// next numbers of eight bits.
fn quantized(activation: DType, channels: usize) -> Function {
    let mut b = Builder::new("predict");
    let x = b.input("x", batched(DType::F32, &[channels, 6, 5])).unwrap();
    let mut a = requantized(&mut b, x, activation, 64.0);
    let mut residual = None;
    for layer in 0..3_u64 {
        let w = weights(&mut b, I8, &[channels, channels, 3, 3], 20 + layer);
        let (wide_a, w) = (wide(&mut b, a, 0.0), wide(&mut b, w, 0.0));
        let convolution = Layer::new(activation, channels, channels).convolution();
        let sums = b.convolve(wide_a, w, convolution).unwrap();
        let y = b.cast(sums, DType::F32).unwrap();
        let shape = b.shape(y).clone();
        // Powers of two, so that floats of 32 bits round to the oracle's numbers.
        let scales: Vec<f64> = (0..channels).map(|channel| 0.5_f64.powi(9 + channel as i32 % 3)).collect();
        let scale = b.constant(Literal::floats(DType::F32, &[channels], &scales)).unwrap();
        let scale = b.broadcast_along(scale, shape.clone(), 1).unwrap();
        let y = b.mul(y, scale).unwrap();
        let bias: Vec<f64> = (0..channels).map(|channel| channel as f64 * 0.25 - 1.0).collect();
        let bias = b.constant(Literal::floats(DType::F32, &[channels], &bias)).unwrap();
        let bias = b.broadcast_along(bias, shape, 1).unwrap();
        let mut y = b.add(y, bias).unwrap();
        if let Some(residual) = residual {
            let own = b.cast(residual, DType::F32).unwrap();
            let own = b.scale(own, 0.5).unwrap();
            y = b.add(y, own).unwrap();
        }
        let y = b.unary(Unary::Relu, y).unwrap();
        residual = Some(a);
        a = requantized(&mut b, y, activation, 2.0);
    }
    b.output(OutputRole::Output, "y".to_owned(), a);
    b.finish()
}

fn requantized(b: &mut Builder, x: NodeId, dtype: DType, factor: f64) -> NodeId {
    let x = b.scale(x, factor).unwrap();
    let x = b.unary(Unary::Round, x).unwrap();
    let (least, greatest) = dtype.integer_range();
    let least = b.splat_like(x, least as f64).unwrap();
    let greatest = b.splat_like(x, greatest as f64).unwrap();
    let x = b.binary(Binary::Max, x, least).unwrap();
    let x = b.binary(Binary::Min, x, greatest).unwrap();
    b.cast(x, dtype).unwrap()
}

#[test]
fn quantized_layers_follow_one_another() {
    for activation in [I8, U8] {
        for channels in [16, 20, 6] {
            assert_eq!(check(&quantized(activation, channels), 31), [3, 0]);
        }
    }
}

/// A layer is one kernel: between two convolutions nothing is stored but numbers of eight bits.
#[test]
fn a_quantized_layer_is_one_kernel() {
    for activation in [I8, U8] {
        for byte_products in [true, false] {
            let options = CompileOptions { byte_products, ..CompileOptions::new(2) };
            let compilation = compilation_for(&quantized(activation, 16), &options).unwrap();
            let program = &compilation.functions[0].lowered.program;
            let per_call = program.launches.len() - program.prologue;
            // The input's quantisation, three layers, and the last one's copy to the caller.
            assert!(per_call <= 5, "{per_call} launches\n{program}");
        }
    }
}
