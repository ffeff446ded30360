//! How large a block's tile of the result is, and a thread's part of it.
//!
//! The size of tiles follows from extents alone: of those that some threads can multiply the one with the least work
//! (`work`).

use super::descriptor::PATTERN;
use super::warpgroups::{Left, PLACES};
use super::work::Work;

/// Shared memory that every architecture gives a block without being asked.
const SHARED: u32 = 48 << 10;
/// Stages of a pipeline of copies, at most.
const STAGES: u32 = 4;

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Products {
    /// Every thread, one product at a time.
    Scalars,
    /// Tensor cores, factors rounded to `tf32`.
    Tf32,
    /// Tensor cores, factors rounded to `bf16`.
    Bf16,
}

/// A tile: `rows * lanes` results, of which each thread has `thread_rows * thread_lanes`; `depth` products of each
/// between two barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: u32,
    pub(crate) lanes: u32,
    pub(crate) depth: u32,
    pub(crate) thread_rows: u32,
    pub(crate) thread_lanes: u32,
    pub(crate) products: Products,
    /// Tiles of both factors that shared memory holds.
    pub(crate) stages: u32,
    /// The left factor of warpgroups, where they multiply.
    pub(crate) left: Option<Left>,
}

impl Shape {
    /// The shape for some work; nothing where a thread for each result does as well.
    pub(super) fn of(work: Work) -> Option<Shape> {
        if work.rows < 8 || work.lanes < 4 || work.depth < 2 {
            return None;
        }
        let products = if work.depth >= 8 { work.products } else { Products::Scalars };
        let left = work.left.filter(|_| products != Products::Scalars);
        let work = Work { left, ..work };
        let fewest_rows = if products == Products::Scalars { 16 } else { 32 };
        let lengths = |fewest: u32| [128, 64, 32, 16].into_iter().filter(move |&length| length >= fewest);
        let tiles = lengths(fewest_rows).flat_map(|rows| lengths(16).map(move |lanes| (rows, lanes)));
        let tiles = tiles.filter(|(rows, lanes)| rows * lanes >= 512);
        let (rows, lanes) = work.fastest(tiles.collect())?;
        let mut shape = match products {
            Products::Scalars => Shape::of_scalars(rows, lanes, work),
            _ => Shape::of_warps(rows, lanes, work, products),
        };
        if let Some(grouped) = Shape::of_warpgroups(rows, lanes, work, products) {
            shape = grouped;
        }
        if work.copies && products != Products::Bf16 {
            shape.stages = (SHARED / shape.stage_bytes()).clamp(2, STAGES);
        }
        Some(shape)
    }

    fn of_scalars(rows: u32, lanes: u32, work: Work) -> Shape {
        let depth = work.depth(&[16, 8, 4]);
        // Long epilogues are written out for each result of a thread.
        let most = if work.statements > 12 { 4 } else { 8 };
        let part = |length: u32| if length >= 64 { most } else { 4 };
        let (thread_rows, thread_lanes) = (part(rows), part(lanes));
        let products = Products::Scalars;
        let mut shape =
            Shape { rows, lanes, depth, thread_rows, thread_lanes, products, stages: 2, left: None };
        while shape.threads() > 256 {
            shape.thread_rows *= 2;
        }
        while shape.threads() < 64 {
            if shape.thread_rows >= shape.thread_lanes {
                shape.thread_rows /= 2
            } else {
                shape.thread_lanes /= 2
            }
        }
        shape
    }

    /// The shape of four warps, in pieces of 16 rows and 8 lanes; of eight, where threads would have more results than leave
    /// registers for what else they hold: factors on their way, values of an epilogue.
    fn of_warps(rows: u32, lanes: u32, work: Work, products: Products) -> Shape {
        let most = match work.statements {
            ..=4 if products == Products::Tf32 => 128,
            ..=12 => 64,
            _ => 32,
        };
        let wanted = (rows * lanes / (32 * most)).clamp(4, 8);
        let depth = match products {
            Products::Bf16 => work.depth(&[32, 16]),
            _ => work.depth(&[16, 8]),
        };
        let (mut warp_rows, mut warp_lanes) = (rows, lanes);
        let mut warps = 1;
        while warps < wanted && (warp_rows > 16 || warp_lanes > 16) {
            if warp_rows > warp_lanes {
                warp_rows /= 2
            } else {
                warp_lanes /= 2
            }
            warps *= 2;
        }
        let (thread_rows, thread_lanes) = (warp_rows / 8, warp_lanes / 4);
        Shape { rows, lanes, depth, thread_rows, thread_lanes, products, stages: 2, left: None }
    }

