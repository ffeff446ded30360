//! ReverseSequence: the first elements of every sequence turned around, as many as its length tells.
//!
//! History: opset 10, unchanged since.

use super::{Context, Operator, Stop};
use dlc_ir::{Comparison, NodeId, Op};
use dlc_types::{DType, Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("ReverseSequence", 10, reverse_sequence)];

fn reverse_sequence(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (x, lengths) = (context.input(0)?, context.input(1)?);
    context.need_rank(x, 2)?;
    let shape = context.shape(x);
    let rank = shape.rank();
    let time = context.axis(context.int_or("time_axis", 0)?, rank)?;
    let batch = context.axis(context.int_or("batch_axis", 1)?, rank)?;
    if time == batch {
        return Err(context.invalid("its time_axis is its batch_axis"));
    }
    let steps = context.size(shape[time])?;
    let count = shape[batch].times(Dim::Fixed(steps));
    let count = count.ok_or_else(|| context.not_done("a sequence that is as long as the batch"))?;
    let others: Vec<usize> = (0..rank).filter(|axis| *axis != time && *axis != batch).collect();
    let permutation = [&[batch, time], others.as_slice()].concat();
    let moved = context.builder().transpose(x, &permutation)?;
    let mut rows = vec![count];
    rows.extend(others.iter().map(|&axis| shape[axis]));
    let rows = context.builder().reshape(moved, Shape(rows))?;
    let places = Shape(vec![shape[batch], Dim::Fixed(steps)]);
    let source = sources(context, lengths, &places, steps)?;
    let result = context.builder().add_node(Op::Gather { axis: 0 }, &[rows, source])?;
    let mut back = vec![0; rank];
    permutation.iter().enumerate().for_each(|(from, &to)| back[to] = from);
    let result = context.builder().transpose(result, &back)?;
    context.set_output(0, result)
}

/// For every sequence and step the row that comes there.
fn sources(
    context: &mut Context<'_, '_>,
    lengths: NodeId,
    places: &Shape,
    steps: usize,
) -> Result<NodeId, Stop> {
    let (sequence, step) = (context.iota(DType::I32, places, 0)?, context.iota(DType::I32, places, 1)?);
    let builder = context.builder();
    let lengths = builder.cast(lengths, DType::I32)?;
    let lengths = builder.broadcast_along(lengths, places.clone(), 0)?;
    let turned = builder.sub(lengths, step)?;
    let turned = builder.shift(turned, -1.0)?;
    let inside = builder.compare(Comparison::Less, step, lengths)?;
    let own = builder.select(inside, turned, step)?;
    let first = builder.scale(sequence, steps as f64)?;
    Ok(builder.add(first, own)?)
}
