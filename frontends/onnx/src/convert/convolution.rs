//! Conv and ConvTranspose over any number of spatial axes.
//!
//! History: neither changed its form; opset 11 gave strides and dilations their defaults, 22 brought bfloat16.
//!
//! A transposed convolution is a convolution of the input with `stride - 1` zeros between neighbours and the
//! kernel read backwards; its padding is what the kernel's span leaves of the forward one.

use super::sliding::{Sliding, pads, span, spatial, steps};
use super::{Context, Operator, Stop};
use dlc_ir::{Convolution, NodeId, Op};
use dlc_types::Shape;

pub(super) const OPERATORS: &[Operator] =
    &[Operator::new("Conv", 1, conv), Operator::new("ConvTranspose", 1, conv_transpose)];

/// `kernel_shape`, if given, is what the kernel has.
fn check_kernel(context: &Context<'_, '_>, taps: &[usize]) -> Result<(), Stop> {
    match context.sizes("kernel_shape")? {
        Some(told) if told != taps => {
            Err(context.invalid(format!("its kernel_shape is {told:?}, but the kernel has {taps:?}")))
        }
        _ => Ok(()),
    }
}

fn groups(context: &Context<'_, '_>) -> Result<usize, Stop> {
    let groups = context.int_or("group", 1)?;
    usize::try_from(groups)
        .ok()
        .filter(|&groups| groups > 0)
        .ok_or_else(|| context.invalid(format!("its group is {groups}")))
}

/// The result with the third input added per channel.
pub(super) fn biased(context: &mut Context<'_, '_>, value: NodeId, input: usize) -> Result<NodeId, Stop> {
    let Some(bias) = context.optional(input)? else { return Ok(value) };
    let shape = context.shape(value);
    let bias = context.builder().broadcast_along(bias, shape, 1)?;
    Ok(context.builder().add(value, bias)?)
}

/// As a number whose sums with others of its kind fit.
fn signed(context: &Context<'_, '_>, size: usize) -> Result<i64, Stop> {
    let size = i64::try_from(size).ok().filter(|&size| size < 1 << 48);
    size.ok_or_else(|| context.invalid("its padding or its window is too large"))
}

fn conv(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, kernel) = (context.input(0)?, context.input(1)?);
    let result = convolved(context, x, kernel)?;
    let result = biased(context, result, 2)?;
    context.set_output(0, result)
}

/// The convolution that the attributes tell.
pub(super) fn convolved(context: &mut Context<'_, '_>, x: NodeId, kernel: NodeId) -> Result<NodeId, Stop> {
    let (inputs, taps) = (spatial(context, x)?, spatial(context, kernel)?);
    check_kernel(context, &taps)?;
    let Sliding { strides, dilations, padding, .. } = Sliding::read(context, &inputs, taps)?;
    let padding = padding
        .iter()
        .map(|&(low, high)| Ok((signed(context, low)?, signed(context, high)?)))
        .collect::<Result<Vec<(i64, i64)>, Stop>>()?;
    let convolution = Convolution {
        input_dilation: vec![1; strides.len()],
        strides,
        padding,
        kernel_dilation: dilations,
        groups: groups(context)?,
    };
    Ok(context.builder().convolve(x, kernel, convolution)?)
}

