//! Kernels for reductions.
//!
//! The loops follow the order in memory of the operand's largest stored part. Kept axes are the
//! parallel space, but for an innermost kept axis, which runs in lanes around the loops over the reduced
//! axes. Each reduced axis sums into a value of its own before it is added to the one outside, which
//! keeps rounding errors as small as the number of axes allows.
//!
//! A reduction with too few kept elements to keep threads busy is split along its outermost reduced
//! axis into at most [`super::LowerOptions::max_parallel`] pieces, whatever the number of threads; a second
//! kernel combines the pieces in order.
//!
//! Many threads ask for more: there the reduced axes between the first and the last one have a partial result for each of
//! their positions, too, and short reductions are split as well.
//!
//! Reductions over the same elements that read a value in common, such as the two sums of a
//! batch-norm's gradient, share a kernel (see [`super::schedule::groups`]).

use super::elementwise::temporary;
use super::error::LowerError;
use super::expression::{Emitter, element};
use super::nest::Nest;
use super::partials::{Partials, combine_in_teams, combine_pieces};
use super::{Lowering, Place, Threads};
use dlc_ir::{ArgReduction, NodeId, Reduction};
use dlc_kernel::{Affine, Binary, Combine, Comparison, IndexExpr, IndexVar, ScalarOp, Var};
use dlc_types::{DType, Dim, Shape};

/// Kept elements from which a reduction is not split.
const ENOUGH_KEPT: usize = 64;
/// Reduced elements per kept one from which a split pays.
const WORTH_SPLITTING: usize = 4096;
/// The same where threads are many, and how many of them a piece has then.
const MANY_WORTH_SPLITTING: usize = 128;
const MANY_PER_PIECE: usize = 8;
/// Kept elements per row from which lanes run along a kept innermost axis.
const LANES_WORTH: usize = 4;

/// The loops of one reduction, or of several that run over the same elements.
#[derive(Debug)]
struct Plan {
    kind: Reduction,
    /// The operands' shape and element type.
    shape: Shape,
    dtype: DType,
    /// Kept axes, in order.
    kept: Vec<usize>,
    /// Kept axes that are the parallel space.
    parallel: Vec<usize>,
    /// Kept innermost axis that runs in lanes.
    lanes: Option<usize>,
    /// Reduced axes, outermost first.
    reduced: Vec<usize>,
    /// Number of pieces of the first reduced axis, if it is split.
    pieces: Option<usize>,
    /// Reduced axes, outermost first, with a partial result for each of their positions.
    apart: Vec<usize>,
}

impl Plan {
    /// The shape of partial results: pieces, axes that stay apart, kept axes.
    fn partial_shape(&self, pieces: usize) -> Shape {
        let mut dims = vec![Dim::Fixed(pieces)];
        dims.extend(self.apart.iter().chain(&self.kept).map(|&axis| self.shape[axis]));
        Shape(dims)
    }
}

/// Lowers `reduce` values of one kind over the same axes of operands of one type, in one kernel: what
/// they read in common is read once.
pub(crate) fn lower_reduce(
    lowering: &mut Lowering<'_>,
    ids: &[NodeId],
    kind: Reduction,
    axes: &[usize],
) -> Result<(), LowerError> {
    let plan = plan(lowering, lowering.node(ids[0]).operands[0], kind, axes);
    let name = lowering.kernel_name(ids[0], kind.name());
    let mut targets = Vec::new();
    for &id in ids {
        targets.push(lowering.place(id)?.clone());
    }
    let operands: Vec<NodeId> = ids.iter().map(|&id| lowering.node(id).operands[0]).collect();
    let Some(pieces) = plan.pieces else {
        let members: Vec<(NodeId, Place)> = operands.into_iter().zip(targets).collect();
        let (kernel, arguments) = reduce_kernel(lowering, &plan, &members, name)?;
        lowering.launch(ids[0], kernel, arguments);
        return Ok(());
    };
    let partial_shape = plan.partial_shape(pieces);
    let mut members = Vec::new();
    for (operand, target) in operands.into_iter().zip(&targets) {
        let ahead = 1 + plan.apart.len();
        let order = (0..ahead).chain(target.layout.order.iter().map(|&axis| axis + ahead)).collect();
        let partial = temporary(lowering, &format!("{name}.pieces"), plan.dtype, &partial_shape, order)?;
        members.push((operand, partial));
    }
    let (kernel, arguments) = reduce_kernel(lowering, &plan, &members, format!("{name}.split"))?;
    lowering.launch(ids[0], kernel, arguments);
    if lowering.options.threads == Threads::Many {
        let places = members.into_iter().map(|(_, partial)| partial).collect();
        let partials = [Partials { shape: partial_shape, places, kept: plan.kept.len() }];
        let name = lowering.kernel_name(ids[0], &format!("{}.combine", kind.name()));
        return combine_in_teams(lowering, ids, kind, &partials, name);
    }
    for ((&id, (_, partial)), target) in ids.iter().zip(&members).zip(&targets) {
        let name = lowering.kernel_name(id, &format!("{}.combine", kind.name()));
        combine_pieces(lowering, id, kind, partial, pieces, target, name)?;
    }
    Ok(())
}

