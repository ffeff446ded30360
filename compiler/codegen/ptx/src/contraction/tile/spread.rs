//! Which results of a tile a thread has.
//!
//! Threads of a warp make a rectangle of four by eight where the tile admits it, so that what they read of both factors is
//! little. A thread's results lie so that a warp's reads touch all banks of shared memory once: where a line runs along
//! the tile, in groups of four neighbours, which are one access, with the groups of neighbouring threads side by side;
//! where it runs along the reduction, neighbouring threads have neighbouring places.

use super::Tiling;
use super::layout::Along;
use super::shape::Shape;
use super::warpgroups::Left;
use crate::emitter::Emitter;
use crate::register::Value;

/// A thread's places along one side of the tile, beyond its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) places: Vec<u32>,
    /// How many lie side by side each time.
    pub(super) run: u32,
}

/// The places of a thread that has so many, in a warp of so many threads along the side.
fn scalars(along: Along, part: u32, threads: u32) -> Spread {
    let run = if along == Along::Tile { part.min(4) } else { 1 };
    Spread { places: (0..part).map(|number| number / run * (threads * run) + number % run).collect(), run }
}

/// Every eighth place: those of the left factor of tensor cores, whose pieces have 16.
fn apart(part: u32) -> Spread {
    Spread { places: (0..part).map(|number| number * 8).collect(), run: 1 }
}

/// A pair of every eight places: those of the right factor of tensor cores.
fn pairs(part: u32) -> Spread {
    Spread { places: (0..part).map(|number| number / 2 * 8 + number % 2).collect(), run: 2 }
}

impl Tiling {
    /// Along the lanes.
    pub(super) fn lane_spread(&self) -> Spread {
        let shape = self.shape;
        match shape.left {
            Some(Left::Lanes) => apart(shape.thread_lanes),
            _ if shape.tensor() => pairs(shape.thread_lanes),
            _ => scalars(self.readings[0].along, shape.thread_lanes, shape.warp()[1]),
        }
    }

    /// Along the rows.
    pub(super) fn row_spread(&self) -> Spread {
        let shape = self.shape;
        match shape.left {
            Some(Left::Lanes) => pairs(shape.thread_rows),
            _ if shape.tensor() => apart(shape.thread_rows),
            _ => scalars(self.readings[1].along, shape.thread_rows, shape.warp()[0]),
        }
    }
}

impl Emitter<'_> {
    /// The number of the thread in its warp, along the rows and along the lanes, and the same of its warp in the block.
    pub(super) fn thread_place(&mut self, shape: Shape) -> [Value; 4] {
        let number = |length: u32| Value::Integer(i64::from(length));
        let [_, columns] = shape.warp();
        let thread = self.special("%tid.x");
        let warp = self.index_quotient(thread, number(32));
        let in_warp = self.index_remainder(thread, number(32), warp);
        // Tensor cores have four threads for each eighth place of the left factor.
        let along = if shape.tensor() { 4 } else { columns };
        let outer = self.index_quotient(in_warp, number(along));
        let inner = self.index_remainder(in_warp, number(along), outer);
        let (row, column) = if shape.left == Some(Left::Lanes) { (inner, outer) } else { (outer, inner) };
        let across = number(shape.columns() / columns);
        let warp_row = self.index_quotient(warp, across);
        let warp_column = self.index_remainder(warp, across, warp_row);
        [row, column, warp_row, warp_column]
    }

    /// The thread's number along the rows, and its first row and lane in a tile.
    pub(super) fn own_place(&mut self, tiling: &Tiling) -> [Value; 3] {
        let shape = tiling.shape;
        let [rows, columns] = shape.warp();
        let [row, column, warp_row, warp_column] = self.thread_place(shape);
        let group = self.index_mad(warp_row, i64::from(rows), row);
        let (row_run, lane_run) = (tiling.row_spread().run, tiling.lane_spread().run);
        let row = self.index_product(row, Value::Integer(i64::from(row_run)));
        let row = self.index_mad(warp_row, i64::from(rows * shape.thread_rows), row);
        let lane = self.index_product(column, Value::Integer(i64::from(lane_run)));
        let lane = self.index_mad(warp_column, i64::from(columns * shape.thread_lanes), lane);
        [group, row, lane]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_a_warp_cover_a_side_once() {
        for along in [Along::Depth, Along::Tile] {
            for (threads, part) in [(4, 8), (8, 8), (8, 4), (4, 2), (8, 1)] {
                let spread = scalars(along, part, threads);
                let of_thread = |thread: u32| spread.places.iter().map(move |at| at + thread * spread.run);
                let mut all: Vec<u32> = (0..threads).flat_map(of_thread).collect();
                all.sort_unstable();
                assert_eq!(all, (0..threads * part).collect::<Vec<u32>>());
            }
        }
    }
}
