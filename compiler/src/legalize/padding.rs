//! Padding with a computed value: padding with zeros, and the value where no element is.

use dlc_ir::{Binary, Builder, Comparison, InferError, NodeId, Op};
use dlc_types::{DType, Dim, Shape, TensorType};

/// `pad(data, value)`, with `shape` that of the result.
pub(super) fn pad(
    b: &mut Builder,
    operands: &[NodeId],
    low: &[usize],
    shape: &Shape,
    op: &Op,
) -> Result<NodeId, InferError> {
    let [data, value] = [operands[0], operands[1]];
    let zero = b.scalar(b.ty(data).dtype, 0.0)?;
    let padded = b.add_node(op.clone(), &[data, zero])?;
    let mut inside: Option<NodeId> = None;
    for axis in 0..shape.rank() {
        let length = match b.shape(data)[axis] {
            Dim::Fixed(length) if shape[axis] != Dim::Fixed(length) => length,
            _ => continue,
        };
        let ty = TensorType::new(DType::I32, shape.clone());
        let place = b.declare(Op::Iota { axis }, &[], ty)?;
        let first = b.splat_like(place, low[axis] as f64)?;
        let end = b.splat_like(place, (low[axis] + length) as f64)?;
        let behind = b.compare(Comparison::GreaterEqual, place, first)?;
        let before = b.compare(Comparison::Less, place, end)?;
        let both = b.binary(Binary::And, behind, before)?;
        inside = Some(match inside {
            Some(inside) => b.binary(Binary::And, inside, both)?,
            None => both,
        });
    }
    let Some(inside) = inside else { return Ok(padded) };
    let value = b.broadcast_scalar(value, shape.clone())?;
    b.select(inside, padded, value)
}
