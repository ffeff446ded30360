//! Launches joined by kernel, and what binds each kernel.

use super::{Category, CategoryTime, LaunchProfile};
use crate::{Bandwidth, bandwidth, peak_gflops};
use dlc_cuda::{Arithmetic, DeviceInfo};
use serde::Serialize;
use std::collections::BTreeMap;

/// Share of a roof from which on it is what binds.
const BINDING: f64 = 0.5;
/// Faster by this than a memory gives bytes, a kernel has them from a nearer one.
const BEYOND: f64 = 1.3;
/// Timings that take this many times what an empty one takes are mostly what timing costs.
const MOSTLY_CALL: f64 = 2.0;

/// What the machine can do on as many threads, measured, or a GPU by its clocks and widths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Roofs {
    /// Billions of operations per second, by multiply-adds alone.
    pub peak_gflops: f64,
    /// Billions of bytes per second to and from memory.
    pub memory_gbps: f64,
    /// Those of caches, where they are known.
    #[serde(flatten)]
    pub caches: Option<CacheRoofs>,
}

/// Billions of bytes per second to and from caches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CacheRoofs {
    /// The last-level cache.
    pub last_level_gbps: f64,
    /// The threads' second-level caches.
    pub second_level_gbps: f64,
}

impl Roofs {
    /// What the machine shows now on `threads` threads.
    pub(super) fn measured(threads: usize) -> Roofs {
        let Bandwidth { memory_gbps, last_level_gbps, second_level_gbps } = bandwidth(threads);
        let caches = Some(CacheRoofs { last_level_gbps, second_level_gbps });
        Roofs { peak_gflops: peak_gflops(threads), memory_gbps, caches }
    }

    /// What a GPU cannot exceed; none where its driver does not tell.
    pub(super) fn of_gpu(info: &DeviceInfo, arithmetic: Arithmetic) -> Option<Roofs> {
        let peak_gflops = info.peak_operations(arithmetic) / 1e9;
        let memory_gbps = info.memory_bandwidth() / 1e9;
        (peak_gflops > 0.0 && memory_gbps > 0.0).then_some(Roofs { peak_gflops, memory_gbps, caches: None })
    }

    /// The higher roof of each kind.
    pub(super) fn best(&self, other: &Roofs) -> Roofs {
        let caches = self.caches.zip(other.caches).map(|(one, two)| CacheRoofs {
            last_level_gbps: one.last_level_gbps.max(two.last_level_gbps),
            second_level_gbps: one.second_level_gbps.max(two.second_level_gbps),
        });
        Roofs {
            peak_gflops: self.peak_gflops.max(other.peak_gflops),
            memory_gbps: self.memory_gbps.max(other.memory_gbps),
            caches,
        }
    }

    /// The slanted roofs, farthest first.
    pub(super) fn slanted(&self) -> Vec<(Limit, f64)> {
        let caches = self.caches.map(|caches| {
            [
                (Limit::LastLevelCache, caches.last_level_gbps),
                (Limit::SecondLevelCache, caches.second_level_gbps),
            ]
        });
        std::iter::once((Limit::Memory, self.memory_gbps)).chain(caches.into_iter().flatten()).collect()
    }
}

/// What binds a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// It runs at half of the machine's peak or more.
    Compute,
    /// It moves half of what memory gives, or more, and not so much that a cache must have given it.
    Memory,
    /// Likewise for the last-level cache.
    #[serde(rename = "last-level cache")]
    LastLevelCache,
    /// Likewise for the second-level cache.
    #[serde(rename = "second-level cache")]
    SecondLevelCache,
    /// A run takes less than twice what timing it costs: calling a function that does nothing, on a GPU a mark.
    Overhead,
    /// No roof is near: latency, instructions around the arithmetic, uneven work.
    Neither,
}

impl Limit {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Limit::Compute => "compute",
            Limit::Memory => "memory",
            Limit::LastLevelCache => "last-level cache",
            Limit::SecondLevelCache => "second-level cache",
            Limit::Overhead => "overhead",
            Limit::Neither => "neither",
        }
    }
}

