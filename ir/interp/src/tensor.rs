//! Tensors of the interpreter: row-major, elements in the widest form of their class.

use crate::{InterpError, Result};
use dlc_ir::literal::Elements;
use dlc_types::DType;

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Elements of a float type; not rounded to `f32`, but to the 16-bit floats.
    Float(Vec<f64>),
    /// Elements of an integer type; those of `u64` by their bits.
    Int(Vec<i64>),
    /// Elements of `bool`.
    Bool(Vec<bool>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
            Data::Bool(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn class(&self) -> &'static str {
        match self {
            Data::Float(_) => "float",
            Data::Int(_) => "integer",
            Data::Bool(_) => "bool",
        }
    }
}

/// A tensor: element type, extents and as many elements as they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Element type.
    pub dtype: DType,
    /// Extents, outermost first.
    pub dims: Vec<usize>,
    /// Elements.
    pub data: Data,
}

impl Tensor {
    /// A tensor of these elements; integers wrap at the width of the type, 16-bit floats are rounded.
    ///
    /// # Errors
    /// Where class or number of the elements do not fit.
    pub fn new(dtype: DType, dims: &[usize], mut data: Data) -> Result<Tensor> {
        let class_fits = match &mut data {
            Data::Float(values) => {
                if dtype.is_narrow() {
                    values.iter_mut().for_each(|value| *value = dtype.rounded(*value));
                }
                dtype.is_float()
            }
            Data::Int(values) => {
                values.iter_mut().for_each(|value| *value = dtype.wrapped(*value));
                dtype.is_integer()
            }
            Data::Bool(_) => dtype == DType::Bool,
        };
        let count = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if !class_fits || count != Some(data.len()) {
            return Err(InterpError::MalformedTensor {
                dtype,
                dims: dims.to_vec(),
                count: data.len(),
                class: data.class(),
            });
        }
        Ok(Tensor { dtype, dims: dims.to_vec(), data })
    }

    /// A tensor of zeros (`false` for `bool`).
    pub fn zeros(dtype: DType, dims: &[usize]) -> Tensor {
        let count = dims.iter().product();
        let data = match dtype {
            DType::Bool => Data::Bool(vec![false; count]),
            _ if dtype.is_float() => Data::Float(vec![0.0; count]),
            _ => Data::Int(vec![0; count]),
        };
        Tensor { dtype, dims: dims.to_vec(), data }
    }

    /// An `f32` tensor.
    ///
    /// # Errors
    /// Where the number of elements does not fit.
    pub fn from_f32(dims: &[usize], values: &[f32]) -> Result<Tensor> {
        Tensor::new(DType::F32, dims, Data::Float(values.iter().map(|&value| f64::from(value)).collect()))
    }

    /// An `f64` tensor.
    ///
    /// # Errors
    /// Where the number of elements does not fit.
    pub fn from_f64(dims: &[usize], values: &[f64]) -> Result<Tensor> {
        Tensor::new(DType::F64, dims, Data::Float(values.to_vec()))
    }

    /// An `i32` tensor.
    ///
    /// # Errors
    /// Where the number of elements does not fit.
    pub fn from_i32(dims: &[usize], values: &[i32]) -> Result<Tensor> {
        Tensor::new(DType::I32, dims, Data::Int(values.iter().map(|&value| i64::from(value)).collect()))
    }

    /// A scalar of any type: rounded, truncated for integers, `!= 0` for `bool`.
    pub fn scalar(dtype: DType, value: f64) -> Tensor {
        let data = convert(DType::F64, dtype, &Data::Float(vec![value]));
        Tensor { dtype, dims: Vec::new(), data }
    }

    /// The elements as `f32`, rounded; integers and `bool` (0 or 1) are converted.
    pub fn to_f32(&self) -> Vec<f32> {
        self.to_f64().into_iter().map(|value| value as f32).collect()
    }

    /// The elements as `f64`; integers and `bool` (0 or 1) are converted.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::Float(values) => values.clone(),
            Data::Int(values) => {
                values.iter().map(|&value| float_of(self.dtype, DType::F64, value)).collect()
            }
            Data::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
        }
    }

    /// The elements as `i32`; floats are truncated, `bool` becomes 0 or 1.
    pub fn to_i32(&self) -> Vec<i32> {
        match &self.data {
            Data::Float(values) => values.iter().map(|&value| value as i32).collect(),
            Data::Int(values) => values.iter().map(|&value| value as i32).collect(),
            Data::Bool(values) => values.iter().map(|&value| i32::from(value)).collect(),
        }
    }

    /// The type as text, such as `f32[2, 3]`.
    pub fn type_text(&self) -> String {
        format!("{}{:?}", self.dtype, self.dims)
    }
}

impl From<&Elements> for Data {
    fn from(elements: &Elements) -> Data {
        match elements {
            Elements::Float(values) => Data::Float(values.clone()),
            Elements::Int(values) => Data::Int(values.clone()),
            Elements::Bool(values) => Data::Bool(values.clone()),
        }
    }
}

/// Conversion of elements from one type to another: to floats by rounding (16-bit floats by way of `f32`),
/// from floats to integers by truncation, kept in range (NaN becomes 0), from wider integers by wrapping, to
/// `bool` by `x != 0`.
pub(crate) fn convert(from: DType, to: DType, data: &Data) -> Data {
    if to == DType::Bool {
        return Data::Bool(match data {
            Data::Float(values) => values.iter().map(|&value| value != 0.0).collect(),
            Data::Int(values) => values.iter().map(|&value| value != 0).collect(),
            Data::Bool(values) => values.clone(),
        });
    }
    if to.is_float() {
        return Data::Float(match data {
            Data::Float(values) => values.iter().map(|&value| to.rounded(value)).collect(),
            Data::Int(values) => values.iter().map(|&value| float_of(from, to, value)).collect(),
            Data::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
        });
    }
    Data::Int(match data {
        Data::Float(values) => values.iter().map(|&value| to.saturated(value)).collect(),
        Data::Int(values) => values.iter().map(|&value| to.wrapped(value)).collect(),
        Data::Bool(values) => values.iter().map(|&value| i64::from(value)).collect(),
    })
}

/// The elements whose bits are those of other ones, of a type of the same size.
pub(crate) fn with_bits(from: DType, to: DType, data: &Data) -> Data {
    let mut bytes = Vec::new();
    match data {
        Data::Float(values) => values.iter().for_each(|&value| from.push_float(value, &mut bytes)),
        Data::Int(values) => values.iter().for_each(|&value| from.push_integer(value, &mut bytes)),
        Data::Bool(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
    }
    if to.is_float() { Data::Float(to.floats(&bytes)) } else { Data::Int(to.integers(&bytes)) }
}

/// An integer as a float; `f64` is not on the way to a narrower type, so that it is rounded once.
fn float_of(from: DType, to: DType, value: i64) -> f64 {
    match (from, to) {
        (DType::U64, DType::F64) => value.cast_unsigned() as f64,
        (_, DType::F64) => value as f64,
        (DType::U64, _) => to.rounded(f64::from(value.cast_unsigned() as f32)),
        _ => to.rounded(f64::from(value as f32)),
    }
}
