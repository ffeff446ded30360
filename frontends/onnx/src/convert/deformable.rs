//! DeformConv: a convolution whose taps are moved by offsets that are computed.
//!
//! History: opset 19, unchanged since but for bfloat16.

use super::convolution::biased;
use super::sampling::{Image, Interpolation, Outside, total};
use super::sliding::{Sliding, spatial};
use super::{Context, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("DeformConv", 19, deform_conv)];

fn count(context: &Context<'_, '_>, name: &str, channels: usize) -> Result<usize, Stop> {
    let groups = usize::try_from(context.int_or(name, 1)?).unwrap_or(0);
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(context.invalid(format!("{channels} channels do not divide into its {name} of {groups}")));
    }
    Ok(groups)
}

fn deform_conv(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, kernel, offset) = (context.input(0)?, context.input(1)?, context.input(2)?);
    let (inputs, taps, outputs) =
        (spatial(context, x)?, spatial(context, kernel)?, spatial(context, offset)?);
    let sliding = Sliding::read(context, &inputs, taps.clone())?;
    if sliding.counts(context, &inputs)? != outputs {
        let offset = context.ty(offset);
        return Err(context.invalid(format!("the offsets {offset} are not those of its windows")));
    }
    let (batch, channels) = (context.size(context.shape(x)[0])?, context.size(context.shape(x)[1])?);
    let (groups, moved) = (count(context, "group", channels)?, count(context, "offset_group", channels)?);
    let (volume, axes): (usize, usize) = (taps.iter().product(), inputs.len());
    let parted = [&[batch * moved, channels / moved], inputs.as_slice()].concat();
    let parted = context.builder().reshape(x, Shape::fixed(&parted))?;
    let image = Image::new(context, parted)?;
    // Places: one per image, group of offsets, tap and window.
    let places = Shape::fixed(&[&[batch, moved, volume], outputs.as_slice()].concat());
    let apart = [&[batch, moved, volume, axes], outputs.as_slice()].concat();
    let offset = context.builder().reshape(offset, Shape::fixed(&apart))?;
    let mut coordinates = Vec::with_capacity(axes);
    for axis in 0..axes {
        coordinates.push(tap_places(context, offset, &places, &sliding, axis)?);
    }
    let (outer, inner) = (context.iota(DType::I32, &places, 0)?, context.iota(DType::I32, &places, 1)?);
    let builder = context.builder();
    let first = builder.scale(outer, moved as f64)?;
    let first = builder.add(first, inner)?;
    let first = builder.scale(first, image.volume as f64)?;
    let terms = image.terms(context, first, &coordinates, Interpolation::Linear, Outside::Zero)?;
    let mut value = total(context, &terms)?;
    if let Some(mask) = context.optional(4)? {
        let shape = context.shape(value);
        let mask = context.builder().reshape(mask, places.clone())?;
        let all: Vec<usize> = (0..places.rank()).collect();
        let mask = context.builder().broadcast(mask, shape, &all)?;
        value = context.builder().mul(value, mask)?;
    }
    let columns = Columns { batch, channels, groups, volume, outputs };
    let result = columns.times(context, value, kernel)?;
    let result = biased(context, result, 3)?;
    context.set_output(0, result)
}

/// Where the taps of all windows lie along an axis: where the window puts them, plus the offset.
fn tap_places(
    context: &mut Context<'_, '_>,
    offset: NodeId,
    places: &Shape,
    sliding: &Sliding,
    axis: usize,
) -> Result<NodeId, Stop> {
    let dtype = context.dtype(offset);
    let rank = context.rank(offset);
    let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
    (starts[3], limits[3]) = (axis, axis + 1);
    let op = Op::Slice { starts, limits, strides: vec![1; rank] };
    let own = context.builder().add_node(op, &[offset])?;
    let own = context.builder().reshape(own, places.clone())?;
    let inner: usize = sliding.sizes[axis + 1..].iter().product();
    let volume: usize = sliding.sizes.iter().product();
    let tap = |tap: usize| {
        let along = tap / inner % sliding.sizes[axis];
        (along * sliding.dilations[axis]) as f64 - sliding.padding[axis].0 as f64
    };
    let taps: Vec<f64> = (0..volume).map(tap).collect();
    let taps = context.float_tensor(dtype, &[volume], &taps)?;
    let window = context.iota(dtype, places, 3 + axis)?;
    let builder = context.builder();
    let taps = builder.broadcast_along(taps, places.clone(), 2)?;
    let window = builder.scale(window, sliding.strides[axis] as f64)?;
    let place = builder.add(taps, window)?;
    Ok(builder.add(place, own)?)
}

/// Samples `[N, offset groups, taps, windows…, channels]` and what they are multiplied with.
struct Columns {
    batch: usize,
    channels: usize,
    groups: usize,
    volume: usize,
    outputs: Vec<usize>,
}

impl Columns {
    fn times(&self, context: &mut Context<'_, '_>, value: NodeId, kernel: NodeId) -> Result<NodeId, Stop> {
        let Columns { batch, channels, groups, volume, ref outputs } = *self;
        let kernels = context.size(context.shape(kernel)[0])?;
        let each = channels / groups;
        if context.shape(kernel)[1] != Dim::Fixed(each) || !kernels.is_multiple_of(groups) {
            let kernel = context.ty(kernel);
            return Err(context.invalid(format!("the kernel {kernel} does not fit {channels} channels")));
        }
        let windows: usize = outputs.iter().product();
        let last = outputs.len() + 3;
        let permutation: Vec<usize> = [0, 1, last, 2].into_iter().chain(3..last).collect();
        let builder = context.builder();
        let columns = builder.transpose(value, &permutation)?;
        let columns = builder.reshape(columns, Shape::fixed(&[batch, groups, each, volume, windows]))?;
        let kernel = builder.reshape(kernel, Shape::fixed(&[groups, kernels / groups, each, volume]))?;
        let product = builder.contract(columns, kernel, &[(1, 0)], &[(2, 2), (3, 3)])?;
        // [groups, N, windows, kernels]
        let result = builder.transpose(product, &[1, 0, 3, 2])?;
        let dims = [&[batch, kernels], outputs.as_slice()].concat();
        Ok(builder.reshape(result, Shape::fixed(&dims))?)
    }
}
