//! Who touched which byte last, so that two threads that touch it unordered are noticed.
//!
//! Time within a launch is counted in epochs: each barrier of a block starts one, and each block starts with
//! one. Within an epoch, lanes of one warp are ordered by `bar.warp.sync`, which the warp counts in vector
//! clocks. Entries stand for words of four bytes until a narrower access splits their page.

use crate::fault::{Access, Other};

/// Bytes of a page; accesses are aligned and at most 16 bytes, so none crosses a page.
const PAGE: usize = 1024;
/// Readers of more than one warp.
const MANY: u16 = u16::MAX;

/// The thread that makes an access, and what is ordered before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) epoch: u32,
    /// First epoch of the thread's block.
    pub(crate) block_start: u32,
    /// Entries of earlier epochs do not count: the launch's first for global memory, the block's for shared.
    pub(crate) horizon: u32,
    /// Number in the block.
    pub(crate) thread: u16,
    /// The thread's own clock in its warp.
    pub(crate) time: u32,
    /// For each lane of the warp, up to which clock its accesses come before this one.
    pub(crate) knows: Option<&'a [u32; 32]>,
    pub(crate) line: u32,
    /// Number of the warp's instruction in the launch.
    pub(crate) issue: u64,
    /// A read by `.nc`, of what the launch may not write.
    pub(crate) unchanging: bool,
}

/// Why an access is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Clash {
    Race {
        access: Access,
        other: Other,
    },
    /// The line of the copy.
    InFlight(u32),
    /// The line of the product that reads.
    Multiplied(u32),
    /// The line of the write that no proxy's fence follows.
    Unfenced(u32),
    /// Read by `.nc` and written in one launch: the lines of both.
    Unchanging {
        read: u32,
        written: u32,
    },
}

/// Epoch 0 stands for never.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    write_epoch: u32,
    write_time: u32,
    write_line: u32,
    first_read: u32,
    read_epoch: u32,
    read_time: u32,
    read_lanes: u32,
    read_line: u32,
    /// Line of the asynchronous copy that is on its way here.
    copy: u32,
    /// Asynchronous products that read.
    products: u16,
    write_issue: u64,
    /// Epoch and line of the last read by `.nc`.
    unchanging: (u32, u32),
    writer: u16,
    read_warp: u16,
    atomic: bool,
}

#[derive(Debug, Clone)]
struct Page {
    entries: Vec<Entry>,
    /// One entry for each word rather than each byte.
    words: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Shadow {
    pages: Vec<Option<Page>>,
}

impl Order<'_> {
    fn warp(&self) -> u16 {
        self.thread / 32
    }

    /// Whether an access of that epoch is another block's.
    fn is_foreign(&self, epoch: u32) -> bool {
        epoch >= self.horizon && epoch < self.block_start
    }

    /// Whether a thread's access of this epoch comes before.
    fn follows(&self, thread: u16, time: u32) -> bool {
        let known = |knows: &[u32; 32]| knows[usize::from(thread % 32)] > time;
        thread == self.thread || (thread / 32 == self.warp() && self.knows.is_some_and(known))
    }

    /// Against the last write.
    fn check_write(&self, entry: &Entry, access: Access) -> Result<(), Clash> {
        let another_block = self.is_foreign(entry.write_epoch);
        let unordered = entry.write_epoch == self.epoch && !self.follows(entry.writer, entry.write_time);
        if !(another_block || unordered) || (entry.atomic && access == Access::Atomic) {
            return Ok(());
        }
        let earlier = if entry.atomic { Access::Atomic } else { Access::Write };
        let thread = Some(u32::from(entry.writer));
        let other = Other { access: earlier, line: entry.write_line, another_block, thread };
        Err(Clash::Race { access, other })
    }

    /// Against the reads since the launch began.
    fn check_reads(&self, entry: &Entry, access: Access) -> Result<(), Clash> {
        let another_block = entry.first_read != 0 && self.is_foreign(entry.first_read);
        let follows = |lane: u16| {
            entry.read_lanes >> lane & 1 == 0 || self.follows(entry.read_warp * 32 + lane, entry.read_time)
        };
        let unordered = entry.read_epoch == self.epoch && (entry.read_warp == MANY || !(0..32).all(follows));
        if !(another_block || unordered) {
            return Ok(());
        }
        let one = entry.read_warp != MANY && entry.read_lanes.is_power_of_two();
        let thread = one.then(|| u32::from(entry.read_warp) * 32 + entry.read_lanes.trailing_zeros());
        let other = Other { access: Access::Read, line: entry.read_line, another_block, thread };
        Err(Clash::Race { access, other })
    }

