//! Kernels for ops that move elements to places of their own: concatenation.

use super::Lowering;
use super::elementwise::element_kernel;
use super::error::LowerError;
use super::expression::element;
use dlc_ir::NodeId;

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