/// All runs of one kernel that every call has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelRow {
    /// Its name: the first value's that it computes. Layers of one shape share a kernel.
    pub kernel: String,
    /// What its first run is for.
    pub category: Category,
    /// How many runs.
    pub runs: usize,
    /// Milliseconds of all runs.
    pub ms: f64,
    /// Share of the sum of all kernels.
    pub share: f64,
    /// Operations that all runs do.
    pub operations: u64,
    /// Mathematical operations that all runs stand for; 0 for kernels that are no contractions.
    pub effective_operations: u64,
    /// Bytes that all runs read and write.
    pub bytes: u64,
    /// Billions of operations per second that it does.
    pub gflops: f64,
    /// Billions of mathematical operations per second.
    pub effective_gflops: f64,
    /// `gflops` over the peak.
    pub peak_share: f64,
    /// Billions of bytes per second.
    pub gbps: f64,
    /// `gbps` over what memory gives; more than 1 where a cache gives them.
    pub memory_share: f64,
    /// What binds it.
    pub limit: Limit,
}

impl KernelRow {
    /// Operations per byte.
    pub fn intensity(&self) -> f64 {
        self.operations as f64 / self.bytes.max(1) as f64
    }

    fn new(runs: &[&LaunchProfile], sum_ms: f64, roofs: &Roofs, call_ms: f64) -> Option<KernelRow> {
        let first = runs.first()?;
        let total = |of: fn(&LaunchProfile) -> u64| {
            runs.iter().fold(0, |sum: u64, launch| sum.saturating_add(of(launch)))
        };
        let ms: f64 = runs.iter().map(|launch| launch.ms).sum();
        let (operations, effective_operations) =
            (total(|launch| launch.operations), total(|launch| launch.effective_operations));
        let bytes = total(|launch| launch.bytes);
        let rate = |count: u64| if ms > 0.0 { count as f64 / ms / 1e6 } else { 0.0 };
        let (gflops, gbps) = (rate(operations), rate(bytes));
        let timings: usize = runs.iter().map(|launch| launch.timings).sum();
        let limit = if ms < MOSTLY_CALL * call_ms * timings as f64 {
            Limit::Overhead
        } else {
            limit(gflops, gbps, roofs)
        };
        Some(KernelRow {
            kernel: first.kernel.clone(),
            category: first.category,
            runs: runs.len(),
            ms,
            share: share(ms, sum_ms),
            operations,
            effective_operations,
            bytes,
            gflops,
            effective_gflops: rate(effective_operations),
            peak_share: gflops / roofs.peak_gflops,
            gbps,
            memory_share: gbps / roofs.memory_gbps,
            limit,
        })
    }
}

/// Nothing of nothing is nothing: launches without work take no time.
fn share(ms: f64, sum_ms: f64) -> f64 {
    if sum_ms > 0.0 { ms / sum_ms } else { 0.0 }
}

fn limit(gflops: f64, gbps: f64, roofs: &Roofs) -> Limit {
    let slanted = roofs.slanted();
    // The farthest memory that can have given the bytes at this rate, else the nearest cache, or one that is not known.
    let (limit, moving) = match slanted.iter().find(|(_, roof)| gbps < BEYOND * roof).or(slanted.last()) {
        Some((Limit::Memory, roof)) if gbps >= BEYOND * roof => (Limit::Neither, 0.0),
        Some((limit, roof)) => (*limit, gbps / roof),
        None => (Limit::Neither, 0.0),
    };
    let compute = gflops / roofs.peak_gflops;
    match () {
        () if compute >= BINDING && compute >= moving => Limit::Compute,
        () if moving >= BINDING => limit,
        () if compute >= BINDING => Limit::Compute,
        () => Limit::Neither,
    }
}

/// One row per kernel, longest first, of the launches that every call runs.
pub(super) fn rows(launches: &[LaunchProfile], roofs: &Roofs, call_ms: f64) -> Vec<KernelRow> {
    let mut runs: BTreeMap<&str, Vec<&LaunchProfile>> = BTreeMap::new();
    let counted = || launches.iter().filter(|launch| launch.every_call);
    for launch in counted() {
        runs.entry(&launch.kernel).or_default().push(launch);
    }
    let sum_ms: f64 = counted().map(|launch| launch.ms).sum();
    let mut rows: Vec<KernelRow> =
        runs.values().filter_map(|runs| KernelRow::new(runs, sum_ms, roofs, call_ms)).collect();
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    rows
}

