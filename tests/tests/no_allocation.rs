//! A compiled training step allocates nothing after the first.

#![allow(clippy::unwrap_used, reason = "tests")]

use dlc_compiler::FunctionKind;
use dlc_tests::models::{from_file, function, inputs, program, repository, session};
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
fn steps_of_digits_allocate_nothing() {
    let loaded = from_file(&repository().join("examples/digits.dsl"));
    let program = program(&loaded, &FunctionKind::STANDARD, 32);
    let mut session = session(&program, 3, 1);
    let fed = inputs(function(&program, "train"), 32, 10, 1);
    let whole: Vec<&[u8]> = fed.iter().map(Vec::as_slice).collect();
    let part: Vec<&[u8]> = fed.iter().map(|bytes| &bytes[..bytes.len() / 32 * 19]).collect();
    let mut report = vec![0.0; session.report_names("train").unwrap().len()];
    let mut scores = vec![0; 32 * 10 * 4];
    session.train_step(32, &whole, &mut report).unwrap();
    session.evaluate(32, &whole, &mut report).unwrap();
    session.predict(32, &whole[..1], &mut [&mut scores]).unwrap();
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    for _ in 0..10 {
        session.train_step(32, &whole, &mut report).unwrap();
        session.train_step(19, &part, &mut report).unwrap();
        session.evaluate(19, &part, &mut report).unwrap();
        session.predict(32, &whole[..1], &mut [&mut scores]).unwrap();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0);
    assert!(report[0].is_finite());
}