    /// The shape of a warpgroup for each 64 places of the left factor; nothing where the tile has fewer.
    fn of_warpgroups(rows: u32, lanes: u32, work: Work, products: Products) -> Option<Shape> {
        let left = work.left?;
        let of = |rows: u32, lanes: u32, depth: u32| {
            let (thread_rows, thread_lanes) = match left {
                Left::Rows => (2, lanes / 4),
                Left::Lanes => (rows / 4, 2),
            };
            Shape { rows, lanes, depth, thread_rows, thread_lanes, products, stages: 2, left: Some(left) }
        };
        // Long epilogues leave fewer registers for results, and so do totals of sums over rows for each of a thread's lanes.
        let totals = work.walks_rows && left == Left::Rows;
        let most = match (totals, work.statements) {
            (false, ..=12) => 128,
            (false, _) | (true, ..=4) => 64,
            (true, _) => 32,
        };
        let (rows, lanes) = match left {
            Left::Rows => (rows, lanes.min(most)),
            Left::Lanes => (rows.min(most), lanes),
        };
        let (fewest, depths): (u32, &[u32]) = match products {
            Products::Bf16 => (2, &[32, 16]),
            _ => (3, &[32, 16, 8]),
        };
        let fits = |depth: &u32| {
            let shape = of(rows, lanes, *depth);
            let begin = |length: u32| (length * shape.stage_bytes() / (rows + lanes)).is_multiple_of(PATTERN);
            fewest * shape.stage_bytes() <= SHARED && begin(rows) && begin(lanes)
        };
        let depths: Vec<u32> = depths.iter().copied().filter(fits).collect();
        let [places, _] = of(rows, lanes, 8).left_and_right(left);
        (places >= PLACES && !depths.is_empty()).then(|| of(rows, lanes, work.depth(&depths)))
    }

    /// Whether warps multiply by tensor cores.
    pub(super) fn tensor(self) -> bool {
        self.products != Products::Scalars
    }

    /// Threads along the rows.
    pub(super) fn groups(self) -> u32 {
        self.rows / self.thread_rows
    }

    /// Threads along the lanes.
    pub(super) fn columns(self) -> u32 {
        self.lanes / self.thread_lanes
    }

    pub(super) fn threads(self) -> u32 {
        self.groups() * self.columns()
    }

    /// Threads of a warp along the rows and along the lanes.
    pub(super) fn warp(self) -> [u32; 2] {
        if self.tensor() {
            return if self.left == Some(Left::Lanes) { [4, 8] } else { [8, 4] };
        }
        let columns = self.columns().min(8).max(32 / self.groups().min(32));
        [32 / columns, columns]
    }

    /// Bytes of a step of the pipeline.
    pub(super) fn stage_bytes(self) -> u32 {
        let element = if self.products == Products::Bf16 { 2 } else { 4 };
        element * self.depth * (self.rows + self.lanes)
    }

    /// Bytes of shared memory for all stages.
    pub(super) fn shared_bytes(self) -> u32 {
        self.stages * self.stage_bytes()
    }

