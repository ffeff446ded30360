//! Where generated code lies in memory, by name: for reports of crashes.
//!
//! Whoever loads generated code registers it ([`name_code`]). Signal handlers look an address up: that takes no
//! lock and allocates nothing. The table is never changed: another takes its place, and the old one is freed only
//! where no handler can be reading (`READERS`).

use dlc_abi::CodeRange;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One kernel or entry, with the words that tell of it.
#[derive(Clone)]
struct Named {
    start: usize,
    end: usize,
    /// Number of the registration that it came by.
    registration: u64,
    words: Arc<str>,
}

/// What handlers read, in order of `start`; null while nothing is registered.
static TABLE: AtomicPtr<Vec<Named>> = AtomicPtr::new(std::ptr::null_mut());
/// Handlers that may be reading the table.
static READERS: AtomicUsize = AtomicUsize::new(0);
/// Held by whoever replaces the table.
static WRITING: Mutex<()> = Mutex::new(());
static REGISTRATIONS: AtomicU64 = AtomicU64::new(0);

/// Keeps names of code registered; drop it before the code's memory is freed.
#[derive(Debug)]
#[must_use = "the names are forgotten when this is dropped"]
pub struct CodeNames(u64);

impl Drop for CodeNames {
    fn drop(&mut self) {
        replace(|table| table.retain(|named| named.registration != self.0));
    }
}

/// Registers where generated code lies, for reports of crashes.
pub fn name_code(ranges: &[CodeRange]) -> CodeNames {
    let registration = REGISTRATIONS.fetch_add(1, Ordering::Relaxed);
    let named = ranges.iter().map(|range| Named {
        start: range.start,
        end: range.start.saturating_add(range.bytes),
        registration,
        words: match &range.kernel {
            Some(kernel) => format!("kernel `{kernel}` of function `{}`", range.function).into(),
            None => format!("the entry of function `{}`", range.function).into(),
        },
    });
    replace(|table| {
        table.extend(named);
        table.sort_by_key(|named| named.start);
    });
    CodeNames(registration)
}

/// Puts a changed copy in the table's place.
fn replace(change: impl FnOnce(&mut Vec<Named>)) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let old = TABLE.load(Ordering::SeqCst);
    // SAFETY: the table came from `Box::into_raw` below and is freed only here, under the lock.
    let mut table = unsafe { old.as_ref() }.cloned().unwrap_or_default();
    change(&mut table);
    let new = if table.is_empty() { std::ptr::null_mut() } else { Box::into_raw(Box::new(table)) };
    TABLE.store(new, Ordering::SeqCst);
    // A handler counts itself before it loads the table, so that with no reader now, all later ones see the new
    // table. With one the process is about to end, and the old table may leak.
    if READERS.load(Ordering::SeqCst) == 0 && !old.is_null() {
        // SAFETY: it came from `Box::into_raw`, is no longer in `TABLE`, and nobody reads it.
        drop(unsafe { Box::from_raw(old) });
    }
}

/// Calls `report` with the words for the code at an address and the distance from its start, if it is
/// registered; tells whether it is. Safe to call in a signal handler.
pub(crate) fn locate(address: usize, report: impl FnOnce(&str, usize)) -> bool {
    READERS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: a table that is loaded while `READERS` counts this call is not freed before the count goes down.
    let table = unsafe { TABLE.load(Ordering::SeqCst).as_ref() };
    let table = table.map_or(&[][..], Vec::as_slice);
    let after = table.partition_point(|named| named.start <= address);
    let found = after.checked_sub(1).and_then(|last| table.get(last)).filter(|named| address < named.end);
    if let Some(named) = found {
        report(&named.words, address - named.start);
    }
    let known = found.is_some();
    READERS.fetch_sub(1, Ordering::SeqCst);
    known
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn range(start: usize, bytes: usize, kernel: Option<&str>) -> CodeRange {
        let (symbol, function) = (String::new(), "train".to_owned());
        CodeRange { start, bytes, symbol, function, kernel: kernel.map(str::to_owned) }
    }

    fn told(address: usize) -> Option<(String, usize)> {
        let mut told = None;
        let known = locate(address, |words, distance| told = Some((words.to_owned(), distance)));
        assert_eq!(known, told.is_some());
        told
    }

    // Nothing lies at these addresses, and no other test registers them.
    #[test]
    fn addresses_are_found_while_their_code_is_registered() {
        assert_eq!(told(100), None);
        let first = name_code(&[range(200, 10, Some("b")), range(100, 50, Some("a")), range(150, 1, None)]);
        let second = name_code(&[range(160, 10, Some("c"))]);
        let kernel = |name: &str, distance| Some((format!("kernel `{name}` of function `train`"), distance));
        assert_eq!(told(99), None);
        assert_eq!(told(100), kernel("a", 0));
        assert_eq!(told(149), kernel("a", 49));
        assert_eq!(told(150), Some(("the entry of function `train`".to_owned(), 0)));
        assert_eq!(told(151), None);
        assert_eq!(told(165), kernel("c", 5));
        assert_eq!(told(209), kernel("b", 9));
        assert_eq!(told(210), None);
        drop(first);
        assert_eq!(told(100), None);
        assert_eq!(told(165), kernel("c", 5));
        drop(second);
        assert_eq!(told(165), None);
    }

    #[test]
    fn readers_and_writers_do_not_disturb_each_other() {
        let kept = name_code(&[range(5000, 10, Some("kept"))]);
        std::thread::scope(|scope| {
            for thread in 0..2 {
                scope.spawn(move || {
                    for round in 0..2000 {
                        drop(name_code(&[range(6000 + 100 * thread, round % 90, Some("passing"))]));
                    }
                });
            }
            for _ in 0..2000 {
                assert_eq!(told(5003).unwrap().1, 3);
            }
        });
        drop(kept);
    }
}