/// Time by category of the launches that every call runs.
pub(super) fn categories(launches: &[LaunchProfile]) -> Vec<CategoryTime> {
    let counted = || launches.iter().filter(|launch| launch.every_call);
    let sum_ms: f64 = counted().map(|launch| launch.ms).sum();
    let of = |category| {
        let times: Vec<f64> =
            counted().filter(|launch| launch.category == category).map(|launch| launch.ms).collect();
        let ms: f64 = times.iter().sum();
        CategoryTime { category, launches: times.len(), ms, share: share(ms, sum_ms) }
    };
    Category::ALL.into_iter().map(of).filter(|time| time.launches > 0).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ROOFS: Roofs = Roofs {
        peak_gflops: 100.0,
        memory_gbps: 10.0,
        caches: Some(CacheRoofs { last_level_gbps: 40.0, second_level_gbps: 120.0 }),
    };

    fn launch(kernel: &str, ms: f64, [operations, effective, bytes]: [u64; 3]) -> LaunchProfile {
        LaunchProfile {
            launch: 0,
            kernel: kernel.to_owned(),
            category: if effective > 0 { Category::Contraction } else { Category::Elementwise },
            ms,
            timings: 1,
            operations,
            effective_operations: effective,
            bytes,
            every_call: true,
        }
    }

    #[test]
    fn launches_of_a_kernel_are_one_row() {
        let mut once = launch("fold", 50.0, [1, 0, 1]);
        once.every_call = false;
        let launches = [
            launch("add", 1.0, [1_000_000, 0, 8_000_000]),
            launch("product", 2.0, [100_000_000, 400_000_000, 4_000_000]),
            launch("product", 2.0, [60_000_000, 240_000_000, 2_000_000]),
            once,
        ];
        let rows = rows(&launches, &ROOFS, 0.01);
        let names: Vec<&str> = rows.iter().map(|row| row.kernel.as_str()).collect();
        assert_eq!(names, ["product", "add"]);
        let product = &rows[0];
        assert_eq!((product.runs, product.ms, product.share), (2, 4.0, 0.8));
        assert_eq!((product.operations, product.effective_operations), (160_000_000, 640_000_000));
        assert_eq!((product.gflops, product.effective_gflops, product.peak_share), (40.0, 160.0, 0.4));
        assert_eq!((product.gbps, product.memory_share), (1.5, 0.15));
        assert_eq!(product.limit, Limit::Neither);
        assert_eq!((rows[1].gflops, rows[1].gbps, rows[1].limit), (1.0, 8.0, Limit::Memory));
        let categories = categories(&launches);
        let told: Vec<(Category, usize, f64)> =
            categories.iter().map(|time| (time.category, time.launches, time.share)).collect();
        assert_eq!(told, [(Category::Contraction, 2, 0.8), (Category::Elementwise, 1, 0.2)]);
    }

    #[test]
    fn the_nearest_roof_binds() {
        let near = |gflops, gbps| limit(gflops, gbps, &ROOFS);
        assert_eq!([near(60.0, 5.0), near(95.0, 9.0)], [Limit::Compute; 2]);
        assert_eq!([near(1.0, 9.0), near(60.0, 9.0)], [Limit::Memory; 2]);
        assert_eq!([near(1.0, 20.0), near(60.0, 45.0)], [Limit::LastLevelCache; 2]);
        assert_eq!(near(1.0, 90.0), Limit::SecondLevelCache);
        assert_eq!([near(1.0, 1.0), near(1.0, 15.0), near(1.0, 55.0)], [Limit::Neither; 3]);
        // Without the caches' roofs nobody knows what binds a kernel that memory cannot feed.
        let far = Roofs { caches: None, ..ROOFS };
        let known = [limit(1.0, 9.0, &far), limit(1.0, 20.0, &far), limit(60.0, 20.0, &far)];
        assert_eq!(known, [Limit::Memory, Limit::Neither, Limit::Compute]);
        let small = launch("small", 0.004, [400_000, 0, 1]);
        let limit = |small: &LaunchProfile, call| rows(std::slice::from_ref(small), &ROOFS, call)[0].limit;
        assert_eq!([limit(&small, 0.003), limit(&small, 0.001)], [Limit::Overhead, Limit::Compute]);
        // Each of its rounds was timed.
        let rounds = LaunchProfile { timings: 4, ..small };
        assert_eq!(limit(&rounds, 0.001), Limit::Overhead);
    }
}
