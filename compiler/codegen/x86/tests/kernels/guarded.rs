//! Buffers between pages that nobody may touch.

/// Where in its pages a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Right behind a forbidden page.
    Front,
    /// Right before one.
    Back,
}

/// Elements with a forbidden page on one side.
pub(crate) struct Guarded {
    pages: *mut libc::c_void,
    bytes: usize,
    first: *mut f32,
    length: usize,
}

const PAGE: usize = 4096;

impl Guarded {
    pub(crate) fn new(elements: &[f32], side: Side) -> Guarded {
        let size = size_of_val(elements).next_multiple_of(PAGE);
        let bytes = size + 2 * PAGE;
        // SAFETY: new pages are asked for, and of those the outer two are closed.
        let pages = unsafe {
            let pages = libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(pages, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(pages, PAGE, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(pages.byte_add(PAGE + size), PAGE, libc::PROT_NONE), 0);
            pages
        };
        let shift = if side == Side::Front { 0 } else { size - size_of_val(elements) };
        // SAFETY: the open pages hold all elements behind the shift.
        let first = unsafe { pages.byte_add(PAGE + shift).cast::<f32>() };
        let mut guarded = Guarded { pages, bytes, first, length: elements.len() };
        guarded.elements_mut().copy_from_slice(elements);
        guarded
    }

    pub(crate) fn pointer(&self) -> *mut f32 {
        self.first
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [f32] {
        // SAFETY: so many elements lie there, and `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.length) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the pages are this buffer's own.
        unsafe { libc::munmap(self.pages, self.bytes) };
    }
}