fn plan(lowering: &Lowering<'_>, operand: NodeId, kind: Reduction, axes: &[usize]) -> Plan {
    let ty = lowering.ty(operand);
    let (shape, dtype) = (ty.shape.clone(), ty.dtype);
    let order = memory_order(lowering, operand, &shape);
    let long: Vec<usize> = order.into_iter().filter(|&axis| shape[axis] != Dim::Fixed(1)).collect();
    let reduced: Vec<usize> = long.iter().copied().filter(|axis| axes.contains(axis)).collect();
    let mut parallel: Vec<usize> = long.iter().copied().filter(|axis| !axes.contains(axis)).collect();
    let lanes = long.last().copied().filter(|axis| {
        !axes.contains(axis) && shape[*axis].fixed().is_none_or(|length| length >= LANES_WORTH)
    });
    if lanes.is_some() {
        parallel.pop();
    }
    let count = |axes: &[usize]| axes.iter().map(|&axis| shape[axis].at(LINE_BATCH)).product::<usize>();
    let few_kept = count(&parallel) < ENOUGH_KEPT && parallel.iter().all(|&axis| !shape[axis].is_batch());
    let outermost = reduced.first().map_or(Dim::Fixed(1), |&axis| shape[axis]);
    // Where lanes run along a kept axis, a thread walks reduced ones alone.
    let many = lowering.options.threads == Threads::Many && lanes.is_some();
    let worth = if many { MANY_WORTH_SPLITTING } else { WORTH_SPLITTING };
    let splits = few_kept && count(&reduced) >= worth && lowering.options.is_long(outermost);
    let most = if many { count(&reduced) / MANY_PER_PIECE } else { usize::MAX };
    let most = most.min(lowering.options.most_pieces(outermost));
    let pieces = Some(most).filter(|&pieces| splits && pieces > 1);
    let between = reduced.get(1..reduced.len().saturating_sub(1)).unwrap_or_default();
    let divides = many && pieces.is_some() && between.iter().all(|&axis| !shape[axis].is_batch());
    let apart = if divides { between.to_vec() } else { Vec::new() };
    let kept = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
    Plan { kind, shape, dtype, kept, parallel, lanes, reduced, pieces, apart }
}

/// The batch that plans are made for; they hold for every batch.
const LINE_BATCH: usize = 128;

/// The order of axes of the first stored value of that shape that the expression reads.
fn memory_order(lowering: &Lowering<'_>, id: NodeId, shape: &Shape) -> Vec<usize> {
    fn search(lowering: &Lowering<'_>, id: NodeId, shape: &Shape, depth: usize) -> Option<Vec<usize>> {
        let ty = lowering.node(id).ty.tensor()?;
        if ty.shape != *shape || depth > 64 {
            return None;
        }
        if let Some(place) = &lowering.places[id] {
            return Some(place.layout.order.clone());
        }
        lowering.node(id).operands.iter().find_map(|&operand| search(lowering, operand, shape, depth + 1))
    }
    search(lowering, id, shape, 0).unwrap_or_else(|| (0..shape.rank()).collect())
}

