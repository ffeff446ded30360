//! A decoded `wgmma.mma_async`: the product of a warpgroup, four warps that begin at a multiple of four.

use super::{Condition, Element, Slot};

/// Where a warpgroup's A comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left {
    /// Each warp's 16 rows in its lanes' registers.
    Registers([Slot; 4]),
    /// All 64 rows in shared memory.
    Shared(Matrix),
}

/// A matrix in shared memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix {
    /// Register of the descriptor.
    pub(crate) descriptor: Slot,
    /// Whether rows of A or columns of B are contiguous, rather than steps of K.
    pub(crate) transposed: bool,
}

/// Whether the accumulator is added to, or overwritten.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accumulation {
    Known(bool),
    Where(Condition),
}

#[derive(Debug, Clone)]
pub(crate) struct WarpgroupMultiply {
    pub(crate) element: Element,
    /// Columns of B, a multiple of 8.
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    /// The accumulator: for each 8 columns four registers.
    pub(crate) d: Vec<Slot>,
    pub(crate) a: Left,
    pub(crate) b: Matrix,
    pub(crate) accumulation: Accumulation,
    /// What A and B are multiplied with: 1 or -1.
    pub(crate) signs: [f64; 2],
}

impl WarpgroupMultiply {
    /// Registers of A's fragment.
    pub(crate) fn left(&self) -> &[Slot] {
        match &self.a {
            Left::Registers(slots) => slots,
            Left::Shared(_) => &[],
        }
    }
}
