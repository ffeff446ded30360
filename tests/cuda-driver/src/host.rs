//! Memory of the host that the device may copy from and to on its own.

use crate::start::put;
use crate::state::{State, within};
use crate::status::*;
use std::alloc::Layout;
use std::ffi::{c_uint, c_void};
use std::ptr::NonNull;

/// A block of it.
pub(crate) struct Pinned {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the block is this crate's own, and any thread may use it.
unsafe impl Send for Pinned {}

impl Pinned {
    fn new(bytes: usize) -> Option<Pinned> {
        const PAGE: usize = 4096;
        let layout = Layout::from_size_align(bytes, PAGE).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { std::alloc::alloc(layout) })?;
        Some(Pinned { start, layout })
    }

    /// Whether so many bytes from an address on lie in the block.
    fn holds(&self, address: usize, bytes: usize) -> bool {
        let offset = address.checked_sub(self.start.as_ptr() as usize);
        offset.and_then(|offset| offset.checked_add(bytes)).is_some_and(|end| end <= self.layout.size())
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// Bytes of the host: an address that may be gone by the time it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostRange {
    pub(crate) address: usize,
    pub(crate) bytes: usize,
}

impl HostRange {
    /// The bytes.
    ///
    /// # Safety
    /// They are there, and nobody writes them meanwhile.
    pub(crate) unsafe fn read(self) -> Vec<u8> {
        let start = std::ptr::with_exposed_provenance::<u8>(self.address);
        // SAFETY: by the caller.
        unsafe { std::slice::from_raw_parts(start, self.bytes) }.to_vec()
    }

    /// Writes over them.
    ///
    /// # Safety
    /// They are there, as many as `bytes`, and nobody uses them meanwhile.
    pub(crate) unsafe fn write(self, bytes: &[u8]) {
        let start = std::ptr::with_exposed_provenance_mut::<u8>(self.address);
        // SAFETY: by the caller.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
    }
}

impl State {
    /// Whether a block that does not move holds all of this.
    pub(crate) fn is_pinned(&self, range: HostRange) -> bool {
        self.pinned.iter().any(|block| block.holds(range.address, range.bytes))
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn cuMemHostAlloc(to: *mut *mut c_void, bytes: usize, flags: c_uint) -> Status {
    within(|state| {
        state.outside_capture()?;
        if bytes == 0 || flags & !7 != 0 {
            return Err(INVALID_VALUE);
        }
        let block = Pinned::new(bytes).ok_or(OUT_OF_MEMORY)?;
        let start = block.start.as_ptr();
        let _ = start.expose_provenance();
        state.pinned.push(block);
        // SAFETY: by the interface.
        unsafe { put(to, start.cast()) }
    })
}

#[unsafe(no_mangle)]
extern "system" fn cuMemFreeHost(pointer: *mut c_void) -> Status {
    within(|state| {
        state.outside_capture()?;
        state.finish_all()?;
        let at = state.pinned.iter().position(|block| std::ptr::eq(block.start.as_ptr(), pointer.cast()));
        state.pinned.swap_remove(at.ok_or(INVALID_VALUE)?);
        Ok(())
    })
}
