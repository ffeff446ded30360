//! Bytes of global or shared memory with what is known about each: written yet or not, and by whom touched.

use super::shadow::{Clash, Order, Shadow};
use crate::fault::Access;

/// Which checks a launch makes. All of them by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// Unordered accesses to the same byte are a fault. Without this, copies in flight are not noticed either.
    pub races: bool,
    /// Reads of bytes that nobody wrote are a fault.
    pub uninitialised: bool,
    /// Instructions of threads after which the launch counts as endless.
    pub instructions: u64,
}

impl Default for Checks {
    fn default() -> Self {
        Self { races: true, uninitialised: true, instructions: 20_000_000_000 }
    }
}

/// Why a region refuses an access, with the offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Uninitialised(usize),
    Clash(usize, Clash),
}

#[derive(Debug, Clone)]
pub(crate) struct Region {
    pub(crate) bytes: Vec<u8>,
    /// A bit for each byte.
    written: Vec<u64>,
    shadow: Shadow,
}

impl Region {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], written: vec![0; bytes.div_ceil(64)], shadow: Shadow::new(bytes) }
    }

    /// As new.
    pub(crate) fn clear(&mut self) {
        self.bytes.fill(0);
        self.written.fill(0);
        self.shadow.clear();
    }

    pub(crate) fn forget_accesses(&mut self) {
        self.shadow.clear();
    }

    /// Bytes from the host.
    pub(crate) fn fill(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        for at in offset..offset + bytes.len() {
            self.written[at / 64] |= 1 << (at % 64);
        }
    }

    /// An access is aligned to its size of at most 16 bytes, so its bits lie in one word.
    fn bits(offset: usize, bytes: usize) -> (usize, u64) {
        (offset / 64, ((1 << bytes) - 1) << (offset % 64))
    }

    fn check_written(&self, offset: usize, bytes: usize, checks: &Checks) -> Result<(), Refusal> {
        let (word, bits) = Self::bits(offset, bytes);
        let missing = bits & !self.written[word];
        match missing != 0 && checks.uninitialised {
            true => Err(Refusal::Uninitialised(word * 64 + missing.trailing_zeros() as usize)),
            false => Ok(()),
        }
    }

    pub(crate) fn read(
        &mut self,
        offset: usize,
        bytes: usize,
        order: &Order<'_>,
        checks: &Checks,
    ) -> Result<u128, Refusal> {
        if checks.races {
            self.shadow.read(offset, bytes, order).map_err(|clash| Refusal::Clash(offset, clash))?;
        }
        self.check_written(offset, bytes, checks)?;
        Ok(little(&self.bytes[offset..offset + bytes]))
    }

    /// Sixteen bytes that an asynchronous product reads, held from now on until [`release`](Self::release): nobody may
    /// write them. `fences` are the last of each thread.
    pub(crate) fn read_for_product(
        &mut self,
        offset: usize,
        order: &Order<'_>,
        checks: &Checks,
        fences: &[u64],
    ) -> Result<u128, Refusal> {
        let value = self.read(offset, 16, order, checks)?;
        if checks.races {
            self.shadow.hold(offset, 16, fences).map_err(|clash| Refusal::Clash(offset, clash))?;
        }
        Ok(value)
    }

    pub(crate) fn release(&mut self, offset: usize, bytes: usize) {
        self.shadow.release(offset, bytes);
    }

    pub(crate) fn write(
        &mut self,
        offset: usize,
        value: &[u8],
        order: &Order<'_>,
        checks: &Checks,
    ) -> Result<(), Refusal> {
        self.note(offset, value.len(), order, checks, Access::Write, 0)?;
        self.put(offset, value);
        Ok(())
    }

    fn note(
        &mut self,
        offset: usize,
        bytes: usize,
        order: &Order<'_>,
        checks: &Checks,
        access: Access,
        copy: u32,
    ) -> Result<(), Refusal> {
        match checks.races {
            true => self
                .shadow
                .write(offset, bytes, order, access, copy)
                .map_err(|clash| Refusal::Clash(offset, clash)),
            false => Ok(()),
        }
    }

    fn put(&mut self, offset: usize, value: &[u8]) {
        let (word, bits) = Self::bits(offset, value.len());
        self.written[word] |= bits;
        self.bytes[offset..offset + value.len()].copy_from_slice(value);
    }

    /// The old value, replaced by what `update` makes of it.
    pub(crate) fn atomic(
        &mut self,
        offset: usize,
        bytes: usize,
        order: &Order<'_>,
        checks: &Checks,
        update: impl FnOnce(u64) -> u64,
    ) -> Result<u64, Refusal> {
        self.note(offset, bytes, order, checks, Access::Atomic, 0)?;
        self.check_written(offset, bytes, checks)?;
        let old = little(&self.bytes[offset..offset + bytes]) as u64;
        self.put(offset, &update(old).to_le_bytes()[..bytes]);
        Ok(old)
    }

    /// An asynchronous copy to here begins: until it lands, nobody may touch these bytes.
    pub(crate) fn expect(
        &mut self,
        offset: usize,
        bytes: usize,
        order: &Order<'_>,
        checks: &Checks,
    ) -> Result<(), Refusal> {
        self.note(offset, bytes, order, checks, Access::Write, order.line)
    }

    pub(crate) fn land(&mut self, offset: usize, value: &[u8], order: &Order<'_>, checks: &Checks) {
        if checks.races {
            self.shadow.land(offset, value.len(), order);
        }
        self.put(offset, value);
    }
}

/// Up to sixteen little-endian bytes.
pub(crate) fn little(bytes: &[u8]) -> u128 {
    // The sizes of accesses, each in one load.
    if let Ok(word) = <[u8; 4]>::try_from(bytes) {
        return u128::from(u32::from_le_bytes(word));
    }
    if let Ok(double) = <[u8; 8]>::try_from(bytes) {
        return u128::from(u64::from_le_bytes(double));
    }
    bytes.iter().rev().fold(0, |whole, byte| whole << 8 | u128::from(*byte))
}
