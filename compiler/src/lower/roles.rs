//! What the axes of a product become in its kernel: lanes and rows of the register tile, points of the parallel space,
//! or a place in the reduction. Three cases:
//!
//! - *plain*: the kept axes beside lanes and rows are the parallel space; each point reduces all.
//! - *divided*: there are too few such points (a dense layer), so lanes and rows are cut into pieces.
//! - *accumulating*: the reduction is long and the result small (the gradient of a kernel). The operands
//!   are walked in blocks that stay in a near cache, if threads have one, the result is added to in memory. The outermost
//!   reduced axis, mostly the batch, is cut into at most [`super::LowerOptions::max_parallel`] pieces with a result each,
//!   which are added in order; of a large result there are fewer copies, and it is divided among threads as well.

use super::product::{Axis, Product, TYPICAL_BATCH, merge, take_columns, take_lanes, take_rows};
use super::{LowerOptions, fuse};
use dlc_kernel::{ContractionDim, Role, Split, Tile};
use dlc_types::{DType, Dim};

/// Points of the parallel space that keep all threads busy.
const ENOUGH_POINTS: usize = 32;
/// Bytes of both operands that one block of an accumulating reduction may touch: it is read once per
/// tile, so it should stay in the second cache (1 MiB and more on the machines of today).
const BLOCK_BYTES: usize = 256 << 10;
/// Bytes of result copies above which an accumulating reduction divides the result instead.
const COPIES_BYTES: usize = 64 << 20;
/// Copies of a result below which it is divided instead.
const FEW_PIECES: usize = 4;
/// Lanes that go to one point where the result of an accumulating reduction is divided: some cache lines,
/// so that a walk over the operands serves many of them.
const LANES_APART: usize = 64;
/// Lanes and rows that go to one point where a product is divided: a few of the widest register tiles.
const LANES_TOGETHER: usize = 64;
const ROWS_TOGETHER: usize = 16;
/// Rows from which a partial sum for each of their points is little beside what they store.
const ROWS_TO_SUM: usize = 16;

/// A dimension of the kernel with the axis of the result that it runs along.
pub(crate) struct ScheduledDim {
    pub(crate) dim: ContractionDim,
    pub(crate) along: Option<(usize, i64)>,
}

impl ScheduledDim {
    /// Whether its coordinates are points with a partial sum each.
    pub(crate) fn is_piece(&self) -> bool {
        self.dim.role == Role::Parallel && self.along.is_some_and(|(axis, _)| axis != fuse::CHANNELS)
    }
}

/// What a schedule must keep to.
pub(crate) struct Demands<'a> {
    /// Whether the kernel has an epilogue, which needs the result's own axes.
    pub(crate) fused: bool,
    /// Whether the epilogue takes sums, a partial one for each piece.
    pub(crate) sums: bool,
    /// Whether factors are words of small integers, whose lanes are columns of a packed operand.
    pub(crate) words: bool,
    /// Whether the bytes of the rows operand are turned.
    pub(crate) turns_rows: bool,
    /// Type of the sums.
    pub(crate) dtype: DType,
    /// Elements of the result, border included.
    pub(crate) elements: usize,
    /// What lowering may choose by.
    pub(crate) options: &'a LowerOptions,
}

/// How a product is run.
pub(crate) struct Roles {
    /// Dimensions of the kernel, in the order of their roles.
    pub(crate) dims: Vec<ScheduledDim>,
    /// The register tile.
    pub(crate) tile: Tile,
    /// Copies of the result that are added behind the kernel; `None` where there is one.
    pub(crate) pieces: Option<usize>,
}

/// The axes by kind, before they have roles.
struct Axes {
    lanes: Axis,
    rows: Axis,
    kept: Vec<Axis>,
    reduced: Vec<Axis>,
    /// Points of the kept axes for a typical batch.
    points: usize,
}

impl Axes {
    /// Takes the axes out of a product; its operands may change places.
    fn of(product: &mut Product, demands: &Demands<'_>) -> Axes {
        product.axes.retain(|axis| axis.extent != Dim::Fixed(1));
        merge(&mut product.axes, demands.fused || demands.turns_rows);
        let lanes = if demands.words { take_columns(&mut product.axes) } else { take_lanes(product) };
        let rows = take_rows(&mut product.axes);
        let (mut reduced, mut kept): (Vec<Axis>, Vec<Axis>) =
            product.axes.drain(..).partition(|axis| axis.reduced);
        reduced.sort_by_key(|axis| std::cmp::Reverse(axis.strides[0].abs().max(axis.strides[1].abs())));
        // What moves the lanes operand, the weights, is outermost: a part of them serves many points.
        kept.sort_by_key(|axis| (axis.strides[0] == 0, std::cmp::Reverse(axis.strides[2].abs())));
        let points = kept.iter().map(|axis| axis.extent.at(TYPICAL_BATCH)).product();
        Axes { lanes, rows, kept, reduced, points }
    }

    /// The outermost reduced axis.
    fn outermost(&self) -> Dim {
        self.reduced.first().map_or(Dim::Fixed(1), |axis| axis.extent)
    }

    /// Whether the result is to be added to in memory.
    fn accumulates(&self, demands: &Demands<'_>) -> bool {
        let long = self.reduced.len() >= 2 && demands.options.is_long(self.outermost());
        let small_result =
            self.kept.iter().all(|axis| !axis.extent.is_batch()) && !self.rows.extent.is_batch();
        let few_points = self.points < 8 * ENOUGH_POINTS;
        long && small_result && few_points && !demands.fused && !demands.words
    }
}

