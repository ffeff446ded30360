//! Memory of the GPU, and memory of this machine from and to which the GPU copies on its own.

use super::{Answer, Context};
use crate::driver::{Address, Handle};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

/// Memory of the GPU.
pub(crate) struct DeviceBlock {
    context: Arc<Context>,
    address: Address,
}

impl DeviceBlock {
    /// So many bytes with any contents, aligned to 256.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize) -> Answer<DeviceBlock> {
        let driver = context.driver();
        let _current = context.enter()?;
        let mut address = 0;
        // SAFETY: writes one address. The driver gives no empty blocks.
        let status = unsafe { (driver.table.cuMemAlloc_v2)(&mut address, bytes.max(1)) };
        driver.check("cuMemAlloc_v2", status)?;
        Ok(DeviceBlock { context: Arc::clone(context), address })
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> Address {
        self.address
    }
}

impl Drop for DeviceBlock {
    fn drop(&mut self) {
        let _current = self.context.enter();
        // SAFETY: allocated by this owner; the driver waits for what still uses it.
        unsafe { (self.context.driver().table.cuMemFree_v2)(self.address) };
    }
}

/// Memory of this machine that does not move.
pub(crate) struct PinnedBlock {
    context: Arc<Context>,
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the block owns its memory, which any thread may use.
unsafe impl Send for PinnedBlock {}

impl PinnedBlock {
    /// So many bytes, all zero.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize) -> Answer<PinnedBlock> {
        if bytes == 0 {
            return Ok(PinnedBlock { context: Arc::clone(context), start: NonNull::dangling(), bytes });
        }
        let driver = context.driver();
        let _current = context.enter()?;
        let mut pointer: *mut c_void = std::ptr::null_mut();
        // SAFETY: writes one pointer; no flags.
        let status = unsafe { (driver.table.cuMemHostAlloc)(&mut pointer, bytes, 0) };
        driver.check("cuMemHostAlloc", status)?;
        let start = NonNull::new(pointer.cast::<u8>()).unwrap_or(NonNull::dangling());
        // SAFETY: the driver gave so many bytes.
        unsafe { start.write_bytes(0, bytes) };
        Ok(PinnedBlock { context: Arc::clone(context), start, bytes })
    }

    /// The contents. Nothing that the GPU writes here may be on its way.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the block has so many bytes, zeroed at first.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// The contents, to write. Nothing that the GPU reads or writes here may be on its way.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for PinnedBlock {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let _current = self.context.enter();
            // SAFETY: allocated by this owner; whoever copies waits for the stream before it goes.
            unsafe { (self.context.driver().table.cuMemFreeHost)(self.start.as_ptr().cast()) };
        }
    }
}

impl super::Stream {
    /// Copies to the GPU, in the stream's order.
    ///
    /// # Safety
    /// So many bytes lie at `to`, and `from` stays as it is until the stream has passed this.
    pub(crate) unsafe fn copy_in(&self, to: Address, from: &[u8]) -> Answer<()> {
        if from.is_empty() {
            return Ok(());
        }
        let driver = self.context().driver();
        // SAFETY: the caller vouches for both sides.
        let status = unsafe {
            (driver.table.cuMemcpyHtoDAsync_v2)(to, from.as_ptr().cast(), from.len(), self.handle())
        };
        driver.check("cuMemcpyHtoDAsync_v2", status)
    }

    /// Copies from the GPU, in the stream's order.
    ///
    /// # Safety
    /// So many bytes lie at `from`, and nobody touches `to` until the stream has passed this.
    pub(crate) unsafe fn copy_out(&self, to: &mut [u8], from: Address) -> Answer<()> {
        if to.is_empty() {
            return Ok(());
        }
        let driver = self.context().driver();
        // SAFETY: the caller vouches for both sides.
        let status = unsafe {
            (driver.table.cuMemcpyDtoHAsync_v2)(to.as_mut_ptr().cast(), from, to.len(), self.handle())
        };
        driver.check("cuMemcpyDtoHAsync_v2", status)
    }

    /// Zeroes memory of the GPU, in the stream's order.
    ///
    /// # Safety
    /// So many bytes lie at `to`.
    pub(crate) unsafe fn zero(&self, to: Address, bytes: usize) -> Answer<()> {
        if bytes == 0 {
            return Ok(());
        }
        let driver = self.context().driver();
        let stream: Handle = self.handle();
        // SAFETY: the caller vouches for the bytes.
        let status = unsafe { (driver.table.cuMemsetD8Async)(to, 0, bytes, stream) };
        driver.check("cuMemsetD8Async", status)
    }
}
