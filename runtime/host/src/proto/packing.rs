//! Elements between memory and files: byte order, and types of less than eight bits, of which several share a byte.
//!
//! Packed elements fill bytes from the least bit on; those of six bits cross the borders of bytes.

use crate::element::Element;

/// Bytes that `elements` take in a file, where they do not exceed the range of `usize`.
pub(super) fn packed_length(element: Element, elements: usize) -> Option<usize> {
    Some(elements.checked_mul(element.bits())?.div_ceil(8))
}

/// The elements of a file's raw bytes, as memory has them; there are at least [`packed_length`] bytes.
pub(super) fn unpack(element: Element, elements: usize, raw: &[u8]) -> Vec<u8> {
    let bits = element.bits();
    if bits >= 8 {
        return swapped(element, raw.to_vec());
    }
    let mask = (1u16 << bits) - 1;
    let unpacked = (0..elements).map(|index| {
        let bit = index * bits;
        let byte = |at: usize| u16::from(raw.get(at).copied().unwrap_or(0));
        let both = byte(bit / 8) | byte(bit / 8 + 1) << 8;
        (both >> (bit % 8) & mask) as u8
    });
    unpacked.collect()
}

/// The raw bytes of a file for elements in memory.
pub(super) fn pack(element: Element, bytes: &[u8]) -> Vec<u8> {
    let bits = element.bits();
    if bits >= 8 {
        return swapped(element, bytes.to_vec());
    }
    let mut packed = vec![0u8; (bytes.len() * bits).div_ceil(8)];
    for (index, &byte) in bytes.iter().enumerate() {
        let bit = index * bits;
        let both = u16::from(byte) << (bit % 8);
        packed[bit / 8] |= both as u8;
        if both > 0xff {
            packed[bit / 8 + 1] |= (both >> 8) as u8;
        }
    }
    packed
}

/// Little-endian bytes in the order of the machine, and back.
fn swapped(element: Element, mut bytes: Vec<u8>) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        let complex = matches!(element, Element::Complex64 | Element::Complex128);
        let width = if complex { element.width() / 2 } else { element.width() };
        bytes.chunks_exact_mut(width.max(1)).for_each(<[u8]>::reverse);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_bits_cross_bytes() {
        let codes: Vec<u8> = (0..9).map(|index| index * 7).collect();
        let packed = pack(Element::F6E2M3, &codes);
        assert_eq!(packed.len(), 7);
        assert_eq!(packed[0], 7 << 6);
        assert_eq!(unpack(Element::F6E2M3, 9, &packed), codes);
    }

    #[test]
    fn four_and_two_bits() {
        assert_eq!(pack(Element::I4, &[1, 15, 8]), [0xf1, 0x08]);
        assert_eq!(unpack(Element::U2, 5, &[0b11_10_01_00, 0b01]), [0, 1, 2, 3, 1]);
    }
}
