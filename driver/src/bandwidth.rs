//! The machine's bandwidths, measured: the slanted roofs beside the peak of multiply-adds.
//!
//! Every thread runs a triad, `a = b + s * c`, over arrays of its own in the widest vectors that the machine
//! has: once over arrays that are larger than any cache, and many times over arrays that stay in the last-level
//! cache and in the thread's second-level cache. Vectors are elements of the arrays, so that the loops need no raw pointer and are as
//! wide in every build profile. Counted are the bytes that the triad asks for, two reads and one write per
//! element, as [`dlc_kernel::traffic`] counts them for kernels; lines that the machine reads before it
//! overwrites them are on top, so a kernel with streaming stores can be a third faster.

use crate::InstructionSet;
use serde::Serialize;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Bytes of all arrays of all threads, for memory: several last-level caches.
const FAR_BYTES: usize = 256 << 20;
/// Bytes of the arrays of a thread, for the last-level cache: more than most second-level caches have, and a
/// thread's share of most last-level ones.
const LAST_LEVEL_BYTES: usize = 3 << 20;
/// Bytes of the arrays of a thread, for the second-level cache: they fit from 512 KiB on.
const SECOND_LEVEL_BYTES: usize = 384 << 10;
/// Passes over arrays in a cache per timing: some milliseconds.
const LAST_LEVEL_PASSES: usize = 50;
const SECOND_LEVEL_PASSES: usize = 400;
/// Timings; the best counts.
const ROUNDS: usize = 5;
/// Arrays of a triad.
const ARRAYS: usize = 3;

/// Bytes per second of all threads together, in units of 10^9.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bandwidth {
    /// To and from memory.
    pub memory_gbps: f64,
    /// To and from the last-level cache. Where second-level caches are larger than 3 MiB, that is theirs.
    pub last_level_gbps: f64,
    /// To and from the threads' second-level caches.
    pub second_level_gbps: f64,
}

/// `a = b + s * c` over vectors of one kind.
macro_rules! triad {
    ($name:ident, $vector:ty, $splat:expr, $fma:expr $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        fn $name(threads: usize, bytes: usize, passes: usize) -> Duration {
            let gate = Barrier::new(threads);
            let length = bytes / ARRAYS / size_of::<$vector>();
            let (one, factor): ($vector, $vector) = ($splat(1.0), $splat(black_box(0.5_f32)));
            let timed = || -> Vec<Duration> {
                let mut a = vec![one; length];
                let (b, c) = (vec![one; length], vec![one; length]);
                let round = |_| {
                    gate.wait();
                    let start = Instant::now();
                    for _ in 0..passes {
                        for ((a, b), c) in black_box(&mut a).iter_mut().zip(&b).zip(&c) {
                            *a = $fma(*c, factor, *b);
                        }
                    }
                    start.elapsed()
                };
                (0..ROUNDS).map(round).collect()
            };
            std::thread::scope(|scope| {
                let others: Vec<_> = (1..threads).map(|_| scope.spawn(timed)).collect();
                let mut slowest = timed();
                for other in others.into_iter().filter_map(|other| other.join().ok()) {
                    slowest.iter_mut().zip(other).for_each(|(own, other)| *own = other.max(*own));
                }
                slowest.into_iter().min().unwrap_or(Duration::MAX)
            })
        }
    };
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
#[cfg(target_arch = "x86_64")]
triad!(avx512, __m512, _mm512_set1_ps, _mm512_fmadd_ps, "avx512f");
#[cfg(target_arch = "x86_64")]
triad!(avx2, __m256, _mm256_set1_ps, _mm256_fmadd_ps, "avx2,fma");
triad!(scalar, f32, std::convert::identity, |c: f32, factor: f32, b: f32| c * factor + b);

/// Time of the slowest of `threads` threads for `passes` over arrays of `bytes` each, best of some.
fn time(set: InstructionSet, threads: usize, bytes: usize, passes: usize) -> Duration {
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` found the feature on this machine.
        InstructionSet::Avx512 => unsafe { avx512(threads, bytes, passes) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` found the features on this machine.
        InstructionSet::Avx2 => unsafe { avx2(threads, bytes, passes) },
        _ => scalar(threads, bytes, passes),
    }
}

/// Measures the bandwidths of `threads` threads at once, in some tenths of a second.
pub fn bandwidth(threads: usize) -> Bandwidth {
    let set = InstructionSet::detect();
    let threads = threads.max(1);
    let rate = |bytes: usize, passes: usize| {
        let seconds = time(set, threads, bytes, passes).as_secs_f64().max(1e-9);
        (bytes * passes * threads) as f64 / seconds / 1e9
    };
    Bandwidth {
        memory_gbps: rate(FAR_BYTES / threads, 1),
        last_level_gbps: rate(LAST_LEVEL_BYTES, LAST_LEVEL_PASSES),
        second_level_gbps: rate(SECOND_LEVEL_BYTES, SECOND_LEVEL_PASSES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_are_those_of_a_real_machine() {
        let started = Instant::now();
        let found = bandwidth(1);
        // From a slow memory to more than any core's two loads and a store of 64 bytes at 8 GHz.
        for rate in [found.memory_gbps, found.last_level_gbps, found.second_level_gbps] {
            assert!(rate > 0.1 && rate < 1536.0, "{found:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}
