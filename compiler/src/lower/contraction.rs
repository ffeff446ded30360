//! Schedules contractions: which axis runs in lanes, which in rows, what is parallel and in what order
//! the reduction runs.
//!
//! Dense layers, convolutions and their gradients arrive here as a [`Product`]: axes with a stride in
//! each of three operands. Three cases:
//!
//! - *plain*: the kept axes beside lanes and rows are the parallel space; each point reduces all.
//! - *divided*: there are too few such points (a dense layer), so lanes and rows are cut into pieces.
//! - *accumulating*: the reduction is long and the result small (the gradient of a kernel). The operands
//!   are walked in blocks that stay in a near cache, the result is added to in memory. The batch is cut into
//!   [`super::LowerOptions::max_parallel`] pieces with a result each, which are added in order; of a large
//!   result there are fewer copies, and it is divided among threads as well.

use super::elementwise::temporary;
use super::error::LowerError;
use super::fuse::{self, Fusion};
use super::prepare::blocked_kernel;
use super::reduction::{Partials, combine_pieces, combine_sums, lower_reduce};
use super::view::{View, view_of};
use super::words::contraction_product;
use super::{Lowering, Place};
use dlc_ir::{NodeId, Op, Reduction};
use dlc_kernel::{Body, BufferId, Contraction, ContractionDim, Kernel, Role, Split, Tap};
use dlc_types::{DType, Dim, Shape};

/// Batch that schedules are made for; they hold for every batch.
const TYPICAL_BATCH: usize = 128;
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

/// The view of an operand of a contraction.
pub(crate) fn operand_view(lowering: &Lowering<'_>, id: NodeId) -> Result<View, LowerError> {
    // A view on the way may have a buffer too, as an output of the function say; order and border were
    // chosen for the base.
    let layout_of = |node: NodeId| {
        let base = lowering.prepared.is_base(node) && lowering.stored[node];
        base.then(|| lowering.places[node].as_ref().map(|place| &place.layout)).flatten()
    };
    view_of(lowering.function(), id, &layout_of)
        .ok_or_else(|| LowerError::Internal(format!("operand {id} of a contraction has no view")))
}

/// Lowers a `contract` with what is fused to it.
pub(crate) fn lower_contract(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    contraction: &dlc_ir::Contraction,
) -> Result<(), LowerError> {
    let id = fusion.source;
    if let Some(words) = lowering.prepared.words.get(&id) {
        let product = contraction_product(lowering, fusion, words, contraction)?;
        let name = lowering.kernel_name(id, "contract");
        return lower_product(lowering, fusion, product, name).map(drop);
    }
    let [left, right] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("contract takes two operands".to_owned()));
    };
    let blocked = blocked_kernel(lowering.prepared, right);
    let (left_view, mut right_view) =
        (operand_view(lowering, left)?, operand_view(lowering, blocked.unwrap_or(right))?);
    let free_of_right = |axis: usize| !contraction.contract.iter().any(|pair| pair.1 == axis);
    // Of a right operand in blocks, which has one free axis, that one counts blocks; the axis behind runs in one.
    let block = blocked.and_then(|copy| {
        let axis = (0..lowering.ty(right).shape.rank()).find(|&axis| free_of_right(axis))?;
        Some((lowering.ty(copy).shape[axis + 1].fixed()?, right_view.strides.remove(axis + 1)))
    });
    let (left_shape, right_shape) = (lowering.ty(left).shape.clone(), lowering.ty(right).shape.clone());
    let place = lowering.place(fusion.root)?.clone();
    let mut axes = Vec::new();
    let mut kept = |name: &'static str, extent: Dim, lanes: i64, rows: i64| {
        let axis = axes.len();
        let strides = [lanes, rows, place.layout.strides.get(axis).copied().unwrap_or(0)];
        axes.push(Axis::kept(name, extent, strides, (axis, 1)));
    };
    for &(l, r) in &contraction.batch {
        kept("batch", left_shape[l], right_view.strides[r], left_view.strides[l]);
    }
    for l in 0..left_shape.rank() {
        if !contraction.batch.iter().chain(&contraction.contract).any(|pair| pair.0 == l) {
            kept("m", left_shape[l], 0, left_view.strides[l]);
        }
    }
    for r in 0..right_shape.rank() {
        if !contraction.batch.iter().chain(&contraction.contract).any(|pair| pair.1 == r) {
            kept("n", right_shape[r], right_view.strides[r], 0);
        }
    }
    if let (Some((size, stride)), Some(columns)) = (block, axes.last().cloned()) {
        axes.pop();
        axes.extend(in_blocks(columns, size, stride));
    }
    for &(l, r) in &contraction.contract {
        let strides = [right_view.strides[r], left_view.strides[l], 0];
        axes.push(Axis::summed("k", left_shape[l], strides));
    }
    let product = Product {
        axes,
        offsets: [right_view.offset, left_view.offset, place.layout.origin],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        operands: [lowering.place(right_view.base)?.buffer, lowering.place(left_view.base)?.buffer],
        start: Vec::new(),
        may_split: true,
        target: None,
        adds: false,
    };
    let name = lowering.kernel_name(id, "contract");
    lower_product(lowering, fusion, product, name).map(drop)
}