/// Padding of the forward convolution and what is added behind, per axis.
fn transposed_padding(
    context: &Context<'_, '_>,
    inputs: &[usize],
    spans: &[i64],
    strides: &[usize],
) -> Result<Vec<(i64, i64)>, Stop> {
    let axes = inputs.len();
    let added = context.sizes("output_padding")?.unwrap_or_else(|| vec![0; axes]);
    if added.len() < axes {
        return Err(context.invalid(format!("its output_padding {added:?} must be {axes} numbers")));
    }
    let auto_pad = context.text_or("auto_pad", "NOTSET")?;
    let wanted = match (context.sizes("output_shape")?, auto_pad) {
        // Some writers put the batch and the channels in front.
        (Some(sizes), _) if sizes.len() >= axes => Some(sizes[sizes.len() - axes..].to_vec()),
        (Some(sizes), _) => return Err(context.invalid(format!("its output_shape is {sizes:?}"))),
        (None, "SAME_UPPER" | "SAME_LOWER") => {
            Some((0..axes).map(|axis| inputs[axis].saturating_mul(strides[axis])).collect())
        }
        (None, _) => None,
    };
    let given = if auto_pad == "VALID" { vec![(0, 0); axes] } else { pads(context, axes)? };
    let mut padding = Vec::with_capacity(axes);
    for axis in 0..axes {
        let behind = signed(context, added[axis])?;
        let Some(wanted) = &wanted else {
            let (low, high) = given[axis];
            padding.push((signed(context, low)?, signed(context, high)? - behind));
            continue;
        };
        let reach = inputs[axis].saturating_sub(1).saturating_mul(strides[axis]);
        let total = signed(context, reach)? + behind + spans[axis] - signed(context, wanted[axis])?;
        let (half, rest) = (total / 2, total - total / 2);
        let (low, high) = match auto_pad {
            // What is missing is added behind.
            _ if total < 0 => (0, total),
            "SAME_UPPER" => (half, rest),
            _ => (rest, half),
        };
        padding.push((low, high - behind));
    }
    Ok(padding)
}

/// `[C, O/groups, taps…]` as `[O, C/groups, taps…]`, read backwards.
fn turned_kernel(context: &mut Context<'_, '_>, kernel: NodeId, groups: usize) -> Result<NodeId, Stop> {
    let sizes = context.dims(kernel)?;
    let rank = sizes.len();
    if !sizes[0].is_multiple_of(groups) {
        return Err(context.invalid(format!("{} channels do not divide into {groups} groups", sizes[0])));
    }
    let parted = [&[groups, sizes[0] / groups, sizes[1]], &sizes[2..]].concat();
    let joined = [&[groups.saturating_mul(sizes[1]), sizes[0] / groups], &sizes[2..]].concat();
    let permutation: Vec<usize> = [0, 2, 1].into_iter().chain(3..rank + 1).collect();
    let builder = context.builder();
    let kernel = builder.reshape(kernel, Shape::fixed(&parted))?;
    let kernel = builder.transpose(kernel, &permutation)?;
    let kernel = builder.reshape(kernel, Shape::fixed(&joined))?;
    Ok(builder.add_node(Op::Reverse { axes: (2..rank).collect() }, &[kernel])?)
}

fn conv_transpose(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, kernel) = (context.input(0)?, context.input(1)?);
    let (inputs, taps) = (spatial(context, x)?, spatial(context, kernel)?);
    check_kernel(context, &taps)?;
    let axes = inputs.len();
    if taps.len() != axes || context.shape(kernel)[0] != context.shape(x)[1] {
        let (x, kernel) = (context.ty(x), context.ty(kernel));
        return Err(context.invalid(format!("the kernel {kernel} does not fit the input {x}")));
    }
    let groups = groups(context)?;
    let (strides, dilations) = (steps(context, "strides", axes)?, steps(context, "dilations", axes)?);
    let spans = (0..axes)
        .map(|axis| signed(context, span(context, taps[axis], dilations[axis])?))
        .collect::<Result<Vec<i64>, Stop>>()?;
    let forward = transposed_padding(context, &inputs, &spans, &strides)?;
    let mut padding = Vec::with_capacity(axes);
    for (span, (low, high)) in spans.iter().zip(forward) {
        padding.push((span - 1 - low, span - 1 - high));
    }
    let kernel = turned_kernel(context, kernel, groups)?;
    let convolution = Convolution {
        strides: vec![1; axes],
        padding,
        input_dilation: strides,
        kernel_dilation: dilations,
        groups,
    };
    let result = context.builder().convolve(x, kernel, convolution)?;
    let result = biased(context, result, 2)?;
    context.set_output(0, result)
}
