//! Convolutions with 3x3 taps by Winograd's minimal filtering: fewer multiplications, in other places.
//!
//! Tiles of 4x4 results are products at 36 points instead of sums over 9 taps, which is a quarter of the
//! multiplications (tiles of 2x2 at 16 points: 1 / 2.25). A convolution becomes, in launches of ordinary kernels:
//!
//! 1. the kernel at the points (once per step; it depends on parameters alone),
//! 2. the input's tiles at the points,
//! 3. one matrix product for every point, over channels,
//! 4. back to results, with all that is fused to the convolution.
//!
//! The gradient of a kernel is the same with the roles exchanged ([`kernel_gradient`]); that of an input is a
//! convolution and takes this path as it is. What lies at the points is read and written once more than in a
//! direct convolution, which only pays where channels are many: see [`estimate`].
//!
//! Taps that lie apart are neighbours in the image of every `d`-th row and column: each such phase has tiles of its
//! own, in the same launches.
//!
//! A last tile may reach beyond the results; it reads zeros there, since [`super::orders`] asks for a border
//! as wide as the tiles ([`Plan::reach`]), and stores only what exists. Tiles at the ends of small images, and of
//! phases where taps lie apart, are known to be partly padding, which is not read. Points lie some cache lines further apart
//! than they need, so that the streams of all points do not compete for one set of a cache.

mod estimate;
mod forward;
mod kernel_gradient;
mod parts;
mod points;
pub(crate) mod transform;

use super::LowerOptions;
use super::prepare::Prepared;
use dlc_ir::{Function, NodeId, Op};
use dlc_types::{DType, Dim};
use std::ops::Range;
use transform::{Size, TAPS};

pub(crate) use forward::lower_forward;
pub(crate) use kernel_gradient::lower_kernel_gradient;

/// Whether convolutions may be computed by Winograd's minimal filtering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Winograd {
    /// Never.
    Off,
    /// With tiles of 2x2, whose rounding errors are below those of a direct sum.
    F2,
    /// With tiles of 4x4, whose rounding errors are about twice those of a direct sum.
    #[default]
    F4,
}

/// What a convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Results from an input and a kernel; gradients of inputs have this form too.
    Forward,
    /// The gradient of a kernel.
    KernelGradient,
}

/// How a convolution is divided into tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) pass: Pass,
    pub(crate) size: Size,
    /// Distance of taps along both axes. Where it is not 1, results at equal distances are an image of their own,
    /// so that there are as many of them as the product says.
    pub(crate) dilation: [usize; 2],
    /// Results along both axes of such an image: of the convolution, or of the one whose kernel's gradient this
    /// is.
    pub(crate) outputs: [usize; 2],
    /// Tiles along both axes.
    pub(crate) tiles: [usize; 2],
    /// Zeros in front of the input along both axes.
    pub(crate) padding: [i64; 2],
    /// Elements of the input along both axes.
    pub(crate) inputs: [usize; 2],
    /// Images.
    pub(crate) images: Dim,
    /// Channels of the input and of the results.
    pub(crate) channels: [usize; 2],
}

impl Plan {
    /// How far tiles read beyond the input, before and behind.
    pub(crate) fn reach(&self, axis: usize) -> (usize, usize) {
        let beyond = |count: i64| usize::try_from(count).unwrap_or(0);
        let mut reach = (0, 0);
        for tiles in self.ranges(axis) {
            for number in (0..self.size.points()).filter(|&number| !self.is_padding(axis, &tiles, number)) {
                let (first, last) = self.places(axis, &tiles, number);
                reach.0 = reach.0.max(beyond(-first));
                reach.1 = reach.1.max(beyond(last + 1 - self.inputs[axis] as i64));
            }
        }
        reach
    }

    /// The tiles along an axis in ranges that read padding with the same of their elements: those at either end
    /// apart where many elements would be padding.
    fn ranges(&self, axis: usize) -> Vec<Range<usize>> {
        let tiles = self.tiles[axis];
        let apart = tiles == 2 || self.dilation[axis] > 1 && tiles > 2;
        let first = if apart { 1 } else { 0 };
        let ranges = [0..first, first..tiles - first, tiles - first..tiles];
        ranges.into_iter().filter(|tiles| !tiles.is_empty()).collect()
    }

