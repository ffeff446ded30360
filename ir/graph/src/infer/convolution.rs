//! The rule of the general convolution: ranks, channels and groups agree, and the kernel's span fits
//! the padded input along every spatial axis.
//!
//! The channel axis may have batch size (a weight gradient sums over the batch); the kernel's channel
//! axis is then a multiple of the batch as well.

use super::operands::{numeric, same_dtype};
use super::{Result, refuse};
use crate::Convolution;
use dlc_types::{Dim, Shape, TensorType};

pub(super) fn convolve([x, kernel]: [&TensorType; 2], convolution: &Convolution) -> Result<TensorType> {
    same_dtype("convolve", x, kernel)?;
    numeric("convolve", x)?;
    check_ranks(x, kernel, convolution)?;
    check_channels(x, kernel, convolution.groups)?;
    let mut dims = vec![x.shape[0], kernel.shape[0]];
    for axis in 0..convolution.strides.len() {
        dims.push(spatial_extent(x, kernel, convolution, axis)?);
    }
    Ok(TensorType::new(x.dtype, Shape(dims)))
}

fn check_ranks(x: &TensorType, kernel: &TensorType, convolution: &Convolution) -> Result<()> {
    if x.shape.rank() < 2 || x.shape.rank() != kernel.shape.rank() {
        refuse!(
            "convolve needs an input [N, C, spatial…] and a kernel [O, C/groups, spatial…] of one rank, not \
             {x} and {kernel}"
        );
    }
    let Convolution { strides, padding, input_dilation, kernel_dilation, groups: _ } = convolution;
    let spatial = x.shape.rank() - 2;
    let lengths = [strides.len(), padding.len(), input_dilation.len(), kernel_dilation.len()];
    if lengths.iter().any(|&length| length != spatial) {
        refuse!(
            "convolve over {x} has {spatial} spatial axes, but {} strides, {} paddings, {} input dilations \
             and {} kernel dilations",
            lengths[0],
            lengths[1],
            lengths[2],
            lengths[3]
        );
    }
    Ok(())
}

fn check_channels(x: &TensorType, kernel: &TensorType, groups: usize) -> Result<()> {
    if groups == 0 {
        refuse!("convolve needs 1 group or more, not 0");
    }
    if kernel.shape[1].times(Dim::Fixed(groups)) != Some(x.shape[1]) {
        refuse!(
            "convolve with groups={groups} needs {} input channels, but the input {x} has {} (kernel {kernel})",
            kernel.shape[1].times(Dim::Fixed(groups)).map_or("too many".to_owned(), |dim| dim.to_string()),
            x.shape[1]
        );
    }
    let (Dim::Fixed(outputs) | Dim::Batch(outputs)) = kernel.shape[0];
    if outputs % groups != 0 {
        refuse!(
            "convolve with groups={groups} needs a number of output channels that the groups divide, but the \
             kernel {kernel} has {}",
            kernel.shape[0]
        );
    }
    Ok(())
}

/// Extent of the result along one spatial axis.
fn spatial_extent(x: &TensorType, kernel: &TensorType, conv: &Convolution, axis: usize) -> Result<Dim> {
    let (stride, (low, high)) = (conv.strides[axis], conv.padding[axis]);
    let (input_dilation, kernel_dilation) = (conv.input_dilation[axis], conv.kernel_dilation[axis]);
    if stride == 0 || input_dilation == 0 || kernel_dilation == 0 {
        refuse!("convolve needs strides and dilations of at least 1, but spatial axis {axis} has a 0");
    }
    let (size, taps) = match (x.shape[axis + 2], kernel.shape[axis + 2]) {
        (batch @ Dim::Batch(_), Dim::Fixed(1)) if (stride, low, high, input_dilation) == (1, 0, 0, 1) => {
            return Ok(batch);
        }
        (Dim::Fixed(size), Dim::Fixed(taps)) => (size, taps),
        _ => refuse!(
            "convolve cannot slide along the batch: spatial axis {axis} of input {x} and kernel {kernel}"
        ),
    };
    if taps == 0 {
        refuse!("convolve needs a kernel of at least 1 along spatial axis {axis}, not {kernel}");
    }
    let lengths = dilated(taps, kernel_dilation)
        .zip(dilated(size, input_dilation).and_then(|size| size.checked_add(low)?.checked_add(high)));
    let Some((span, length)) = lengths else {
        refuse!("convolve along spatial axis {axis} of {x} makes numbers larger than memory can hold");
    };
    if length < span {
        refuse!(
            "convolve needs a kernel that fits: along spatial axis {axis} the kernel of {taps} at dilation \
             {kernel_dilation} spans {span}, but the padded input has {length} (input {x}, kernel {kernel}, \
             padding ({low}, {high}))"
        );
    }
    match usize::try_from(length - span) {
        Ok(room) => Ok(Dim::Fixed(room / stride + 1)),
        Err(_) => refuse!("convolve along spatial axis {axis} of {x} gives more than memory can hold"),
    }
}

/// Length of `size` elements with `factor - 1` others between neighbours.
fn dilated(size: usize, factor: usize) -> Option<i64> {
    match size.checked_sub(1) {
        None => Some(0),
        Some(gaps) => i64::try_from(gaps.checked_mul(factor)?.checked_add(1)?).ok(),
    }
}
