//! What runs a program: lowering's one question about hardware beside
//! [`byte_products`](super::LowerOptions::byte_products).

use super::LowerOptions;
use super::product::TYPICAL_BATCH;
use dlc_types::Dim;

/// How many threads share the work of a launch.
///
/// Both lower to the same kernel IR and differ in layout and division alone: weights in blocks, rows moved apart,
/// reductions walked in blocks and outputs cut into bands serve caches that threads have for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// Some tens, each with caches of its own.
    #[default]
    Few,
    /// Thousands, in blocks that share a memory which code generators fill, as on a GPU. No thread has scratch, and
    /// every launch is one grid over all of its work.
    Many,
}

impl Threads {
    /// Whether data are laid out and walked so that they stay in a thread's own caches.
    pub(crate) fn have_caches(self) -> bool {
        self == Threads::Few
    }
}

/// Length of the outermost axis of a reduction from which it is split.
const LONG: usize = 16;

impl LowerOptions {
    /// Whether a reduction is long, by the length of its outermost axis.
    pub(super) fn is_long(&self, outermost: Dim) -> bool {
        outermost.at(TYPICAL_BATCH) >= LONG.min(self.max_parallel)
    }

    /// Pieces that a long reduction is split into at most. Few threads have the same for every greatest batch; many do
    /// not begin with pieces that no batch fills.
    pub(super) fn most_pieces(&self, outermost: Dim) -> usize {
        let batch = match self.threads {
            Threads::Few => TYPICAL_BATCH,
            Threads::Many => TYPICAL_BATCH.min(self.batch_max),
        };
        self.max_parallel.min(outermost.at(batch))
    }
}