/// An axis of columns as blocks and the columns of one, which lie at a stride in the lanes operand; its own stride
/// there is that of blocks.
fn in_blocks(columns: Axis, size: usize, stride: i64) -> [Axis; 2] {
    let [blocks, rows, result] = columns.strides;
    let (axis, count) = (columns.along.map_or(0, |(axis, _)| axis), columns.extent.at(1) / size.max(1));
    [
        Axis::kept("block", Dim::Fixed(count), [blocks, rows, result * size as i64], (axis, size as i64)),
        Axis::kept(columns.name, Dim::Fixed(size), [stride, rows, result], (axis, 1)),
    ]
}

/// Schedules a product into one kernel, and a second one that adds copies of the result. What is fused to the
/// contraction is computed in the kernel's epilogue, sums in pieces that are left to combine; `None` where
/// the kernel cannot take the sums.
pub(crate) fn lower_product(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    mut product: Product,
    name: String,
) -> Result<Option<Partials>, LowerError> {
    let (id, stored) = (fusion.source, fusion.root);
    let dtype = lowering.ty(id).dtype;
    let words = lowering.prepared.words.get(&id);
    if !matches!(dtype, DType::F32 | DType::F64) && words.is_none() {
        return Err(lowering.unsupported(id, format!("a contraction of {dtype}")));
    }
    product.axes.retain(|axis| axis.extent != Dim::Fixed(1));
    let turns_rows = words.is_some_and(|words| words.form.turns);
    let fused = !fusion.is_plain();
    merge(&mut product.axes, fused || turns_rows);
    let lanes = if words.is_some() { take_columns(&mut product.axes) } else { take_lanes(&mut product) };
    let rows = take_rows(&mut product.axes);
    let tile = dlc_codegen_clif::preferred_tile(lanes.extent, rows.extent);
    let (mut reduced, mut kept): (Vec<Axis>, Vec<Axis>) =
        product.axes.drain(..).partition(|axis| axis.reduced);
    reduced.sort_by_key(|axis| std::cmp::Reverse(axis.strides[0].abs().max(axis.strides[1].abs())));
    // What moves the lanes operand, the weights, is outermost: a part of them serves many points.
    kept.sort_by_key(|axis| (axis.strides[0] == 0, std::cmp::Reverse(axis.strides[2].abs())));
    let target = match product.target.take() {
        Some(target) => target,
        None => lowering.place(stored)?.clone(),
    };
    let points: usize = kept.iter().map(|axis| axis.extent.at(TYPICAL_BATCH)).product();
    let long = reduced.len() >= 2 && reduced[0].extent.at(TYPICAL_BATCH) >= lowering.options.max_parallel;
    let small_result = kept.iter().all(|axis| !axis.extent.is_batch()) && !rows.extent.is_batch();

    let mut dims: Vec<ScheduledDim> = Vec::new();
    let mut pieces = None;
    if long && small_result && points < 8 * ENOUGH_POINTS && !fused && words.is_none() {
        let copy = (target.layout.elements * dtype.size()).max(1);
        let affordable = (COPIES_BYTES / copy).min(lowering.options.max_parallel);
        pieces = Some(affordable).filter(|&count| product.may_split && count >= FEW_PIECES);
        accumulate(&mut dims, reduced, kept, pieces, target.layout.elements, dtype);
        let points = pieces.unwrap_or(points);
        let enough = if points == lowering.options.max_parallel { points } else { ENOUGH_POINTS };
        let split = pieces_of(lanes.extent, LANES_APART, enough, points);
        dims.push(dim(lanes, Role::Lanes, split));
        dims.push(dim(rows, Role::Rows, None));
    } else {
        let lanes_split = pieces_of(lanes.extent, LANES_TOGETHER, ENOUGH_POINTS, points);
        let points = points * lanes_split.map_or(1, |split| split.chunks);
        let rows_split = pieces_of(rows.extent, ROWS_TOGETHER, ENOUGH_POINTS, points);
        let short = !fusion.sums.is_empty() && rows.extent.fixed().is_some_and(|rows| rows < ROWS_TO_SUM);
        dims.extend(kept.into_iter().map(|axis| {
            let space = axis.along.is_some_and(|(axis, _)| axis > fuse::CHANNELS);
            let role = if short && space { Role::Sequential } else { Role::Parallel };
            dim(axis, role, None)
        }));
        dims.push(dim(lanes, Role::Lanes, lanes_split));
        dims.push(dim(rows, Role::Rows, rows_split));
        dims.extend(reduced.into_iter().map(|axis| dim(axis, Role::Reduce, None)));
    }
    dims.sort_by_key(|scheduled| scheduled.dim.role);
    let mut offsets = product.offsets;
    let mut result = target.buffer;
    let partial = match pieces {
        None => None,
        Some(pieces) => {
            let place = copies_of(lowering, id, &target, pieces, dtype, &name)?;
            offsets[2] = 0;
            result = place.buffer;
            Some((place, pieces))
        }
    };
    let [first, second] = product.operands;
    let apart = !fusion.sums.is_empty() && !fuse::can_sum(&dims, dtype);
    let within = if apart { &Fusion { sums: Vec::new(), ..fusion.clone() } } else { fusion };
    let partials = partial_sums(lowering, within, &dims, &name)?;
    let mut parts =
        fuse::parts(lowering, within, &dims, &product.start, [first, second, result], &partials.places)?;
    if let Some(result) = parts.operands.get_mut(2).filter(|_| product.adds) {
        result.reads = true;
    }
    let contraction = Contraction {
        dims: dims.into_iter().map(|scheduled| scheduled.dim).collect(),
        offsets,
        taps: product.taps,
        accumulate: product.adds,
        turns_rows,
        tile,
        epilogue: parts.epilogue,
    };
    let space = contraction.space();
    let body = Body::Contraction(contraction);
    let kernel = Kernel { name: name.clone(), operands: parts.operands, space, body };
    lowering.launch(stored, kernel, parts.arguments);
    if let Some((partial, pieces)) = partial {
        combine_pieces(lowering, id, Reduction::Sum, &partial, pieces, &target, format!("{name}.combine"))?;
    }
    Ok((!apart).then_some(partials))
}

