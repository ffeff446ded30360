//! What a warp's accesses cost the memory system: sectors of global memory and wavefronts of shared memory.
//!
//! Global memory moves in sectors of 32 bytes. Shared memory has 32 banks of 4 bytes; lanes of one phase that
//! touch different words of a bank take one wavefront each. A phase is the whole warp for elements of up to
//! four bytes, and so many lanes as touch 128 bytes for wider ones.

use super::Statistics;
use super::global::resolve;
use super::warp::{Warp, lanes};
use crate::program::{Address, Space};

const SECTOR: u64 = 32;
const BANK: u64 = 4;
const BANKS: u64 = 32;

/// How many of the values differ.
fn distinct(values: &mut [u64]) -> &[u64] {
    if !values.is_sorted() {
        values.sort_unstable();
    }
    let mut count = 0;
    for at in 0..values.len() {
        if count == 0 || values[at] != values[count - 1] {
            values[count] = values[at];
            count += 1;
        }
    }
    &values[..count]
}

/// Wavefronts of one phase, from the first byte of each lane's access.
fn wavefronts(starts: &[u64], bytes: u64) -> u64 {
    let mut words = [0; 32];
    let mut count = 0;
    for start in starts {
        for word in 0..bytes.div_ceil(BANK) {
            words[count] = start / BANK + word;
            count += 1;
        }
    }
    let mut banks = [0; BANKS as usize];
    for word in distinct(&mut words[..count]) {
        banks[(word % BANKS) as usize] += 1;
    }
    banks.into_iter().max().unwrap_or_default()
}

impl Statistics {
    /// Lanes of a warp that access so many bytes each, at these addresses in shared memory.
    pub(super) fn count_shared(&mut self, starts: &[(u32, u64)], bytes: usize) {
        let phase_lanes = (128 / bytes.max(4)) as u32;
        for phase in starts.chunk_by(|a, b| a.0 / phase_lanes == b.0 / phase_lanes) {
            let mut addresses = [0; 32];
            for (address, (_, start)) in addresses.iter_mut().zip(phase) {
                *address = *start;
            }
            self.shared_phases += 1;
            self.shared_wavefronts += wavefronts(&addresses[..phase.len()], bytes as u64);
        }
    }

    fn count_global(&mut self, starts: &[(u32, u64)]) {
        let mut sectors = [0; 32];
        for (sector, (_, start)) in sectors.iter_mut().zip(starts) {
            *sector = start / SECTOR;
        }
        self.global_sectors += distinct(&mut sectors[..starts.len()]).len() as u64;
    }

    /// A warp's load or store, aligned to its size as every access that goes on to happen is.
    pub(super) fn count_access(
        &mut self,
        warp: &Warp,
        exec: u32,
        space: Space,
        address: Address,
        bytes: usize,
    ) {
        if matches!(space, Space::Parameter | Space::Constant | Space::Local) {
            return;
        }
        let (mut shared, mut global) = ([(0, 0); 32], [(0, 0); 32]);
        let (mut shared_count, mut global_count) = (0, 0);
        for lane in lanes(exec) {
            match resolve(space, warp.address(address, lane)) {
                (Space::Shared, start) => {
                    shared[shared_count] = (lane, start);
                    shared_count += 1;
                }
                (Space::Global | Space::Unchanging, start) => {
                    global[global_count] = (lane, start);
                    global_count += 1;
                }
                _ => {}
            }
        }
        if shared_count > 0 {
            self.count_shared(&shared[..shared_count], bytes);
        }
        if global_count > 0 {
            self.count_global(&global[..global_count]);
        }
    }
}
