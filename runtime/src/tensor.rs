//! A tensor in the host's memory: plain row-major, native byte order.

use crate::error::{Result, RuntimeError};
use dlc_abi::ElementType;
use std::fmt::Write;

/// An owned tensor. `bytes` holds the elements in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTensor {
    /// Element type.
    pub element: ElementType,
    /// Extents, outermost first.
    pub dims: Vec<usize>,
    /// The elements; as many bytes as `element` and `dims` ask for.
    pub bytes: Vec<u8>,
}

/// `f32[64, 10]`.
pub(crate) fn type_text(element: ElementType, dims: &[usize]) -> String {
    let mut text = format!("{}[", element.name());
    for (axis, dim) in dims.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{dim}", if axis > 0 { ", " } else { "" });
    }
    text.push(']');
    text
}

/// Bytes of a tensor in the plain order.
pub(crate) fn plain_bytes(element: ElementType, dims: &[usize]) -> Result<usize> {
    dims.iter()
        .try_fold(element.size(), |product, &dim| product.checked_mul(dim))
        .ok_or_else(|| RuntimeError::TooLarge { dims: dims.to_vec() })
}

macro_rules! typed {
    ($from:ident, $values:ident, $rust:ty, $element:ident) => {
        /// A tensor of these values.
        pub fn $from(dims: &[usize], values: &[$rust]) -> Result<HostTensor> {
            let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            HostTensor::new(ElementType::$element, dims.to_vec(), bytes)
        }

        /// The values, if they are of this type.
        pub fn $values(&self) -> Result<Vec<$rust>> {
            self.require(ElementType::$element)?;
            let (chunks, _) = self.bytes.as_chunks();
            Ok(chunks.iter().map(|&chunk| <$rust>::from_ne_bytes(chunk)).collect())
        }
    };
}

impl HostTensor {
    /// A tensor from its bytes, whose number is checked.
    pub fn new(element: ElementType, dims: Vec<usize>, bytes: Vec<u8>) -> Result<HostTensor> {
        let tensor = HostTensor { element, dims, bytes };
        tensor.check()?;
        Ok(tensor)
    }

    /// That there are as many bytes as the type asks for.
    pub(crate) fn check(&self) -> Result<()> {
        let expected = plain_bytes(self.element, &self.dims)?;
        if expected == self.bytes.len() {
            return Ok(());
        }
        Err(RuntimeError::TensorBytes { shape: self.type_text(), expected, found: self.bytes.len() })
    }

    fn require(&self, expected: ElementType) -> Result<()> {
        self.check()?;
        if self.element == expected {
            return Ok(());
        }
        Err(RuntimeError::Element { expected, found: self.element })
    }

    /// Element type and shape: `f32[64, 10]`.
    pub fn type_text(&self) -> String {
        type_text(self.element, &self.dims)
    }

    /// A scalar `i64`.
    pub fn scalar_i64(value: i64) -> HostTensor {
        let bytes = value.to_ne_bytes().to_vec();
        HostTensor { element: ElementType::I64, dims: Vec::new(), bytes }
    }

    /// A scalar `f64`.
    pub fn scalar_f64(value: f64) -> HostTensor {
        let bytes = value.to_ne_bytes().to_vec();
        HostTensor { element: ElementType::F64, dims: Vec::new(), bytes }
    }

    typed!(from_f32, f32_values, f32, F32);
    typed!(from_f64, f64_values, f64, F64);
    typed!(from_i32, i32_values, i32, I32);
    typed!(from_i64, i64_values, i64, I64);
    typed!(from_i8, i8_values, i8, I8);
    typed!(from_u8, u8_values, u8, U8);
    typed!(from_i16, i16_values, i16, I16);
    typed!(from_u16, u16_values, u16, U16);
    typed!(from_u32, u32_values, u32, U32);
    typed!(from_u64, u64_values, u64, U64);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn values_go_in_and_come_out() {
        let tensor = HostTensor::from_f32(&[2, 2], &[1.0, -2.0, 0.5, 3.0]).unwrap();
        assert_eq!(tensor.type_text(), "f32[2, 2]");
        assert_eq!(tensor.f32_values().unwrap(), [1.0, -2.0, 0.5, 3.0]);
        assert!(matches!(tensor.i32_values(), Err(RuntimeError::Element { .. })));
        assert!(matches!(HostTensor::from_i64(&[3], &[1]), Err(RuntimeError::TensorBytes { .. })));
        let huge = HostTensor::new(ElementType::F64, vec![usize::MAX, 2], Vec::new());
        assert!(matches!(huge, Err(RuntimeError::TooLarge { .. })));
    }
}
