//! Waiting for an event: a bounded spin, a few yields, then sleep.
//!
//! A gate counts how often it was opened. Who waits names the count it has seen, so an opening between
//! the look and the wait is never missed.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Rounds of yielding between spinning and sleeping.
const YIELDS: u32 = 32;

/// An event that happens again and again.
#[derive(Default)]
pub(crate) struct Gate {
    openings: AtomicU32,
    sleepers: AtomicU32,
    lock: Mutex<()>,
    opened: Condvar,
}

impl Gate {
    /// How often the gate was opened, wrapping.
    pub(crate) fn openings(&self) -> u32 {
        self.openings.load(Ordering::Acquire)
    }

    /// Lets everyone pass who waits for the next opening.
    pub(crate) fn open(&self) {
        self.openings.fetch_add(1, Ordering::SeqCst);
        // Sequential consistency pairs with `wait`: either this sees the sleeper or the sleeper sees
        // the new count.
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.opened.notify_all();
        }
    }

    /// Returns when the gate has been opened since `seen`; spins so many times before it sleeps.
    pub(crate) fn wait(&self, seen: u32, spins: u32) {
        for _ in 0..spins {
            if self.openings() != seen {
                return;
            }
            std::hint::spin_loop();
        }
        for _ in 0..YIELDS {
            if self.openings() != seen {
                return;
            }
            std::thread::yield_now();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while self.openings.load(Ordering::SeqCst) == seen {
            guard = self.opened.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A place where all threads of a team meet.
pub(crate) struct Barrier {
    threads: usize,
    spins: u32,
    arrived: AtomicUsize,
    gate: Gate,
}

impl Barrier {
    /// A barrier for so many threads.
    pub(crate) fn new(threads: usize, spins: u32) -> Barrier {
        Barrier { threads, spins, arrived: AtomicUsize::new(0), gate: Gate::default() }
    }

    /// Returns when all threads have called it; what they wrote before is seen by all after.
    pub(crate) fn wait(&self) {
        if self.threads == 1 {
            return;
        }
        let seen = self.gate.openings();
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.gate.open();
        } else {
            self.gate.wait(seen, self.spins);
        }
    }
}
