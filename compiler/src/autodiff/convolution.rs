//! Derivatives of the general convolution: two more of them.
//!
//! Per spatial axis let `n`, `k`, `m` be the sizes of input, kernel and result, `s` the stride, `a` the
//! input dilation, `b` the kernel dilation and `(l, h)` the padding, so that
//! `y[p] = sum over t of X[p s + t b - l] w[t]` with `X[j a] = x[j]`.
//!
//! - *Input*: `dx[j] = sum over t of Y[j a + l - t b] w[t]` with `Y[p s] = dy[p]`: a convolution of `dy`,
//!   dilated by `s`, with the reversed kernel, dilated by `b`, at stride `a`, with `(k - 1) b - l` zeros in
//!   front.
//! - *Kernel*: `dw[t] = sum over p of X[t b + p s - l] dy[p]`: a convolution of `x`, dilated by `a`, with
//!   `dy` as a kernel dilated by `s`, at stride `b`, with `l` zeros in front; batch and channels change
//!   roles.
//!
//! The padding behind is whatever gives the result its size; it is negative where the forward convolution
//! leaves elements over.

use super::tape::{Fault, Rule, Tape};
use dlc_ir::{Convolution, InferError, NodeId, Op};
use dlc_types::{Dim, Shape};

/// Axes of input and kernel before the spatial ones.
const LEADING: usize = 2;

/// `y = convolve(x, kernel)`
pub(super) fn convolve(tape: &mut Tape, forward: &Convolution, operands: &[NodeId], g: NodeId) -> Rule {
    let (x, kernel) = (operands[0], operands[1]);
    if tape.needs(x) {
        let gradient = input_gradient(tape, forward, x, kernel, g)?;
        tape.contribute(x, gradient)?;
    }
    if tape.needs(kernel) {
        let gradient = kernel_gradient(tape, forward, x, kernel, g)?;
        tape.contribute(kernel, gradient)?;
    }
    Ok(())
}

fn input_gradient(
    tape: &mut Tape,
    forward: &Convolution,
    x: NodeId,
    kernel: NodeId,
    g: NodeId,
) -> Rule<NodeId> {
    let sizes = spatial_sizes(tape, x)?;
    let taps = spatial_sizes(tape, kernel)?;
    let results = spatial_sizes(tape, g)?;
    let padding = (0..sizes.len()).map(|axis| {
        let reach = (taps[axis] - 1) * forward.kernel_dilation[axis] as i64;
        let low = reach - forward.padding[axis].0;
        let whole = reach + 1 + (sizes[axis] - 1) * forward.input_dilation[axis] as i64;
        let data = (results[axis] - 1) * forward.strides[axis] as i64 + 1;
        (low, whole - data - low)
    });
    let backward = Convolution {
        strides: forward.input_dilation.clone(),
        padding: padding.collect(),
        input_dilation: forward.strides.clone(),
        kernel_dilation: forward.kernel_dilation.clone(),
        groups: forward.groups,
    };
    let kernel = transposed_kernel(tape, kernel, forward.groups)?;
    Ok(tape.build.convolve(g, kernel, backward)?)
}

/// `[O, C/groups, taps]` as `[C, O/groups, taps]`, each tap at the other end.
fn transposed_kernel(tape: &mut Tape, kernel: NodeId, groups: usize) -> Rule<NodeId> {
    let dims = tape.build.shape(kernel).dims().to_vec();
    let taps = &dims[LEADING..];
    let mut value = kernel;
    if groups > 1 {
        let (outputs, inputs) = (divided(dims[0], groups), dims[1]);
        let split = with_leading(&[groups.into(), outputs, inputs], taps);
        value = tape.build.reshape(value, split)?;
        value = tape.build.transpose(value, &swapped(1, 2, taps.len() + 3))?;
        let merged = with_leading(&[times(inputs, groups)?, outputs], taps);
        value = tape.build.reshape(value, merged)?;
    } else {
        value = tape.build.transpose(value, &swapped(0, 1, dims.len()))?;
    }
    // Reversal of a single tap is the identity.
    let axes: Vec<usize> = (LEADING..dims.len()).filter(|&axis| dims[axis] != Dim::Fixed(1)).collect();
    if axes.is_empty() {
        return Ok(value);
    }
    Ok(tape.build.add_node(Op::Reverse { axes }, &[value])?)
}