/// The kernel of some reductions: for each the operand and the place of its result, which has a leading
/// axis of pieces where the plan splits.
fn reduce_kernel(
    lowering: &Lowering<'_>,
    plan: &Plan,
    members: &[(NodeId, Place)],
    name: String,
) -> Result<(dlc_kernel::Kernel, Vec<dlc_kernel::BufferId>), LowerError> {
    let Plan { shape, dtype, .. } = plan;
    let mut emitter = Emitter::new(lowering, None);
    let operands: Vec<NodeId> = members.iter().map(|&(operand, _)| operand).collect();
    emitter.recompute(&operands, &[]);
    let mut at = vec![Affine::constant(0); shape.rank()];
    let piece = plan.pieces.map(|pieces| (emitter.nest.coordinate(Dim::Fixed(pieces)), pieces));
    for &axis in plan.apart.iter().chain(&plan.parallel) {
        at[axis] = Affine::var(emitter.nest.coordinate(shape[axis]));
    }
    if let Some(axis) = plan.lanes {
        at[axis] = Affine::var(emitter.nest.open_over(shape[axis], true));
    }
    let first = emitter.nest.number(*dtype, identity(plan.kind, *dtype));
    let initial = vec![first; members.len()];
    let mut carried = Vec::new();
    for (position, &axis) in plan.reduced.iter().enumerate() {
        if plan.apart.contains(&axis) {
            continue;
        }
        let whole = Affine::extent(shape[axis]);
        let (start, end) = match piece {
            Some((piece, pieces)) if position == 0 => piece_bounds(&mut emitter.nest, &whole, piece, pieces),
            _ => (Affine::constant(0), whole),
        };
        let lanes = plan.lanes.is_none() && position + 1 == plan.reduced.len();
        let (var, current) = emitter.nest.open(start, end, lanes, &initial);
        at[axis] = Affine::var(var);
        carried.push(current);
    }
    let mut values = Vec::new();
    for (operand, _) in members {
        values.push(emitter.value(*operand, &at)?);
    }
    for current in carried.into_iter().rev() {
        let next: Vec<Var> = current
            .iter()
            .zip(&values)
            .map(|(&current, &value)| {
                emitter.nest.op(*dtype, ScalarOp::Binary(binary(plan.kind)), &[current, value])
            })
            .collect();
        values = emitter.nest.close(&next, Some(combine(plan.kind)));
    }
    let mut target_at: Vec<Affine> = piece.iter().map(|&(piece, _)| Affine::var(piece)).collect();
    target_at.extend(plan.apart.iter().chain(&plan.kept).map(|&axis| at[axis].clone()));
    for ((_, target), value) in members.iter().zip(values) {
        let result = emitter.nest.operand(target.buffer, "result", *dtype, true);
        emitter.nest.store(result, element(target.layout.origin, &target.layout.strides, &target_at), value);
    }
    Ok(emitter.nest.finish(name))
}

/// Where a piece of a split axis begins and ends.
fn piece_bounds(nest: &mut Nest, whole: &Affine, piece: IndexVar, pieces: usize) -> (Affine, Affine) {
    let start = |chunk: Affine| IndexExpr::ChunkStart { form: whole.clone(), chunk, chunks: pieces as i64 };
    let end = nest.index(start(Affine::var(piece).offset(1)));
    let start = nest.index(start(Affine::var(piece)));
    (Affine::var(start), Affine::var(end))
}

/// Whether a value takes the place of the best so far; a NaN counts as extreme, so that it cannot hide.
pub(crate) fn beats(nest: &mut Nest, comparison: Comparison, value: Var, best: Var) -> Var {
    let better = nest.op(DType::Bool, ScalarOp::Compare(comparison), &[value, best]);
    if !nest.dtype(value).is_float() {
        return better;
    }
    let odd = nest.op(DType::Bool, ScalarOp::Compare(Comparison::NotEqual), &[value, value]);
    let even = nest.op(DType::Bool, ScalarOp::Compare(Comparison::Equal), &[best, best]);
    let first_odd = nest.op(DType::Bool, ScalarOp::Binary(Binary::And), &[odd, even]);
    nest.op(DType::Bool, ScalarOp::Binary(Binary::Or), &[better, first_odd])
}

