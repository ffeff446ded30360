//! Kernels for ops that move elements to places of their own: concatenation and running sums.

use super::Lowering;
use super::elementwise::element_kernel;
use super::error::LowerError;
use super::expression::{Emitter, element};
use dlc_ir::NodeId;
use dlc_kernel::{Affine, Binary, ScalarOp};

/// Lowers a `concat`: every operand is written to its part of the result by a kernel of its own.
pub(crate) fn lower_concat(lowering: &mut Lowering<'_>, id: NodeId, axis: usize) -> Result<(), LowerError> {
    let mut start = 0;
    for operand in lowering.node(id).operands.clone() {
        let name = lowering.kernel_name(id, "concat");
        let shape = lowering.ty(operand).shape.clone();
        let dtype = lowering.ty(id).dtype;
        let place = lowering.place(id)?.clone();
        let (kernel, arguments) =
            element_kernel(lowering, None, name, &shape, &place.layout.order, &|emitter, at| {
                let value = emitter.value(operand, at)?;
                let mut target = at.to_vec();
                target[axis] = target[axis].clone().offset(start);
                let result = emitter.nest.operand(place.buffer, "result", dtype, true);
                let index = element(place.layout.origin, &place.layout.strides, &target);
                emitter.nest.store(result, index, value);
                Ok(())
            })?;
        lowering.launch(id, kernel, arguments);
        let length =
            shape[axis].fixed().ok_or_else(|| lowering.unsupported(id, "concatenation along the batch"))?;
        start += length as i64;
    }
    Ok(())
}

/// Lowers a running sum: one sequential loop along the axis for every line of elements.
pub(crate) fn lower_cumulative_sum(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    axis: usize,
    reverse: bool,
) -> Result<(), LowerError> {
    let operand = lowering.node(id).operands[0];
    let shape = lowering.ty(id).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let name = lowering.kernel_name(id, "cumulative_sum");
    let order = lowering.place(id)?.layout.order.clone();
    let mut emitter = Emitter::new(lowering, None);
    let mut at = vec![Affine::constant(0); shape.rank()];
    for &other in order.iter().filter(|&&other| other != axis) {
        at[other] = Affine::var(emitter.nest.coordinate(shape[other]));
    }
    let zero = emitter.nest.number(dtype, 0.0);
    let whole = Affine::extent(shape[axis]);
    let (var, current) = emitter.nest.open(Affine::constant(0), whole.clone(), false, &[zero]);
    at[axis] = if reverse { whole.offset(-1).plus(&Affine::var(var).times(-1)) } else { Affine::var(var) };
    let value = emitter.value(operand, &at)?;
    let next = emitter.nest.op(dtype, ScalarOp::Binary(Binary::Add), &[current[0], value]);
    emitter.store(id, &at, next)?;
    emitter.nest.close(&[next], None);
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}
