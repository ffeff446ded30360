//! Asynchronous copies from global to shared memory. A copy reads its source when it is issued and lands when
//! its thread waits for its group; until then its destination is nobody's to touch.

use super::Run;
use super::block::Block;
use super::global::{read_global, refused};
use super::stop::{Stop, Trouble};
use super::warp::{Warp, lanes};
use crate::program::{CopyAsync, Space};

#[derive(Debug, Clone)]
struct Pending {
    group: usize,
    offset: usize,
    bytes: usize,
    value: [u8; 16],
    line: u32,
}

/// Groups of one thread.
#[derive(Debug, Clone, Default)]
struct Groups {
    committed: usize,
    pending: Vec<Pending>,
}

/// The copies of a warp's threads.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies {
    lanes: [Groups; 32],
}

impl Block {
    pub(super) fn copy_async(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        exec: u32,
        copy: &CopyAsync,
        line: u32,
    ) -> Result<(), Stop> {
        let bytes = copy.bytes;
        run.statistics.count_access(warp, exec, Space::Shared, copy.to, bytes);
        let reading = copy.source.map_or(exec, |slot| {
            lanes(exec)
                .filter(|lane| warp.get(slot)[*lane as usize] > 0)
                .fold(0, |mask, lane| mask | 1 << lane)
        });
        run.statistics.count_access(warp, reading, Space::Global, copy.from, bytes);
        for lane in lanes(exec) {
            let read = copy.source.map_or(bytes as u64, |slot| warp.get(slot)[lane as usize]);
            if read > bytes as u64 {
                let message = format!("a copy of {bytes} bytes with a source of {read}");
                return Err(Stop::new(lane, Trouble::NotExecuted(message)));
            }
            let read = read as usize;
            let mut value = [0; 16];
            let from = warp.address(copy.from, lane);
            aligned("global", from, bytes, lane)?;
            let mut at = 0;
            while at < read {
                // Whole, or a part by words and then bytes.
                let step = if read == bytes { bytes } else { [1, 4][usize::from(read - at >= 4)] };
                let order = self.order(run, warp, lane, line, true);
                let piece = read_global(run, &order, lane, from + at as u64, step)?;
                value[at..at + step].copy_from_slice(&piece.to_le_bytes()[..step]);
                at += step;
            }
            run.statistics.global_read_bytes += read as u64;
            let to = warp.address(copy.to, lane);
            aligned("shared", to, bytes, lane)?;
            let offset = self.shared_offset(to, bytes, lane)?;
            let order = self.order(run, warp, lane, line, false);
            let expected = self.shared.expect(offset, bytes, &order, &run.launch.checks);
            expected.map_err(|refusal| refused(lane, "shared", 0, refusal))?;
            let groups = &mut warp.copies.lanes[lane as usize];
            groups.pending.push(Pending { group: groups.committed, offset, bytes, value, line });
        }
        Ok(())
    }

    /// Ends the group that a thread's copies since the last commit belong to.
    pub(super) fn commit_group(warp: &mut Warp, exec: u32) {
        lanes(exec).for_each(|lane| warp.copies.lanes[lane as usize].committed += 1);
    }

    /// Lands all groups of the threads but the latest `pending` ones; `None` is every copy, committed or not.
    pub(super) fn wait_group(&mut self, run: &Run<'_>, warp: &mut Warp, exec: u32, pending: Option<usize>) {
        for lane in lanes(exec) {
            let mut groups = std::mem::take(&mut warp.copies.lanes[lane as usize]);
            let bound = pending.map_or(usize::MAX, |pending| groups.committed.saturating_sub(pending));
            for copy in groups.pending.extract_if(.., |copy| copy.group < bound) {
                let order = self.order(run, warp, lane, copy.line, false);
                self.shared.land(copy.offset, &copy.value[..copy.bytes], &order, &run.launch.checks);
            }
            warp.copies.lanes[lane as usize] = groups;
        }
    }
}

pub(super) fn aligned(space: &'static str, address: u64, bytes: usize, lane: u32) -> Result<(), Stop> {
    // Sizes of accesses are powers of two.
    match address & (bytes as u64 - 1) == 0 {
        true => Ok(()),
        false => Err(Stop::new(lane, Trouble::Misaligned { space, address, bytes })),
    }
}
