//! Rules of the elementwise ops: operands of one shape, and an element type that the function knows.

use super::operands::{float, numeric};
use super::{Result, refuse};
use crate::{Binary, Comparison, Unary};
use dlc_types::{DType, TensorType};

pub(super) fn unary(function: Unary, x: &TensorType) -> Result<TensorType> {
    match function {
        Unary::Negate | Unary::Abs | Unary::Sign | Unary::Relu => numeric(function.name(), x)?,
        Unary::Not => bits(function.name(), x)?,
        // Roundings and all that is told by polynomials.
        _ => float(function.name(), x)?,
    }
    Ok(x.clone())
}

pub(super) fn binary(function: Binary, [a, b]: [&TensorType; 2]) -> Result<TensorType> {
    same_type(function.name(), a, b)?;
    match function {
        Binary::Add
        | Binary::Subtract
        | Binary::Multiply
        | Binary::Divide
        | Binary::Max
        | Binary::Min
        | Binary::Power
        | Binary::Remainder => numeric(function.name(), a)?,
        Binary::And | Binary::Or | Binary::Xor => bits(function.name(), a)?,
        Binary::ShiftLeft | Binary::ShiftRight => integer(function.name(), a)?,
    }
    Ok(a.clone())
}

pub(super) fn compare(comparison: Comparison, [a, b]: [&TensorType; 2]) -> Result<TensorType> {
    same_type(comparison.name(), a, b)?;
    if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        numeric(comparison.name(), a)?;
    }
    Ok(TensorType::new(DType::Bool, a.shape.clone()))
}

pub(super) fn select([condition, a, b]: [&TensorType; 3]) -> Result<TensorType> {
    same_type("select", a, b)?;
    boolean("the condition of select", condition)?;
    if condition.shape != a.shape {
        refuse!("select needs a condition of the operands' shape: {condition} and {a} differ");
    }
    Ok(a.clone())
}

pub(super) fn bitcast(x: &TensorType, dtype: DType) -> Result<TensorType> {
    numeric("bitcast", x)?;
    if dtype == DType::Bool || dtype.size() != x.dtype.size() {
        refuse!("bitcast of {x} needs a number type of the same size, not {dtype}");
    }
    Ok(TensorType::new(dtype, x.shape.clone()))
}

fn same_type(name: &str, a: &TensorType, b: &TensorType) -> Result<()> {
    if a != b {
        refuse!("{name} needs operands of one type: {a} and {b} differ");
    }
    Ok(())
}

fn bits(name: &str, ty: &TensorType) -> Result<()> {
    if ty.dtype.is_float() {
        refuse!("{name} needs bool or integers, not {ty}");
    }
    Ok(())
}

fn integer(name: &str, ty: &TensorType) -> Result<()> {
    if !ty.dtype.is_integer() {
        refuse!("{name} needs integers, not {ty}");
    }
    Ok(())
}

fn boolean(name: &str, ty: &TensorType) -> Result<()> {
    if ty.dtype != DType::Bool {
        refuse!("{name} needs bool, not {ty}");
    }
    Ok(())
}
