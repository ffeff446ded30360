//! Derivatives of reading and writing at indices, each other's adjoints.

use super::tape::{Fault, Rule, Tape};
use dlc_ir::{Builder, Comparison, InferError, NodeId, Op, ScatterKind};
use dlc_types::{DType, Dim, Shape, TensorType};

/// Operands: data, indices.
pub(super) fn gather(tape: &mut Tape, axis: usize, operands: &[NodeId], g: NodeId) -> Rule {
    let zero = tape.build.splat_like(operands[0], 0.0)?;
    let scatter = Op::Scatter { axis, kind: ScatterKind::Add };
    let gradient = tape.build.add_node(scatter, &[zero, operands[1], g])?;
    tape.contribute(operands[0], gradient)
}

/// Operands: data, indices. All lines of the axis become one, in which an element's place is known.
pub(super) fn gather_along(tape: &mut Tape, axis: usize, operands: &[NodeId], g: NodeId) -> Rule {
    let gradient = along(&mut tape.build, axis, operands, g)?;
    tape.contribute(operands[0], gradient.ok_or(Fault::Unsupported("gather_along runs along the batch"))?)
}

fn along(b: &mut Builder, axis: usize, operands: &[NodeId], g: NodeId) -> Result<Option<NodeId>, InferError> {
    let (shape, dtype) = (b.shape(operands[0]).clone(), b.ty(operands[0]).dtype);
    let last: Vec<usize> =
        (0..shape.rank()).filter(|&other| other != axis).chain(std::iter::once(axis)).collect();
    let (chosen, g) = (b.transpose(operands[1], &last)?, b.transpose(g, &last)?);
    let (Some(length), Some(count)) = (shape[axis].fixed(), b.shape(chosen)[shape.rank() - 1].fixed()) else {
        return Ok(None);
    };
    let mut turned: Vec<Dim> = last.iter().map(|&other| shape[other]).collect();
    turned.pop();
    let Some(lines) = Shape(turned.clone()).elements() else { return Ok(None) };
    let table = Shape(vec![lines, Dim::Fixed(count)]);
    let line = b.declare(Op::Iota { axis: 0 }, &[], TensorType::new(DType::I32, table.clone()))?;
    let start = b.scale(line, length as f64)?;
    let (chosen, g) = (b.reshape(chosen, table.clone())?, b.reshape(g, table)?);
    // As the gather clamps them, so that no line is left.
    let (zero, end) = (b.splat_like(chosen, 0.0)?, b.splat_like(chosen, length as f64 - 1.0)?);
    let chosen = b.binary(dlc_ir::Binary::Max, chosen, zero)?;
    let chosen = b.binary(dlc_ir::Binary::Min, chosen, end)?;
    let place = b.add(start, chosen)?;
    let (Some(places), Some(elements)) = (lines.times(Dim::Fixed(count)), lines.times(Dim::Fixed(length)))
    else {
        return Ok(None);
    };
    let (place, g) = (b.reshape(place, Shape(vec![places]))?, b.reshape(g, Shape(vec![places]))?);
    let zero = b.splat(dtype, Shape(vec![elements]), 0.0)?;
    let sums = b.add_node(Op::Scatter { axis: 0, kind: ScatterKind::Add }, &[zero, place, g])?;
    turned.push(Dim::Fixed(length));
    let sums = b.reshape(sums, Shape(turned))?;
    let mut back = vec![0; last.len()];
    last.iter().enumerate().for_each(|(position, &other)| back[other] = position);
    b.transpose(sums, &back).map(Some)
}

/// Operands: data, indices, updates.
pub(super) fn scatter(
    tape: &mut Tape,
    axis: usize,
    kind: ScatterKind,
    operands: &[NodeId],
    g: NodeId,
) -> Rule {
    let &[data, indices, updates] = operands else { return Ok(()) };
    match kind {
        ScatterKind::Add => {}
        ScatterKind::Set => return overwritten(tape, axis, operands, g),
        _ => return Err(Fault::Unsupported("of scatters only `add` and `set` have a derivative")),
    }
    if tape.needs(data) {
        tape.contribute(data, g)?;
    }
    if tape.needs(updates) {
        let gradient = tape.build.add_node(Op::Gather { axis }, &[g, indices])?;
        tape.contribute(updates, gradient)?;
    }
    Ok(())
}

/// The gradient of an element goes to the update that is there in the end, which is found by writing the
/// updates' numbers in the same way.
fn overwritten(tape: &mut Tape, axis: usize, operands: &[NodeId], g: NodeId) -> Rule {
    let &[data, indices, updates] = operands else { return Ok(()) };
    let (needs_data, needs_updates) = (tape.needs(data), tape.needs(updates));
    let b = &mut tape.build;
    let set = Op::Scatter { axis, kind: ScatterKind::Set };
    if needs_data {
        let zero = b.splat_like(updates, 0.0)?;
        let gradient = b.add_node(set.clone(), &[g, indices, zero])?;
        tape.contribute(data, gradient)?;
    }
    if needs_updates {
        let b = &mut tape.build;
        let chosen = b.shape(indices).clone();
        let Some(count) = chosen.elements() else { return Ok(()) };
        let numbers =
            b.declare(Op::Iota { axis: 0 }, &[], TensorType::new(DType::I32, Shape(vec![count])))?;
        let numbers = b.reshape(numbers, chosen)?;
        let axes: Vec<usize> = (axis..axis + b.shape(indices).rank()).collect();
        let numbers = b.broadcast(numbers, b.shape(updates).clone(), &axes)?;
        let nobody = b.splat(DType::I32, b.shape(data).clone(), -1.0)?;
        let last = b.add_node(set, &[nobody, indices, numbers])?;
        let last = b.add_node(Op::Gather { axis }, &[last, indices])?;
        let stays = b.compare(Comparison::Equal, last, numbers)?;
        let gathered = b.add_node(Op::Gather { axis }, &[g, indices])?;
        let zero = b.splat_like(gathered, 0.0)?;
        let gradient = b.select(stays, gathered, zero)?;
        tape.contribute(updates, gradient)?;
    }
    Ok(())
}