fn kernel_gradient(
    tape: &mut Tape,
    forward: &Convolution,
    x: NodeId,
    kernel: NodeId,
    g: NodeId,
) -> Rule<NodeId> {
    let sizes = spatial_sizes(tape, x)?;
    let taps = spatial_sizes(tape, kernel)?;
    let results = spatial_sizes(tape, g)?;
    let padding = (0..sizes.len()).map(|axis| {
        let reach = (results[axis] - 1) * forward.strides[axis] as i64;
        let whole = reach + 1 + (taps[axis] - 1) * forward.kernel_dilation[axis] as i64;
        let data = (sizes[axis] - 1) * forward.input_dilation[axis] as i64 + 1;
        let low = forward.padding[axis].0;
        (low, whole - data - low)
    });
    let backward = Convolution {
        strides: forward.kernel_dilation.clone(),
        padding: padding.collect(),
        input_dilation: forward.input_dilation.clone(),
        kernel_dilation: forward.strides.clone(),
        groups: forward.groups,
    };
    let input = channels_as_batch(tape, x, forward.groups)?;
    let rank = tape.build.shape(g).rank();
    let taps_of_gradient = tape.build.transpose(g, &swapped(0, 1, rank))?;
    let result = tape.build.convolve(input, taps_of_gradient, backward)?;
    Ok(tape.build.transpose(result, &swapped(0, 1, rank))?)
}

/// `[N, C, spatial…]` as `[C/groups, groups * N, spatial…]`.
fn channels_as_batch(tape: &mut Tape, x: NodeId, groups: usize) -> Rule<NodeId> {
    let dims = tape.build.shape(x).dims().to_vec();
    if groups == 1 {
        return Ok(tape.build.transpose(x, &swapped(0, 1, dims.len()))?);
    }
    let (batch, channels, spatial) = (dims[0], divided(dims[1], groups), &dims[LEADING..]);
    let split = with_leading(&[batch, groups.into(), channels], spatial);
    let value = tape.build.reshape(x, split)?;
    let value = tape.build.transpose(value, &swapped(0, 2, spatial.len() + 3))?;
    let merged = with_leading(&[channels, times(batch, groups)?], spatial);
    Ok(tape.build.reshape(value, merged)?)
}

/// An extent that `groups` divides, as the op's shape rule demands.
fn divided(dim: Dim, groups: usize) -> Dim {
    match dim {
        Dim::Fixed(size) => Dim::Fixed(size / groups),
        Dim::Batch(scale) => Dim::Batch(scale / groups),
    }
}

fn times(dim: Dim, groups: usize) -> Rule<Dim> {
    dim.times(groups.into()).ok_or_else(|| InferError::new(format!("{dim} times {groups} overflows")).into())
}

fn with_leading(leading: &[Dim], spatial: &[Dim]) -> Shape {
    Shape(leading.iter().chain(spatial).copied().collect())
}

/// The permutation of `rank` axes that swaps two.
fn swapped(a: usize, b: usize, rank: usize) -> Vec<usize> {
    let mut permutation: Vec<usize> = (0..rank).collect();
    permutation.swap(a, b);
    permutation
}

fn spatial_sizes(tape: &Tape, value: NodeId) -> Rule<Vec<i64>> {
    let sizes = tape.build.shape(value).dims()[LEADING..].iter().map(|dim| match dim.fixed() {
        Some(size) => i64::try_from(size).map_err(|_| InferError::new(format!("{size} overflows")).into()),
        None => Err(Fault::Unsupported("the convolution slides over an axis of batch size")),
    });
    sizes.collect()
}
