//! Kernels for scatter-add.
//!
//! Every element of the result is owned by one thread: threads divide the elements of one slice among
//! them, and each walks all updates in order. The sum is the same for any number of threads.

use super::Lowering;
use super::elementwise::element_kernel;
use super::error::LowerError;
use super::expression::{Emitter, element};
use dlc_ir::NodeId;
use dlc_kernel::{Affine, Binary, IndexExpr, ScalarOp};

/// Lowers a `scatter_add`: zeros first, then all updates.
pub(crate) fn lower_scatter_add(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    axis: usize,
) -> Result<(), LowerError> {
    let [indices, updates] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("scatter_add takes two operands".to_owned()));
    };
    let shape = lowering.ty(id).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let place = lowering.place(id)?.clone();
    let name = lowering.kernel_name(id, "scatter_add");
    let (kernel, arguments) = element_kernel(
        lowering,
        None,
        format!("{name}.zero"),
        &shape,
        &place.layout.order,
        &|emitter, at| {
            let zero = emitter.nest.number(dtype, 0.0);
            emitter.store(id, at, zero)
        },
    )?;
    lowering.launch(id, kernel, arguments);

    let index_shape = lowering.ty(indices).shape.clone();
    let mut emitter = Emitter::new(lowering, None);
    let mut at = vec![Affine::constant(0); shape.rank()];
    for other in (0..shape.rank()).filter(|&other| other != axis) {
        at[other] = Affine::var(emitter.nest.coordinate(shape[other]));
    }
    let index_at: Vec<Affine> =
        index_shape.dims().iter().map(|&dim| Affine::var(emitter.nest.open_over(dim, false))).collect();
    let chosen = emitter.value(indices, &index_at)?;
    let row = emitter.nest.index(IndexExpr::Clamped(chosen, Affine::extent(shape[axis])));
    let update_at = [&at[..axis], &index_at, &at[axis + 1..]].concat();
    let update = emitter.value(updates, &update_at)?;
    at[axis] = Affine::var(row);
    let result = emitter.nest.operand(place.buffer, "result", dtype, true);
    emitter.nest.operand(place.buffer, "result", dtype, false);
    let index = element(place.layout.origin, &place.layout.strides, &at);
    let before = emitter.nest.load(result, index.clone(), None);
    let after = emitter.nest.op(dtype, ScalarOp::Binary(Binary::Add), &[before, update]);
    emitter.nest.store(result, index, after);
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}