/// Gives the axes of a product their roles, and takes them out of it.
pub(crate) fn roles(product: &mut Product, demands: &Demands<'_>) -> Roles {
    let axes = Axes::of(product, demands);
    let tile = dlc_codegen_clif::preferred_tile(axes.lanes.extent, axes.rows.extent);
    let (mut dims, pieces) = if axes.accumulates(demands) {
        accumulating(axes, product.may_split, demands)
    } else {
        (divided(axes, demands), None)
    };
    dims.sort_by_key(|scheduled| scheduled.dim.role);
    Roles { dims, tile, pieces }
}

/// Each point reduces all; lanes and rows are cut where there are few points.
fn divided(axes: Axes, demands: &Demands<'_>) -> Vec<ScheduledDim> {
    let Axes { lanes, rows, kept, reduced, points } = axes;
    let lanes_split = pieces_of(lanes.extent, LANES_TOGETHER, ENOUGH_POINTS, points);
    let points = points * lanes_split.map_or(1, |split| split.chunks);
    let rows_split = pieces_of(rows.extent, ROWS_TOGETHER, ENOUGH_POINTS, points);
    let short = demands.sums && rows.extent.fixed().is_some_and(|rows| rows < ROWS_TO_SUM);
    let mut dims: Vec<ScheduledDim> = Vec::new();
    dims.extend(kept.into_iter().map(|axis| {
        let space = axis.along.is_some_and(|(axis, _)| axis > fuse::CHANNELS);
        let role = if short && space { Role::Sequential } else { Role::Parallel };
        dim(axis, role, None)
    }));
    dims.push(dim(lanes, Role::Lanes, lanes_split));
    dims.push(dim(rows, Role::Rows, rows_split));
    dims.extend(reduced.into_iter().map(|axis| dim(axis, Role::Reduce, None)));
    dims
}

/// The reduction is walked in blocks, the batch in pieces with a result each where there are enough.
fn accumulating(axes: Axes, may_split: bool, demands: &Demands<'_>) -> (Vec<ScheduledDim>, Option<usize>) {
    let most_pieces = demands.options.most_pieces(axes.outermost());
    let Axes { lanes, rows, kept, reduced, points } = axes;
    let copy = (demands.elements * demands.dtype.size()).max(1);
    let affordable = (COPIES_BYTES / copy).min(most_pieces);
    let pieces = Some(affordable).filter(|&count| may_split && count >= FEW_PIECES);
    let mut dims = Vec::new();
    accumulate(&mut dims, reduced, kept, pieces, demands);
    let points = pieces.unwrap_or(points);
    let enough = if points == most_pieces { points } else { ENOUGH_POINTS };
    let split = pieces_of(lanes.extent, LANES_APART, enough, points);
    dims.push(dim(lanes, Role::Lanes, split));
    dims.push(dim(rows, Role::Rows, None));
    (dims, pieces)
}

fn accumulate(
    dims: &mut Vec<ScheduledDim>,
    reduced: Vec<Axis>,
    kept: Vec<Axis>,
    pieces: Option<usize>,
    demands: &Demands<'_>,
) {
    let last = reduced.len() - 1;
    for (position, axis) in reduced.into_iter().enumerate() {
        if position == 0 {
            let split =
                pieces.map(|chunks| Split { chunks, align: 1, result_stride: demands.elements as i64 });
            dims.push(dim(axis, Role::ReduceOuter, split));
            continue;
        }
        let step = (axis.strides[0].unsigned_abs() + axis.strides[1].unsigned_abs()) as usize;
        let step = step * demands.dtype.size();
        let block = match axis.extent {
            Dim::Fixed(length) if position < last && demands.options.threads.have_caches() => {
                divisor_within(length, BLOCK_BYTES / step.max(1))
            }
            other => other.at(1),
        };
        let blocks = axis.extent.at(1) / block.max(1);
        if blocks > 1 {
            let strides = axis.strides.map(|stride| stride * block as i64);
            let outer = Axis { extent: Dim::Fixed(blocks), strides, ..axis.clone() };
            dims.push(dim(outer, Role::ReduceOuter, None));
            dims.push(dim(Axis { extent: Dim::Fixed(block), ..axis }, Role::Reduce, None));
        } else {
            dims.push(dim(axis, Role::Reduce, None));
        }
    }
    let role = if pieces.is_some() { Role::Sequential } else { Role::Parallel };
    dims.extend(kept.into_iter().map(|axis| dim(axis, role, None)));
}

/// The greatest divisor of a length that is at most `limit`, at least 1.
fn divisor_within(length: usize, limit: usize) -> usize {
    (1..=length.min(limit.max(1))).rev().find(|&divisor| length.is_multiple_of(divisor)).unwrap_or(1)
}

fn dim(axis: Axis, role: Role, split: Option<Split>) -> ScheduledDim {
    let Axis { name, extent, strides, along, .. } = axis;
    ScheduledDim { dim: ContractionDim { name: name.to_owned(), extent, role, strides, split }, along }
}

/// Pieces of an axis such that there are enough points, each with a whole tile at least.
fn pieces_of(extent: Dim, align: usize, enough: usize, points: usize) -> Option<Split> {
    let tiles = extent.at(TYPICAL_BATCH).div_ceil(align);
    let chunks = tiles.min(enough.div_ceil(points.max(1)));
    (chunks > 1).then_some(Split { chunks, align, result_stride: 0 })
}
