//! Kernels for scattering and sorting.
//!
//! A scatter owns every element of the result by one thread: threads divide the elements of one slice among
//! them, and each walks all updates in order. The result is the same for any number of threads.
//!
//! Sorting counts, for every element, those that come before it, which takes the square of the length but has
//! neither branches nor an order of steps; the counts are where positions go. It is honest for lines of some
//! thousands.

use super::Lowering;
use super::elementwise::{element_kernel, temporary};
use super::error::LowerError;
use super::expression::{Emitter, element};
use super::nest::Nest;
use dlc_ir::{NodeId, ScatterKind};
use dlc_kernel::{Affine, Binary, Comparison, IndexExpr, ScalarOp, Unary, Var};
use dlc_types::DType;

/// Lowers a `scatter`: the data first, then all updates.
pub(crate) fn lower_scatter(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    axis: usize,
    kind: ScatterKind,
) -> Result<(), LowerError> {
    let [data, indices, updates] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("scatter takes three operands".to_owned()));
    };
    let shape = lowering.ty(id).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let place = lowering.place(id)?.clone();
    let name = lowering.kernel_name(id, "scatter");
    let order = place.layout.order.clone();
    let (kernel, arguments) =
        element_kernel(lowering, None, format!("{name}.data"), &shape, &order, &|emitter, at| {
            let value = emitter.value(data, at)?;
            emitter.store(id, at, value)
        })?;
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
    let index = element(place.layout.origin, &place.layout.strides, &at);
    let combine = match kind {
        ScatterKind::Set => None,
        ScatterKind::Add => Some(Binary::Add),
        ScatterKind::Multiply => Some(Binary::Multiply),
        ScatterKind::Max => Some(Binary::Max),
        ScatterKind::Min => Some(Binary::Min),
    };
    let after = match combine {
        None => update,
        Some(combine) => {
            emitter.nest.operand(place.buffer, "result", dtype, false);
            let before = emitter.nest.load(result, index.clone(), None);
            emitter.nest.op(dtype, ScalarOp::Binary(combine), &[before, update])
        }
    };
    emitter.nest.store(result, index, after);
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// Lowers an `argsort`: how many elements come before each one, then its position put there.
pub(crate) fn lower_arg_sort(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    axis: usize,
    descending: bool,
) -> Result<(), LowerError> {
    let operand = lowering.node(id).operands[0];
    let shape = lowering.ty(id).shape.clone();
    let order = lowering.place(id)?.layout.order.clone();
    let name = lowering.kernel_name(id, "argsort");
    let ranks = temporary(lowering, &format!("{name}.ranks"), DType::I32, &shape, order.clone())?;
    let rank_at = |at: &[Affine]| element(ranks.layout.origin, &ranks.layout.strides, at);
    let (kernel, arguments) =
        element_kernel(lowering, None, format!("{name}.ranks"), &shape, &order, &|emitter, at| {
            let own = emitter.load(operand, at, None)?;
            let place = emitter.nest.form_value(DType::I32, &at[axis]);
            let zero = emitter.nest.number(DType::I32, 0.0);
            let (start, end) = (Affine::constant(0), Affine::extent(shape[axis]));
            let (var, count) = emitter.nest.open(start, end, false, &[zero]);
            let mut other_at = at.to_vec();
            other_at[axis] = Affine::var(var);
            let other = emitter.load(operand, &other_at, None)?;
            let nest = &mut emitter.nest;
            let other_place = nest.form_value(DType::I32, &other_at[axis]);
            let earlier = compare(nest, Comparison::Less, other_place, place);
            // Among equal elements the earlier one comes first.
            let (first, second) = if descending { (own, other) } else { (other, own) };
            let before = less(nest, first, second);
            let behind = less(nest, second, first);
            let not_behind = nest.op(DType::Bool, ScalarOp::Unary(Unary::Not), &[behind]);
            let before = nest.op(DType::Bool, ScalarOp::Select, &[earlier, not_behind, before]);
            let one = nest.op(DType::I32, ScalarOp::Cast, &[before]);
            let next = nest.op(DType::I32, ScalarOp::Binary(Binary::Add), &[count[0], one]);
            let rank = nest.close(&[next], None);
            let result = nest.operand(ranks.buffer, "ranks", DType::I32, true);
            nest.store(result, rank_at(at), rank[0]);
            Ok(())
        })?;
    lowering.launch(id, kernel, arguments);

    let mut emitter = Emitter::new(lowering, None);
    let mut at = vec![Affine::constant(0); shape.rank()];
    for &other in order.iter().filter(|&&other| other != axis) {
        at[other] = Affine::var(emitter.nest.coordinate(shape[other]));
    }
    at[axis] = Affine::var(emitter.nest.open_over(shape[axis], false));
    let from = emitter.nest.operand(ranks.buffer, "ranks", DType::I32, false);
    let rank = emitter.nest.load(from, rank_at(&at), None);
    let position = emitter.nest.form_value(DType::I32, &at[axis]);
    let row = emitter.nest.index(IndexExpr::Clamped(rank, Affine::extent(shape[axis])));
    at[axis] = Affine::var(row);
    emitter.store(id, &at, position)?;
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

fn compare(nest: &mut Nest, comparison: Comparison, a: Var, b: Var) -> Var {
    nest.op(DType::Bool, ScalarOp::Compare(comparison), &[a, b])
}

/// Whether `a` is less than `b`, NaN being larger than any number.
fn less(nest: &mut Nest, a: Var, b: Var) -> Var {
    let less = compare(nest, Comparison::Less, a, b);
    if !nest.dtype(a).is_float() {
        return less;
    }
    let number = compare(nest, Comparison::Equal, a, a);
    let odd = compare(nest, Comparison::NotEqual, b, b);
    let before_odd = nest.op(DType::Bool, ScalarOp::Binary(Binary::And), &[number, odd]);
    nest.op(DType::Bool, ScalarOp::Binary(Binary::Or), &[less, before_odd])
}