    #[cfg(test)]
    pub(super) fn example() -> Shape {
        let products = Products::Scalars;
        let (thread_rows, thread_lanes) = (8, 8);
        Shape { rows: 64, lanes: 64, depth: 8, thread_rows, thread_lanes, products, stages: 2, left: None }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::work::MULTIPROCESSORS;
    use super::*;

    fn work(rows: u128, lanes: u128, depth: u128, walks_rows: bool) -> Work {
        let products = Products::Scalars;
        let left = None;
        Work { rows, lanes, depth, count: 1, walks_rows, statements: 0, products, left, copies: true }
    }

    fn shape(rows: u128, lanes: u128, depth: u128, walks_rows: bool) -> Option<(u32, u32, u32, u32)> {
        let work = work(rows, lanes, depth, walks_rows);
        for products in [Products::Scalars, Products::Tf32, Products::Bf16] {
            let lefts = [None, Some(Left::Lanes), Some(Left::Rows)];
            for (copies, left) in
                [false, true].into_iter().flat_map(|copies| lefts.map(|left| (copies, left)))
            {
                let left = left.filter(|_| products != Products::Scalars);
                let Some(shape) = Shape::of(Work { products, copies, left, ..work }) else { continue };
                assert!(matches!(shape.threads(), 64 | 128 | 256), "{shape:?}");
                assert!(shape.stages >= 2 && shape.shared_bytes() <= SHARED, "{shape:?}");
                let [rows, columns] = shape.warp();
                assert!(rows * columns == 32 && shape.groups() % rows == 0 && shape.columns() % columns == 0);
                assert!(shape.rows.min(shape.lanes) * shape.depth >= shape.threads() / 4, "{shape:?}");
            }
        }
        Shape::of(work).map(|shape| (shape.rows, shape.lanes, shape.thread_rows, shape.thread_lanes))
    }

    #[test]
    fn shapes_suit_extents() {
        assert_eq!(shape(1 << 20, 512, 512, false), Some((128, 128, 8, 8)));
        assert_eq!(shape(1 << 20, 64, 64, false), Some((128, 64, 8, 8)));
        assert_eq!(shape(1 << 20, 10, 64, false), Some((128, 16, 8, 4)));
        assert_eq!(shape(64, 10, 64, false), Some((32, 16, 2, 4)));
        assert_eq!(shape(576, 64, 512, false), Some((32, 16, 2, 4)));
        assert_eq!(shape(1024, 64, 64, true), Some((128, 16, 8, 4)));
        assert_eq!(shape(1, 1000, 512, false), None);
    }

    /// No multiprocessor is idle while another has two tiles where smaller tiles can be had.
    #[test]
    fn few_results_are_cut_into_small_tiles() {
        for (rows, lanes) in [(1024, 1024), (2048, 2048), (512, 512), (4096, 256)] {
            let shape = Shape::of(work(rows, lanes, 512, false)).unwrap();
            let blocks = rows.div_ceil(u128::from(shape.rows)) * lanes.div_ceil(u128::from(shape.lanes));
            let rounds = blocks.div_ceil(MULTIPROCESSORS) * MULTIPROCESSORS;
            assert!(blocks * 10 >= rounds * 7, "{rows} x {lanes}: {blocks} blocks of {shape:?}");
        }
    }

    #[test]
    fn every_shape_divides() {
        for rows in [8, 9, 31, 64, 100, 1000, 100_000] {
            for lanes in [4, 10, 16, 33, 64, 100, 1000] {
                for depth in [3, 12, 512] {
                    for walks_rows in [false, true] {
                        assert!(shape(rows, lanes, depth, walks_rows).is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn pipelines_are_as_deep_as_shared_memory_admits() {
        let stages = |rows, lanes, products| {
            let shape = Shape::of(Work { products, ..work(rows, lanes, 512, false) }).unwrap();
            (shape.rows, shape.lanes, shape.depth, shape.stages)
        };
        assert_eq!(stages(1 << 20, 512, Products::Scalars), (128, 128, 16, 3));
        assert_eq!(stages(1 << 20, 512, Products::Tf32), (128, 128, 16, 3));
        assert_eq!(stages(1 << 20, 64, Products::Tf32), (128, 64, 16, 4));
        assert_eq!(stages(1 << 20, 512, Products::Bf16), (128, 128, 32, 2));
    }

    /// Tiles of warpgroups, where there are results enough; of fewer lanes where an epilogue sums over rows.
    #[test]
    fn warpgroups_multiply_large_tiles() {
        let tile = |rows, lanes, products, left| {
            let work = Work { products, left: Some(left), ..work(rows, lanes, 512, false) };
            let shape = Shape::of(work).unwrap();
            shape.left.map(|_| (shape.rows, shape.lanes, shape.depth, shape.stages, shape.threads()))
        };
        let (tf32, bf16) = (Products::Tf32, Products::Bf16);
        assert_eq!(tile(1 << 20, 512, tf32, Left::Rows), Some((128, 128, 16, 3, 256)));
        assert_eq!(tile(1 << 20, 512, tf32, Left::Lanes), Some((128, 128, 16, 3, 256)));
        assert_eq!(tile(1 << 20, 64, tf32, Left::Lanes), Some((128, 64, 16, 4, 128)));
        assert_eq!(tile(1 << 20, 512, bf16, Left::Rows), Some((128, 128, 32, 2, 256)));
        assert_eq!(tile(1 << 20, 10, bf16, Left::Rows), Some((128, 16, 32, 2, 256)));
        assert_eq!(tile(1 << 20, 10, tf32, Left::Lanes), None);
        assert_eq!(tile(64, 10, bf16, Left::Rows), None);
        let sums = Work { products: bf16, left: Some(Left::Rows), ..work(1024, 64, 64, true) };
        let shape = Shape::of(sums).unwrap();
        assert_eq!((shape.left, shape.rows, shape.lanes), (Some(Left::Rows), 128, 16));
    }

    #[test]
    fn long_epilogues_leave_registers() {
        for (statements, most) in [(0, 128), (8, 64), (40, 64)] {
            for left in [None, Some(Left::Lanes), Some(Left::Rows)] {
                let work =
                    Work { products: Products::Tf32, left, statements, ..work(1 << 20, 512, 512, false) };
                let shape = Shape::of(work).unwrap();
                assert!(shape.thread_rows * shape.thread_lanes <= most, "{statements}: {shape:?}");
            }
        }
    }
}
