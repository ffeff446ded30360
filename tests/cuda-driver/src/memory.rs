//! Memory of the device, and copies from and to it.

use crate::host::HostRange;
use crate::start::put;
use crate::state::{Name, State, within};
use crate::status::*;
use crate::stream::Work;
use std::ffi::c_void;

impl State {
    pub(crate) fn free_bytes(&self) -> usize {
        let used = self.blocks.values().fold(0, |sum: usize, bytes| sum.saturating_add(*bytes));
        self.settings.memory.saturating_sub(used)
    }

    /// Refuses what no one block of the device holds.
    fn inside(&self, address: u64, bytes: usize) -> Result<(), Status> {
        let (start, length) = self.blocks.range(..=address).next_back().ok_or(INVALID_VALUE)?;
        let offset = usize::try_from(address - start).map_err(|_| INVALID_VALUE)?;
        if offset.checked_add(bytes).is_some_and(|end| end <= *length) { Ok(()) } else { Err(INVALID_VALUE) }
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuMemAlloc_v2(to: *mut u64, bytes: usize) -> Status {
    within(|state| {
        state.outside_capture()?;
        if bytes == 0 {
            return Err(INVALID_VALUE);
        }
        if bytes > state.free_bytes() {
            return Err(OUT_OF_MEMORY);
        }
        let address = state.memory.allocate(bytes);
        state.blocks.insert(address, bytes);
        // SAFETY: by the interface.
        unsafe { put(to, address) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuMemFree_v2(address: u64) -> Status {
    within(|state| {
        state.outside_capture()?;
        state.finish_all()?;
        state.blocks.remove(&address).ok_or(INVALID_VALUE)?;
        state.memory.free(address).map_err(|_| INVALID_VALUE)
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: Name) -> Status {
    within(|state| {
        state.inside(to, bytes)?;
        let range = HostRange { address: from as usize, bytes };
        if state.is_pinned(range) {
            return state.enqueue(stream, Work::CopyIn { to, from: range });
        }
        // Memory that may move is read before the call returns.
        // SAFETY: by the interface, there are so many bytes.
        let read = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) }.to_vec();
        state.enqueue(stream, Work::Store { to, bytes: read.into() })
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: Name) -> Status {
    within(|state| {
        state.inside(from, bytes)?;
        let range = HostRange { address: to as usize, bytes };
        if state.is_pinned(range) {
            return state.enqueue(stream, Work::CopyOut { to: range, from });
        }
        // Memory that may move is written before the call returns.
        state.outside_capture()?;
        state.finish(stream)?;
        let read = state.memory.read(from, bytes).map_err(|_| INVALID_VALUE)?;
        // SAFETY: by the interface, there is room for so many bytes.
        unsafe { std::ptr::copy_nonoverlapping(read.as_ptr(), to.cast::<u8>(), bytes) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuMemsetD8Async(to: u64, value: u8, bytes: usize, stream: Name) -> Status {
    within(|state| {
        state.inside(to, bytes)?;
        state.enqueue(stream, Work::Fill { to, value, bytes })
    })
}