    fn read(&self, entry: &mut Entry) -> Result<(), Clash> {
        if entry.copy != 0 {
            return Err(Clash::InFlight(entry.copy));
        }
        self.check_write(entry, Access::Read)?;
        if self.unchanging {
            if entry.write_epoch >= self.horizon {
                return Err(Clash::Unchanging { read: self.line, written: entry.write_line });
            }
            entry.unchanging = (self.epoch, self.line);
        }
        if entry.first_read < self.horizon {
            entry.first_read = self.epoch;
        }
        let lane = 1 << (self.thread % 32);
        if entry.read_epoch != self.epoch {
            entry.read_epoch = self.epoch;
            entry.read_warp = self.warp();
            entry.read_lanes = lane;
            entry.read_time = self.time;
        } else if entry.read_warp == self.warp() {
            entry.read_lanes |= lane;
            entry.read_time = entry.read_time.max(self.time);
        } else {
            entry.read_warp = MANY;
        }
        entry.read_line = self.line;
        Ok(())
    }

    fn write(&self, entry: &mut Entry, access: Access, copy: u32) -> Result<(), Clash> {
        if entry.copy != 0 {
            return Err(Clash::InFlight(entry.copy));
        }
        if entry.products != 0 {
            return Err(Clash::Multiplied(entry.read_line));
        }
        self.check_write(entry, access)?;
        self.check_reads(entry, access)?;
        let (epoch, read) = entry.unchanging;
        if epoch >= self.horizon {
            return Err(Clash::Unchanging { read, written: self.line });
        }
        entry.copy = copy;
        entry.atomic = access == Access::Atomic;
        self.stamp(entry);
        Ok(())
    }

    fn stamp(&self, entry: &mut Entry) {
        entry.write_epoch = self.epoch;
        entry.write_time = self.time;
        entry.write_line = self.line;
        entry.write_issue = self.issue;
        entry.writer = self.thread;
    }
}

impl Shadow {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { pages: vec![None; bytes.div_ceil(PAGE)] }
    }

    fn entries(&mut self, offset: usize, bytes: usize) -> &mut [Entry] {
        let page = self.pages[offset / PAGE]
            .get_or_insert_with(|| Page { entries: vec![Entry::default(); PAGE / 4], words: true });
        if page.words && bytes < 4 {
            page.entries = page.entries.iter().flat_map(|entry| [*entry; 4]).collect();
            page.words = false;
        }
        let at = offset % PAGE;
        match page.words {
            true => &mut page.entries[at / 4..(at + bytes) / 4],
            false => &mut page.entries[at..at + bytes],
        }
    }

    pub(crate) fn read(&mut self, offset: usize, bytes: usize, order: &Order<'_>) -> Result<(), Clash> {
        self.entries(offset, bytes).iter_mut().try_for_each(|entry| order.read(entry))
    }

    /// A product begins to read: what was written there needs a fence of the writer behind it.
    pub(crate) fn hold(&mut self, offset: usize, bytes: usize, fences: &[u64]) -> Result<(), Clash> {
        for entry in self.entries(offset, bytes) {
            let fence = fences.get(usize::from(entry.writer)).copied().unwrap_or(0);
            if entry.write_epoch != 0 && fence <= entry.write_issue {
                return Err(Clash::Unfenced(entry.write_line));
            }
            entry.products += 1;
        }
        Ok(())
    }

    /// A product has been waited for.
    pub(crate) fn release(&mut self, offset: usize, bytes: usize) {
        for entry in self.entries(offset, bytes) {
            entry.products = entry.products.saturating_sub(1);
        }
    }

    /// A write or atomic update; `copy` is the line of a copy that will land there, else 0.
    pub(crate) fn write(
        &mut self,
        offset: usize,
        bytes: usize,
        order: &Order<'_>,
        access: Access,
        copy: u32,
    ) -> Result<(), Clash> {
        self.entries(offset, bytes).iter_mut().try_for_each(|entry| order.write(entry, access, copy))
    }

    /// The copy on its way lands now.
    pub(crate) fn land(&mut self, offset: usize, bytes: usize, order: &Order<'_>) {
        for entry in self.entries(offset, bytes) {
            entry.copy = 0;
            entry.atomic = false;
            order.stamp(entry);
        }
    }

    /// Drops copies that a block left on their way.
    pub(crate) fn clear(&mut self) {
        self.pages.iter_mut().for_each(|page| *page = None);
    }
}
