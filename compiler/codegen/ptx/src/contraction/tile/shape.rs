//! How large a block's tile of the result is, and a thread's part of it.

/// Blocks that a multiprocessor-rich device should get, if smaller tiles give as many.
const ENOUGH_BLOCKS: u128 = 96;

/// A tile: `rows * lanes` results, of which each thread has `thread_rows * thread_lanes`; `depth` products of each
/// between two barriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: u32,
    pub(crate) lanes: u32,
    pub(crate) depth: u32,
    pub(crate) thread_rows: u32,
    pub(crate) thread_lanes: u32,
    /// Whether warps multiply with tensor cores.
    pub(crate) tensor: bool,
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
    /// Whether tensor cores may multiply.
    pub(super) tensor: bool,
}

impl Shape {
    /// The shape for some work; nothing where a thread for each result does as well.
    pub(super) fn of(work: Work) -> Option<Shape> {
        if work.rows < 8 || work.lanes < 4 || work.depth < 2 {
            return None;
        }
        let mut rows = tile(work.rows);
        let mut lanes = tile(work.lanes);
        let blocks = |rows: u32, lanes: u32| {
            let along_rows = if work.walks_rows { 1 } else { work.rows.div_ceil(u128::from(rows)) };
            work.count.saturating_mul(along_rows).saturating_mul(work.lanes.div_ceil(u128::from(lanes)))
        };
        while blocks(rows, lanes) < ENOUGH_BLOCKS && rows * lanes > 1024 {
            if !work.walks_rows && (rows >= lanes || lanes <= 32) {
                rows /= 2;
            } else if lanes > 32 {
                lanes /= 2;
            } else {
                break;
            }
        }
        if work.tensor && work.depth >= 8 {
            return Some(Shape::of_warps(rows.max(32), lanes, work.depth));
        }
        let depth = if work.depth <= 4 { 4 } else { 8 };
        // Long epilogues are written out for each result of a thread.
        let most = if work.statements > 12 { 4 } else { 8 };
        let part = |length: u32| if length >= 64 { most } else { 4 };
        let mut shape =
            Shape { rows, lanes, depth, thread_rows: part(rows), thread_lanes: part(lanes), tensor: false };
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
        Some(shape)
    }

    /// The shape whose warps have up to 64 rows and 32 lanes, in pieces of 16 rows and 8 lanes.
    fn of_warps(rows: u32, lanes: u32, depth: u128) -> Shape {
        let (warp_rows, warp_lanes) = (if rows >= 128 { 64 } else { 32 }, lanes.min(32));
        let depth = if depth > 8 { 16 } else { 8 };
        Shape { rows, lanes, depth, thread_rows: warp_rows / 8, thread_lanes: warp_lanes / 4, tensor: true }
    }

    /// Elements that steps of the reduction lie apart in shared memory beyond the tile's length, so that a warp's
    /// accesses along the reduction and along the tile both spread over the banks.
    pub(super) fn padding(self) -> u32 {
        if self.tensor { 8 } else { 4 }
    }

    /// Rows of a thread beyond its first.
    pub(super) fn row_places(self) -> Vec<u32> {
        if self.tensor {
            // Two of each piece of a warp.
            return (0..self.thread_rows).map(|number| number * 8).collect();
        }
        places(self.rows, self.thread_rows).into_iter().map(|(at, in_group)| at + in_group).collect()
    }

    /// Lanes of a thread beyond its first.
    pub(super) fn lane_places(self) -> Vec<u32> {
        if self.tensor {
            return (0..self.thread_lanes).map(|number| number / 2 * 8 + number % 2).collect();
        }
        places(self.lanes, self.thread_lanes).into_iter().map(|(at, in_group)| at + in_group).collect()
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

    /// Bytes of shared memory for two steps of both factors.
    pub(super) fn shared_bytes(self) -> u32 {
        2 * (self.step_bytes(self.rows) + self.step_bytes(self.lanes))
    }

    /// Bytes of one step of a factor of which a tile has so many elements.
    pub(super) fn step_bytes(self, length: u32) -> u32 {
        4 * self.depth * (length + self.padding())
    }
}

/// The length of a tile along so many results: a power of two that leaves little of it empty.
fn tile(length: u128) -> u32 {
    if length > 64 {
        let waste = length.div_ceil(128) * 128 - length;
        return if 4 * waste > length { 64 } else { 128 };
    }
    (length as u32).next_power_of_two().clamp(16, 64)
}

/// The places of a thread's elements along a side of the tile: groups of up to four neighbours, so that a group is one
/// access, and the groups of neighbouring threads side by side.
pub(super) fn places(length: u32, part: u32) -> Vec<(u32, u32)> {
    let group = part.min(4);
    (0..part).map(|number| (number / group * (length * group / part), number % group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: u128, lanes: u128, depth: u128, walks_rows: bool) -> Option<(u32, u32, u32, u32)> {
        let work = Work { rows, lanes, depth, count: 1, walks_rows, statements: 0, tensor: false };
        if let Some(shape) = Shape::of(Work { tensor: true, ..work }) {
            assert!(shape.threads() <= 256 && shape.shared_bytes() <= 48 * 1024, "{shape:?}");
            assert!(shape.rows.min(shape.lanes) * shape.depth >= shape.threads());
        }
        Shape::of(work).map(|shape| {
            assert!(matches!(shape.threads(), 64 | 128 | 256), "{shape:?}");
            assert!(
                shape.rows * shape.depth >= shape.threads() && shape.lanes * shape.depth >= shape.threads()
            );
            assert!(shape.shared_bytes() <= 48 * 1024);
            (shape.rows, shape.lanes, shape.thread_rows, shape.thread_lanes)
        })
    }

    #[test]
    fn shapes_suit_extents() {
        assert_eq!(shape(1 << 20, 512, 512, false), Some((128, 128, 8, 8)));
        assert_eq!(shape(1 << 20, 64, 64, false), Some((128, 64, 8, 8)));
        assert_eq!(shape(1 << 20, 10, 64, false), Some((128, 16, 8, 4)));
        assert_eq!(shape(64, 10, 64, false), Some((64, 16, 4, 4)));
        assert_eq!(shape(576, 64, 512, false), Some((32, 32, 4, 4)));
        assert_eq!(shape(1024, 64, 64, true), Some((128, 32, 8, 4)));
        assert_eq!(shape(1, 1000, 512, false), None);
    }

    #[test]
    fn every_shape_divides() {
        for rows in [8, 9, 31, 64, 100, 1000, 100_000] {
            for lanes in [4, 10, 16, 33, 64, 100, 1000] {
                for depth in [3, 512] {
                    for walks_rows in [false, true] {
                        assert!(shape(rows, lanes, depth, walks_rows).is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn places_cover_a_side_once() {
        for (length, part) in [(128, 8), (64, 8), (32, 4), (16, 2)] {
            let group = part.min(4);
            let mut all: Vec<u32> = (0..length / part)
                .flat_map(|thread| {
                    places(length, part).into_iter().map(move |(at, in_group)| at + thread * group + in_group)
                })
                .collect();
            all.sort_unstable();
            assert_eq!(all, (0..length).collect::<Vec<u32>>());
        }
    }
}
