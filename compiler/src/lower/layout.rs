//! How a tensor lies in memory: the order of its axes and the zeros around it.
//!
//! Every logical axis has one stride. A *halo* is a border of zeros along an axis that belongs to the
//! buffer: a convolution that reads past the edge of its input finds the padding there and needs no
//! special case. Strides are computed for the greatest batch, so they are numbers.

use dlc_kernel::{Border, BorderAxis};
use dlc_types::Shape;

/// The place of a tensor's elements within its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Logical axes from the outermost in memory to the innermost.
    pub order: Vec<usize>,
    /// Elements of border before and behind, per logical axis.
    pub halo: Vec<(usize, usize)>,
    /// Distance in elements between neighbours, per logical axis.
    pub strides: Vec<i64>,
    /// Element at coordinate zero.
    pub origin: i64,
    /// Elements of the whole buffer, borders included.
    pub elements: usize,
    /// The borders, if there are any.
    pub border: Option<Border>,
}

impl Layout {
    /// A layout from its parts, for a batch of at most `batch_max`; `None` when it has more elements
    /// than can be counted.
    pub fn new(
        shape: &Shape,
        order: Vec<usize>,
        halo: Vec<(usize, usize)>,
        batch_max: usize,
    ) -> Option<Layout> {
        let mut strides = vec![0; shape.rank()];
        let mut distance: i64 = 1;
        let mut origin: i64 = 0;
        let mut axes = Vec::with_capacity(order.len());
        for &axis in order.iter().rev() {
            strides[axis] = distance;
            origin = origin.checked_add(distance.checked_mul(i64::try_from(halo[axis].0).ok()?)?)?;
            let length = shape[axis].at(1).checked_mul(if shape[axis].is_batch() { batch_max } else { 1 })?;
            let padded = length.checked_add(halo[axis].0)?.checked_add(halo[axis].1)?;
            distance = distance.checked_mul(i64::try_from(padded).ok()?)?;
            axes.push(BorderAxis { low: halo[axis].0, length, high: halo[axis].1 });
        }
        axes.reverse();
        let elements = usize::try_from(distance).ok()?;
        let border = halo.iter().any(|&(low, high)| low + high > 0).then_some(Border { axes });
        Some(Layout { order, halo, strides, origin, elements, border })
    }

    /// The plain layout: row-major without a border.
    pub fn plain(shape: &Shape, batch_max: usize) -> Option<Layout> {
        Layout::new(shape, (0..shape.rank()).collect(), vec![(0, 0); shape.rank()], batch_max)
    }

    /// Whether axes stand in their plain order, but for axes of length one.
    pub fn is_plain(&self, shape: &Shape) -> bool {
        let long: Vec<usize> =
            self.order.iter().copied().filter(|&axis| shape[axis].fixed() != Some(1)).collect();
        self.border.is_none() && long.is_sorted()
    }
}

/// Batch outermost, then space, channels innermost: for `[N, C, spatial…]`.
pub(super) fn channels_last(rank: usize) -> Vec<usize> {
    std::iter::once(0).chain(2..rank).chain(std::iter::once(1)).collect()
}

/// Taps, then input channels, output channels innermost: for `[O, I, taps…]`.
pub(super) fn kernel_order(rank: usize) -> Vec<usize> {
    (2..rank).chain([1, 0]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use dlc_types::Dim;

    #[test]
    fn halo_shifts_the_origin_and_widens_the_strides() {
        let shape = Shape(vec![Dim::N, Dim::Fixed(16), Dim::Fixed(8), Dim::Fixed(8)]);
        let halo = vec![(0, 0), (0, 0), (1, 1), (1, 1)];
        let layout = Layout::new(&shape, channels_last(4), halo, 4).unwrap();
        assert_eq!(layout.strides, [10 * 10 * 16, 1, 10 * 16, 16]);
        assert_eq!(layout.origin, 10 * 16 + 16);
        assert_eq!(layout.elements, 4 * 10 * 10 * 16);
    }
}
