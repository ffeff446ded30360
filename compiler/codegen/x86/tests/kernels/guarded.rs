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
    first: *mut u8,
    length: usize,
}

const PAGE: usize = 4096;

impl Guarded {
    pub(crate) fn new(elements: &[f32], side: Side) -> Guarded {
        let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_ne_bytes()).collect();
        Guarded::of_bytes(&bytes, side)
    }

    pub(crate) fn of_bytes(elements: &[u8], side: Side) -> Guarded {
        let size = elements.len().next_multiple_of(PAGE);
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
        let shift = if side == Side::Front { 0 } else { size - elements.len() };
        // SAFETY: the open pages hold all elements behind the shift.
        let first = unsafe { pages.byte_add(PAGE + shift).cast::<u8>() };
        let mut guarded = Guarded { pages, bytes, first, length: elements.len() };
        guarded.bytes_mut().copy_from_slice(elements);
        guarded
    }

    pub(crate) fn pointer(&self) -> *mut f32 {
        self.first.cast()
    }

    /// The elements, if they are `f32`.
    pub(crate) fn elements_mut(&mut self) -> &mut [f32] {
        // SAFETY: so many elements lie there, aligned since whole pages end or begin with them, and `self` is
        // borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.first.cast(), self.length / 4) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes lie there, and `self` is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.length) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the pages are this buffer's own.
        unsafe { libc::munmap(self.pages, self.bytes) };
    }
}