/// The kernels that finish the sums of a fusion, from the partial sums of each of its kernels.
pub(crate) fn lower_sums(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    partials: Option<Vec<Partials>>,
    name: String,
) -> Result<(), LowerError> {
    if fusion.sums.is_empty() {
        return Ok(());
    }
    match partials {
        Some(partials) => combine_sums(lowering, &fusion.sums, &partials, name),
        None => lower_sums_apart(lowering, fusion),
    }
}

/// A place for the partial sums of each sum of a fusion.
fn partial_sums(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    dims: &[ScheduledDim],
    name: &str,
) -> Result<Partials, LowerError> {
    let pieces = dims.iter().filter(|scheduled| scheduled.is_piece()).map(|scheduled| scheduled.dim.extent);
    let mut shape = Shape(pieces.collect());
    shape.0.extend(lowering.ty(fusion.root).shape.dims().get(fuse::CHANNELS));
    let order: Vec<usize> = (0..shape.rank()).collect();
    let dtype = lowering.ty(fusion.root).dtype;
    let mut places = Vec::new();
    for _ in &fusion.sums {
        places.push(temporary(lowering, &format!("{name}.sums"), dtype, &shape, order.clone())?);
    }
    Ok(Partials { shape, places })
}

/// The sums of a fusion that its kernel cannot take.
fn lower_sums_apart(lowering: &mut Lowering<'_>, fusion: &Fusion) -> Result<(), LowerError> {
    let axes = match lowering.node(fusion.sums[0]).op.clone() {
        Op::Reduce { axes, .. } => axes,
        other => return Err(LowerError::Internal(format!("{} is no sum", other.name()))),
    };
    lower_reduce(lowering, &fusion.sums, Reduction::Sum, &axes)
}

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