/// Lowers an `argmax` or `argmin`: the first extreme element wins.
pub(crate) fn lower_arg_reduce(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kind: ArgReduction,
    axis: usize,
) -> Result<(), LowerError> {
    let operand = lowering.node(id).operands[0];
    let shape = lowering.ty(operand).shape.clone();
    let dtype = lowering.ty(operand).dtype;
    let name = lowering.kernel_name(id, kind.name());
    let mut emitter = Emitter::new(lowering, None);
    let order = memory_order(lowering, operand, &shape);
    let mut at = vec![Affine::constant(0); shape.rank()];
    for &kept in order.iter().filter(|&&kept| kept != axis) {
        at[kept] = Affine::var(emitter.nest.coordinate(shape[kept]));
    }
    at[axis] = Affine::constant(0);
    let first = emitter.value(operand, &at)?;
    let zero = emitter.nest.number(DType::I32, 0.0);
    let bounds = (Affine::constant(1), Affine::extent(shape[axis]));
    let (var, current) = emitter.nest.open(bounds.0, bounds.1, false, &[first, zero]);
    at[axis] = Affine::var(var);
    let value = emitter.value(operand, &at)?;
    let position = emitter.nest.op(DType::I32, ScalarOp::Index(var), &[]);
    let comparison = match kind {
        ArgReduction::Max => Comparison::Greater,
        ArgReduction::Min => Comparison::Less,
    };
    let better = beats(&mut emitter.nest, comparison, value, current[0]);
    let best = emitter.nest.op(dtype, ScalarOp::Select, &[better, value, current[0]]);
    let best_at = emitter.nest.op(DType::I32, ScalarOp::Select, &[better, position, current[1]]);
    let results = emitter.nest.close(&[best, best_at], None);
    let kept: Vec<Affine> =
        (0..shape.rank()).filter(|&kept| kept != axis).map(|kept| at[kept].clone()).collect();
    emitter.store(id, &kept, results[1])?;
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// Lowers running reductions: one sequential loop along the axis for every line of elements.
pub(crate) fn lower_cumulative(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kind: Reduction,
    axis: usize,
    reverse: bool,
) -> Result<(), LowerError> {
    let operand = lowering.node(id).operands[0];
    let shape = lowering.ty(id).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let name = lowering.kernel_name(id, &format!("cumulative_{}", kind.name()));
    let order = lowering.place(id)?.layout.order.clone();
    let mut emitter = Emitter::new(lowering, None);
    let mut at = vec![Affine::constant(0); shape.rank()];
    for &other in order.iter().filter(|&&other| other != axis) {
        at[other] = Affine::var(emitter.nest.coordinate(shape[other]));
    }
    let first = emitter.nest.number(dtype, identity(kind, dtype));
    let whole = Affine::extent(shape[axis]);
    let (var, current) = emitter.nest.open(Affine::constant(0), whole.clone(), false, &[first]);
    at[axis] = if reverse { whole.offset(-1).plus(&Affine::var(var).times(-1)) } else { Affine::var(var) };
    let value = emitter.value(operand, &at)?;
    let next = emitter.nest.op(dtype, ScalarOp::Binary(binary(kind)), &[current[0], value]);
    emitter.store(id, &at, next)?;
    emitter.nest.close(&[next], None);
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

pub(super) fn identity(kind: Reduction, dtype: DType) -> f64 {
    let (least, greatest) = dtype.extremes();
    match kind {
        Reduction::Sum => 0.0,
        Reduction::Product => 1.0,
        Reduction::Max => least,
        Reduction::Min => greatest,
    }
}

pub(super) fn binary(kind: Reduction) -> Binary {
    match kind {
        Reduction::Sum => Binary::Add,
        Reduction::Product => Binary::Multiply,
        Reduction::Max => Binary::Max,
        Reduction::Min => Binary::Min,
    }
}

pub(super) fn combine(kind: Reduction) -> Combine {
    match kind {
        Reduction::Sum => Combine::Sum,
        Reduction::Product => Combine::Product,
        Reduction::Max => Combine::Max,
        Reduction::Min => Combine::Min,
    }
}
