//! Convolutions as contractions.
//!
//! Every tap of the kernel is a pair of offsets, or, where the "kernel" is as large as an image (the
//! gradient of a kernel), its axes are axes of the reduction. Padding is found as zeros in the input's
//! border, dilation and stride are factors of strides, and a dilated input is divided into phases
//! (see [`super::window`]), each a contraction of its own.

use super::Lowering;
use super::contraction::{lower_product, lower_sums, operand_view};
use super::elementwise::element_kernel;
use super::error::LowerError;
use super::fuse::Fusion;
use super::prepare::{blocked_kernel, merged_groups};
use super::product::{Axis, Product};
use super::view::View;
use super::window::{Phase, phases_of};
use super::winograd;
use super::words::{Sources, convolution_sources};
use dlc_ir::{Convolution, NodeId};
use dlc_kernel::Tap;
use dlc_types::{Dim, Shape};

/// Lowers a `convolve` with what is fused to it.
pub(crate) fn lower_convolve(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    convolution: &Convolution,
) -> Result<(), LowerError> {
    let id = fusion.source;
    if let Some(plan) = winograd::plan_of(lowering.prepared, id).cloned() {
        return match plan.pass {
            winograd::Pass::Forward => winograd::lower_forward(lowering, fusion, &plan),
            winograd::Pass::KernelGradient => winograd::lower_kernel_gradient(lowering, id, &plan),
        };
    }
    let per_axis = phases_of(lowering.function(), id, convolution, lowering.options.threads)
        .ok_or_else(|| lowering.unsupported(id, "a convolution along the batch"))?;
    let combinations = product_of(&per_axis);
    let single = combinations.len() == 1;
    let mut partials = Some(Vec::new());
    let mut sums_name = String::new();
    for combination in combinations {
        if combination.iter().any(|phase| phase.taps.is_empty()) {
            fill_zero(lowering, id, &combination)?;
        } else {
            let product = phase_product(lowering, fusion, convolution, &combination, single)?;
            let name = lowering.kernel_name(id, "convolve");
            sums_name = format!("{name}.sums");
            let of_phase = lower_product(lowering, fusion, product, name)?;
            partials = partials.zip(of_phase).map(|(mut all, one)| {
                all.push(one);
                all
            });
        }
    }
    lower_sums(lowering, fusion, partials, sums_name)
}

/// All ways to take one phase of every axis.
fn product_of(per_axis: &[Vec<Phase>]) -> Vec<Vec<&Phase>> {
    per_axis.iter().fold(vec![Vec::new()], |combinations, choices| {
        combinations
            .iter()
            .flat_map(|combination: &Vec<&Phase>| {
                choices.iter().map(move |choice| combination.iter().copied().chain([choice]).collect())
            })
            .collect()
    })
}

/// The input's view with strides per (group, channel within the group) instead of per channel.
pub(super) struct InputView {
    pub(super) view: View,
    pub(super) group: i64,
    pub(super) channel: i64,
}

fn input_view(
    lowering: &Lowering<'_>,
    input: NodeId,
    groups: usize,
    channels: Dim,
) -> Result<InputView, LowerError> {
    if groups > 1
        && let Some(split) = merged_groups(lowering.prepared, input, groups)
    {
        let mut view = operand_view(lowering, split)?;
        let group = view.strides.remove(1);
        let channel = view.strides[1];
        return Ok(InputView { view, group, channel });
    }
    let view = operand_view(lowering, input)?;
    let channel = view.strides[1];
    let per_group = match channels {
        Dim::Fixed(count) => count as i64,
        Dim::Batch(_) if groups == 1 => 0,
        Dim::Batch(_) => {
            return Err(LowerError::Internal(
                "a grouped reduction over the batch that is no merge".to_owned(),
            ));
        }
    };
    Ok(InputView { group: channel * per_group, channel, view })
}

/// The sources of a convolution of floats.
fn sources(
    lowering: &Lowering<'_>,
    input: NodeId,
    kernel: NodeId,
    groups: usize,
    per_group: i64,
) -> Result<Sources, LowerError> {
    let channels = lowering.ty(kernel).shape[1];
    let input = input_view(lowering, input, groups, channels)?;
    let blocked = blocked_kernel(lowering.prepared, kernel);
    let mut kernel = operand_view(lowering, blocked.unwrap_or(kernel))?;
    // Of a kernel in blocks the first axis counts blocks; without it the axes are those of any kernel.
    let block = blocked.map(|copy| (lowering.ty(copy).shape[1], kernel.strides.remove(0)));
    let group = kernel.strides[0] * per_group;
    Ok(Sources { input, kernel, block, group, channels })
}

