//! Which elements of its input a convolution touches: phases, taps and borders.
//!
//! A convolution over a dilated input (the data gradient of a strided one) meets real elements only at
//! every `input_dilation`-th place. Its outputs fall into *phases* by their remainder: within one phase
//! the same taps meet real elements, at equal distances, so each phase is a dense convolution with some
//! of the taps. No inserted zero is ever read.

use dlc_ir::{Convolution, Function, NodeId};

/// One phase of one spatial axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    /// First output of the phase.
    pub first: usize,
    /// Distance between its outputs.
    pub step: usize,
    /// Number of its outputs.
    pub count: usize,
    /// Distance of the input elements under one tap between neighbouring outputs of the phase.
    pub input_step: i64,
    /// Taps that meet real elements: number of the tap and input element under it for the first output.
    pub taps: Vec<(usize, i64)>,
}

/// The phases of one axis with `outputs` outputs and `taps` taps.
pub(super) fn phases(convolution: &Convolution, axis: usize, outputs: usize, taps: usize) -> Vec<Phase> {
    let stride = convolution.strides[axis];
    let dilation = convolution.input_dilation[axis];
    let padding = convolution.padding[axis].0;
    let step = dilation / gcd(stride, dilation);
    let place = |output: usize, tap: usize| {
        (output * stride + tap * convolution.kernel_dilation[axis]) as i64 - padding
    };
    (0..step.min(outputs))
        .map(|first| Phase {
            first,
            step,
            count: (outputs - first).div_ceil(step),
            input_step: (stride * step / dilation) as i64,
            taps: (0..taps)
                .filter(|&tap| place(first, tap).rem_euclid(dilation as i64) == 0)
                .map(|tap| (tap, place(first, tap).div_euclid(dilation as i64)))
                .collect(),
        })
        .collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How far a convolution reads beyond its input, before and behind, per spatial axis.
pub(super) fn convolution_reach(
    function: &Function,
    node: NodeId,
    convolution: &Convolution,
) -> Vec<(usize, usize)> {
    let operands = &function.nodes[node].operands;
    let result = &function.tensor_type(node).shape;
    let input = &function.tensor_type(operands[0]).shape;
    let kernel = &function.tensor_type(operands[1]).shape;
    (0..convolution.strides.len())
        .map(|axis| {
            let fixed = |dim: dlc_types::Dim| dim.fixed().unwrap_or(0);
            let length = fixed(input[axis + 2]) as i64;
            let mut reach = (0, 0);
            for phase in phases(convolution, axis, fixed(result[axis + 2]), fixed(kernel[axis + 2])) {
                let last = phase.input_step * (phase.count as i64 - 1);
                for &(_, place) in &phase.taps {
                    reach.0 = reach.0.max(-place);
                    reach.1 = reach.1.max(place + last - (length - 1));
                }
            }
            (usize::try_from(reach.0).unwrap_or(0), usize::try_from(reach.1).unwrap_or(0))
        })
        .collect()
}

/// Whether every output of a convolution meets a real element with one tap at least, so that the kernels of
/// its phases compute all outputs.
pub(super) fn reaches_every_output(function: &Function, node: NodeId, convolution: &Convolution) -> bool {
    let result = &function.tensor_type(node).shape;
    let kernel = &function.tensor_type(function.nodes[node].operands[1]).shape;
    (0..convolution.strides.len()).all(|axis| match (result[axis + 2].fixed(), kernel[axis + 2].fixed()) {
        (Some(outputs), Some(taps)) => {
            phases(convolution, axis, outputs, taps).iter().all(|phase| !phase.taps.is_empty())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data gradient of a 3x3 convolution with stride 2 on an axis of 8.
    #[test]
    fn gradient_of_stride_two_has_phases_of_one_and_two_taps() {
        let convolution = Convolution {
            strides: vec![1],
            padding: vec![(1, 2)],
            input_dilation: vec![2],
            kernel_dilation: vec![1],
            groups: 1,
        };
        let phases = phases(&convolution, 0, 8, 3);
        let taps: Vec<Vec<(usize, i64)>> = phases.iter().map(|phase| phase.taps.clone()).collect();
        assert_eq!(taps, [vec![(1, 0)], vec![(0, 0), (2, 1)]]);
        assert!(phases.iter().all(|phase| phase.count == 4 && phase.input_step == 1));
    }
}