/// A buffer for `pieces` copies of a result without border, one after the other.
fn copies_of(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    target: &Place,
    pieces: usize,
    dtype: DType,
    name: &str,
) -> Result<Place, LowerError> {
    let mut dims = vec![Dim::Fixed(pieces)];
    dims.extend_from_slice(lowering.ty(id).shape.dims());
    let order = std::iter::once(0).chain(target.layout.order.iter().map(|&axis| axis + 1)).collect();
    temporary(lowering, &format!("{name}.pieces"), dtype, &Shape(dims), order)
}

fn accumulate(
    dims: &mut Vec<ScheduledDim>,
    reduced: Vec<Axis>,
    kept: Vec<Axis>,
    pieces: Option<usize>,
    result_elements: usize,
    dtype: DType,
) {
    let last = reduced.len() - 1;
    for (position, axis) in reduced.into_iter().enumerate() {
        if position == 0 {
            let split =
                pieces.map(|chunks| Split { chunks, align: 1, result_stride: result_elements as i64 });
            dims.push(dim(axis, Role::ReduceOuter, split));
            continue;
        }
        let step = (axis.strides[0].unsigned_abs() + axis.strides[1].unsigned_abs()) as usize * dtype.size();
        let block = match axis.extent {
            Dim::Fixed(length) if position < last => divisor_within(length, BLOCK_BYTES / step.max(1)),
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

/// Makes one axis of two where the outer one continues the inner one in all operands. An epilogue needs
/// the result's own axes, so then only reduced ones are merged.
fn merge(axes: &mut Vec<Axis>, only_reduced: bool) {
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
fn take_lanes(product: &mut Product) -> Axis {
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
fn take_columns(axes: &mut Vec<Axis>) -> Axis {
    let columns = |axis: &Axis| !axis.reduced && axis.strides[0] == 1 && axis.strides[1] == 0;
    match axes.iter().position(columns) {
        Some(position) => axes.remove(position),
        None => Axis { name: "lane", extent: Dim::Fixed(1), strides: [1, 0, 1], reduced: false, along: None },
    }
}

/// The axis that runs in rows: kept, in the rows operand only; of those long enough for a tile the one
/// whose elements lie nearest.
fn take_rows(axes: &mut Vec<Axis>) -> Axis {
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
