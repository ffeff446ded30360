//! Floating-point operations of contractions and convolutions, as PyTorch's `FlopCounterMode` counts.
//!
//! A multiply-add is 2. Zeros of a padding count; zeros that a dilation puts between neighbours do not,
//! so either gradient of a convolution counts as much as the convolution itself. A scan counts what
//! its steps do. Other ops count nothing.

use dlc_ir::{Convolution, Function, NodeId, Op};

/// Operations of one node for a batch of `n`.
pub fn node_flops(function: &Function, id: NodeId, n: usize) -> u64 {
    let node = &function.nodes[id];
    let elements = |id: NodeId| product(&function.tensor_type(id).shape.at(n));
    match (&node.op, node.operands.as_slice()) {
        (Op::Contract(contraction), &[left, _]) => {
            let left = &function.tensor_type(left).shape;
            let reduced: Vec<usize> =
                contraction.contract.iter().map(|&(axis, _)| left[axis].at(n)).collect();
            2u64.saturating_mul(elements(id)).saturating_mul(product(&reduced))
        }
        (Op::Convolve(convolution), &[x, kernel]) => {
            let kernel = function.tensor_type(kernel).shape.at(n);
            let taps = product(kernel.get(2..).unwrap_or_default());
            let inputs = kernel.get(1).map_or(0, |&channels| channels as u64);
            let outputs = kernel.first().map_or(0, |&channels| channels as u64) / groups(convolution);
            let per_result = saturating([2, elements(id), inputs, taps]);
            let per_input = saturating([2, elements(x), outputs, taps]);
            // In a gradient, and over an input with inserted zeros, each real element of the input meets
            // each tap once at most.
            let spread = convolution.input_dilation.iter().any(|&factor| factor > 1);
            if spread || node.origin.path.starts_with("d(") { per_result.min(per_input) } else { per_result }
        }
        (Op::Scan(scan), _) => function_flops(&scan.body, n).saturating_mul(scan.steps as u64),
        _ => 0,
    }
}

fn groups(convolution: &Convolution) -> u64 {
    convolution.groups.max(1) as u64
}

fn product(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64))
}

fn saturating(factors: [u64; 4]) -> u64 {
    factors.into_iter().fold(1, u64::saturating_mul)
}

/// Operations of one call for a batch of `n`.
pub fn function_flops(function: &Function, n: usize) -> u64 {
    function.nodes.indices().map(|id| node_flops(function, id, n)).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::load_text;

    /// (forward, whole step) of one convolution behind another, so that both gradients are there.
    fn counts(stride: usize, padding: usize, groups: usize) -> (u64, u64) {
        let text = format!(
            "dlc 1\nmodel m(x: f32[N, 4, 9, 9]) -> (y) {{\n  h = x |> conv2d(4, kernel = 1, bias = false) as a\n  \
             h = h |> conv2d(8, kernel = 3, stride = {stride}, padding = {padding}, groups = {groups}, bias = false) as b\n  \
             y = h |> global_avg_pool()\n}}\ndata d {{\n  source = synthetic(samples = 8, classes = 8) -> (x, t)\n  \
             batch = 2\n}}\ntrain m on d {{\n  loss = cross_entropy(y, t)\n  optimizer = sgd(lr = 0.1)\n  epochs = 1\n}}\n"
        );
        let loaded = load_text("m.dsl", &text, &[]).unwrap();
        let step = dlc_compiler::step::training_step(&loaded.model).unwrap();
        (super::function_flops(&loaded.model.predict, 2), super::function_flops(&step, 2))
    }

    #[test]
    fn gradients_count_as_much_as_the_convolution_itself() {
        for (stride, padding, groups) in [(1, 1, 1), (2, 1, 1), (1, 0, 1), (2, 0, 1), (1, 1, 2), (2, 1, 4)] {
            let size = (9 + 2 * padding - 3) / stride + 1;
            let first = 2 * 2 * 4 * 81 * 4;
            let second = 2 * 2 * 8 * (size * size) as u64 * 9 * (4 / groups as u64);
            let (forward, step) = counts(stride, padding, groups);
            assert_eq!(forward, first + second, "forward at stride {stride}, padding {padding}");
            // The first layer needs no gradient of its input.
            assert_eq!(step, 2 * first + 3 * second, "step at {stride}, {padding}, {groups}");
        }
    }
}
