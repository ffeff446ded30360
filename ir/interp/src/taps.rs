//! Which element each output position reads through each tap of a sliding kernel or window.
//!
//! Along one axis, output position `p` reads through tap `t` the element `q` with
//! `q * input_dilation = p * stride + t * dilation - low`, if there is one; otherwise it reads an
//! inserted zero or padding.

use crate::offsets::row_major;

/// Geometry along one axis.
pub(crate) struct Axis {
    /// Elements of the operand.
    pub(crate) size: usize,
    /// Distance of neighbouring elements in the dilated operand.
    pub(crate) input_dilation: usize,
    /// Padding in front; negative cuts off.
    pub(crate) low: i64,
    /// Step of the output.
    pub(crate) stride: usize,
    /// Distance of neighbouring taps.
    pub(crate) dilation: usize,
    /// Number of taps.
    pub(crate) taps: usize,
    /// Number of output positions.
    pub(crate) outputs: usize,
}

impl Axis {
    /// Output positions and the elements that they read through the tap.
    fn pairs(&self, tap: usize) -> Vec<(usize, usize)> {
        (0..self.outputs)
            .filter_map(|position| {
                let place = position as i128 * self.stride as i128 + tap as i128 * self.dilation as i128
                    - i128::from(self.low);
                let dilation = self.input_dilation as i128;
                let element = usize::try_from(place / dilation).ok()?;
                (place >= 0 && place % dilation == 0 && element < self.size).then_some((position, element))
            })
            .collect()
    }
}

/// Number of taps over all axes.
pub(crate) fn count(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.taps).product()
}

/// Offsets of output positions and of the elements that they read through tap number `tap` (row-major
/// among the taps), where outputs and elements are row-major over the axes.
pub(crate) fn pairs(axes: &[Axis], tap: usize) -> Vec<(usize, usize)> {
    let output_strides = row_major(&axes.iter().map(|axis| axis.outputs).collect::<Vec<_>>());
    let element_strides = row_major(&axes.iter().map(|axis| axis.size).collect::<Vec<_>>());
    let mut rest = tap;
    let mut along: Vec<Vec<(usize, usize)>> = Vec::with_capacity(axes.len());
    for axis in axes.iter().rev() {
        along.push(axis.pairs(rest % axis.taps));
        rest /= axis.taps;
    }
    along.reverse();
    let mut result = vec![(0, 0)];
    for (axis, list) in along.iter().enumerate() {
        let (by_output, by_element) = (output_strides[axis] as usize, element_strides[axis] as usize);
        result = result
            .iter()
            .flat_map(|&(output, element)| {
                list.iter().map(move |&(p, q)| (output + p * by_output, element + q * by_element))
            })
            .collect();
    }
    result
}
