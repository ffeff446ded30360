//! Tensors whose elements are at hand.
//!
//! Elements are packed as `TensorProto.raw_data` packs them: row-major, little-endian, elements of less
//! than a byte from the lowest bits up. Large ones stay in the file that they came from: an [`Array`] is
//! cheap to clone whatever its size. An array that exists holds as many bytes as its dims ask for.

use crate::Element;
use crate::decode::MappedFile;
use dlc_ir::{Literal, literal::Elements};
use dlc_types::element::{bf16_to_f32, f16_to_f32};
use dlc_types::{DType, Shape, TensorType};
use std::sync::Arc;

/// Where the elements are.
#[derive(Clone, Debug)]
enum Data {
    Owned(Arc<[u8]>),
    Mapped { file: Arc<MappedFile>, start: usize, length: usize },
    Texts(Arc<[Vec<u8>]>),
}

/// A tensor of any element type of ONNX.
#[derive(Clone, Debug)]
pub struct Array {
    element: Element,
    dims: Vec<usize>,
    data: Data,
}

/// The number of elements; `None` where it or their bytes cannot be told in a machine word.
fn count(element: Element, dims: &[usize]) -> Option<usize> {
    // Zeros do not excuse the other extents: strides are products of them.
    let span = dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)))?;
    element.bytes(span).filter(|&bytes| bytes <= isize::MAX as usize / 8)?;
    Some(if dims.contains(&0) { 0 } else { span })
}

fn expected(element: Element, dims: &[usize]) -> Result<usize, String> {
    let bytes = count(element, dims).and_then(|count| element.bytes(count));
    bytes.ok_or_else(|| format!("{element}{dims:?} is larger than memory can hold"))
}

impl Array {
    /// An array of packed elements.
    ///
    /// # Errors
    /// Where their number is not what the dims ask for.
    pub fn new(element: Element, dims: Vec<usize>, bytes: Vec<u8>) -> Result<Array, String> {
        let expected = expected(element, &dims)?;
        if element == Element::Text || bytes.len() != expected {
            return Err(format!("{element}{dims:?} takes {expected} bytes, but there are {}", bytes.len()));
        }
        Ok(Array { element, dims, data: Data::Owned(bytes.into()) })
    }

    /// An array of strings.
    ///
    /// # Errors
    /// Where their number is not what the dims ask for.
    pub fn texts(dims: Vec<usize>, texts: Vec<Vec<u8>>) -> Result<Array, String> {
        let expected = count(Element::Text, &dims).ok_or("it is larger than memory can hold")?;
        if texts.len() != expected {
            return Err(format!("string{dims:?} takes {expected} strings, but there are {}", texts.len()));
        }
        Ok(Array { element: Element::Text, dims, data: Data::Texts(texts.into()) })
    }

    /// An array whose elements stay in a mapped file.
    pub(crate) fn mapped(
        element: Element,
        dims: Vec<usize>,
        file: Arc<MappedFile>,
        start: usize,
        length: usize,
    ) -> Result<Array, String> {
        let expected = expected(element, &dims)?;
        if element == Element::Text || length != expected {
            return Err(format!("{element}{dims:?} takes {expected} bytes, but there are {length}"));
        }
        if start.checked_add(length).is_none_or(|end| end > file.bytes().len()) {
            return Err(format!("bytes {start} to {start}+{length} are not in the file"));
        }
        Ok(Array { element, dims, data: Data::Mapped { file, start, length } })
    }

    /// A vector of `i64`.
    pub fn of_ints(values: &[i64]) -> Array {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Array { element: Element::I64, dims: vec![values.len()], data: Data::Owned(bytes.into()) }
    }

    /// A scalar `i64`.
    pub fn of_int(value: i64) -> Array {
        Array { dims: Vec::new(), ..Array::of_ints(&[value]) }
    }

    /// A vector of `f32`.
    pub fn of_floats(values: &[f32]) -> Array {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Array { element: Element::F32, dims: vec![values.len()], data: Data::Owned(bytes.into()) }
    }

    /// A scalar `f32`.
    pub fn of_float(value: f32) -> Array {
        Array { dims: Vec::new(), ..Array::of_floats(&[value]) }
    }

    /// The element type.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The extents, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.dims.contains(&0)
    }

    /// The type as text: `f32[2, 3]`.
    pub fn type_text(&self) -> String {
        format!("{}{:?}", self.element, self.dims)
    }

    /// The packed elements; none for strings.
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Owned(bytes) => bytes,
            Data::Mapped { file, start, length } => file.bytes().get(*start..*start + *length).unwrap_or(&[]),
            Data::Texts(_) => &[],
        }
    }

    /// Tells the system that elements in a mapped file are not needed for long; they stay readable.
    pub fn release(&self) {
        if let Data::Mapped { file, start, length } = &self.data {
            file.release(*start, *length);
        }
    }

    /// The strings, if it holds strings.
    pub fn as_texts(&self) -> Option<&[Vec<u8>]> {
        match &self.data {
            Data::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    /// The same elements in other extents.
    ///
    /// # Errors
    /// Where the number of elements differs.
    pub fn reshaped(&self, dims: Vec<usize>) -> Result<Array, String> {
        if count(self.element, &dims) != Some(self.len()) {
            return Err(format!("{} cannot have the dims {dims:?}", self.type_text()));
        }
        Ok(Array { dims, ..self.clone() })
    }

    /// The elements of an integer type or of `bool`; `u64` shares the bits of `i64`.
    pub fn ints(&self) -> Option<Vec<i64>> {
        let bytes = self.bytes();
        Some(match self.element {
            Element::I8 => bytes.iter().map(|&b| i64::from(b.cast_signed())).collect(),
            Element::U8 => bytes.iter().map(|&b| i64::from(b)).collect(),
            Element::Bool => bytes.iter().map(|&b| i64::from(b != 0)).collect(),
            Element::I16 => bytes.as_chunks().0.iter().map(|&b| i64::from(i16::from_le_bytes(b))).collect(),
            Element::U16 => bytes.as_chunks().0.iter().map(|&b| i64::from(u16::from_le_bytes(b))).collect(),
            Element::I32 => bytes.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect(),
            Element::U32 => bytes.as_chunks().0.iter().map(|&b| i64::from(u32::from_le_bytes(b))).collect(),
            Element::I64 | Element::U64 => {
                bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()
            }
            _ => return None,
        })
    }

    /// The elements of a float type that the graph knows.
    pub fn floats(&self) -> Option<Vec<f64>> {
        let bytes = self.bytes();
        Some(match self.element {
            Element::F16 => {
                bytes.as_chunks().0.iter().map(|&b| f64::from(f16_to_f32(u16::from_le_bytes(b)))).collect()
            }
            Element::BF16 => {
                bytes.as_chunks().0.iter().map(|&b| f64::from(bf16_to_f32(u16::from_le_bytes(b)))).collect()
            }
            Element::F32 => bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Element::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            _ => return None,
        })
    }

    /// The elements as floats, whatever number type they have.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.floats().or_else(|| Some(self.ints()?.into_iter().map(|value| value as f64).collect()))
    }

    /// A constant of the graph; `None` for element types that it does not know.
    pub fn literal(&self) -> Option<Literal> {
        let dtype = self.element.dtype()?;
        let elements = match dtype {
            DType::Bool => Elements::Bool(self.bytes().iter().map(|&byte| byte != 0).collect()),
            _ if dtype.is_float() => Elements::Float(self.floats()?),
            _ => Elements::Int(self.ints()?),
        };
        Some(Literal { ty: TensorType::new(dtype, Shape::fixed(&self.dims)), elements })
    }
}
