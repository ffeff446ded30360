//! Global memory: allocations at made-up addresses, with gaps in between so that a stray access hits nothing.

pub(crate) mod region;
pub(crate) mod shadow;

use crate::fault::Fault;
use region::Region;

/// Where the first allocation lies.
const FIRST: u64 = 0x7000_0000_0000;
/// Every allocation's alignment.
const ALIGNMENT: u64 = 256;
/// At least as many bytes lie between two allocations.
const GAP: u64 = 4096;

#[derive(Debug, Clone)]
struct Allocation {
    address: u64,
    region: Region,
}

/// The global memory that launches work on. It is kept from launch to launch.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    allocations: Vec<Allocation>,
    /// Epochs of accesses are counted over all launches, so that each ignores those before it.
    pub(crate) epoch: u32,
    /// The allocation touched last.
    last: usize,
    /// Where the last allocation ended, freed or not: no address is given twice.
    end: u64,
}

impl Memory {
    /// Nothing allocated.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many bytes that nobody wrote yet. The address is a multiple of 256.
    pub fn allocate(&mut self, bytes: usize) -> u64 {
        let address = self.end.max(FIRST).next_multiple_of(ALIGNMENT);
        self.end = address + bytes as u64 + GAP;
        self.allocations.push(Allocation { address, region: Region::new(bytes) });
        address
    }

    /// Takes an allocation back: from now on nothing may touch it.
    ///
    /// # Errors
    /// Where no allocation begins there.
    pub fn free(&mut self, address: u64) -> Result<(), Fault> {
        let found = self.allocations.binary_search_by_key(&address, |allocation| allocation.address);
        self.allocations.remove(found.map_err(|_| Fault::Host { address, bytes: 0 })?);
        self.last = 0;
        Ok(())
    }

    /// An allocation that holds these bytes.
    pub fn store(&mut self, bytes: &[u8]) -> u64 {
        let address = self.allocate(bytes.len());
        if let Some(last) = self.allocations.last_mut() {
            last.region.fill(0, bytes);
        }
        address
    }

    /// An allocation that holds these values.
    pub fn store_f32(&mut self, values: &[f32]) -> u64 {
        self.store(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    /// An allocation that holds these values.
    pub fn store_u32(&mut self, values: &[u32]) -> u64 {
        self.store(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    /// Overwrites bytes from the host's side.
    ///
    /// # Errors
    /// Where no one allocation holds all of them.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let found = self.find(address, bytes.len());
        let (at, offset) = found.ok_or(Fault::Host { address, bytes: bytes.len() })?;
        self.allocations[at].region.fill(offset, bytes);
        Ok(())
    }

    /// Bytes as they are now.
    ///
    /// # Errors
    /// Where no one allocation holds all of them.
    pub fn read(&mut self, address: u64, bytes: usize) -> Result<&[u8], Fault> {
        let (at, offset) = self.find(address, bytes).ok_or(Fault::Host { address, bytes })?;
        Ok(&self.allocations[at].region.bytes[offset..offset + bytes])
    }

    /// So many values.
    ///
    /// # Errors
    /// Where no one allocation holds all of them.
    pub fn read_f32(&mut self, address: u64, count: usize) -> Result<Vec<f32>, Fault> {
        Ok(self.read_u32(address, count)?.into_iter().map(f32::from_bits).collect())
    }

    /// So many values.
    ///
    /// # Errors
    /// Where no one allocation holds all of them.
    pub fn read_u32(&mut self, address: u64, count: usize) -> Result<Vec<u32>, Fault> {
        let bytes = self.read(address, count.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|word| region::little(word) as u32).collect())
    }

    /// The allocation that holds a range whole, and the range's offset there.
    fn find(&mut self, address: u64, bytes: usize) -> Option<(usize, usize)> {
        let inside = |allocation: &Allocation| {
            let offset = usize::try_from(address.checked_sub(allocation.address)?).ok()?;
            (offset.checked_add(bytes)? <= allocation.region.bytes.len()).then_some(offset)
        };
        if let Some(offset) = self.allocations.get(self.last).and_then(inside) {
            return Some((self.last, offset));
        }
        let after = self.allocations.partition_point(|allocation| allocation.address <= address);
        let at = after.checked_sub(1)?;
        let offset = inside(&self.allocations[at])?;
        self.last = at;
        Some((at, offset))
    }

    /// The region of a range, the range's offset, and the address at which the region starts.
    pub(crate) fn region(&mut self, address: u64, bytes: usize) -> Option<(&mut Region, usize, u64)> {
        let (at, offset) = self.find(address, bytes)?;
        let Allocation { address, region } = &mut self.allocations[at];
        Some((region, offset, *address))
    }

    /// What lies nearest to an address that nothing holds, for a message.
    pub(crate) fn nearest(&self, address: u64) -> String {
        let after = self.allocations.partition_point(|allocation| allocation.address <= address);
        let place = |at: usize| {
            let Allocation { address: start, region } = &self.allocations[at];
            (*start, region.bytes.len() as u64)
        };
        let before = after.checked_sub(1).map(|at| (at, place(at)));
        let next = (after < self.allocations.len()).then(|| place(after));
        match (before, next) {
            (_, Some((start, bytes))) if start - address <= GAP / 2 => {
                format!("{} bytes before the start of allocation {after} of {bytes} bytes", start - address)
            }
            (Some((at, (start, bytes))), _) if address < start + bytes + GAP => {
                format!("at offset {} of allocation {at} of {bytes} bytes", address - start)
            }
            _ => "far from every allocation".to_owned(),
        }
    }

    /// Starts counting the accesses of a launch.
    pub(crate) fn start(&mut self) {
        if self.epoch > u32::MAX / 2 {
            self.epoch = 0;
            self.allocations.iter_mut().for_each(|allocation| allocation.region.forget_accesses());
        }
    }
}
