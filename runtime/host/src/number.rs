//! Elements as numbers: what reading, computing and writing any numeric type has in common.
//!
//! Floats are held as `f64`, integers and bools as `i128`, so that every value of every type is exact. Complex tensors
//! are moved, never computed with.

use crate::element::Element;
use crate::error::{Result, invalid, unsupported};
use crate::index::count;
use crate::minifloat::{Format, RoundMode, decode_e8m0, encode_e8m0};
use crate::tensor::{Tensor, reserve};

/// One element, without loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Float(f64),
    Integer(i128),
}

/// What a conversion does at the ends of a range.
#[derive(Clone, Copy)]
pub(crate) struct Conversion {
    /// Whether small floats stop at their greatest value.
    pub(crate) saturate: bool,
    /// For `E8M0`.
    pub(crate) mode: RoundMode,
}

impl Conversion {
    /// The defaults of `Cast`.
    pub(crate) const PLAIN: Conversion = Conversion { saturate: true, mode: RoundMode::Up };
}

impl Number {
    pub(crate) fn float(self) -> f64 {
        match self {
            Number::Float(value) => value,
            Number::Integer(value) => value as f64,
        }
    }

    /// Order with NaN behind all others.
    pub(crate) fn order(self, other: Number) -> std::cmp::Ordering {
        use std::cmp::Ordering;
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
            _ => {
                let (left, right) = (self.float(), other.float());
                left.partial_cmp(&right).unwrap_or_else(|| match (left.is_nan(), right.is_nan()) {
                    (true, true) => Ordering::Equal,
                    (true, false) => Ordering::Greater,
                    _ => Ordering::Less,
                })
            }
        }
    }

    fn read(element: Element, bytes: &[u8]) -> Option<Number> {
        use Element as E;
        let first = bytes.first().copied()?;
        let integer = |value: i128| Some(Number::Integer(value));
        macro_rules! native {
            ($type:ty) => {
                <$type>::from_ne_bytes(bytes.try_into().ok()?)
            };
        }
        match element {
            E::F32 => Some(Number::Float(f64::from(native!(f32)))),
            E::F64 => Some(Number::Float(native!(f64))),
            E::F16 | E::Bf16 => Some(Number::Float(Format::of(element)?.decode(native!(u16)))),
            E::E8M0 => Some(Number::Float(decode_e8m0(first))),
            E::Bool => integer(i128::from(first != 0)),
            E::U8 | E::U4 | E::U2 => integer(i128::from(first)),
            E::I8 => integer(i128::from(first as i8)),
            E::I4 => integer(i128::from((first << 4) as i8 >> 4)),
            E::I2 => integer(i128::from((first << 6) as i8 >> 6)),
            E::U16 => integer(i128::from(native!(u16))),
            E::I16 => integer(i128::from(native!(i16))),
            E::U32 => integer(i128::from(native!(u32))),
            E::I32 => integer(i128::from(native!(i32))),
            E::U64 => integer(i128::from(native!(u64))),
            E::I64 => integer(i128::from(native!(i64))),
            E::String | E::Complex64 | E::Complex128 => None,
            _ => Some(Number::Float(Format::of(element)?.decode(u16::from(first)))),
        }
    }

    /// The integer that a number becomes in an integer type. Integers wrap. Fractions are cut; floats beyond the range stop
    /// at its ends, but wrap in types of less than eight bits, as the conformance suite has it.
    fn to_integer(self, element: Element) -> Option<i128> {
        let (least, greatest) = element.integer_range()?;
        Some(match self {
            Number::Integer(value) => value,
            Number::Float(value) if element == Element::Bool => i128::from(value != 0.0),
            Number::Float(value) if element.bits() < 8 => value as i128,
            Number::Float(value) => (value as i128).clamp(least, greatest),
        })
    }

    /// Appends the number as an element; false if the type holds no numbers.
    #[must_use]
    fn write(self, element: Element, conversion: Conversion, bytes: &mut Vec<u8>) -> bool {
        use Element as E;
        if let Some(value) = self.to_integer(element) {
            match element {
                E::Bool => bytes.push(u8::from(value != 0)),
                _ if element.bits() < 8 => bytes.push(value as u8 & ((1 << element.bits()) - 1)),
                _ => match element.width() {
                    1 => bytes.push(value as u8),
                    2 => bytes.extend((value as u16).to_ne_bytes()),
                    4 => bytes.extend((value as u32).to_ne_bytes()),
                    _ => bytes.extend((value as u64).to_ne_bytes()),
                },
            }
            return true;
        }
        match (element, self) {
            (E::F32, Number::Float(value)) => bytes.extend((value as f32).to_ne_bytes()),
            (E::F32, Number::Integer(value)) => bytes.extend((value as f32).to_ne_bytes()),
            (E::F64, _) => bytes.extend(self.float().to_ne_bytes()),
            (E::E8M0, _) => bytes.push(encode_e8m0(self.float(), conversion.saturate, conversion.mode)),
            _ => {
                let Some(format) = Format::of(element) else { return false };
                let saturate = conversion.saturate && element.width() == 1;
                let pattern = format.encode(self.float(), saturate);
                match element.width() {
                    1 => bytes.push(pattern as u8),
                    _ => bytes.extend(pattern.to_ne_bytes()),
                }
            }
        }
        true
    }
}

