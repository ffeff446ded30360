//! Constants of the graph as tensors of a file.

use super::scope::{Scope, Written};
use crate::{Array, Element};
use dlc_ir::{Literal, literal::Elements};
use dlc_types::DType;

/// The tensor of a constant.
pub(super) fn array(literal: &Literal) -> Written<Array> {
    let dtype = literal.ty.dtype;
    let mut bytes = Vec::new();
    match &literal.elements {
        Elements::Float(values) => values.iter().for_each(|&value| dtype.push_float(value, &mut bytes)),
        Elements::Int(values) => values.iter().for_each(|&value| dtype.push_integer(value, &mut bytes)),
        Elements::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    let dims = literal.ty.shape.as_fixed().ok_or("a constant of the batch's size")?;
    Array::new(Element::of(dtype), dims, bytes)
}

impl Scope<'_> {
    /// A scalar constant.
    pub(super) fn scalar(&mut self, dtype: DType, value: f64) -> Written<String> {
        let array = array(&Literal::scalar(dtype, value))?;
        Ok(self.constant(array))
    }
}
