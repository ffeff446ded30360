//! Compiled gradients of small nets against central differences of the oracle's loss in `f64`.
//!
//! Tolerance: `2e-5` of the gradient's norm. Compiled sums are `f32` (`6e-8` per operation, some hundred
//! operations deep), and a difference over `2e-5` is off by about `1e-10`, so correct gradients stay
//! below `5e-6`; a wrong tap, phase or scale is an error of a percent and more. A gradient that
//! vanishes (a bias before batch-norm) is a sum whose terms cancel to their own rounding, so norms count
//! as a hundredth of the largest at least.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use dlc_abi::PortRole;
use dlc_compiler::FunctionKind;
use dlc_interp::{Data, Tensor};
use dlc_ir::{Op, OutputRole};
use dlc_tests::harness::tensor_of;
use dlc_tests::models::{function, inputs, program, session, tensor_of_host, trained};
use dlc_types::{DType, Shape, TensorType};
use std::collections::BTreeMap;

const TOLERANCE: f64 = 2e-5;
const STEP: f64 = 1e-5;
const BATCH: usize = 5;
/// Elements of each parameter that are tried.
const TRIED: usize = 24;

const CLASSIFIER: &str = "  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.1)";

fn check(body: &str, input: &str) {
    let loaded = trained(body, input, 3, BATCH, CLASSIFIER);
    let program = program(&loaded, &[FunctionKind::Initialize, FunctionKind::Gradients], BATCH);
    let mut session = session(&program, 2, 3);
    let interface = function(&program, "gradients").clone();
    let fed = inputs(&interface, BATCH, 3, 11);
    let mut values: BTreeMap<String, Tensor> = BTreeMap::new();
    for (port, bytes) in interface.inputs.iter().zip(&fed) {
        let shape = Shape::fixed(&port.dims.iter().map(|dim| dim.at(BATCH)).collect::<Vec<_>>());
        let dtype = if port.element == dlc_abi::ElementType::F32 { DType::F32 } else { DType::I32 };
        values.insert(port.name.clone(), tensor_of(&TensorType::new(dtype, shape), BATCH, bytes));
    }
    for tensor in &program.interface().tensors {
        values.insert(tensor.name.clone(), tensor_of_host(&session.tensor(&tensor.name).unwrap()));
    }
    let gradients: Vec<(String, Vec<f32>)> = {
        let ports: Vec<_> = interface.outputs.iter().filter(|port| port.role == PortRole::Gradient).collect();
        let mut buffers: Vec<Vec<u8>> =
            ports.iter().map(|port| vec![0; port.elements(BATCH) * port.element.size()]).collect();
        let named: Vec<(&str, &[u8])> =
            interface.inputs.iter().zip(&fed).map(|(port, bytes)| (port.name.as_str(), &bytes[..])).collect();
        let mut outputs: Vec<(&str, &mut [u8])> = ports
            .iter()
            .zip(&mut buffers)
            .map(|(port, bytes)| (port.name.as_str(), &mut bytes[..]))
            .collect();
        session.run("gradients", BATCH, &named, &mut outputs).unwrap();
        let floats = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        ports.iter().zip(&buffers).map(|(port, bytes)| (port.name.clone(), floats(bytes))).collect()
    };
    assert_eq!(gradients.len(), loaded.model.parameters.len());
    compare(loaded.model.forward.as_ref().unwrap(), &values, &gradients, body);
}

