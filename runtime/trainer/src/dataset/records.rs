//! Records of one size, one behind another: in memory, or in a file that is too large for it.

use crate::{Result, TrainError};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files up to this size are kept in memory; larger ones are read record by record when a batch needs
/// them. Decoded pictures of a folder have the same limit.
pub const MEMORY_LIMIT: usize = 1 << 30;

#[derive(Clone, Debug)]
enum Place {
    Memory {
        bytes: Vec<u8>,
        start: usize,
    },
    File {
        file: Arc<File>,
        path: PathBuf,
        start: u64,
    },
    /// Those of the first, then those of the second.
    Two(Box<(Records, Records)>),
}

/// Records of one size.
#[derive(Clone, Debug)]
pub struct Records {
    /// Bytes of a record.
    size: usize,
    count: usize,
    place: Place,
}

impl Records {
    /// Records in memory, behind the first `start` bytes; what is no whole record is left out.
    pub fn in_memory(bytes: Vec<u8>, start: usize, size: usize) -> Records {
        let count = bytes.len().saturating_sub(start).checked_div(size).unwrap_or(0);
        Records { size, count, place: Place::Memory { bytes, start } }
    }

    /// Records in a file, behind its first `start` bytes.
    pub(crate) fn in_file(path: &Path, start: u64, size: usize, count: usize) -> Result<Records> {
        let file = File::open(path).map_err(|cause| TrainError::File { path: path.to_owned(), cause })?;
        let place = Place::File { file: Arc::new(file), path: path.to_owned(), start };
        Ok(Records { size, count, place })
    }

    /// These, then others of the same size.
    #[must_use]
    pub fn followed_by(self, others: Records) -> Records {
        Records {
            size: self.size,
            count: self.count + others.count,
            place: Place::Two(Box::new((self, others))),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether reading one reads a file.
    pub(crate) fn is_stored(&self) -> bool {
        match &self.place {
            Place::Memory { .. } => false,
            Place::File { .. } => true,
            Place::Two(both) => both.0.is_stored() || both.1.is_stored(),
        }
    }

    /// One record; `scratch` holds it where it comes from a file.
    pub fn read<'a>(&'a self, number: usize, scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match &self.place {
            Place::Memory { bytes, start } => Ok(&bytes[start + number * self.size..][..self.size]),
            Place::File { file, path, start } => {
                scratch.resize(self.size, 0);
                let from = start + number as u64 * self.size as u64;
                read_at(file, scratch, from)
                    .map_err(|cause| TrainError::File { path: path.clone(), cause })?;
                Ok(scratch)
            }
            Place::Two(both) => match number.checked_sub(both.0.count) {
                None => both.0.read(number, scratch),
                Some(number) => both.1.read(number, scratch),
            },
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], from: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, from)
}

#[cfg(windows)]
fn read_at(file: &File, mut out: &mut [u8], mut from: u64) -> std::io::Result<()> {
    while !out.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, out, from)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        out = &mut out[read..];
        from += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn records_are_the_same_from_memory_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let bytes: Vec<u8> = (0..23).collect();
        std::fs::write(&path, &bytes).unwrap();
        let memory = Records::in_memory(bytes, 3, 5);
        let file = Records::in_file(&path, 3, 5, 4).unwrap();
        assert_eq!((memory.len(), file.len()), (4, 4));
        for number in [3, 0, 2] {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            assert_eq!(memory.read(number, &mut a).unwrap(), file.read(number, &mut b).unwrap());
        }
        let both = memory.followed_by(file);
        assert_eq!(both.read(6, &mut Vec::new()).unwrap(), both.read(2, &mut Vec::new()).unwrap());
        assert!(both.len() == 8 && both.is_stored());
        let beyond = Records::in_file(&path, 3, 5, 5).unwrap();
        let error = beyond.read(4, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("records: "), "{error}");
    }
}
