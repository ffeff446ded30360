//! What runs a program: lowering's one question about hardware beside
//! [`byte_products`](super::LowerOptions::byte_products).

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
