//! Convolutions by Winograd's tiles agree with the oracle, with all that is fused to them and on every border.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_compiler::CompileOptions;
use dlc_compiler::lower::Winograd;
use dlc_ir::{Builder, Convolution, Function, NodeId, Op, OutputRole, Reduction, Unary};
use dlc_kernel::Turns;
use dlc_tests::harness::{check_for, compilation_for};
use dlc_types::{DType, Dim, Shape, TensorType};

/// Channels in and out, height and width of the input, zeros around it.
struct Layer {
    channels: (usize, usize),
    image: (usize, usize),
    padding: [(i64, i64); 2],
    dilation: [usize; 2],
}

impl Layer {
    fn new(channels: (usize, usize), image: (usize, usize)) -> Layer {
        Layer { channels, image, padding: [(1, 1); 2], dilation: [1, 1] }
    }

    fn convolution(&self) -> Convolution {
        Convolution {
            strides: vec![1, 1],
            padding: self.padding.to_vec(),
            input_dilation: vec![1, 1],
            kernel_dilation: self.dilation.to_vec(),
            groups: 1,
        }
    }

    /// Length of the results along an axis.
    fn outputs(&self, axis: usize) -> usize {
        let length = [self.image.0, self.image.1][axis] as i64;
        usize::try_from(length + self.padding[axis].0 + self.padding[axis].1 - 2 * self.dilation[axis] as i64)
            .unwrap()
    }
}

fn float(dims: &[usize]) -> TensorType {
    TensorType::new(DType::F32, Shape(dims.iter().map(|&size| Dim::Fixed(size)).collect()))
}

fn batch(dims: &[usize]) -> TensorType {
    let fixed = dims.iter().map(|&size| Dim::Fixed(size));
    TensorType::new(DType::F32, Shape(std::iter::once(Dim::N).chain(fixed).collect()))
}

fn inputs(builder: &mut Builder, layer: &Layer) -> (NodeId, NodeId) {
    let x = batch(&[layer.channels.0, layer.image.0, layer.image.1]);
    let w = float(&[layer.channels.1, layer.channels.0, 3, 3]);
    (builder.input("x", x).unwrap(), builder.input("w", w).unwrap())
}

fn plain(layer: &Layer) -> Function {
    let mut builder = Builder::new("predict");
    let (x, w) = inputs(&mut builder, layer);
    let y = builder.convolve(x, w, layer.convolution()).unwrap();
    builder.output(OutputRole::Output, "y", y);
    builder.finish()
}

/// `relu(conv(x, w) + bias) + r`, and sums per channel of it and of its square.
fn fused(layer: &Layer) -> Function {
    let mut builder = Builder::new("predict");
    let (x, w) = inputs(&mut builder, layer);
    let bias = builder.input("bias", float(&[layer.channels.1])).unwrap();
    let results = batch(&[layer.channels.1, layer.outputs(0), layer.outputs(1)]);
    let residual = builder.input("r", results.clone()).unwrap();
    let y = builder.convolve(x, w, layer.convolution()).unwrap();
    let bias = builder.broadcast_along(bias, results.shape, 1).unwrap();
    let y = builder.add(y, bias).unwrap();
    let y = builder.unary(Unary::Relu, y).unwrap();
    let y = builder.add(y, residual).unwrap();
    let square = builder.mul(y, y).unwrap();
    let sum = builder.reduce(Reduction::Sum, y, &[0, 2, 3]).unwrap();
    let squares = builder.reduce(Reduction::Sum, square, &[0, 2, 3]).unwrap();
    builder.output(OutputRole::Output, "y", y);
    builder.output(OutputRole::Output, "sum", sum);
    builder.output(OutputRole::Output, "squares", squares);
    builder.finish()
}

/// The gradients of the input and of the kernel as differentiation writes them.
fn gradients(layer: &Layer) -> Function {
    let mut builder = Builder::new("predict");
    let (x, w) = inputs(&mut builder, layer);
    let dy = builder.input("dy", batch(&[layer.channels.1, layer.outputs(0), layer.outputs(1)])).unwrap();
    let turned = builder.add_node(Op::Reverse { axes: vec![2, 3] }, &[w]).unwrap();
    let turned = builder.transpose(turned, &[1, 0, 2, 3]).unwrap();
    let reach = layer.dilation.map(|distance| 2 * distance as i64);
    let padding = layer.padding.iter().zip(reach).map(|(&(low, high), reach)| (reach - low, reach - high));
    let padding = padding.collect();
    let dx = builder.convolve(dy, turned, Convolution { padding, ..layer.convolution() }).unwrap();
    let [x, dy] = [x, dy].map(|value| builder.transpose(value, &[1, 0, 2, 3]).unwrap());
    let strides = layer.dilation.to_vec();
    let apart = Convolution { strides, kernel_dilation: vec![1, 1], ..layer.convolution() };
    let dw = builder.convolve(x, dy, apart).unwrap();
    let dw = builder.transpose(dw, &[1, 0, 2, 3]).unwrap();
    builder.output(OutputRole::Output, "dx", dx);
    builder.output(OutputRole::Output, "dw", dw);
    builder.finish()
}

