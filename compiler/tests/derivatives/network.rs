//! Rules together: a small convolutional classifier, as the language builds it.

use crate::finite_difference::{Case, batch_values};
use dlc_ir::{Comparison, Convolution, Op, Reduction, Unary, Window, WindowKind};
use dlc_types::{DType, Dim, Shape, TensorType};

#[test]
fn classifier_with_a_residual_branch() {
    let case = Case::new()
        .parameter("stem", &[4, 2, 3, 3])
        .spread("scale", &[4], 0.5, 1.5)
        .parameter("shift", &[4])
        .parameter("branch", &[4, 2, 3, 3])
        .parameter("head", &[4, 3])
        .parameter("bias", &[3]);
    let same = |dilation: usize, groups: usize| Convolution {
        strides: vec![1; 2],
        padding: vec![(dilation as i64, dilation as i64); 2],
        input_dilation: vec![1; 2],
        kernel_dilation: vec![dilation; 2],
        groups,
    };
    case.check(|b, p| {
        let image = batch_values(b, &[2, 6, 6])?;
        let x = b.convolve(image, p[0], same(1, 1))?;
        let normalised = b.add_node(Op::BatchNorm { axis: 1, epsilon: 1e-3 }, &[x, p[1], p[2]])?;
        let x = b.project(normalised, 0)?;
        let x = b.unary(Unary::Relu, x)?;
        let branch = b.convolve(x, p[3], same(2, 2))?;
        let x = b.add(x, branch)?;
        let window = Window {
            sizes: vec![1, 1, 2, 2],
            strides: vec![1, 1, 2, 2],
            dilations: vec![1; 4],
            padding: vec![(0, 0); 4],
        };
        let x = b.reduce_window(WindowKind::Max, x, window)?;
        let x = b.mean(x, &[2, 3])?;
        let x = b.matmul(x, p[4])?;
        let shape = b.shape(x).clone();
        let bias = b.broadcast_along(p[5], shape.clone(), 1)?;
        let logits = b.add(x, bias)?;
        let log = b.add_node(Op::LogSoftmax { axis: 1 }, &[logits])?;
        // One-hot labels by comparison, as cross-entropy over integer labels is built.
        let labels =
            b.declare(Op::Iota { axis: 0 }, &[], TensorType::new(DType::I32, Shape(vec![Dim::N])))?;
        let labels = b.broadcast_along(labels, shape.clone(), 0)?;
        let classes = b.declare(Op::Iota { axis: 1 }, &[], TensorType::new(DType::I32, shape))?;
        let hit = b.compare(Comparison::Equal, labels, classes)?;
        let zero = b.splat_like(log, 0.0)?;
        let chosen = b.select(hit, log, zero)?;
        let likelihood = b.reduce(Reduction::Sum, chosen, &[1])?;
        let mean = b.mean(likelihood, &[0])?;
        Ok(vec![b.neg(mean)?])
    });
}