fn compare(
    forward: &dlc_ir::Function,
    values: &BTreeMap<String, Tensor>,
    gradients: &[(String, Vec<f32>)],
    body: &str,
) {
    let position = forward.outputs.iter().position(|output| output.role == OutputRole::Loss).unwrap();
    let loss = |values: &BTreeMap<String, Tensor>| {
        let results = dlc_interp::evaluate(forward, BATCH, &|op| match op {
            Op::Input { name } | Op::Parameter { name } | Op::State { name } => values.get(name).cloned(),
            _ => None,
        });
        results.unwrap()[position].to_f64()[0]
    };
    let mut errors = Vec::new();
    for (name, gradient) in gradients {
        let stride = gradient.len().div_ceil(TRIED);
        let (mut error, mut norm) = (0.0, 0.0);
        for element in (0..gradient.len()).step_by(stride) {
            let moved = |offset: f64| {
                let mut values = values.clone();
                let Some(Data::Float(numbers)) = values.get_mut(name).map(|tensor| &mut tensor.data) else {
                    panic!("{name} is no float");
                };
                numbers[element] += offset;
                loss(&values)
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            error += (f64::from(gradient[element]) - expected).powi(2);
            norm += expected.powi(2);
        }
        errors.push((name, f64::sqrt(error), f64::sqrt(norm)));
    }
    let largest = errors.iter().map(|&(_, _, norm)| norm).fold(0.0, f64::max);
    assert!(largest > 1e-3, "the loss does not depend on the parameters");
    for (name, error, norm) in errors {
        let share = error / norm.max(1e-2 * largest);
        assert!(share <= TOLERANCE, "gradient of {name}: error {share:.1e} of the norm {norm:.1e}\n{body}");
    }
}

#[test]
fn dense_batch_norm() {
    let body = "  h = x |> dense(9) as a |> batch_norm() as n |> relu()\n  y = h |> dense(3) as b";
    check(body, "f32[N, 7]");
}

#[test]
fn convolution_batch_norm_pool() {
    let body = "  h = x |> conv2d(5, kernel = 3, padding = same) as a |> batch_norm() as n |> relu() |> max_pool(2)\n  \
                y = h |> flatten() |> dense(3) as b";
    check(body, "f32[N, 2, 6, 6]");
}

#[test]
fn overlapping_pools() {
    let body = "  h = x |> conv2d(4, kernel = 3, padding = same) as a |> tanh() |> max_pool(3, stride = 2, padding = 1)\n  \
                y = h |> avg_pool(2, stride = 1, padding = same) |> global_avg_pool() |> dense(3) as b";
    check(body, "f32[N, 2, 7, 7]");
}

#[test]
fn residual_with_stride() {
    let body = "  h = x |> conv2d(6, kernel = 3, stride = 2, padding = 1, bias = false) as a |> batch_norm() as an |> relu()\n  \
                h = h |> conv2d(6, kernel = 3, padding = same, bias = false) as b |> batch_norm() as bn\n  \
                skip = x |> conv2d(6, kernel = 1, stride = 2, bias = false) as p |> batch_norm() as pn\n  \
                y = relu(h + skip) |> global_avg_pool() |> dense(3) as head";
    check(body, "f32[N, 3, 8, 8]");
}

#[test]
fn dilated() {
    let body = "  h = x |> conv2d(5, kernel = 3, padding = same, dilation = 2) as a |> sigmoid()\n  \
                h = h |> conv2d(4, kernel = 3, dilation = (3, 1)) as b |> gelu()\n  \
                y = h |> flatten() |> dense(3) as head";
    check(body, "f32[N, 2, 9, 7]");
}

#[test]
fn grouped() {
    // No relu before the second layer: where it is 0 all over a window, the leaky one stands on its kink.
    let body = "  h = x |> conv2d(8, kernel = 3, padding = same, groups = 2) as a |> tanh()\n  \
                h = h |> conv2d(8, kernel = 3, stride = 2, padding = 1, groups = 8) as b |> leaky_relu()\n  \
                y = h |> global_avg_pool() |> dense(3) as head";
    check(body, "f32[N, 4, 7, 7]");
}

#[test]
fn sequences_with_dropout() {
    // Masks are pure functions of seed and step, so the oracle drops the same elements.
    let body = "  h = x |> conv1d(6, kernel = 4, stride = 3, padding = 2) as a |> tanh() |> dropout(0.3)\n  \
                y = h |> flatten() |> dense(3) as head";
    check(body, "f32[N, 3, 17]");
}

#[test]
fn transposed_convolutions() {
    let body = "  h = x |> conv_transpose2d(4, kernel = 3, stride = (2, 3), padding = (1, 0), output_padding = 1) as a |> silu()\n  \
                h = h |> separable_conv2d(6, kernel = 3, stride = 2) as b |> group_norm(3) as n |> mish()\n  \
                y = h |> adaptive_avg_pool((3, 2)) |> flatten() |> dense(3) as head";
    check(body, "f32[N, 3, 5, 3]");
}

#[test]
fn attention_over_words() {
    let body = "  h = x |> dense(6) as a |> learned_positions() as p |> layer_norm() as n\n  \
                h = h + (h |> attention(heads = 3, causal = true, dropout = 0.2) as mix)\n  \
                y = h |> rms_norm() as m |> prelu() as bend |> flatten() |> dense(3) as head";
    check(body, "f32[N, 7, 5]");
}

#[test]
fn upsampled_maps() {
    let body = "  h = x |> conv2d(4, kernel = 3, padding = same) as a |> elu() |> upsample(size = (7, 9), mode = \"bilinear\")\n  \
                h = h |> instance_norm(affine = true) as n |> upsample((2, 1)) |> softplus()\n  \
                y = h |> flatten() |> dense(3) as head";
    check(body, "f32[N, 2, 5, 4]");
}
