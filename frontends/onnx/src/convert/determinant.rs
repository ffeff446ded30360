//! Det: by elimination with pivots, unrolled over the size of the matrix.
//!
//! History: opset 11, unchanged since.

use super::{Context, Operator, Stop};
use dlc_ir::{ArgReduction, Comparison, NodeId, Op, Unary};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Det", 11, det)];

/// The largest matrix that is unrolled.
const LIMIT: usize = 32;

/// Rows or columns from `first` to `limit` of the last two axes.
fn part(
    context: &mut Context<'_, '_>,
    x: NodeId,
    rows: (usize, usize),
    columns: (usize, usize),
) -> Result<NodeId, Stop> {
    let rank = context.rank(x);
    let (mut starts, mut limits) = (vec![0; rank], vec![usize::MAX; rank]);
    (starts[rank - 2], limits[rank - 2]) = rows;
    (starts[rank - 1], limits[rank - 1]) = columns;
    let op = Op::Slice { starts, limits, strides: vec![1; rank] };
    Ok(context.builder().add_node(op, &[x])?)
}

fn det(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let mut x = context.input(0)?;
    context.need_rank(x, 2)?;
    let shape = context.shape(x);
    let rank = shape.rank();
    if shape[rank - 1] != shape[rank - 2] {
        return Err(context.invalid(format!("the matrices of {shape} are not square")));
    }
    let size = context.size(shape[rank - 1])?;
    if size == 0 || size > LIMIT {
        return Err(context.not_done(format!("matrices of {size} rows")));
    }
    let outer = Shape(shape.dims()[..rank - 2].to_vec());
    let mut result: Option<NodeId> = None;
    for left in (1..=size).rev() {
        let (pivot, rest) = eliminated(context, x, left)?;
        result = Some(match result {
            None => pivot,
            Some(product) => context.builder().mul(product, pivot)?,
        });
        x = rest;
    }
    let result = result.ok_or_else(|| context.invalid("its matrices are empty"))?;
    let result = context.builder().reshape(result, outer)?;
    context.set_output(0, result)
}

/// Of the `size × size` matrices: the pivot with the sign of its row's exchange, `[…, 1, 1]`, and what elimination
/// leaves of the other rows and columns.
fn eliminated(context: &mut Context<'_, '_>, x: NodeId, size: usize) -> Result<(NodeId, NodeId), Stop> {
    let shape = context.shape(x);
    let rank = shape.rank();
    if size == 1 {
        return Ok((x, x));
    }
    let first_column = part(context, x, (0, size), (0, 1))?;
    let first_row = part(context, x, (0, 1), (0, size))?;
    let builder = context.builder();
    let lengths = builder.unary(Unary::Abs, first_column)?;
    let place = builder.arg_reduce(ArgReduction::Max, lengths, rank - 2)?;
    let mut one_row = shape.dims().to_vec();
    (one_row[rank - 2], one_row[rank - 1]) = (Dim::Fixed(1), Dim::Fixed(1));
    let place = builder.reshape(place, Shape(one_row))?;
    let wide = context.broadcast_to(place, &shape)?;
    let rows = context.iota(DType::I32, &shape, rank - 2)?;
    let builder = context.builder();
    let chosen = builder.compare(Comparison::Equal, wide, rows)?;
    let zero = builder.splat_like(x, 0.0)?;
    let only = builder.select(chosen, x, zero)?;
    let pivot_row = builder.sum(only, &[rank - 2])?;
    let pivot_row = context.with_axes(pivot_row, &[rank - 2])?;
    // The first row takes the place of the pivot's.
    let exchanged = context.broadcast_to(first_row, &shape)?;
    let swapped = context.builder().select(chosen, exchanged, x)?;
    let pivot = part(context, pivot_row, (0, 1), (0, 1))?;
    let builder = context.builder();
    let at_first = builder.splat_like(place, 0.0)?;
    let at_first = builder.compare(Comparison::Equal, place, at_first)?;
    let minus = builder.neg(pivot)?;
    let signed = builder.select(at_first, pivot, minus)?;
    let none = builder.splat_like(pivot, 0.0)?;
    let singular = builder.compare(Comparison::Equal, pivot, none)?;
    let one = builder.splat_like(pivot, 1.0)?;
    let divisor = builder.select(singular, one, pivot)?;
    let below = part(context, swapped, (1, size), (1, size))?;
    let column = part(context, swapped, (1, size), (0, 1))?;
    let row = part(context, pivot_row, (0, 1), (1, size))?;
    let all = context.broadcast_all(&[column, divisor])?;
    let factor = context.builder().div(all[0], all[1])?;
    let all = context.broadcast_all(&[below, factor, row])?;
    let product = context.builder().mul(all[1], all[2])?;
    let rest = context.builder().sub(all[0], product)?;
    Ok((signed, rest))
}
