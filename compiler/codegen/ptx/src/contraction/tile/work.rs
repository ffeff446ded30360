//! The work that tiles of a size leave a device.
//!
//! A block's work is taken as its products and, for every step of the reduction, the elements that it moves, each as much
//! as [`MOVED`] products; blocks are done in rounds of as many as the largest devices have multiprocessors (132 of an
//! H100 SXM, NVIDIA H100 Tensor Core GPU Architecture, 2022). The tile with the least such work over all rounds wins, of
//! equals the larger one: large tiles move little, small ones leave fewer multiprocessors without work.

use super::shape::Products;
use super::warpgroups::{Left, PLACES};

/// Multiprocessors that blocks are spread over.
pub(super) const MULTIPROCESSORS: u128 = 132;
/// Products that take as long as an element's way to shared memory and back.
const MOVED: u128 = 16;

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
    /// The left factor of warpgroups, where those may multiply.
    pub(super) left: Option<Left>,
    /// Whether tiles are filled by copies that threads need not wait for.
    pub(super) copies: bool,
}

impl Work {
    /// Work of a device with tiles of this size, for each step of the reduction.
    pub(super) fn with(&self, rows: u32, lanes: u32) -> u128 {
        let (rows, lanes) = (u128::from(rows), u128::from(lanes));
        let along_rows = self.rows.div_ceil(rows);
        let across = self.count.saturating_mul(self.lanes.div_ceil(lanes));
        let (blocks, tiles) =
            if self.walks_rows { (across, along_rows) } else { (across.saturating_mul(along_rows), 1) };
        let tile = rows * lanes + MOVED * (rows + lanes);
        blocks.div_ceil(MULTIPROCESSORS).saturating_mul(tiles).saturating_mul(tile)
    }

    /// The tile with the least work, of those that warpgroups may multiply where these do not have half as much again:
    /// warps reach 63 % of what tensor cores of an H100 do (Luo et al., *Benchmarking and Dissecting the Nvidia Hopper
    /// GPU Architecture via Microbenchmarking*, 2024).
    pub(super) fn fastest(&self, tiles: Vec<(u32, u32)>) -> Option<(u32, u32)> {
        let with = |&(rows, lanes): &(u32, u32)| self.with(rows, lanes);
        let best = tiles.iter().copied().min_by_key(with)?;
        let grouped = tiles.into_iter().filter(|&(rows, lanes)| match self.left {
            Some(Left::Lanes) => lanes >= PLACES,
            Some(Left::Rows) => rows >= PLACES,
            None => false,
        });
        let grouped = grouped.min_by_key(with);
        let near = |tile: &(u32, u32)| with(tile).saturating_mul(2) <= with(&best).saturating_mul(3);
        Some(grouped.filter(near).unwrap_or(best))
    }

    /// Steps between barriers: as many as leave little of the last tile empty, a barrier being as much as two steps.
    pub(super) fn depth(&self, candidates: &[u32]) -> u32 {
        let whole = |depth: u32| {
            let tiles = self.depth.div_ceil(u128::from(depth));
            let steps = tiles.saturating_mul(u128::from(depth));
            (steps.saturating_add(tiles.saturating_mul(2)), steps)
        };
        candidates.iter().copied().min_by_key(|&depth| whole(depth)).unwrap_or(8)
    }
}
