//! What follows a contraction element by element is computed in its kernel.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_ir::{Builder, Convolution, Function, OutputRole, Unary};
use dlc_kernel::Body;
use dlc_tests::harness::{check, compilation_with};
use dlc_types::{DType, Dim, Shape, TensorType};

/// `relu(conv(x, w) + bias) + x`, then the same again without the sum.
fn residual() -> Function {
    let mut builder = Builder::new("predict");
    let float = |dims: &[Dim]| TensorType::new(DType::F32, Shape(dims.to_vec()));
    let channels = Dim::Fixed(16);
    let image = float(&[Dim::N, channels, Dim::Fixed(7), Dim::Fixed(5)]);
    let mut x = builder.input("x", image.clone()).unwrap();
    let convolution = Convolution {
        strides: vec![1, 1],
        padding: vec![(1, 1), (1, 1)],
        input_dilation: vec![1, 1],
        kernel_dilation: vec![1, 1],
        groups: 1,
    };
    for (layer, adds) in [("a", true), ("b", false)] {
        let kernel = float(&[channels, channels, Dim::Fixed(3), Dim::Fixed(3)]);
        let kernel = builder.input(&format!("{layer}.weight"), kernel).unwrap();
        let bias = builder.input(&format!("{layer}.bias"), float(&[channels])).unwrap();
        let y = builder.convolve(x, kernel, convolution.clone()).unwrap();
        let bias = builder.broadcast_along(bias, image.shape.clone(), 1).unwrap();
        let y = builder.add(y, bias).unwrap();
        let y = builder.unary(Unary::Relu, y).unwrap();
        x = if adds { builder.add(y, x).unwrap() } else { y };
    }
    builder.output(OutputRole::Output, "y", x);
    builder.finish()
}

#[test]
fn a_residual_block_leaves_no_elementwise_kernel_behind_its_convolutions() {
    let elementwise = |fuse: bool| {
        let compilation = compilation_with(&residual(), 2, fuse).unwrap();
        let program = &compilation.functions[0].lowered.program;
        let kernels = || program.launches.iter().map(|launch| &program.kernels[launch.kernel]);
        let contractions = kernels().filter(|kernel| matches!(kernel.body, Body::Contraction(_))).count();
        assert_eq!(contractions, 2, "{program}");
        let loops = kernels().filter(|kernel| matches!(kernel.body, Body::Loop(_)));
        loops.filter(|kernel| kernel.name.contains("add") || kernel.name.contains("relu")).count()
    };
    assert_eq!(elementwise(false), 2);
    assert_eq!(elementwise(true), 0);
}

#[test]
fn fused_and_separate_kernels_agree_with_the_oracle() {
    check(&residual(), &[3, 1], 5);
}
