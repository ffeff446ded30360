//! Loads, stores and atomics of each state space, with the checks of bounds and alignment.

use super::Run;
use super::atomics::Update;
use super::block::Block;
use super::copies::aligned;
use super::stop::{Stop, Trouble};
use super::warp::{Warp, lanes};
use crate::memory::region::{Refusal, little};
use crate::memory::shadow::Order;
use crate::program::{
    Address, CONSTANT_WINDOW, Elements, LOCAL_WINDOW, Operation, SHARED_WINDOW, Space, WINDOW,
};

pub(super) fn refused(lane: u32, space: &'static str, start: u64, refusal: Refusal) -> Stop {
    Stop::new(lane, Trouble::Refused { space, start, refusal })
}

/// The space that a generic address lies in, and the address there.
pub(super) fn resolve(space: Space, address: u64) -> (Space, u64) {
    if space != Space::Generic {
        return (space, address);
    }
    for (start, space) in
        [(SHARED_WINDOW, Space::Shared), (LOCAL_WINDOW, Space::Local), (CONSTANT_WINDOW, Space::Constant)]
    {
        if (start..start + WINDOW).contains(&address) {
            return (space, address - start);
        }
    }
    (Space::Global, address)
}

/// A range of a small space by offset.
fn within(
    space: &'static str,
    size: usize,
    address: u64,
    bytes: usize,
    lane: u32,
) -> Result<std::ops::Range<usize>, Stop> {
    let end = address.checked_add(bytes as u64).filter(|end| *end <= size as u64);
    match end {
        Some(end) => Ok(address as usize..end as usize),
        None => {
            let nearest = format!("outside of the {size} bytes of that space");
            Err(Stop::new(lane, Trouble::OutOfBounds { space, address, bytes, nearest }))
        }
    }
}

pub(super) fn far(run: &Run<'_>, address: u64, bytes: usize, lane: u32) -> Stop {
    let nearest = run.memory.nearest(address);
    Stop::new(lane, Trouble::OutOfBounds { space: "global", address, bytes, nearest })
}

pub(super) fn name(space: Space) -> &'static str {
    match space {
        Space::Global | Space::Unchanging | Space::Generic => "global",
        Space::Shared => "shared",
        Space::Constant => "const",
        Space::Local => "local",
        Space::Parameter => "param",
    }
}

pub(super) fn read_global(
    run: &mut Run<'_>,
    order: &Order<'_>,
    lane: u32,
    address: u64,
    bytes: usize,
) -> Result<u128, Stop> {
    let Some((region, offset, start)) = run.memory.region(address, bytes) else {
        return Err(far(run, address, bytes, lane));
    };
    let read = region.read(offset, bytes, order, &run.launch.checks);
    read.map_err(|refusal| refused(lane, "global", start, refusal))
}

impl Warp {
    pub(super) fn address(&self, address: Address, lane: u32) -> u64 {
        self.get(address.base)[lane as usize].wrapping_add(address.offset as u64)
    }

    fn local(&mut self, range: std::ops::Range<usize>, lane: u32) -> &mut [u8] {
        let start = self.local.len() / 32 * lane as usize;
        &mut self.local[start + range.start..start + range.end]
    }
}