    /// Whether the elements with this number along an axis lie outside the input in all these tiles.
    fn is_padding(&self, axis: usize, tiles: &Range<usize>, number: usize) -> bool {
        let (first, last) = self.places(axis, tiles, number);
        last < 0 || first >= self.inputs[axis] as i64
    }

    /// The first and the last place in the input of the elements with this number in these tiles.
    fn places(&self, axis: usize, tiles: &Range<usize>, number: usize) -> (i64, i64) {
        let step = self.dilation[axis];
        let place = |tile: usize| ((tile * self.size.outputs() + number) * step) as i64 - self.padding[axis];
        (place(tiles.start), place(tiles.end.saturating_sub(1)) + step as i64 - 1)
    }

    /// Tiles of an image, in all of its phases.
    pub(crate) fn tiles_per_image(&self) -> usize {
        self.dilation[0] * self.dilation[1] * self.tiles[0] * self.tiles[1]
    }

    /// Points of a tile.
    pub(crate) fn points(&self) -> usize {
        self.size.points() * self.size.points()
    }
}

/// How a convolution of a function is computed by tiles; `None` where it is not.
pub(crate) fn plan(function: &Function, id: NodeId, options: &LowerOptions) -> Option<Plan> {
    let Op::Convolve(convolution) = &function.nodes[id].op else { return None };
    let size = match options.winograd {
        Winograd::Off => return None,
        Winograd::F2 => Size::Two,
        Winograd::F4 => Size::Four,
    };
    if convolution.groups != 1
        || convolution.input_dilation != [1, 1]
        || function.tensor_type(id).dtype != DType::F32
    {
        return None;
    }
    let [input, kernel] = function.nodes[id].operands[..] else { return None };
    let (input, kernel) = (&function.tensor_type(input).shape, &function.tensor_type(kernel).shape);
    let result = &function.tensor_type(id).shape;
    let square = |shape: &dlc_types::Shape| Some([shape[2].fixed()?, shape[3].fixed()?]);
    let padding = [convolution.padding[0].0, convolution.padding[1].0];
    let inputs = square(input)?;
    let pair = |factors: &[usize]| <[usize; 2]>::try_from(factors).ok();
    let (strides, dilation) = (pair(&convolution.strides)?, pair(&convolution.kernel_dilation)?);
    let plan = if square(kernel)? == [TAPS, TAPS] && kernel[1].fixed().is_some() && strides == [1, 1] {
        let channels = [kernel[1].fixed()?, result[1].fixed()?];
        Plan::new((Pass::Forward, size), (square(result)?, inputs), dilation, padding, input[0], channels)?
    } else if square(result)? == [TAPS, TAPS] && dilation == [1, 1] {
        let channels = [input[0].fixed()?, result[1].fixed()?];
        Plan::new(
            (Pass::KernelGradient, size),
            (square(kernel)?, inputs),
            strides,
            padding,
            kernel[1],
            channels,
        )?
    } else {
        return None;
    };
    let chosen = options.winograd_always || estimate::pays(&plan, options.batch_max);
    (chosen && estimate::is_possible(&plan, options.batch_max)).then_some(plan)
}

impl Plan {
    /// The plan for results of a length along each axis; nothing where phases differ in length.
    fn new(
        (pass, size): (Pass, Size),
        (results, inputs): ([usize; 2], [usize; 2]),
        dilation: [usize; 2],
        padding: [i64; 2],
        images: Dim,
        channels: [usize; 2],
    ) -> Option<Plan> {
        let even = (0..2).all(|axis| dilation[axis] > 0 && results[axis].is_multiple_of(dilation[axis]));
        even.then(|| {
            let outputs = [results[0] / dilation[0], results[1] / dilation[1]];
            let tiles = outputs.map(|length| length.div_ceil(size.outputs()));
            Plan { pass, size, dilation, outputs, tiles, padding, inputs, images, channels }
        })
    }
}

/// How a convolution of a prepared function is computed by tiles, if it is.
pub(crate) fn plan_of(prepared: &Prepared, id: NodeId) -> Option<&Plan> {
    prepared.tiled.get(&id)
}
