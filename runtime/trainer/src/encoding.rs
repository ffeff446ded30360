//! How elements stand in files: their type and the order of their bytes.

use dlc_abi::ElementType;
use dlc_types::DType;

/// Element type and byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The type.
    pub element: ElementType,
    /// Whether the greatest byte comes first.
    pub big_endian: bool,
}

impl Encoding {
    /// Bytes of an element.
    pub fn size(self) -> usize {
        self.element.size()
    }

    /// Whether elements are floats.
    pub fn is_float(self) -> bool {
        matches!(self.element, ElementType::F16 | ElementType::BF16 | ElementType::F32 | ElementType::F64)
    }

    /// Whether elements are whole numbers.
    pub fn is_integer(self) -> bool {
        !self.is_float() && self.element != ElementType::Bool
    }

    /// The elements in native order.
    pub fn native(self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.big_endian != cfg!(target_endian = "big") && self.size() > 1 {
            bytes.chunks_exact_mut(self.size()).for_each(<[u8]>::reverse);
        }
        if self.element == ElementType::Bool {
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
        bytes
    }

    /// Visits every element as a float: exact but for integers beyond 2^53.
    pub fn each_float(self, bytes: &[u8], mut visit: impl FnMut(f64)) {
        match (self.element, self.big_endian) {
            (ElementType::U8, _) => bytes.iter().for_each(|&byte| visit(f64::from(byte))),
            (ElementType::F32, false) => {
                bytes.as_chunks().0.iter().for_each(|&one| visit(f64::from(f32::from_le_bytes(one))));
            }
            (ElementType::F64, false) => {
                bytes.as_chunks().0.iter().for_each(|&one| visit(f64::from_le_bytes(one)));
            }
            _ if self.is_float() => {
                let dtype = DType::ALL.into_iter().find(|dtype| dtype.name() == self.element.name());
                let floats = dtype.map(|dtype| dtype.floats(&self.native(bytes)));
                floats.into_iter().flatten().for_each(visit);
            }
            _ => self.each_integer(bytes, |value| visit(value.map_or(f64::MAX, |value| value as f64))),
        }
    }

    /// Visits every element of an integer type; `None` for one beyond 63 bits.
    pub fn each_integer(self, bytes: &[u8], mut visit: impl FnMut(Option<i64>)) {
        let size = self.size();
        for item in bytes.chunks_exact(size) {
            let mut wide = [0u8; 8];
            for (place, &byte) in item.iter().enumerate() {
                wide[if self.big_endian { size - 1 - place } else { place }] = byte;
            }
            let value = u64::from_le_bytes(wide);
            let shift = 64 - 8 * size as u32;
            visit(match self.element {
                ElementType::I8 | ElementType::I16 | ElementType::I32 | ElementType::I64 => {
                    Some((value << shift).cast_signed() >> shift)
                }
                ElementType::Bool => Some(i64::from(value != 0)),
                _ => i64::try_from(value).ok(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_in_both_orders() {
        let integers = |element, big_endian, bytes: &[u8]| {
            let mut all = Vec::new();
            Encoding { element, big_endian }.each_integer(bytes, |value| all.push(value));
            all
        };
        assert_eq!(integers(ElementType::I16, false, &(-300i16).to_le_bytes()), [Some(-300)]);
        assert_eq!(integers(ElementType::I16, true, &(-300i16).to_be_bytes()), [Some(-300)]);
        assert_eq!(integers(ElementType::U16, true, &60_000u16.to_be_bytes()), [Some(60_000)]);
        assert_eq!(integers(ElementType::U64, false, &u64::MAX.to_le_bytes()), [None]);
        assert_eq!(integers(ElementType::Bool, false, &[0, 7]), [Some(0), Some(1)]);
        let floats = |element, big_endian, bytes: &[u8]| {
            let mut all = Vec::new();
            Encoding { element, big_endian }.each_float(bytes, |value| all.push(value));
            all
        };
        assert_eq!(floats(ElementType::F32, true, &1.5f32.to_be_bytes()), [1.5]);
        assert_eq!(floats(ElementType::F32, false, &1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(floats(ElementType::F64, true, &(-2.25f64).to_be_bytes()), [-2.25]);
        assert_eq!(floats(ElementType::F16, false, &[0, 0x3c]), [1.0]);
        assert_eq!(floats(ElementType::I8, false, &[0xff]), [-1.0]);
    }
}
