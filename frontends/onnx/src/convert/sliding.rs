//! What convolutions and pools share: the attributes that tell how a window slides over the spatial axes.
//!
//! `auto_pad` is resolved here: `SAME_UPPER` and `SAME_LOWER` give `ceil(size / stride)` windows, with the odd
//! element of padding behind or in front.

use super::{Context, Stop};
use dlc_ir::{NodeId, Window};

/// A window over the spatial axes, one entry per axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sliding {
    pub sizes: Vec<usize>,
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    pub padding: Vec<(usize, usize)>,
}

/// The spatial extents of `[N, C, spatial…]`.
pub(super) fn spatial(context: &Context<'_, '_>, x: NodeId) -> Result<Vec<usize>, Stop> {
    context.need_rank(x, 3)?;
    context.sizes_from(x, 2)
}

/// An attribute with one number per spatial axis, at least 1.
pub(super) fn steps(context: &Context<'_, '_>, name: &str, axes: usize) -> Result<Vec<usize>, Stop> {
    let values = context.sizes(name)?.unwrap_or_else(|| vec![1; axes]);
    if values.len() != axes || values.contains(&0) {
        return Err(
            context.invalid(format!("its {name} must be {axes} numbers of at least 1, not {values:?}"))
        );
    }
    Ok(values)
}

/// `pads`: all in front, then all behind.
pub(super) fn pads(context: &Context<'_, '_>, axes: usize) -> Result<Vec<(usize, usize)>, Stop> {
    let values = context.sizes("pads")?.unwrap_or_else(|| vec![0; 2 * axes]);
    if values.len() != 2 * axes {
        return Err(context.invalid(format!("its pads must be {} numbers, not {values:?}", 2 * axes)));
    }
    Ok((0..axes).map(|axis| (values[axis], values[axes + axis])).collect())
}

/// Elements from the first to the last under a window.
pub(super) fn span(context: &Context<'_, '_>, size: usize, dilation: usize) -> Result<usize, Stop> {
    let span =
        size.checked_sub(1).and_then(|gaps| gaps.checked_mul(dilation)).and_then(|gap| gap.checked_add(1));
    span.ok_or_else(|| context.invalid(format!("a window of {size} at dilation {dilation} is none")))
}

impl Sliding {
    /// Reads the attributes. `inputs` are the spatial extents.
    pub(super) fn read(
        context: &Context<'_, '_>,
        inputs: &[usize],
        sizes: Vec<usize>,
    ) -> Result<Sliding, Stop> {
        let axes = inputs.len();
        if sizes.len() != axes {
            return Err(context.invalid(format!("its window {sizes:?} must have {axes} axes")));
        }
        let (strides, dilations) = (steps(context, "strides", axes)?, steps(context, "dilations", axes)?);
        let auto_pad = context.text_or("auto_pad", "NOTSET")?;
        let padding = match auto_pad {
            "NOTSET" | "" => pads(context, axes)?,
            "VALID" => vec![(0, 0); axes],
            "SAME_UPPER" | "SAME_LOWER" => {
                let mut padding = Vec::with_capacity(axes);
                for axis in 0..axes {
                    let span = span(context, sizes[axis], dilations[axis])?;
                    let last =
                        (inputs[axis].div_ceil(strides[axis]).max(1) - 1).saturating_mul(strides[axis]);
                    let total = last.saturating_add(span).saturating_sub(inputs[axis]);
                    let (half, rest) = (total / 2, total - total / 2);
                    padding.push(if auto_pad == "SAME_UPPER" { (half, rest) } else { (rest, half) });
                }
                padding
            }
            other => return Err(context.invalid(format!("`{other}` is no auto_pad"))),
        };
        Ok(Sliding { sizes, strides, dilations, padding })
    }

    /// With padding behind such that the last window is the last that begins inside of the padded input
    /// (`ceil_mode`). A window that begins behind the input and its padding in front is left out.
    pub(super) fn ceiled(mut self, context: &Context<'_, '_>, inputs: &[usize]) -> Result<Sliding, Stop> {
        for (axis, &input) in inputs.iter().enumerate() {
            let span = span(context, self.sizes[axis], self.dilations[axis])?;
            let (low, high) = self.padding[axis];
            let too_large = || context.invalid("its padding is too large");
            let begin = input.checked_add(low).ok_or_else(too_large)?;
            let padded = begin.checked_add(high).ok_or_else(too_large)?;
            let room = padded.checked_sub(span).ok_or_else(|| {
                context.invalid(format!("a window that spans {span} does not fit an axis of {padded}"))
            })?;
            let stride = self.strides[axis];
            let mut last = room.div_ceil(stride).checked_mul(stride).ok_or_else(too_large)?;
            if last >= begin {
                last = last.saturating_sub(stride);
            }
            let end = last.checked_add(span).ok_or_else(too_large)?;
            self.padding[axis].1 = end.saturating_sub(begin);
        }
        Ok(self)
    }

    /// The number of windows per axis.
    pub(super) fn counts(&self, context: &Context<'_, '_>, inputs: &[usize]) -> Result<Vec<usize>, Stop> {
        let count = |(axis, &input): (usize, &usize)| {
            let span = span(context, self.sizes[axis], self.dilations[axis])?;
            let (low, high) = self.padding[axis];
            let padded = input.checked_add(low).and_then(|sum| sum.checked_add(high));
            let room = padded.and_then(|padded| padded.checked_sub(span));
            room.map(|room| room / self.strides[axis] + 1).ok_or_else(|| {
                context.invalid(format!(
                    "a window that spans {span} does not fit spatial axis {axis} of {input}"
                ))
            })
        };
        inputs.iter().enumerate().map(count).collect()
    }

    /// As a window over `[N, C, spatial…]`.
    pub(super) fn window(&self) -> Window {
        let behind = |first: usize, rest: &[usize]| [&[first, first], rest].concat();
        let mut padding = vec![(0, 0); 2];
        padding.extend(&self.padding);
        Window {
            sizes: behind(1, &self.sizes),
            strides: behind(1, &self.strides),
            dilations: behind(1, &self.dilations),
            padding,
        }
    }
}
