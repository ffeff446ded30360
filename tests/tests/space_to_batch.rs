//! Dilated layers as TensorFlow, Keras and tf2onnx write them, SpaceToBatch – Conv – BatchToSpace, compile to the
//! very kernels of a convolution with `dilation = d`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use dlc_compiler::rewrite::{RewriteOptions, rewrite};
use dlc_interp::{Data, Tensor};
use dlc_ir::{Builder, Convolution, Function, NodeId, Op, OutputRole, Unary};
use dlc_tests::harness::{compilation_of, random_inputs};
use dlc_types::{DType, Dim, Shape, TensorType};

const CHANNELS: usize = 3;
const RESULTS: usize = 5;
const TAPS: usize = 3;

/// How exporters write the idiom.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    /// `tf.nn.atrous_conv`: channels last, transposed around the convolution only.
    Tensorflow,
    /// tf2onnx: `[C, N, spatial…]` around SpaceToDepth and DepthToSpace.
    Tf2Onnx,
    /// Keras `Conv1D`: an axis of size 1 makes two dimensions of one.
    Keras1d,
    /// Channels first throughout.
    ChannelsFirst,
}

/// Where bias and activation stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bias {
    Inside,
    Outside,
}

struct Case {
    style: Style,
    bias: Bias,
    sizes: Vec<usize>,
    dilation: usize,
}

fn plain(spatial: usize, dilation: usize, padding: i64) -> Convolution {
    Convolution {
        strides: vec![1; spatial],
        padding: vec![(padding, padding); spatial],
        input_dilation: vec![1; spatial],
        kernel_dilation: vec![dilation; spatial],
        groups: 1,
    }
}

/// `[N, spatial…, C]`, as all of these read it, or `[N, C, spatial…]`.
fn input(b: &mut Builder, case: &Case) -> NodeId {
    let mut dims = vec![Dim::N];
    dims.extend(case.sizes.iter().map(|&size| Dim::Fixed(size)));
    dims.insert(if case.style == Style::ChannelsFirst { 1 } else { dims.len() }, Dim::Fixed(CHANNELS));
    b.input("x", TensorType::new(DType::F32, Shape(dims))).unwrap()
}

fn kernel(b: &mut Builder, spatial: usize) -> NodeId {
    let dims: Vec<usize> = [RESULTS, CHANNELS].into_iter().chain(vec![TAPS; spatial]).collect();
    b.input("w", TensorType::new(DType::F32, Shape::fixed(&dims))).unwrap()
}

/// Bias and activation along an axis.
fn finished(b: &mut Builder, y: NodeId, axis: usize) -> NodeId {
    let bias = b.input("bias", TensorType::new(DType::F32, Shape::fixed(&[RESULTS]))).unwrap();
    let shape = b.shape(y).clone();
    let bias = b.broadcast_along(bias, shape, axis).unwrap();
    let sum = b.add(y, bias).unwrap();
    b.unary(Unary::Relu, sum).unwrap()
}

fn to_channels_first(b: &mut Builder, x: NodeId) -> NodeId {
    let rank = b.shape(x).rank();
    let order: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    b.transpose(x, &order).unwrap()
}

fn to_channels_last(b: &mut Builder, x: NodeId) -> NodeId {
    let rank = b.shape(x).rank();
    let order: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
    b.transpose(x, &order).unwrap()
}

/// What the idiom stands for.
fn dilated(case: &Case) -> Function {
    let mut b = Builder::new("predict");
    let x = input(&mut b, case);
    let w = kernel(&mut b, case.sizes.len());
    let first = case.style == Style::ChannelsFirst;
    let x = if first { x } else { to_channels_first(&mut b, x) };
    let padding = (case.dilation * (TAPS - 1) / 2) as i64;
    let y = b.convolve(x, w, plain(case.sizes.len(), case.dilation, padding)).unwrap();
    let y = finished(&mut b, y, 1);
    let y = if first { y } else { to_channels_last(&mut b, y) };
    b.output(OutputRole::Output, "y", y);
    b.finish()
}

/// Pads the axes from `start` so that `d` divides them; how much is cut off at the end of each.
fn padded(b: &mut Builder, x: NodeId, start: usize, case: &Case) -> (NodeId, Vec<usize>) {
    let rank = b.shape(x).rank();
    let (mut low, mut high, mut crops) = (vec![0; rank], vec![0; rank], Vec::new());
    let around = case.dilation * (TAPS - 1) / 2;
    for (axis, size) in case.sizes.iter().enumerate() {
        let extra = (size + 2 * around).next_multiple_of(case.dilation) - (size + 2 * around);
        low[start + axis] = around;
        high[start + axis] = around + extra;
        crops.push(extra);
    }
    let zero = b.scalar(DType::F32, 0.0).unwrap();
    (b.add_node(Op::Pad { low, high }, &[x, zero]).unwrap(), crops)
}

