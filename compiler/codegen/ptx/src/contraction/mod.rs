//! Contractions: every element of the result is the sum of products over reduced coordinates and taps.
//!
//! Division of kept dimensions among points is of no account here: they are covered whole, in whatever way suits the
//! tiles. Pieces of reduced ones have results of their own, and count as one more kept dimension.

mod element;
mod plan;
mod reduce;
mod taps;
mod tile;
mod words;

use crate::PtxError;
use crate::emitter::Emitter;
use crate::kernel::Layout;
use dlc_kernel::Contraction;
use plan::Plan;

impl Emitter<'_> {
    /// A contraction, in the form that suits it.
    pub(crate) fn contraction(&mut self, contraction: &Contraction) -> Result<Layout, PtxError> {
        let plan = Plan::new(self, contraction)?;
        match self.tiling(&plan) {
            Some(tiling) => self.by_tiles(&plan, &tiling),
            None => self.by_element(&plan),
        }
    }
}
