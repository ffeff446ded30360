//! Partial results, and the kernels that make one result of them.
//!
//! Pieces are combined in an order that follows from their number alone. Few threads take the pieces of a channel one
//! after the other, many take them side by side.

use super::elementwise::element_kernel;
use super::error::LowerError;
use super::expression::element;
use super::nest::Nest;
use super::reduction::{binary, combine, identity};
use super::{Lowering, Place, Threads};
use dlc_ir::{NodeId, Reduction};
use dlc_kernel::{Affine, ScalarOp, Var};
use dlc_types::{DType, Dim, Shape};

/// Partial results: axes of pieces, outermost, then the axes of the result.
#[derive(Debug)]
pub(crate) struct Partials {
    pub(crate) shape: Shape,
    /// One for each result.
    pub(crate) places: Vec<Place>,
    /// How many axes the result has.
    pub(crate) kept: usize,
}

impl Partials {
    /// Axes of pieces.
    fn pieces(&self) -> usize {
        self.shape.rank().saturating_sub(self.kept)
    }

    /// The number of pieces, if it is one that an extent can be.
    fn count(&self) -> Option<Dim> {
        Shape(self.shape.dims()[..self.pieces()].to_vec()).elements()
    }

    /// The distance of a place's pieces, if all of them are equally far apart: their axes are one behind the other.
    fn distance(&self, place: &Place) -> Option<i64> {
        let strides = &place.layout.strides[..self.pieces()];
        let inner = self.shape.dims()[..self.pieces()].iter().zip(strides).skip(1);
        let follow = inner.zip(strides).all(|((extent, &stride), &outer)| {
            extent.fixed().is_some_and(|length| outer == stride * length as i64)
        });
        strides.last().copied().filter(|_| follow)
    }
}

/// Adds up partial results of several kernels, or combines them otherwise, in one kernel: teams of threads walk the pieces
/// of an element side by side.
pub(crate) fn combine_in_teams(
    lowering: &mut Lowering<'_>,
    results: &[NodeId],
    kind: Reduction,
    partials: &[Partials],
    name: String,
) -> Result<(), LowerError> {
    let (Some(&first), Some(like)) = (results.first(), partials.first()) else { return Ok(()) };
    let dtype = lowering.ty(first).dtype;
    let mut nest = Nest::new();
    let kept = &like.shape.dims()[like.pieces()..];
    let at: Vec<Affine> = kept.iter().map(|&extent| Affine::var(nest.coordinate(extent))).collect();
    let mut totals: Vec<Var> = Vec::new();
    for partials in partials {
        let values = pieces_side_by_side(&mut nest, partials, kind, &at, dtype)?;
        totals = match totals.is_empty() {
            true => values,
            false => with_each(&mut nest, dtype, kind, &totals, &values),
        };
    }
    for (&result, value) in results.iter().zip(totals) {
        let target = lowering.place(result)?;
        let operand = nest.operand(target.buffer, "result", dtype, true);
        nest.store(operand, element(target.layout.origin, &target.layout.strides, &at), value);
    }
    let (kernel, arguments) = nest.finish(name);
    lowering.launch(first, kernel, arguments);
    Ok(())
}

/// The results of all pieces at one element, by a loop over their numbers in lanes.
fn pieces_side_by_side(
    nest: &mut Nest,
    partials: &Partials,
    kind: Reduction,
    at: &[Affine],
    dtype: DType,
) -> Result<Vec<Var>, LowerError> {
    let scattered = || LowerError::Internal("partial results do not lie one behind the other".to_owned());
    let count = partials.count().ok_or_else(scattered)?;
    let first = nest.number(dtype, identity(kind, dtype));
    let initial = vec![first; partials.places.len()];
    let (piece, current) = nest.open(Affine::constant(0), Affine::extent(count), true, &initial);
    let mut values = Vec::new();
    for partial in &partials.places {
        let distance = partials.distance(partial).ok_or_else(scattered)?;
        let operand = nest.operand(partial.buffer, "partial", dtype, false);
        let (origin, strides) = (partial.layout.origin, &partial.layout.strides[partials.pieces()..]);
        let index = element(origin, strides, at).plus(&Affine::var(piece).times(distance));
        values.push(nest.load(operand, index, None));
    }
    let next = with_each(nest, dtype, kind, &current, &values);
    Ok(nest.close(&next, Some(combine(kind))))
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
    if lowering.options.threads == Threads::Many {
        return combine_in_teams(lowering, sums, Reduction::Sum, partials, name);
    }
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
            false => with_each(&mut nest, dtype, Reduction::Sum, &totals, &values),
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

/// One number of each of two rows, combined.
fn with_each(nest: &mut Nest, dtype: DType, kind: Reduction, a: &[Var], b: &[Var]) -> Vec<Var> {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| nest.op(dtype, ScalarOp::Binary(binary(kind)), &[a, b])).collect()
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
        let next = with_each(nest, dtype, Reduction::Sum, &current, &values);
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
    let (kernel, arguments) = element_kernel(lowering, None, name, &shape, &order, &|emitter, at| {
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
