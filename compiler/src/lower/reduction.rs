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
//! Reductions over the same elements that read a value in common, such as the two sums of a
//! batch-norm's gradient, share a kernel (see [`super::schedule::groups`]).

use super::elementwise::temporary;
use super::error::LowerError;
use super::expression::{Emitter, element};
use super::nest::Nest;
use super::{Lowering, Place};
use dlc_ir::{ArgReduction, NodeId, Reduction};
use dlc_kernel::{Affine, Binary, Combine, Comparison, IndexExpr, IndexVar, ScalarOp, Var};
use dlc_types::{DType, Dim, Shape};

/// Kept elements from which a reduction is not split.
const ENOUGH_KEPT: usize = 64;
/// Reduced elements per kept one from which a split pays.
const WORTH_SPLITTING: usize = 4096;
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
    let mut dims = vec![Dim::Fixed(pieces)];
    dims.extend(plan.kept.iter().map(|&axis| plan.shape[axis]));
    let partial_shape = Shape(dims);
    let mut members = Vec::new();
    for (operand, target) in operands.into_iter().zip(&targets) {
        let order = std::iter::once(0).chain(target.layout.order.iter().map(|&axis| axis + 1)).collect();
        let partial = temporary(lowering, &format!("{name}.pieces"), plan.dtype, &partial_shape, order)?;
        members.push((operand, partial));
    }
    let (kernel, arguments) = reduce_kernel(lowering, &plan, &members, format!("{name}.split"))?;
    lowering.launch(ids[0], kernel, arguments);
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
    let splits = few_kept && count(&reduced) >= WORTH_SPLITTING && lowering.options.is_long(outermost);
    let pieces = Some(lowering.options.most_pieces(outermost)).filter(|&pieces| splits && pieces > 1);
    let kept = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
    Plan { kind, shape, dtype, kept, parallel, lanes, reduced, pieces }
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
    for &axis in &plan.parallel {
        at[axis] = Affine::var(emitter.nest.coordinate(shape[axis]));
    }
    if let Some(axis) = plan.lanes {
        at[axis] = Affine::var(emitter.nest.open_over(shape[axis], true));
    }
    let first = emitter.nest.number(*dtype, identity(plan.kind, *dtype));
    let initial = vec![first; members.len()];
    let mut carried = Vec::new();
    for (position, &axis) in plan.reduced.iter().enumerate() {
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
    target_at.extend(plan.kept.iter().map(|&axis| at[axis].clone()));
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

/// Partial sums: one number per piece, then channels.
#[derive(Debug)]
pub(crate) struct Partials {
    pub(crate) shape: Shape,
    /// One for each sum.
    pub(crate) places: Vec<Place>,
}

/// Adds up partial sums of several kernels, which lie one per piece and channel, into one per channel, in one
/// kernel. Each axis of pieces has a sum of its own, which keeps rounding errors small.
pub(crate) fn combine_sums(
    lowering: &mut Lowering<'_>,
    sums: &[NodeId],
    partials: &[Partials],
    name: String,
) -> Result<(), LowerError> {
    let Some(&first) = sums.first() else { return Ok(()) };
    let dtype = lowering.ty(first).dtype;
    let channels = partials.first().and_then(|partials| partials.shape.dims().last().copied());
    let channels =
        channels.ok_or_else(|| LowerError::Internal("partial sums have no channels".to_owned()))?;
    let mut nest = Nest::new();
    let channel = Affine::var(nest.open_over(channels, true));
    let mut totals: Vec<Var> = Vec::new();
    for partials in partials {
        let values = sum_pieces(&mut nest, partials, &channel, dtype);
        totals = match totals.is_empty() {
            true => values,
            false => add_each(&mut nest, dtype, &totals, &values),
        };
    }
    for (&sum, value) in sums.iter().zip(totals) {
        let target = lowering.place(sum)?;
        let operand = nest.operand(target.buffer, "sum", dtype, true);
        let index = element(target.layout.origin, &target.layout.strides, std::slice::from_ref(&channel));
        nest.store(operand, index, value);
    }
    let (kernel, arguments) = nest.finish(name);
    lowering.launch(first, kernel, arguments);
    Ok(())
}

fn add_each(nest: &mut Nest, dtype: DType, a: &[Var], b: &[Var]) -> Vec<Var> {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| nest.op(dtype, ScalarOp::Binary(Binary::Add), &[a, b])).collect()
}

/// The sums over all pieces at one channel.
fn sum_pieces(nest: &mut Nest, partials: &Partials, channel: &Affine, dtype: DType) -> Vec<Var> {
    let zero = nest.number(dtype, 0.0);
    let (mut at, mut carried) = (Vec::new(), Vec::new());
    let pieces = partials.shape.dims().split_last().map_or(&[][..], |(_, pieces)| pieces);
    for &extent in pieces {
        let initial = vec![zero; partials.places.len()];
        let (var, current) = nest.open(Affine::constant(0), Affine::extent(extent), false, &initial);
        at.push(Affine::var(var));
        carried.push(current);
    }
    at.push(channel.clone());
    let mut values = Vec::new();
    for partial in &partials.places {
        let operand = nest.operand(partial.buffer, "partial", dtype, false);
        let index = element(partial.layout.origin, &partial.layout.strides, &at);
        values.push(nest.load(operand, index, None));
    }
    for current in carried.into_iter().rev() {
        let next = add_each(nest, dtype, &current, &values);
        values = nest.close(&next, None);
    }
    values
}

/// Combines the pieces of a split reduction, in order.
pub(crate) fn combine_pieces(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kind: Reduction,
    partial: &Place,
    pieces: usize,
    target: &Place,
    name: String,
) -> Result<(), LowerError> {
    let shape = lowering.ty(id).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let order = target.layout.order.clone();
    let (kernel, arguments) =
        super::elementwise::element_kernel(lowering, None, name, &shape, &order, &|emitter, at| {
            let from = emitter.nest.operand(partial.buffer, "pieces", dtype, false);
            let mut sum: Option<Var> = None;
            for piece in 0..pieces {
                let mut partial_at = vec![Affine::constant(piece as i64)];
                partial_at.extend_from_slice(at);
                let index = element(partial.layout.origin, &partial.layout.strides, &partial_at);
                let value = emitter.nest.load(from, index, None);
                sum = Some(match sum {
                    Some(sum) => emitter.nest.op(dtype, ScalarOp::Binary(binary(kind)), &[sum, value]),
                    None => value,
                });
            }
            let value = sum.ok_or_else(|| LowerError::Internal("a reduction of no pieces".to_owned()))?;
            let to = emitter.nest.operand(target.buffer, "result", dtype, true);
            emitter.nest.store(to, element(target.layout.origin, &target.layout.strides, at), value);
            Ok(())
        })?;
    lowering.launch(id, kernel, arguments);
    Ok(())
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

fn identity(kind: Reduction, dtype: DType) -> f64 {
    let (least, greatest) = dtype.extremes();
    match kind {
        Reduction::Sum => 0.0,
        Reduction::Product => 1.0,
        Reduction::Max => least,
        Reduction::Min => greatest,
    }
}

fn binary(kind: Reduction) -> Binary {
    match kind {
        Reduction::Sum => Binary::Add,
        Reduction::Product => Binary::Multiply,
        Reduction::Max => Binary::Max,
        Reduction::Min => Binary::Min,
    }
}

fn combine(kind: Reduction) -> Combine {
    match kind {
        Reduction::Sum => Combine::Sum,
        Reduction::Product => Combine::Product,
        Reduction::Max => Combine::Max,
        Reduction::Min => Combine::Min,
    }
}
