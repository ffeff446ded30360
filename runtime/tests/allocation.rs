//! A training step allocates nothing after the first call.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod stand_in;

use dlc_runtime::Session;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: hands every request to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// The only test of its binary, so that nobody else allocates meanwhile.
#[test]
fn steps_after_the_first_allocate_nothing() {
    let mut session = Session::new(stand_in::program(), 3).unwrap();
    session.initialize(1).unwrap();
    let x = stand_in::bytes(&[1.0; 8]);
    let mut report = [0.0; 2];
    let mut y = [0u8; 32];
    let handle = session.prepare("predict").unwrap();
    session.train_step(4, &[&x], &mut report).unwrap();
    session.call(handle, 4, &[&x], &mut [&mut y]).unwrap();
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    for _ in 0..100 {
        session.train_step(4, &[&x], &mut report).unwrap();
        session.train_step(3, &[&x[..24]], &mut report).unwrap();
        session.predict(4, &[&x], &mut [&mut y]).unwrap();
        session.call(handle, 4, &[&x], &mut [&mut y]).unwrap();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0);
}