/// Tiles wherever they are possible.
fn tiled(winograd: Winograd) -> CompileOptions {
    CompileOptions { winograd, winograd_always: true, ..CompileOptions::new(3) }
}

/// Kernels of tiles among the launches.
fn tiled_launches(function: &Function) -> usize {
    let compilation = compilation_for(function, &tiled(Winograd::F4)).unwrap();
    let program = &compilation.functions[0].lowered.program;
    let names = program.launches.iter().map(|launch| &program.kernels[launch.kernel].name);
    names.filter(|name| name.contains("winograd") && name.ends_with("input")).count()
}

#[track_caller]
fn check_tiled(function: &Function, launches: usize, seed: u64) {
    assert_eq!(tiled_launches(function), launches, "{function}");
    for size in [Winograd::F4, Winograd::F2] {
        check_for(function, &[3, 1], seed, &tiled(size));
    }
}

const IMAGES: [(usize, usize); 5] = [(4, 4), (5, 7), (8, 8), (13, 6), (32, 32)];

#[test]
fn plain_results() {
    for (seed, channels) in [(16, 16), (16, 48), (33, 17), (48, 33)].into_iter().enumerate() {
        for image in IMAGES {
            check_tiled(&plain(&Layer::new(channels, image)), 1, seed as u64);
        }
    }
}

#[test]
fn paddings() {
    for padding in [[(0, 0), (0, 0)], [(2, 2), (2, 2)], [(2, 0), (1, 3)], [(0, 1), (2, 2)]] {
        let layer = Layer { padding, ..Layer::new((48, 48), (14, 13)) };
        check_tiled(&plain(&layer), 1, 7);
    }
}

#[test]
fn with_bias_activation_residual_and_sums() {
    for channels in [(16, 48), (33, 17)] {
        for image in IMAGES {
            check_tiled(&fused(&Layer::new(channels, image)), 1, 11);
        }
    }
}

#[test]
fn gradients_of_inputs_and_kernels() {
    for channels in [(16, 48), (33, 17)] {
        for image in IMAGES {
            check_tiled(&gradients(&Layer::new(channels, image)), 2, 13);
        }
    }
}

#[test]
fn parts_of_the_batch() {
    let layer = Layer::new((64, 64), (33, 32));
    for function in [fused(&layer), gradients(&layer)] {
        check_for(
            &function,
            &[7, 2],
            17,
            &CompileOptions { winograd_always: true, ..CompileOptions::new(7) },
        );
    }
}

/// Threads that take parts of their own: strips of an image, images, runs of parts with sums of their own.
#[test]
fn parts_of_one_thread() {
    let cases = [((16, 32), (32, 32), [2, 1]), ((17, 16), (8, 8), [37, 5]), ((16, 16), (16, 12), [16, 9])];
    for (channels, image, batches) in cases {
        let options = CompileOptions { winograd_always: true, ..CompileOptions::new(batches[0]) };
        let layer = Layer::new(channels, image);
        for function in [fused(&layer), gradients(&layer)] {
            let compilation = compilation_for(&function, &options).unwrap();
            let sequences = &compilation.functions[0].lowered.program.sequences;
            assert!(sequences.values().any(|sequence| sequence.turns != Turns::Together), "{sequences:?}");
            check_for(&function, &batches, 37, &options);
        }
    }
}

#[test]
fn dilated_kernels() {
    for (dilation, image) in [([2, 2], (16, 12)), ([3, 2], (15, 8)), ([1, 4], (9, 16)), ([16, 16], (64, 64))]
    {
        let padding = dilation.map(|distance| (distance as i64, distance as i64));
        let layer = Layer { padding, dilation, ..Layer::new((17, 33), image) };
        check_tiled(&fused(&layer), 1, 19);
        check_tiled(&gradients(&layer), 2, 23);
    }
}

/// Tiles at the ends of phases are partly padding, wholly where it is wide; those between them are not.
#[test]
fn tiles_that_are_partly_padding() {
    for padding in [[(3, 1), (2, 4)], [(12, 0), (8, 8)], [(0, 12), (1, 3)]] {
        let layer = Layer { padding, dilation: [2, 2], ..Layer::new((17, 33), (24, 20)) };
        check_tiled(&fused(&layer), 1, 29);
        check_tiled(&gradients(&layer), 2, 31);
    }
}
