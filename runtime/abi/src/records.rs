//! Records of words in bytes, which descriptions and device images are made of.
//!
//! All numbers are 64-bit words of the little-endian kind. Tables and texts follow a head and are named by the number of
//! bytes from the beginning, so the bytes mean the same wherever they are mapped, and need no relocation. Texts end with
//! a zero byte. A reader takes bytes from anywhere: nothing is looked at outside of them, and nothing is allocated that
//! is not a table in them.

use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that are not what they were taken for, or are of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Appends records.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn words(&mut self, words: &[u64]) -> u64 {
        let place = self.bytes.len() as u64;
        self.bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        place
    }

    pub(crate) fn sizes(&mut self, sizes: &[usize]) -> u64 {
        let words: Vec<u64> = sizes.iter().map(|&size| size as u64).collect();
        self.words(&words)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> u64 {
        let place = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        // At least one zero ends it.
        self.bytes.resize((self.bytes.len() + 8) & !7, 0);
        place
    }

    /// The bytes, whose first words are those of the head.
    pub(crate) fn with_head(self, head: &[u64]) -> Vec<u8> {
        let mut bytes = self.bytes;
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(head) {
            *place = word.to_le_bytes();
        }
        bytes
    }
}

pub(crate) fn size(word: u64) -> Result<usize, Malformed> {
    usize::try_from(word).map_err(|_| Malformed)
}

/// Reads records.
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn slice(&self, start: u64, length: usize) -> Result<&'a [u8], Malformed> {
        let start = size(start)?;
        let end = start.checked_add(length).ok_or(Malformed)?;
        self.bytes.get(start..end).ok_or(Malformed)
    }

    pub(crate) fn record<const N: usize>(&self, start: u64) -> Result<[u64; N], Malformed> {
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(self.slice(start, N * 8)?.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Ok(words)
    }

    /// A table, whose length is checked before anything is allocated by it.
    pub(crate) fn table<const N: usize>(&self, start: u64, count: u64) -> Result<Vec<[u64; N]>, Malformed> {
        let length = size(count)?.checked_mul(N * 8).ok_or(Malformed)?;
        let bytes = self.slice(start, length)?.as_chunks::<8>().0;
        let words = |record: &[[u8; 8]]| core::array::from_fn(|word| u64::from_le_bytes(record[word]));
        Ok(bytes.chunks_exact(N).map(words).collect())
    }

    pub(crate) fn sizes(&self, start: u64, count: u64) -> Result<Vec<usize>, Malformed> {
        self.table::<1>(start, count)?.iter().map(|&[word]| size(word)).collect()
    }

    pub(crate) fn text(&self, start: u64) -> Result<String, Malformed> {
        let bytes = self.bytes.get(size(start)?..).ok_or(Malformed)?;
        let length = bytes.iter().position(|&byte| byte == 0).ok_or(Malformed)?;
        core::str::from_utf8(&bytes[..length]).map(String::from).map_err(|_| Malformed)
    }
}