impl Block {
    /// Executes an operation by which each lane accesses memory alone; false for any other.
    pub(super) fn access(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        exec: u32,
        operation: &Operation,
        line: u32,
    ) -> Result<bool, Stop> {
        match operation {
            Operation::Load { space, address, elements } => {
                let bytes = elements.bytes * elements.count;
                run.statistics.count_access(warp, exec, *space, *address, bytes);
                for lane in lanes(exec) {
                    self.load(run, warp, lane, *space, *address, elements, line)?;
                }
            }
            Operation::Store { space, address, elements } => {
                let bytes = elements.bytes * elements.count;
                run.statistics.count_access(warp, exec, *space, *address, bytes);
                for lane in lanes(exec) {
                    self.store(run, warp, lane, *space, *address, elements, line)?;
                }
            }
            Operation::Atomic { space, address, combine, bytes, d, b, c } => {
                for lane in lanes(exec) {
                    let update = Update { combine: *combine, bytes: *bytes, d: *d, b: *b, c: *c };
                    self.atomic(run, warp, lane, *space, *address, update, line)?;
                }
            }
            Operation::CopyAsync(copy) => self.copy_async(run, warp, exec, copy, line)?,
            Operation::CommitGroup => Self::commit_group(warp, exec),
            Operation::WaitGroup { pending } => self.wait_group(run, warp, exec, Some(*pending)),
            Operation::WaitAll => self.wait_group(run, warp, exec, None),
            Operation::ProxyFence => {
                for lane in lanes(exec) {
                    self.proxy_fences[(warp.number * 32 + lane) as usize] = run.statistics.issued;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn shared_offset(&self, address: u64, bytes: usize, lane: u32) -> Result<usize, Stop> {
        within("shared", self.shared.bytes.len(), address, bytes, lane).map(|range| range.start)
    }

    pub(super) fn read_shared(
        &mut self,
        run: &Run<'_>,
        warp: &Warp,
        lane: u32,
        address: u64,
        bytes: usize,
        line: u32,
    ) -> Result<u128, Stop> {
        let offset = self.shared_offset(address, bytes, lane)?;
        let order = self.order(run, warp, lane, line, false);
        let read = self.shared.read(offset, bytes, &order, &run.launch.checks);
        read.map_err(|refusal| refused(lane, "shared", 0, refusal))
    }

    #[expect(clippy::too_many_arguments, reason = "the machine's state and the fields of one instruction")]
    fn load(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        lane: u32,
        space: Space,
        address: Address,
        elements: &Elements,
        line: u32,
    ) -> Result<(), Stop> {
        let bytes = elements.bytes * elements.count;
        let (space, address) = resolve(space, warp.address(address, lane));
        aligned(name(space), address, bytes, lane)?;
        let value = match space {
            Space::Shared => self.read_shared(run, warp, lane, address, bytes, line)?,
            Space::Constant => {
                little(&run.constant[within("const", run.constant.len(), address, bytes, lane)?])
            }
            Space::Parameter => {
                little(&run.arguments[within("param", run.arguments.len(), address, bytes, lane)?])
            }
            Space::Local => {
                let range = within("local", run.program.local_bytes, address, bytes, lane)?;
                little(warp.local(range, lane))
            }
            Space::Global | Space::Unchanging | Space::Generic => {
                run.statistics.global_read_bytes += bytes as u64;
                let order = self.order(run, warp, lane, line, true);
                let order = Order { unchanging: space == Space::Unchanging, ..order };
                read_global(run, &order, lane, address, bytes)?
            }
        };
        for (at, slot) in elements.slots[..elements.count].iter().enumerate() {
            let bits = 8 * elements.bytes as u32;
            let mut element = (value >> (bits * at as u32)) as u64 & (u64::MAX >> (64 - bits));
            if elements.sign_extended != 0 {
                let (unused, above) = (64 - bits, 64 - elements.sign_extended);
                element = ((((element << unused) as i64) >> unused) as u64) << above >> above;
            }
            warp.set(*slot, lane, element);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the machine's state and the fields of one instruction")]
    fn store(
        &mut self,
        run: &mut Run<'_>,
        warp: &mut Warp,
        lane: u32,
        space: Space,
        address: Address,
        elements: &Elements,
        line: u32,
    ) -> Result<(), Stop> {
        let bytes = elements.bytes * elements.count;
        let (space, address) = resolve(space, warp.address(address, lane));
        aligned(name(space), address, bytes, lane)?;
        let mut value = 0u128;
        for slot in elements.slots[..elements.count].iter().rev() {
            let bits = 8 * elements.bytes as u32;
            let element = warp.get(*slot)[lane as usize] & (u64::MAX >> (64 - bits));
            value = value << bits | u128::from(element);
        }
        let value = &value.to_le_bytes()[..bytes];
        match space {
            Space::Local => {
                let range = within("local", run.program.local_bytes, address, bytes, lane)?;
                warp.local(range, lane).copy_from_slice(value);
                Ok(())
            }
            Space::Shared => {
                let offset = self.shared_offset(address, bytes, lane)?;
                let order = self.order(run, warp, lane, line, false);
                let written = self.shared.write(offset, value, &order, &run.launch.checks);
                written.map_err(|refusal| refused(lane, "shared", 0, refusal))
            }
            Space::Global | Space::Unchanging | Space::Generic => {
                run.statistics.global_written_bytes += bytes as u64;
                let order = self.order(run, warp, lane, line, true);
                let Some((region, offset, start)) = run.memory.region(address, bytes) else {
                    return Err(far(run, address, bytes, lane));
                };
                let written = region.write(offset, value, &order, &run.launch.checks);
                written.map_err(|refusal| refused(lane, "global", start, refusal))
            }
            Space::Constant | Space::Parameter => {
                let nearest = "in a space that is only read".to_owned();
                let space = name(space);
                Err(Stop::new(lane, Trouble::OutOfBounds { space, address, bytes, nearest }))
            }
        }
    }
}
