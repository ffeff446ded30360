//! The machine's peak of fused multiply-adds, measured: the roof that a share is told against.
//!
//! Every thread runs a loop of independent multiply-adds in registers, enough of them to hide the
//! latency of two units, in the widest vectors that the machine has. Nothing is loaded or stored.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Vectors that multiply-adds are issued in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// 16 lanes of `f32`.
    Avx512,
    /// 8 lanes of `f32`.
    Avx2,
    /// `f32::mul_add`, in whatever form the compiler gives it.
    Scalar,
}

impl InstructionSet {
    /// The widest that this machine has.
    pub fn detect() -> InstructionSet {
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx512f") {
                return InstructionSet::Avx512;
            }
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                return InstructionSet::Avx2;
            }
        }
        InstructionSet::Scalar
    }

    const fn lanes(self) -> u64 {
        match self {
            InstructionSet::Avx512 => 16,
            InstructionSet::Avx2 => 8,
            InstructionSet::Scalar => 1,
        }
    }
}

/// Independent sums per thread; two units of latency four need eight.
const SUMS: u64 = 12;

/// Twelve sums, `rounds` times `sum = sum * factor + term`, each begun elsewhere so that none can be
/// shared.
macro_rules! multiply_adds {
    ($rounds:expr, $splat:expr, $fma:expr) => {{
        let (factor, term) = ($splat(black_box(0.999_f32)), $splat(black_box(0.001_f32)));
        multiply_adds!(@sums $rounds, $splat, $fma, factor, term, s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11)
    }};
    (@sums $rounds:expr, $splat:expr, $fma:expr, $factor:ident, $term:ident, $($sum:ident)*) => {{
        $(let mut $sum = $splat(black_box(0.5_f32));)*
        for _ in 0..$rounds {
            $($sum = $fma($sum, $factor, $term);)*
        }
        $(black_box($sum);)*
    }};
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(rounds: u64) {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_set1_ps};
    multiply_adds!(rounds, _mm512_set1_ps, _mm512_fmadd_ps);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(rounds: u64) {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    multiply_adds!(rounds, _mm256_set1_ps, _mm256_fmadd_ps);
}

fn scalar(rounds: u64) {
    multiply_adds!(rounds, std::convert::identity, f32::mul_add);
}

fn run(set: InstructionSet, rounds: u64) {
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` found the feature on this machine.
        InstructionSet::Avx512 => unsafe { avx512(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` found the features on this machine.
        InstructionSet::Avx2 => unsafe { avx2(rounds) },
        _ => scalar(rounds),
    }
}

/// Time of the slowest of `threads` threads that begin together.
fn together(set: InstructionSet, threads: usize, rounds: u64) -> Duration {
    let gate = Barrier::new(threads);
    let timed = || {
        gate.wait();
        let start = Instant::now();
        run(set, rounds);
        start.elapsed()
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(timed)).collect();
        let own = timed();
        others.into_iter().filter_map(|other| other.join().ok()).fold(own, Duration::max)
    })
}

/// Billions of floating-point operations per second of `threads` threads at once, a multiply-add counted
/// as two: the best of several runs of some tens of milliseconds.
pub fn peak_gflops(threads: usize) -> f64 {
    let set = InstructionSet::detect();
    let threads = threads.max(1);
    let mut rounds = 1 << 16;
    while together(set, threads, rounds) < Duration::from_millis(20) && rounds < 1 << 32 {
        rounds *= 2;
    }
    let flops = (2 * SUMS * set.lanes() * rounds) as f64 * threads as f64;
    let best = (0..7).map(|_| together(set, threads, rounds)).min().unwrap_or(Duration::MAX);
    flops / best.as_secs_f64().max(1e-9) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_a_real_machine() {
        let peak = peak_gflops(1);
        // From a slow scalar core to more than any core's two 512-bit units at 8 GHz.
        assert!(peak > 0.05 && peak < 520.0, "{peak}");
    }
}
