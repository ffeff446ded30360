//! Persistent threads that run one program together.
//!
//! The caller of [`Team::run`] is thread 0; the others sleep between calls, after a bounded spin. A
//! call ends at the team's barrier, so the closure it ran can be borrowed. Closures must not panic:
//! threads that wait at a barrier could never be released, so a panic in one aborts the process.

use crate::error::{Result, RuntimeError};
use crate::float_mode::FlushDenormals;
use crate::gate::{Barrier, Gate};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Spins before sleeping when every thread has a core of its own: some hundred microseconds.
const SPINS_WITH_A_CORE_EACH: u32 = 20_000;
/// Spins before yielding when threads share cores: the one waited for may need this core.
const SPINS_WITH_SHARED_CORES: u32 = 100;

/// Most threads of a team: more than machines have cores, fewer than would take the system's last.
const MOST_THREADS: usize = 4096;

type Job<'a> = dyn Fn(usize) + Sync + 'a;

struct Shared {
    /// Opened by the caller when `job` is set or the team ends.
    start: Gate,
    /// Where program threads meet, and where every job ends.
    barrier: Barrier,
    spins: u32,
    ending: AtomicBool,
    /// Written by the caller before `start` opens, read by workers after.
    job: UnsafeCell<Option<&'static Job<'static>>>,
}

// SAFETY: `job` is written only while all workers wait for `start` and read only after it opened.
unsafe impl Sync for Shared {}
// SAFETY: a job is `Sync`, so a reference to it may move between threads.
unsafe impl Send for Shared {}

/// A fixed number of threads that run closures together.
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    running: Mutex<()>,
}

struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        std::process::abort();
    }
}

fn perform(job: &Job<'_>, thread: usize) {
    let abort = AbortOnPanic;
    let mode = FlushDenormals::enter();
    job(thread);
    drop(mode);
    std::mem::forget(abort);
}

fn work(shared: &Shared, thread: usize) {
    let mut seen = 0;
    loop {
        shared.start.wait(seen, shared.spins);
        seen = seen.wrapping_add(1);
        if shared.ending.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: `start` has opened, so the caller has written the job and waits at the barrier.
        if let Some(job) = unsafe { *shared.job.get() } {
            perform(job, thread);
        }
        shared.barrier.wait();
    }
}

impl Team {
    /// A team of so many threads, the caller included; zero counts as one. There may be more than the machine
    /// has cores.
    pub fn new(threads: usize) -> Result<Team> {
        let threads = threads.max(1);
        if threads > MOST_THREADS {
            return Err(RuntimeError::TooManyThreads { threads, most: MOST_THREADS });
        }
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let spins = if threads <= cores { SPINS_WITH_A_CORE_EACH } else { SPINS_WITH_SHARED_CORES };
        let shared = Arc::new(Shared {
            start: Gate::default(),
            barrier: Barrier::new(threads, spins),
            spins,
            ending: AtomicBool::new(false),
            job: UnsafeCell::new(None),
        });
        let mut team = Team { shared, workers: Vec::new(), running: Mutex::new(()) };
        for thread in 1..threads {
            let shared = Arc::clone(&team.shared);
            let worker = std::thread::Builder::new()
                .name(format!("dlc-{thread}"))
                .spawn(move || work(&shared, thread))
                .map_err(RuntimeError::Thread)?;
            team.workers.push(worker);
        }
        Ok(team)
    }

    /// Number of threads, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job(0)` here and `job(1)` … `job(threads - 1)` on the others; returns when all have.
    /// Denormals are flushed to zero meanwhile. A job must neither panic nor call `run` itself.
    pub fn run(&self, job: &Job<'_>) {
        if self.workers.is_empty() {
            perform(job, 0);
            return;
        }
        let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: workers use the job only before the barrier below, while `job` is borrowed.
        let lasting = unsafe { std::mem::transmute::<&Job<'_>, &'static Job<'static>>(job) };
        // SAFETY: all workers wait for `start`, and `running` keeps other callers out.
        unsafe { *self.shared.job.get() = Some(lasting) };
        self.shared.start.open();
        perform(job, 0);
        self.shared.barrier.wait();
    }

    /// The barrier for code inside a job: every thread of the team must call it equally often.
    pub fn barrier(&self) {
        self.shared.barrier.wait();
    }

    /// [`Team::barrier`] as generated code calls it, with its argument.
    pub(crate) fn barrier_entry(&self) -> (unsafe extern "C" fn(*const c_void), *const c_void) {
        (meet, (&raw const self.shared.barrier).cast())
    }
}

/// # Safety
/// `barrier` points to the [`Barrier`] of a living team.
unsafe extern "C" fn meet(barrier: *const c_void) {
    // SAFETY: the contract above; the session that passes the pointer borrows its team meanwhile.
    unsafe { (*barrier.cast::<Barrier>()).wait() };
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.shared.start.open();
        for worker in self.workers.drain(..) {
            // A worker cannot panic: jobs that do abort the process.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::sync::atomic::{AtomicU64, AtomicUsize};

    #[test]
    fn every_thread_runs_every_job_once() {
        for threads in [1, 2, 3, 9] {
            let team = Team::new(threads).unwrap();
            let counts: Vec<AtomicUsize> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..500 {
                team.run(&|thread| {
                    counts[thread].fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 500));
        }
    }

    #[test]
    fn the_barrier_orders_phases() {
        let threads = 5;
        let team = Team::new(threads).unwrap();
        let phases = 200;
        let counter = AtomicU64::new(0);
        let wrong = AtomicU64::new(0);
        team.run(&|_| {
            for phase in 1..=phases {
                counter.fetch_add(1, Ordering::Relaxed);
                team.barrier();
                if counter.load(Ordering::Relaxed) != phase * threads as u64 {
                    wrong.fetch_add(1, Ordering::Relaxed);
                }
                team.barrier();
            }
        });
        assert_eq!(wrong.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn threads_that_sleep_wake_up() {
        let team = Team::new(4).unwrap();
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(30));
            let slow = AtomicUsize::new(0);
            team.run(&|thread| {
                if thread == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                team.barrier();
                slow.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(slow.load(Ordering::Relaxed), 4);
        }
    }
}
