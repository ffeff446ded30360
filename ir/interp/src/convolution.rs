//! The general convolution, tap by tap: each tap adds its weight times the elements that it reads.
//! Inserted zeros and padding are never multiplied.

use crate::taps::{self, Axis};
use crate::{Data, InterpError, Result, Tensor};
use dlc_ir::Convolution;

/// Extents of a convolution with the spatial axes taken together.
struct Extents {
    batch: usize,
    /// Input channels per group.
    channels: usize,
    /// Output channels per group.
    outputs: usize,
    groups: usize,
    /// Spatial elements of the input and of the result.
    input_area: usize,
    output_area: usize,
    taps: usize,
}

pub(crate) fn convolve(
    convolution: &Convolution,
    x: &Tensor,
    kernel: &Tensor,
    dims: &[usize],
) -> Result<Data> {
    let axes: Vec<Axis> = (0..convolution.strides.len())
        .map(|axis| Axis {
            size: x.dims[axis + 2],
            input_dilation: convolution.input_dilation[axis],
            low: convolution.padding[axis].0,
            stride: convolution.strides[axis],
            dilation: convolution.kernel_dilation[axis],
            taps: kernel.dims[axis + 2],
            outputs: dims[axis + 2],
        })
        .collect();
    let extents = Extents {
        batch: x.dims[0],
        channels: kernel.dims[1],
        outputs: kernel.dims[0] / convolution.groups,
        groups: convolution.groups,
        input_area: x.dims[2..].iter().product(),
        output_area: dims[2..].iter().product(),
        taps: taps::count(&axes),
    };
    match (&x.data, &kernel.data) {
        (Data::Float(x), Data::Float(kernel)) => {
            Ok(Data::Float(accumulate(&extents, &axes, x, kernel, 0.0, |sum, x, weight| sum + x * weight)))
        }
        (Data::Int(x), Data::Int(kernel)) => {
            let multiply_add = |sum: i64, x: i64, weight: i64| sum.wrapping_add(x.wrapping_mul(weight));
            Ok(Data::Int(accumulate(&extents, &axes, x, kernel, 0, multiply_add)))
        }
        _ => Err(InterpError::Unverified {
            op: "convolve".to_owned(),
            rule: "has operands of one class of numbers",
        }),
    }
}

fn accumulate<T: Copy>(
    extents: &Extents,
    axes: &[Axis],
    x: &[T],
    kernel: &[T],
    zero: T,
    multiply_add: impl Fn(T, T, T) -> T,
) -> Vec<T> {
    let Extents { batch, channels, outputs, groups, input_area, output_area, taps } = *extents;
    let mut result = vec![zero; batch * groups * outputs * output_area];
    for tap in 0..taps {
        let pairs = taps::pairs(axes, tap);
        for n in 0..batch {
            for o in 0..groups * outputs {
                let plane = &mut result[(n * groups * outputs + o) * output_area..][..output_area];
                for c in 0..channels {
                    let channel = o / outputs * channels + c;
                    let image = &x[(n * groups * channels + channel) * input_area..][..input_area];
                    let weight = kernel[(o * channels + c) * taps + tap];
                    for &(position, element) in &pairs {
                        plane[position] = multiply_add(plane[position], image[element], weight);
                    }
                }
            }
        }
    }
    result
}
