//! How large a block's tile of the result is, and a thread's part of it.
//!
//! The size of tiles follows from extents alone. A block's work is taken as its products and, for every step of
//! the reduction, the elements that it moves, each as much as [`MOVED`] products; blocks are done in rounds of as many
//! as the largest devices have multiprocessors (132 of an H100 SXM, NVIDIA H100 Tensor Core GPU Architecture, 2022).
//! The tile with the least such work over all rounds wins, of equals the larger one: large tiles move little, small ones
//! leave fewer multiprocessors without work.

/// Multiprocessors that blocks are spread over.
const MULTIPROCESSORS: u128 = 132;
/// Products that take as long as an element's way to shared memory and back.
const MOVED: u128 = 16;
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
}

/// The work that a shape is chosen for, with the greatest batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Rows that a tile may be filled from.
    pub(super) rows: u128,
    pub(super) lanes: u128,
    /// Steps of the innermost reduction.
    pub(super) depth: u128,
    /// Such products.
    pub(super) count: u128,
    /// Whether a block takes all rows, one tile after the other.
    pub(super) walks_rows: bool,
    /// Statements for each result.
    pub(super) statements: usize,
    /// What may multiply.
    pub(super) products: Products,
    /// Whether tiles are filled by copies that threads need not wait for.
    pub(super) copies: bool,
}

impl Work {
    /// Work of a device with tiles of this size, for each step of the reduction.
    fn with(&self, rows: u32, lanes: u32) -> u128 {
        let (rows, lanes) = (u128::from(rows), u128::from(lanes));
        let along_rows = self.rows.div_ceil(rows);
        let across = self.count.saturating_mul(self.lanes.div_ceil(lanes));
        let (blocks, tiles) =
            if self.walks_rows { (across, along_rows) } else { (across.saturating_mul(along_rows), 1) };
        let tile = rows * lanes + MOVED * (rows + lanes);
        blocks.div_ceil(MULTIPROCESSORS).saturating_mul(tiles).saturating_mul(tile)
    }

    /// Steps between barriers: as many as leave little of the last tile empty, a barrier being as much as two steps.
    fn depth(&self, candidates: &[u32]) -> u32 {
        let whole = |depth: u32| {
            let tiles = self.depth.div_ceil(u128::from(depth));
            let steps = tiles.saturating_mul(u128::from(depth));
            (steps.saturating_add(tiles.saturating_mul(2)), steps)
        };
        candidates.iter().copied().min_by_key(|&depth| whole(depth)).unwrap_or(8)
    }
}

impl Shape {
    /// The shape for some work; nothing where a thread for each result does as well.
    pub(super) fn of(work: Work) -> Option<Shape> {
        if work.rows < 8 || work.lanes < 4 || work.depth < 2 {
            return None;
        }
        let products = if work.depth >= 8 { work.products } else { Products::Scalars };
        let fewest_rows = if products == Products::Scalars { 16 } else { 32 };
        let lengths = |fewest: u32| [128, 64, 32, 16].into_iter().filter(move |&length| length >= fewest);
        let tiles = lengths(fewest_rows).flat_map(|rows| lengths(16).map(move |lanes| (rows, lanes)));
        let tiles = tiles.filter(|(rows, lanes)| rows * lanes >= 512);
        let (rows, lanes) = tiles.min_by_key(|&(rows, lanes)| work.with(rows, lanes))?;
        let mut shape = match products {
            Products::Scalars => Shape::of_scalars(rows, lanes, work),
            _ => Shape::of_warps(rows, lanes, work, products),
        };
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
        let mut shape = Shape { rows, lanes, depth, thread_rows, thread_lanes, products, stages: 2 };
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
        Shape { rows, lanes, depth, thread_rows, thread_lanes, products, stages: 2 }
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
            return [8, 4];
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
        Shape { rows: 64, lanes: 64, depth: 8, thread_rows: 8, thread_lanes: 8, products, stages: 2 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn work(rows: u128, lanes: u128, depth: u128, walks_rows: bool) -> Work {
        let products = Products::Scalars;
        Work { rows, lanes, depth, count: 1, walks_rows, statements: 0, products, copies: true }
    }

    fn shape(rows: u128, lanes: u128, depth: u128, walks_rows: bool) -> Option<(u32, u32, u32, u32)> {
        let work = work(rows, lanes, depth, walks_rows);
        for products in [Products::Scalars, Products::Tf32, Products::Bf16] {
            for copies in [false, true] {
                let Some(shape) = Shape::of(Work { products, copies, ..work }) else { continue };
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

    #[test]
    fn long_epilogues_leave_registers() {
        for (statements, most) in [(0, 128), (8, 64), (40, 64)] {
            let work = Work { products: Products::Tf32, statements, ..work(1 << 20, 512, 512, false) };
            let shape = Shape::of(work).unwrap();
            assert!(shape.thread_rows * shape.thread_lanes <= most, "{statements}: {shape:?}");
        }
    }
}
