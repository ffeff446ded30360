//! Operators that select by indices.
//!
//! History: negative indices came with opset 11.

use super::{Context, Operator, Stop};
use dlc_ir::{Comparison, NodeId, Op};
use dlc_types::{DType, Dim};

pub(super) const OPERATORS: &[Operator] = &[Operator::new("Gather", 1, gather)];

/// Indices as the graph wants them: `i32`, from 0 on. Those that count from the end are turned.
pub(super) fn indices(context: &mut Context<'_, '_>, indices: NodeId, size: usize) -> Result<NodeId, Stop> {
    let size = i32::try_from(size).map_err(|_| context.not_done(format!("an axis of {size} elements")))?;
    let builder = context.builder();
    let indices = builder.cast(indices, DType::I32)?;
    let zero = builder.splat_like(indices, 0.0)?;
    let negative = builder.compare(Comparison::Less, indices, zero)?;
    let turned = builder.shift(indices, f64::from(size))?;
    Ok(builder.select(negative, turned, indices)?)
}

fn gather(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (data, places) = (context.input(0)?, context.input(1)?);
    let shape = context.shape(data);
    let axis = context.int_or("axis", 0)?;
    let axis = context.axis(axis, shape.rank())?;
    let Dim::Fixed(size) = shape[axis] else {
        return Err(context.not_done("indices into the batch"));
    };
    if let Some(values) = context.known(1).and_then(|known| known.ints()) {
        let range = -(size as i64)..size as i64;
        if let Some(value) = values.iter().find(|value| !range.contains(value)) {
            return Err(context.invalid(format!("the index {value} is not in an axis of {size}")));
        }
    }
    let places = indices(context, places, size)?;
    let result = context.builder().add_node(Op::Gather { axis }, &[data, places])?;
    context.set_output(0, result)
}
