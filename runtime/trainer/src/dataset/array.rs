//! Numbers as a file has them: one record per sample, of any element type.

use super::records::Records;
use crate::Result;
use crate::encoding::Encoding;

/// Samples of some numbers each.
#[derive(Clone, Debug)]
pub struct Array {
    /// Type and byte order of the numbers.
    pub encoding: Encoding,
    /// Extents of a sample.
    pub dims: Vec<usize>,
    /// The samples.
    pub records: Records,
}

impl Array {
    /// Numbers of a sample.
    pub fn width(&self) -> usize {
        self.dims.iter().product()
    }

    /// The numbers of a sample, as floats; `scratch` is for bytes from a file.
    pub fn each_float(&self, sample: usize, scratch: &mut Vec<u8>, visit: impl FnMut(f64)) -> Result<()> {
        self.encoding.each_float(self.records.read(sample, scratch)?, visit);
        Ok(())
    }

    /// The numbers of a sample of an integer type; `None` for one beyond 63 bits.
    pub fn each_integer(
        &self,
        sample: usize,
        scratch: &mut Vec<u8>,
        visit: impl FnMut(Option<i64>),
    ) -> Result<()> {
        self.encoding.each_integer(self.records.read(sample, scratch)?, visit);
        Ok(())
    }
}