fn phase_product(
    lowering: &Lowering<'_>,
    &Fusion { source: id, root: result, .. }: &Fusion,
    convolution: &Convolution,
    combination: &[&Phase],
    single: bool,
) -> Result<Product, LowerError> {
    let [input, kernel] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("convolve takes two operands".to_owned()));
    };
    let shape = &lowering.ty(id).shape;
    let groups = convolution.groups;
    let outputs = match shape[1] {
        Dim::Fixed(count) => Dim::Fixed(count / groups),
        batch if groups == 1 => batch,
        Dim::Batch(scale) => Dim::Batch(scale / groups),
    };
    let per_group = outputs.fixed().unwrap_or(0) as i64;
    let Sources { input, kernel, block, group, channels } = match lowering.prepared.words.get(&id) {
        Some(words) => convolution_sources(lowering, words, outputs.fixed().unwrap_or(0))?,
        None => sources(lowering, input, kernel, groups, per_group)?,
    };
    let result = lowering.place(result)?;
    let y = &result.layout.strides;
    let mut axes = vec![
        Axis::kept("n", shape[0], [0, input.view.strides[0], y[0]], (0, 1)),
        Axis::kept("g", Dim::Fixed(groups), [group, input.group, y[1] * per_group], (1, per_group)),
        Axis::kept("o", outputs, [kernel.strides[0], 0, y[1]], (1, 1)),
        Axis::summed("c", channels, [kernel.strides[1], input.channel, 0]),
    ];
    if let Some((size, stride)) = block {
        let (Some(size), Some(count)) = (size.fixed(), outputs.fixed()) else {
            return Err(LowerError::Internal("blocks of outputs that depend on the batch".to_owned()));
        };
        let strides = [stride, 0, y[1] * size as i64];
        axes[2].extent = Dim::Fixed(size);
        axes.push(Axis::kept("block", Dim::Fixed(count / size), strides, (1, size as i64)));
    }
    let mut offsets = [kernel.offset, input.view.offset, result.layout.origin];
    let listed = !channels.is_batch();
    let mut taps = vec![Tap { lanes: 0, rows: 0 }];
    for (axis, phase) in combination.iter().enumerate() {
        let (x, w) = (input.view.strides[axis + 2], kernel.strides[axis + 2]);
        offsets[2] += phase.first as i64 * y[axis + 2];
        axes.push(Axis::kept(
            OUTPUT_NAMES[axis.min(2)],
            Dim::Fixed(phase.count),
            [0, x * phase.input_step, y[axis + 2] * phase.step as i64],
            (axis + 2, phase.step as i64),
        ));
        if listed {
            taps = taps
                .iter()
                .flat_map(|tap| {
                    phase.taps.iter().map(move |&(number, place)| Tap {
                        lanes: tap.lanes + number as i64 * w,
                        rows: tap.rows + place * x,
                    })
                })
                .collect();
        } else {
            let (first, place) = phase.taps[0];
            let step = phase.taps.get(1).map_or((0, 0), |&(second, next)| (second - first, next - place));
            offsets[0] += first as i64 * w;
            offsets[1] += place * x;
            axes.push(Axis::summed(
                TAP_NAMES[axis.min(2)],
                Dim::Fixed(phase.taps.len()),
                [step.0 as i64 * w, step.1 * x, 0],
            ));
        }
    }
    let operands = [lowering.place(kernel.base)?.buffer, lowering.place(input.view.base)?.buffer];
    let firsts = combination.iter().map(|phase| phase.first as i64);
    let start = [0, 0].into_iter().chain(firsts).collect();
    Ok(Product { axes, offsets, taps, operands, start, may_split: single, target: None, adds: false })
}

const OUTPUT_NAMES: [&str; 3] = ["p", "q", "z"];
const TAP_NAMES: [&str; 3] = ["r", "s", "t"];

/// Outputs of a phase that no tap reaches are zero.
fn fill_zero(lowering: &mut Lowering<'_>, id: NodeId, combination: &[&Phase]) -> Result<(), LowerError> {
    let shape = lowering.ty(id).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let mut dims = shape.dims()[..2].to_vec();
    dims.extend(combination.iter().map(|phase| Dim::Fixed(phase.count)));
    let order = lowering.place(id)?.layout.order.clone();
    let name = lowering.kernel_name(id, "convolve.zero");
    let (kernel, arguments) = element_kernel(lowering, None, name, &Shape(dims), &order, &|emitter, at| {
        let mut target = at.to_vec();
        for (axis, phase) in combination.iter().enumerate() {
            target[axis + 2] = at[axis + 2].times(phase.step as i64).offset(phase.first as i64);
        }
        let zero = emitter.nest.number(dtype, 0.0);
        emitter.store(id, &target, zero)
    })?;
    lowering.launch(id, kernel, arguments);
    Ok(())
}
