//! Rules of the ops without tensor operands to follow: externals, constants, counters, random numbers.

use super::{Result, operands, refuse};
use crate::{Literal, Op, literal::Elements};
use dlc_types::{DType, Dim, TensorType};

/// Parameters and states have a fixed shape; only what is fed may depend on the batch.
pub(super) fn external(op: &Op, declared: &TensorType) -> Result<()> {
    if !matches!(op, Op::Input { .. }) && declared.shape.has_batch() {
        refuse!("{} needs a fixed shape: {declared} depends on the batch", op.name());
    }
    Ok(())
}

pub(super) fn constant(literal: &Literal) -> Result<TensorType> {
    let (length, fits) = match &literal.elements {
        Elements::Float(values) => (values.len(), literal.ty.dtype.is_float()),
        Elements::Int(values) => (values.len(), literal.ty.dtype.is_integer()),
        Elements::Bool(values) => (values.len(), literal.ty.dtype == DType::Bool),
    };
    if !fits {
        refuse!("constant of type {} needs elements of that type", literal.ty);
    }
    if literal.ty.shape.elements() != Some(Dim::Fixed(length)) {
        refuse!("constant of type {} needs as many elements as its shape has, not {length}", literal.ty);
    }
    Ok(literal.ty.clone())
}

pub(super) fn iota(axis: usize, declared: &TensorType) -> Result<()> {
    operands::axis("iota", declared, axis)?;
    operands::numeric("iota", declared)
}

pub(super) fn extent(dim: Dim, declared: &TensorType) -> Result<()> {
    if declared.shape.rank() != 0 || declared.dtype == DType::Bool {
        refuse!("extent of {dim} is a scalar number, not {declared}");
    }
    Ok(())
}

pub(super) fn random([seed, step]: [&TensorType; 2], declared: &TensorType) -> Result<()> {
    if *seed != TensorType::scalar(DType::I64) || *step != TensorType::scalar(DType::I32) {
        refuse!("random needs a seed i64[] and a step i32[], not {seed} and {step}");
    }
    if declared.dtype != DType::F32 {
        refuse!("random gives f32, not {declared}");
    }
    Ok(())
}