fn cropped(b: &mut Builder, y: NodeId, start: usize, crops: &[usize]) -> NodeId {
    let shape = b.shape(y).clone();
    let mut limits: Vec<usize> = shape.dims().iter().map(|dim| dim.fixed().unwrap_or(usize::MAX)).collect();
    crops.iter().enumerate().for_each(|(axis, crop)| limits[start + axis] -= crop);
    let (starts, strides) = (vec![0; limits.len()], vec![1; limits.len()]);
    b.add_node(Op::Slice { starts, limits, strides }, &[y]).unwrap()
}

/// Splits each axis from `start` into `[size / d, d]`, moves the `d`s in front of the axis `batch` and joins them
/// with it.
fn space_to_batch(b: &mut Builder, x: NodeId, start: usize, batch: usize, case: &Case) -> NodeId {
    let (d, spatial) = (case.dilation, case.sizes.len());
    let shape = b.shape(x).clone();
    let (mut split, mut phases, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut joined = Vec::new();
    for (axis, &dim) in shape.dims().iter().enumerate() {
        others.push(split.len());
        if (start..start + spatial).contains(&axis) {
            split.push(Dim::Fixed(dim.fixed().unwrap() / d));
            phases.push(split.len());
            split.push(Dim::Fixed(d));
            joined.push(Dim::Fixed(dim.fixed().unwrap() / d));
        } else {
            split.push(dim);
            joined.push(if axis == batch {
                dim.times(Dim::Fixed(d.pow(spatial as u32))).unwrap()
            } else {
                dim
            });
        }
    }
    let x = b.reshape(x, Shape(split)).unwrap();
    let order: Vec<usize> = others[..batch].iter().chain(&phases).chain(&others[batch..]).copied().collect();
    let x = b.transpose(x, &order).unwrap();
    b.reshape(x, Shape(joined)).unwrap()
}

/// The way back.
fn batch_to_space(b: &mut Builder, y: NodeId, start: usize, batch: usize, case: &Case) -> NodeId {
    let (d, spatial) = (case.dilation, case.sizes.len());
    let shape = b.shape(y).clone();
    let (mut split, mut joined, mut order) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_phase = 0;
    for (axis, &dim) in shape.dims().iter().enumerate() {
        if axis == batch {
            first_phase = split.len();
            split.extend(vec![Dim::Fixed(d); spatial]);
            split.push(Dim::N);
        } else {
            split.push(dim);
        }
    }
    for (axis, &dim) in shape.dims().iter().enumerate() {
        order.push(if axis < batch { axis } else { axis + spatial });
        if (start..start + spatial).contains(&axis) {
            order.push(first_phase + axis - start);
            joined.push(Dim::Fixed(dim.fixed().unwrap() * d));
        } else {
            joined.push(if axis == batch { Dim::N } else { dim });
        }
    }
    let y = b.reshape(y, Shape(split)).unwrap();
    let y = b.transpose(y, &order).unwrap();
    b.reshape(y, Shape(joined)).unwrap()
}

/// `[N, spatial…, C]` as `[C, N, spatial…]`, and back.
fn rotated(b: &mut Builder, x: NodeId, forward: bool) -> NodeId {
    let rank = b.shape(x).rank();
    let order: Vec<usize> =
        (0..rank).map(|axis| (axis + if forward { rank - 1 } else { 1 }) % rank).collect();
    b.transpose(x, &order).unwrap()
}

fn convolved(b: &mut Builder, x: NodeId, w: NodeId, case: &Case) -> NodeId {
    let y = b.convolve(x, w, plain(b.shape(x).rank() - 2, 1, 0)).unwrap();
    if case.bias == Bias::Inside { finished(b, y, 1) } else { y }
}

fn idiom(case: &Case) -> Function {
    let mut b = Builder::new("predict");
    let x = input(&mut b, case);
    let w = kernel(&mut b, case.sizes.len());
    let (start, last) = (if case.style == Style::ChannelsFirst { 2 } else { 1 }, case.sizes.len() + 1);
    let y = match case.style {
        Style::ChannelsFirst => {
            let (x, crops) = padded(&mut b, x, 2, case);
            let x = space_to_batch(&mut b, x, 2, 0, case);
            let y = convolved(&mut b, x, w, case);
            let y = batch_to_space(&mut b, y, 2, 0, case);
            cropped(&mut b, y, 2, &crops)
        }
        Style::Tensorflow => {
            let (x, crops) = padded(&mut b, x, 1, case);
            let x = space_to_batch(&mut b, x, 1, 0, case);
            let x = to_channels_first(&mut b, x);
            let y = convolved(&mut b, x, w, case);
            let y = to_channels_last(&mut b, y);
            let y = batch_to_space(&mut b, y, 1, 0, case);
            cropped(&mut b, y, 1, &crops)
        }
        Style::Tf2Onnx => {
            let x = rotated(&mut b, x, true);
            let (x, crops) = padded(&mut b, x, 2, case);
            let x = space_to_batch(&mut b, x, 2, 1, case);
            let x = rotated(&mut b, x, false);
            let x = to_channels_first(&mut b, x);
            let y = convolved(&mut b, x, w, case);
            let y = to_channels_last(&mut b, y);
            let y = rotated(&mut b, y, true);
            let y = batch_to_space(&mut b, y, 2, 1, case);
            let y = rotated(&mut b, y, false);
            cropped(&mut b, y, 1, &crops)
        }
        Style::Keras1d => {
            let (x, crops) = padded(&mut b, x, 1, case);
            let x = space_to_batch(&mut b, x, 1, 0, case);
            let shape = b.shape(x).clone();
            let (n, t, c) = (shape[0], shape[1], shape[2]);
            let x = b.reshape(x, Shape(vec![n, Dim::Fixed(1), t, c])).unwrap();
            let x = to_channels_first(&mut b, x);
            let flat = b.shape(w).clone();
            let w = b.reshape(w, Shape(vec![flat[0], flat[1], Dim::Fixed(1), flat[2]])).unwrap();
            let y = convolved(&mut b, x, w, case);
            let y = to_channels_last(&mut b, y);
            let shape = b.shape(y).clone();
            let y = b.reshape(y, Shape(vec![n, shape[2], shape[3]])).unwrap();
            let y = batch_to_space(&mut b, y, 1, 0, case);
            cropped(&mut b, y, 1, &crops)
        }
    };
    let axis = if start == 2 { 1 } else { last };
    let y = if case.bias == Bias::Outside { finished(&mut b, y, axis) } else { y };
    b.output(OutputRole::Output, "y", y);
    b.finish()
}

fn outputs(function: &Function) -> Tensor {
    let inputs = random_inputs(function, 2, 3);
    let fed = |op: &Op| match op {
        Op::Input { name } => inputs.get(name).cloned(),
        _ => None,
    };
    dlc_interp::evaluate(function, 2, &fed).unwrap().remove(0)
}

fn check(case: &Case) {
    let name = format!("{:?}, bias {:?}, {:?} by {}", case.style, case.bias, case.sizes, case.dilation);
    let (idiom, dilated) = (idiom(case), dilated(case));
    let (Data::Float(one), Data::Float(other)) = (outputs(&idiom).data, outputs(&dilated).data) else {
        panic!("floats")
    };
    assert_eq!(one.len(), other.len(), "{name}");
    assert!(one.iter().zip(&other).all(|(x, y)| (x - y).abs() < 1e-9), "{name}: the case itself is wrong");

    let (after, _) = rewrite(&idiom, &RewriteOptions::default()).unwrap();
    let convolutions: Vec<&Convolution> = after
        .nodes
        .values()
        .filter_map(|node| match &node.op {
            Op::Convolve(convolution) => Some(convolution),
            _ => None,
        })
        .collect();
    assert_eq!(convolutions.len(), 1, "{name}\n{after}");
    assert!(convolutions[0].kernel_dilation.contains(&case.dilation), "{name}\n{after}");
    assert_eq!(program(&idiom), program(&dilated), "{name}\n{after}");
}

/// The lowered program without the names of kernels.
fn program(function: &Function) -> String {
    let text = compilation_of(function, 4).unwrap().functions[0].lowered.program.to_string();
    let lines = text.lines().map(|line| {
        let line = line.split("  # ").next().unwrap();
        match line.trim_start().strip_prefix("kernel \"").and_then(|rest| rest.split_once('"')) {
            Some((_, signature)) => format!("kernel{signature}"),
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<String>>().join("\n")
}

#[test]
fn the_idiom_compiles_to_the_kernels_of_a_dilated_convolution() {
    for style in [Style::ChannelsFirst, Style::Tensorflow, Style::Tf2Onnx] {
        for bias in [Bias::Inside, Bias::Outside] {
            for dilation in [2, 4, 16] {
                for sizes in [vec![32, 32], vec![33, 20], vec![48], vec![31]] {
                    check(&Case { style, bias, sizes, dilation });
                }
            }
        }
    }
}

#[test]
fn an_inserted_axis_does_not_hide_the_idiom() {
    for bias in [Bias::Inside, Bias::Outside] {
        for dilation in [2, 4, 16] {
            for size in [48, 31] {
                check(&Case { style: Style::Keras1d, bias, sizes: vec![size], dilation });
            }
        }
    }
}
