//! The wire form of protocol buffers: fields with numbers, read from a slice and appended to a vector.

use crate::error::{HostError, Result};

/// The payload of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'a> {
    /// A number of variable length.
    Varint(u64),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// Bytes, a text, packed numbers or a message.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32([u8; 4]),
}

/// The fields of one message, in the order of the file.
pub(super) struct Fields<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a message; its name is for errors.
    pub(super) fn new(message: &'static str, bytes: &'a [u8]) -> Fields<'a> {
        Fields { message, rest: bytes }
    }

    /// The next field with its number; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Payload<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.fixed()?),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.fault("a length is too large"))?;
                Payload::Bytes(self.take(length)?)
            }
            5 => Payload::Fixed32(self.fixed()?),
            kind => return Err(self.fault(&format!("a field has the wire type {kind}"))),
        };
        Ok(Some((tag >> 3, payload)))
    }

    /// An error about this message.
    pub(super) fn fault(&self, what: &str) -> HostError {
        HostError::Malformed { message: self.message, what: what.to_owned() }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.fault("it is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.fault("it is cut off"))
    }

    fn varint(&mut self) -> Result<u64> {
        let (value, rest) = varint(self.rest).ok_or_else(|| self.fault("a number is cut off or too long"))?;
        self.rest = rest;
        Ok(value)
    }

    /// Appends the numbers of a repeated field, packed or single, to `values`.
    pub(super) fn varints(&self, payload: Payload<'_>, values: &mut Vec<u64>) -> Result<()> {
        match payload {
            Payload::Varint(value) => values.push(value),
            Payload::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    let (value, rest) =
                        varint(bytes).ok_or_else(|| self.fault("a number is cut off or too long"))?;
                    values.push(value);
                    bytes = rest;
                }
            }
            _ => return Err(self.fault("a field of integers has another wire type")),
        }
        Ok(())
    }

    /// Appends the little-endian bytes of a repeated field of floats of `width` bytes, packed or single.
    pub(super) fn floats(&self, payload: Payload<'_>, width: usize, bytes: &mut Vec<u8>) -> Result<()> {
        match payload {
            Payload::Fixed32(one) if width == 4 => bytes.extend(one),
            Payload::Fixed64(one) if width == 8 => bytes.extend(one),
            Payload::Bytes(packed) if packed.len().is_multiple_of(width) => bytes.extend(packed),
            _ => return Err(self.fault("a field of floats has another wire type")),
        }
        Ok(())
    }

    /// The bytes of a field that has them.
    pub(super) fn bytes(&self, payload: Payload<'a>) -> Result<&'a [u8]> {
        match payload {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => Err(self.fault("a field of bytes has another wire type")),
        }
    }

    /// The number of a field that has one.
    pub(super) fn number(&self, payload: Payload<'_>) -> Result<u64> {
        match payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(self.fault("a field of an integer has another wire type")),
        }
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        if index == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// Appends a field of a number.
pub(super) fn put_number(to: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(to, field << 3);
    put_varint(to, value);
}

/// Appends a field of bytes, a text or a message.
pub(super) fn put_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(to, field << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
