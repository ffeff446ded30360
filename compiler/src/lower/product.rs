//! Products: sums of products over strided operands, which dense layers, convolutions and their gradients arrive as,
//! and the choice of the two axes that a register tile spans.

use super::Place;
use dlc_kernel::{BufferId, Tap};
use dlc_types::Dim;

/// Batch that schedules are made for; they hold for every batch.
pub(crate) const TYPICAL_BATCH: usize = 128;
/// Elements in one vector that the tile counts in; rows shorter than one do not fill a tile.
const LANES: usize = 4;

/// One axis of a product.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: &'static str,
    pub(crate) extent: Dim,
    /// Strides in lanes operand, rows operand, result.
    pub(crate) strides: [i64; 3],
    pub(crate) reduced: bool,
    /// Axis of the result that it runs along, with the distance between its neighbours there.
    pub(crate) along: Option<(usize, i64)>,
}

impl Axis {
    /// An axis of the result, along one of its logical axes at a distance there.
    pub(crate) fn kept(name: &'static str, extent: Dim, strides: [i64; 3], along: (usize, i64)) -> Axis {
        Axis { name, extent, strides, reduced: false, along: Some(along) }
    }

    /// An axis that is summed over.
    pub(crate) fn summed(name: &'static str, extent: Dim, strides: [i64; 3]) -> Axis {
        Axis { name, extent, strides, reduced: true, along: None }
    }
}

/// A sum of products over strided operands.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) axes: Vec<Axis>,
    pub(crate) offsets: [i64; 3],
    pub(crate) taps: Vec<Tap>,
    /// Lanes operand and rows operand.
    pub(crate) operands: [BufferId; 2],
    /// Coordinates of the first element of the result; zeros where there are none.
    pub(crate) start: Vec<i64>,
    /// Whether copies of the result may be made.
    pub(crate) may_split: bool,
    /// Where the result lies, if not where the fusion's root does; then nothing is fused to it.
    pub(crate) target: Option<Place>,
    /// Whether it is added to what lies there.
    pub(crate) adds: bool,
}

/// An axis of columns as blocks and the columns of one, which lie at a stride in the lanes operand; its own stride
/// there is that of blocks.
pub(crate) fn in_blocks(columns: Axis, size: usize, stride: i64) -> [Axis; 2] {
    let [blocks, rows, result] = columns.strides;
    let (axis, count) = (columns.along.map_or(0, |(axis, _)| axis), columns.extent.at(1) / size.max(1));
    [
        Axis::kept("block", Dim::Fixed(count), [blocks, rows, result * size as i64], (axis, size as i64)),
        Axis::kept(columns.name, Dim::Fixed(size), [stride, rows, result], (axis, 1)),
    ]
}

/// Makes one axis of two where the outer one continues the inner one in all operands. An epilogue needs
/// the result's own axes, so then only reduced ones are merged.
pub(crate) fn merge(axes: &mut Vec<Axis>, only_reduced: bool) {
    loop {
        let pair = (0..axes.len()).flat_map(|outer| (0..axes.len()).map(move |inner| (outer, inner))).find(
            |&(outer, inner)| {
                let Dim::Fixed(length) = axes[inner].extent else { return false };
                outer != inner
                    && axes[outer].reduced == axes[inner].reduced
                    && (axes[inner].reduced || !only_reduced)
                    && !axes[outer].extent.is_batch()
                    && (0..3).all(|operand| {
                        axes[outer].strides[operand] == axes[inner].strides[operand] * length as i64
                    })
            },
        );
        let Some((outer, inner)) = pair else { return };
        let Some(extent) = axes[outer].extent.times(axes[inner].extent) else { return };
        axes[inner].extent = extent;
        axes.remove(outer);
    }
}

/// The axis that runs in lanes: kept, in one operand only, at stride 1 there and in the result. Where
/// it lies in the rows operand, the operands change places. Where there is none at stride 1, one that both
/// operands have at stride 1, whose lanes are paired.
pub(crate) fn take_lanes(product: &mut Product) -> Axis {
    let place = |axis: &Axis| match axis.strides {
        [a, 0, _] if a != 0 => Some(0),
        [0, b, _] if b != 0 => Some(1),
        [1, 1, 1] if axis.extent != Dim::Fixed(1) => Some(0),
        _ => None,
    };
    let score = |axis: &Axis| {
        let side = place(axis)?;
        (!axis.reduced).then(|| {
            let contiguous = axis.strides[side] == 1 && axis.strides[2] == 1;
            let paired = axis.strides[1 - side] != 0;
            (contiguous, axis.strides[2] == 1, !paired, side == 0, axis.extent.at(TYPICAL_BATCH))
        })
    };
    let best = (0..product.axes.len())
        .filter_map(|position| score(&product.axes[position]).map(|score| (score, position)))
        .max();
    let Some((_, position)) = best else {
        return Axis { name: "lane", extent: Dim::Fixed(1), strides: [1, 0, 1], reduced: false, along: None };
    };
    let mut axis = product.axes.remove(position);
    if place(&axis) == Some(1) {
        axis.strides.swap(0, 1);
        product.axes.iter_mut().for_each(|axis| axis.strides.swap(0, 1));
        product.offsets.swap(0, 1);
        product.operands.swap(0, 1);
        product.taps.iter_mut().for_each(|tap| std::mem::swap(&mut tap.lanes, &mut tap.rows));
    }
    axis
}

/// The axis that runs in lanes where they are the columns of a packed operand, which nothing else has.
pub(crate) fn take_columns(axes: &mut Vec<Axis>) -> Axis {
    let columns = |axis: &Axis| !axis.reduced && axis.strides[0] == 1 && axis.strides[1] == 0;
    match axes.iter().position(columns) {
        Some(position) => axes.remove(position),
        None => Axis { name: "lane", extent: Dim::Fixed(1), strides: [1, 0, 1], reduced: false, along: None },
    }
}

/// The axis that runs in rows: kept, in the rows operand only; of those long enough for a tile the one
/// whose elements lie nearest.
pub(crate) fn take_rows(axes: &mut Vec<Axis>) -> Axis {
    let score = |axis: &Axis| {
        let length = axis.extent.at(TYPICAL_BATCH);
        (length.min(LANES), std::cmp::Reverse(axis.strides[1].abs()), length)
    };
    let best = (0..axes.len())
        .filter(|&position| {
            let axis = &axes[position];
            !axis.reduced && axis.strides[0] == 0 && axis.strides[1] != 0
        })
        .max_by_key(|&position| score(&axes[position]));
    match best {
        Some(position) => axes.remove(position),
        None => Axis { name: "row", extent: Dim::Fixed(1), strides: [0, 0, 0], reduced: false, along: None },
    }
}