impl Tensor {
    /// All elements as numbers.
    pub(crate) fn numbers(&self) -> Result<Vec<Number>> {
        let element = self.element();
        let bytes = self.bytes()?;
        let read = |chunk: &[u8]| {
            Number::read(element, chunk).ok_or_else(|| unsupported(format!("computing with {element}")))
        };
        bytes.chunks_exact(element.width()).map(read).collect()
    }

    /// All elements as floats.
    pub(crate) fn floats(&self) -> Result<Vec<f64>> {
        Ok(self.numbers()?.into_iter().map(Number::float).collect())
    }

    /// All elements of an integer tensor.
    pub(crate) fn integers(&self) -> Result<Vec<i64>> {
        let numbers = self.numbers()?.into_iter().map(|number| match number {
            Number::Integer(value) => {
                i64::try_from(value).map_err(|_| invalid(format!("{value} is beyond 64 bits")))
            }
            Number::Float(_) => Err(invalid(format!("{} stands where integers should", self.element()))),
        });
        numbers.collect()
    }

    /// The one element of an integer tensor.
    pub(crate) fn integer(&self) -> Result<i64> {
        match self.integers()?[..] {
            [one] => Ok(one),
            _ => Err(invalid(format!("one number should stand where dims are {:?}", self.dims()))),
        }
    }

    /// The one element of a tensor of numbers.
    pub(crate) fn float(&self) -> Result<f64> {
        match self.floats()?[..] {
            [one] => Ok(one),
            _ => Err(invalid(format!("one number should stand where dims are {:?}", self.dims()))),
        }
    }

    /// A tensor of numbers, converted as said.
    pub(crate) fn converted(
        element: Element,
        dims: Vec<usize>,
        numbers: impl IntoIterator<Item = Number>,
        conversion: Conversion,
    ) -> Result<Tensor> {
        let mut bytes = reserve(count(&dims)? * element.width(), &dims)?;
        for number in numbers {
            if !number.write(element, conversion, &mut bytes) {
                return Err(unsupported(format!("computing with {element}")));
            }
        }
        Tensor::new(element, dims, bytes)
    }

    /// A tensor of numbers with the default conversion.
    pub(crate) fn of_numbers(
        element: Element,
        dims: Vec<usize>,
        numbers: impl IntoIterator<Item = Number>,
    ) -> Result<Tensor> {
        Tensor::converted(element, dims, numbers, Conversion::PLAIN)
    }

    /// A tensor of floats.
    pub(crate) fn of_floats(
        element: Element,
        dims: Vec<usize>,
        values: impl IntoIterator<Item = f64>,
    ) -> Result<Tensor> {
        Tensor::of_numbers(element, dims, values.into_iter().map(Number::Float))
    }

    /// A tensor of 64-bit integers.
    pub(crate) fn of_integers(dims: Vec<usize>, values: impl IntoIterator<Item = i64>) -> Result<Tensor> {
        let numbers = values.into_iter().map(|value| Number::Integer(i128::from(value)));
        Tensor::of_numbers(Element::I64, dims, numbers)
    }

    /// A tensor of bools.
    pub(crate) fn of_bools(dims: Vec<usize>, values: impl IntoIterator<Item = bool>) -> Result<Tensor> {
        let numbers = values.into_iter().map(|value| Number::Integer(i128::from(value)));
        Tensor::of_numbers(Element::Bool, dims, numbers)
    }
}
