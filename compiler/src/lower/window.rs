//! Which elements of its input a convolution touches: phases, taps and borders.
//!
//! A convolution over a dilated input (the data gradient of a strided one) meets real elements only at
//! every `input_dilation`-th place. Its outputs fall into *phases* by their remainder: within one phase
//! the same taps meet real elements, at equal distances, so each phase is a dense convolution with some
//! of the taps. No inserted zero is ever read.
//!
//! Under a widely dilated kernel whole bands of outputs see nothing but padding under a tap. Where that is a
//! good part of the work, each band is a phase with the other taps alone; not where threads are many, which one launch
//! keeps busier than several small ones.

use super::Threads;
use super::prepare::Prepared;
use dlc_ir::{Convolution, Function, NodeId};

/// One phase of one spatial axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
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
fn phases(convolution: &Convolution, axis: usize, outputs: usize, taps: usize) -> Vec<Phase> {
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

/// Share of a tap's work on padding from which bands pay for a kernel each.
const PADDING_SHARE: usize = 16;
/// Outputs of a band from which it keeps threads busy.
const ENOUGH_OUTPUTS: usize = 4;

/// The phase in bands of outputs under which the same taps meet the input's own `length` elements, or whole
/// where little would be saved or some outputs would be left without any.
fn bands(phase: Phase, length: usize) -> Vec<Phase> {
    let meets = |&(_, place): &(usize, i64), output: usize| {
        (0..length as i64).contains(&(place + output as i64 * phase.input_step))
    };
    let taps_at = |output: usize| -> Vec<(usize, i64)> {
        phase.taps.iter().filter(|tap| meets(tap, output)).copied().collect()
    };
    let mut bands: Vec<Phase> = Vec::new();
    let mut wasted = 0;
    for output in 0..phase.count {
        let taps = taps_at(output);
        wasted += phase.taps.len() - taps.len();
        let at_band = |&(tap, place): &(usize, i64)| (tap, place + output as i64 * phase.input_step);
        let same = bands
            .last()
            .is_some_and(|band| band.taps.iter().map(|tap| tap.0).eq(taps.iter().map(|tap| tap.0)));
        match bands.last_mut().filter(|_| same) {
            Some(band) => band.count += 1,
            None => bands.push(Phase {
                first: phase.first + output * phase.step,
                count: 1,
                taps: taps.iter().map(at_band).collect(),
                ..phase
            }),
        }
    }
    let worth = wasted > 0 && wasted * PADDING_SHARE >= phase.count * phase.taps.len();
    let few = bands.len() < 2 * phase.taps.len();
    let useful = |band: &Phase| !band.taps.is_empty() && band.count >= ENOUGH_OUTPUTS;
    if worth && few && bands.iter().all(useful) { bands } else { vec![phase] }
}

/// The phases of every spatial axis; `None` where an axis runs along the batch.
///
/// The innermost axis is not cut into bands, since its outputs fill register tiles; nor is a convolution whose
/// kernel is as long as the batch, the gradient of a kernel, whose pieces are added up as a whole.
pub(crate) fn phases_of(
    function: &Function,
    node: NodeId,
    convolution: &Convolution,
    threads: Threads,
) -> Option<Vec<Vec<Phase>>> {
    let operands = &function.nodes[node].operands;
    let result = &function.tensor_type(node).shape;
    let input = &function.tensor_type(operands[0]).shape;
    let kernel = &function.tensor_type(operands[1]).shape;
    let rank = convolution.strides.len();
    let axes = (0..rank).map(|axis| {
        let (outputs, taps) = (result[axis + 2].fixed()?, kernel[axis + 2].fixed()?);
        let phases = phases(convolution, axis, outputs, taps);
        let cut = axis + 1 < rank && kernel[1].fixed().is_some() && threads == Threads::Few;
        match input[axis + 2].fixed().filter(|_| cut) {
            Some(length) => Some(phases.into_iter().flat_map(|phase| bands(phase, length)).collect()),
            None => Some(phases),
        }
    });
    axes.collect()
}

/// How far a convolution reads beyond its input, before and behind, per spatial axis.
pub(super) fn convolution_reach(
    prepared: &Prepared,
    node: NodeId,
    convolution: &Convolution,
) -> Vec<(usize, usize)> {
    let function = &prepared.function;
    let input = &function.tensor_type(function.nodes[node].operands[0]).shape;
    let axes = phases_of(function, node, convolution, prepared.threads).unwrap_or_default();
    let reach = axes.iter().enumerate().map(|(axis, phases)| {
        let length = input[axis + 2].fixed().unwrap_or(0) as i64;
        let mut reach = (0, 0);
        for phase in phases {
            let last = phase.input_step * (phase.count as i64 - 1);
            for &(_, place) in &phase.taps {
                reach.0 = reach.0.max(-place);
                reach.1 = reach.1.max(place + last - (length - 1));
            }
        }
        (usize::try_from(reach.0).unwrap_or(0), usize::try_from(reach.1).unwrap_or(0))
    });
    reach.collect()
}

/// Whether every output of a convolution meets a real element with one tap at least, so that the kernels of
/// its phases compute all outputs.
pub(super) fn reaches_every_output(prepared: &Prepared, node: NodeId, convolution: &Convolution) -> bool {
    let axes = phases_of(&prepared.function, node, convolution, prepared.threads);
    axes.is_some_and(|axes| axes.iter().flatten().all(|phase| !phase.taps.is_empty()))
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

    /// A dilation of 4 on an axis of 12: a third of the outputs sees padding under each outer tap.
    #[test]
    fn widely_dilated_kernels_are_cut_into_bands() {
        let convolution = Convolution {
            strides: vec![1],
            padding: vec![(4, 4)],
            input_dilation: vec![1],
            kernel_dilation: vec![4],
            groups: 1,
        };
        let whole = phases(&convolution, 0, 12, 3).remove(0);
        let bands = bands(whole.clone(), 12);
        let ranges: Vec<(usize, usize)> = bands.iter().map(|band| (band.first, band.count)).collect();
        assert_eq!(ranges, [(0, 4), (4, 4), (8, 4)]);
        let taps: Vec<Vec<(usize, i64)>> = bands.into_iter().map(|band| band.taps).collect();
        assert_eq!(taps, [vec![(1, 0), (2, 4)], vec![(0, 0), (1, 4), (2, 8)], vec![(0, 4), (1, 8)]]);
        assert_eq!(super::bands(whole.clone(), 0), [whole], "outputs without any tap");
        let dense = Convolution { kernel_dilation: vec![1], padding: vec![(1, 1)], ..convolution };
        assert_eq!(super::bands(phases(&dense, 0, 64, 3).remove(0), 64).len(), 1, "little to save");
    }
}
