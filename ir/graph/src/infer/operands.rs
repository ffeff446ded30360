//! Counting operands and taking the tensors out of their types; checks on axes that many rules share.

use super::{Result, refuse};
use crate::{Op, Type};
use dlc_types::{DType, TensorType};

/// The op has no operands.
pub(super) fn none(op: &Op, operands: &[&Type]) -> Result<()> {
    tensors::<0>(op, operands).map(|_| ())
}

/// The op's only operand.
pub(super) fn one<'a>(op: &Op, operands: &[&'a Type]) -> Result<&'a TensorType> {
    tensors::<1>(op, operands).map(|[ty]| ty)
}

/// The op's operands, a fixed number of them.
pub(super) fn tensors<'a, const COUNT: usize>(
    op: &Op,
    operands: &[&'a Type],
) -> Result<[&'a TensorType; COUNT]> {
    match <[&TensorType; COUNT]>::try_from(list(op, operands)?) {
        Ok(types) => Ok(types),
        Err(types) => {
            let plural = if COUNT == 1 { "" } else { "s" };
            refuse!("{} needs {COUNT} operand{plural}, not {}", op.name(), types.len())
        }
    }
}

/// The op's operands, as many as there are.
pub(super) fn list<'a>(op: &Op, operands: &[&'a Type]) -> Result<Vec<&'a TensorType>> {
    let mut types = Vec::with_capacity(operands.len());
    for ty in operands {
        match ty {
            Type::Tensor(ty) => types.push(ty),
            Type::Tuple(_) => refuse!("{} needs tensors, not the tuple {ty}; project it first", op.name()),
        }
    }
    Ok(types)
}

/// Element `index` of the only operand, a tuple.
pub(super) fn project(operands: &[&Type], index: usize) -> Result<TensorType> {
    match operands {
        [Type::Tuple(types)] => match types.get(index) {
            Some(ty) => Ok(ty.clone()),
            None => refuse!("project {index} is out of range for a tuple of {}", types.len()),
        },
        [Type::Tensor(ty)] => refuse!("project needs a tuple, not {ty}"),
        _ => refuse!("project needs 1 operand, not {}", operands.len()),
    }
}

/// The axis exists.
pub(super) fn axis(name: &str, ty: &TensorType, axis: usize) -> Result<()> {
    if axis >= ty.shape.rank() {
        refuse!("{name} along axis {axis} needs rank {} or more, not {ty}", axis.saturating_add(1));
    }
    Ok(())
}

/// The axes exist and ascend strictly.
pub(super) fn ascending_axes(name: &str, ty: &TensorType, axes: &[usize]) -> Result<()> {
    if !axes.is_sorted_by(|a, b| a < b) {
        refuse!("{name} needs its axes in ascending order without repetition, not {axes:?}");
    }
    axes.iter().try_for_each(|&one| axis(name, ty, one))
}

/// An attribute has one entry per axis.
pub(super) fn per_axis(name: &str, attribute: &str, length: usize, ty: &TensorType) -> Result<()> {
    if length != ty.shape.rank() {
        refuse!("{name} needs one of its {attribute} per axis of {ty}, not {length}");
    }
    Ok(())
}

/// The operand's elements are numbers.
pub(super) fn numeric(name: &str, ty: &TensorType) -> Result<()> {
    if ty.dtype == DType::Bool {
        refuse!("{name} needs numbers, not {ty}");
    }
    Ok(())
}

/// The operand's elements are floats.
pub(super) fn float(name: &str, ty: &TensorType) -> Result<()> {
    if !ty.dtype.is_float() {
        refuse!("{name} needs floats, not {ty}");
    }
    Ok(())
}

/// Both operands have one element type.
pub(super) fn same_dtype(name: &str, a: &TensorType, b: &TensorType) -> Result<()> {
    if a.dtype != b.dtype {
        refuse!("{name} needs operands of one element type: {a} and {b} differ");
    }
    Ok(())
}
