//! Constant tensors.

use dlc_types::{DType, Shape, TensorType};

/// The elements of a constant, in the widest form of its class.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Elements of a float type; each is exactly representable in it.
    Float(Vec<f64>),
    /// Elements of an integer type; those of `u64` by their bits.
    Int(Vec<i64>),
    /// Elements of `bool`.
    Bool(Vec<bool>),
}

/// A constant tensor of fixed shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// Element type and shape.
    pub ty: TensorType,
    /// As many elements as the shape has.
    pub elements: Elements,
}

impl Literal {
    /// A scalar of any type: rounded to `dtype`, for integers truncated and brought into their range, `!= 0` for `bool`.
    pub fn scalar(dtype: DType, value: f64) -> Literal {
        let elements = match dtype {
            DType::Bool => Elements::Bool(vec![value != 0.0]),
            _ if dtype.is_float() => Elements::Float(vec![dtype.rounded(value)]),
            _ => Elements::Int(vec![dtype.saturated(value)]),
        };
        Literal { ty: TensorType::scalar(dtype), elements }
    }

    /// A float tensor; values are rounded to `dtype`.
    pub fn floats(dtype: DType, sizes: &[usize], values: &[f64]) -> Literal {
        let values = values.iter().map(|&value| dtype.rounded(value)).collect();
        Literal { ty: TensorType::new(dtype, Shape::fixed(sizes)), elements: Elements::Float(values) }
    }

    /// An integer tensor.
    pub fn ints(dtype: DType, sizes: &[usize], values: &[i64]) -> Literal {
        Literal { ty: TensorType::new(dtype, Shape::fixed(sizes)), elements: Elements::Int(values.to_vec()) }
    }

    /// The value of a constant with exactly one element, as a float.
    pub fn as_scalar(&self) -> Option<f64> {
        match &self.elements {
            Elements::Float(values) if values.len() == 1 => Some(values[0]),
            Elements::Int(values) if values.len() == 1 && self.ty.dtype == DType::U64 => {
                Some(values[0].cast_unsigned() as f64)
            }
            Elements::Int(values) if values.len() == 1 => Some(values[0] as f64),
            Elements::Bool(values) if values.len() == 1 => Some(f64::from(u8::from(values[0]))),
            _ => None,
        }
    }
}
