//! Convolutions with many outputs read their weights from blocks.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_ir::{Builder, Convolution, Function, OutputRole};
use dlc_tests::harness::{check, compilation_of};
use dlc_types::{DType, Dim, Shape, TensorType};

fn convolution(channels: usize, outputs: usize, stride: usize, dilation: usize) -> Function {
    let mut builder = Builder::new("predict");
    let float = |dims: Vec<Dim>| TensorType::new(DType::F32, Shape(dims));
    let fixed = Dim::Fixed;
    let x = builder.input("x", float(vec![Dim::N, fixed(channels), fixed(5), fixed(4)])).unwrap();
    let kernel = float(vec![fixed(outputs), fixed(channels), fixed(3), fixed(3)]);
    let kernel = builder.input("kernel", kernel).unwrap();
    let convolution = Convolution {
        strides: vec![stride; 2],
        padding: vec![(1, 1); 2],
        input_dilation: vec![dilation; 2],
        kernel_dilation: vec![1; 2],
        groups: 1,
    };
    let y = builder.convolve(x, kernel, convolution).unwrap();
    builder.output(OutputRole::Output, "y", y);
    builder.finish()
}

#[test]
fn blocked_kernels_agree_with_the_oracle() {
    for (channels, outputs, stride, dilation) in
        [(3, 256, 1, 1), (17, 256, 2, 1), (8, 512, 1, 1), (5, 512, 1, 2), (3, 320, 1, 1), (3, 257, 1, 1)]
    {
        check(&convolution(channels, outputs, stride, dilation), &[3, 1], 7);
    }
}

#[test]
fn weights_of_many_outputs_stand_in_blocks() {
    let text = |outputs| {
        compilation_of(&convolution(4, outputs, 1, 1), 2).unwrap().functions[0].lowered.program.to_string()
    };
    assert!(text(256).contains("dim block"), "{}", text(256));
    assert!(!text(128).contains("dim block"), "{}", text(128));
}
