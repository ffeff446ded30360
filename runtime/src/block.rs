//! One zeroed, aligned piece of memory: an arena, a persistent block, constants.
//!
//! Large blocks come from the kernel directly on Linux, untouched and with huge pages asked for:
//! kernels stream through them, and page-table walks would show. Other blocks come from the allocator. What a
//! compiled library holds is used where it lies, and never written.

use crate::error::{Result, RuntimeError};
use dlc_abi::ALIGNMENT;
use std::alloc::Layout;
use std::ptr::NonNull;

/// Size of a huge page, and the size from which they are asked for.
const HUGE_PAGE: usize = 2 << 20;

enum Origin {
    Empty,
    /// Someone else's memory, which can only be read.
    Shared,
    Allocator(Layout),
    #[cfg(target_os = "linux")]
    Mapping {
        base: NonNull<libc::c_void>,
        length: usize,
    },
}

/// Owned memory, aligned to [`ALIGNMENT`], zero at first.
pub(crate) struct Block {
    start: NonNull<u8>,
    bytes: usize,
    origin: Origin,
}

// SAFETY: a block owns its memory and nothing is bound to the thread that made it.
unsafe impl Send for Block {}
// SAFETY: shared access only reads; writing needs `&mut Block` or the caller's own proof.
unsafe impl Sync for Block {}

impl Block {
    /// A zeroed block; `what` names it in the error.
    pub(crate) fn zeroed(bytes: usize, what: &'static str) -> Result<Block> {
        let refused = || RuntimeError::Memory { what, bytes };
        if bytes == 0 {
            let start = NonNull::without_provenance(
                std::num::NonZero::new(ALIGNMENT).unwrap_or(std::num::NonZero::<usize>::MIN),
            );
            return Ok(Block { start, bytes, origin: Origin::Empty });
        }
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_PAGE {
            return Block::mapped(bytes).ok_or_else(refused);
        }
        let layout = Layout::from_size_align(bytes, ALIGNMENT).map_err(|_| refused())?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).ok_or_else(refused)?;
        Ok(Block { start, bytes, origin: Origin::Allocator(layout) })
    }

    #[cfg(target_os = "linux")]
    fn mapped(bytes: usize) -> Option<Block> {
        let length = bytes.checked_next_multiple_of(HUGE_PAGE)?.checked_add(HUGE_PAGE)?;
        // SAFETY: a new private anonymous mapping touches no existing memory.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let base = NonNull::new(base)?;
        let skip = base.cast::<u8>().as_ptr().align_offset(HUGE_PAGE);
        // SAFETY: `skip` is below one huge page, which the mapping has in excess of `bytes`.
        let start = unsafe { base.cast::<u8>().add(skip) };
        // SAFETY: the range lies in the mapping; the advice changes no content, its failure no meaning.
        unsafe { libc::madvise(start.as_ptr().cast(), length - HUGE_PAGE, libc::MADV_HUGEPAGE) };
        Some(Block { start, bytes, origin: Origin::Mapping { base, length } })
    }

    /// A block with these contents.
    pub(crate) fn copy_of(contents: &[u8], what: &'static str) -> Result<Block> {
        let mut block = Block::zeroed(contents.len(), what)?;
        block.bytes_mut().copy_from_slice(contents);
        Ok(block)
    }

    /// Memory that can only be read.
    ///
    /// # Safety
    /// There are so many bytes, aligned to [`ALIGNMENT`], which live as long as the block and nobody writes.
    pub(crate) unsafe fn shared(start: NonNull<u8>, bytes: usize) -> Block {
        Block { start, bytes, origin: Origin::Shared }
    }

    /// Whether the memory can only be read.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.origin, Origin::Shared)
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// The first byte, for generated code.
    pub(crate) fn pointer(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The contents.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the block is initialised (zeroed at first) and owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    /// The contents, to write; nothing where the memory can only be read.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.is_shared() {
            return &mut [];
        }
        // SAFETY: as in `bytes`, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match self.origin {
            Origin::Empty | Origin::Shared => {}
            // SAFETY: `start` came from this layout and is freed once.
            Origin::Allocator(layout) => unsafe { std::alloc::dealloc(self.start.as_ptr(), layout) },
            #[cfg(target_os = "linux")]
            // SAFETY: the mapping is this block's own and is unmapped once.
            Origin::Mapping { base, length } => unsafe {
                libc::munmap(base.as_ptr(), length);
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn blocks_are_zeroed_aligned_and_writable_to_the_end() {
        for bytes in [0, 1, 63, 4096, HUGE_PAGE - 1, HUGE_PAGE, 3 * HUGE_PAGE + 5] {
            let mut block = Block::zeroed(bytes, "test").unwrap();
            assert_eq!(block.pointer() as usize % ALIGNMENT, 0);
            assert_eq!(block.len(), bytes);
            assert!(block.bytes().iter().all(|&byte| byte == 0));
            block.bytes_mut().fill(7);
            assert!(block.bytes().iter().all(|&byte| byte == 7));
        }
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        assert!(matches!(Block::zeroed(usize::MAX / 2, "arena"), Err(RuntimeError::Memory { .. })));
        assert!(matches!(Block::zeroed(usize::MAX, "arena"), Err(RuntimeError::Memory { .. })));
    }
}
