//! Which reduced dimensions are looped outside the tiles and which inside.
//!
//! A step of the outer reduction stores every tile and loads it again. `ReduceOuter` dimensions say in which
//! order terms are added; the same order results when inner ones of them are looped inside the tile. That is
//! done here until a visit of a tile has [`VISIT`] steps, or the operands of a visit fill the second-level
//! cache: then a dimension is looped in blocks, outside and inside.

use crate::X86Error;
use crate::frame::Slot;
use crate::plan::{self, Length, SIZE};
use dlc_kernel::{Contraction, Role};

/// Steps of a tile's visit that make its loads and stores of the result cheap.
const VISIT: i64 = 256;
/// Bytes of both operands that one visit of all tiles may touch.
const NEAR: i64 = 512 << 10;

/// A loop outside the tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OuterLoop {
    /// The dimension.
    pub(crate) dim: usize,
    /// Byte strides of one coordinate.
    pub(crate) strides: [i64; 3],
    pub(crate) length: Length,
    pub(crate) is_reduced: bool,
    /// Coordinates per step, and where the number of the current step's coordinates goes.
    pub(crate) block: Option<(i64, Slot)>,
}

/// A loop inside the tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InnerLoop {
    /// Byte strides of one coordinate in lanes and rows operand.
    pub(crate) strides: [i64; 2],
    pub(crate) length: Length,
}

/// All loops but those along lanes and rows, outermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grouping {
    pub(crate) outer: Vec<OuterLoop>,
    pub(crate) inner: Vec<InnerLoop>,
}

impl Grouping {
    /// Groups the loops; `slot` gives a slot of the frame.
    pub(crate) fn new(
        contraction: &Contraction,
        lengths: &[Length],
        slot: &mut dyn FnMut() -> Result<Slot, X86Error>,
    ) -> Result<Grouping, X86Error> {
        let mut grouping = Grouping::default();
        let (mut steps, mut width) = (contraction.taps.len() as i64, 0);
        let mut kept = Vec::new();
        for (number, (dim, &length)) in contraction.dims.iter().zip(lengths).enumerate() {
            let strides = plan::byte_strides(contraction, dim);
            let is_reduced = dim.role == Role::ReduceOuter;
            let around = OuterLoop { dim: number, strides, length, is_reduced, block: None };
            let typical = match length {
                Length::Known(length) => length,
                Length::Slot(_) => 16,
            };
            match dim.role {
                Role::ReduceOuter => grouping.outer.push(around),
                Role::Sequential => kept.push(around),
                Role::Reduce => {
                    steps = steps.saturating_mul(typical.max(1));
                    grouping.inner.push(InnerLoop { strides: [strides[0], strides[1]], length });
                }
                Role::Lanes | Role::Rows => width += typical,
                Role::Parallel => {}
            }
        }
        // Taps come before the last reduced dimension, so that without one the order would change.
        if !grouping.inner.is_empty() || contraction.taps.len() == 1 {
            grouping.fill_visits(steps, width.max(1), slot)?;
        }
        grouping.outer.extend(kept);
        Ok(grouping)
    }

    fn fill_visits(
        &mut self,
        mut steps: i64,
        width: i64,
        slot: &mut dyn FnMut() -> Result<Slot, X86Error>,
    ) -> Result<(), X86Error> {
        while let Some(dim) = self.outer.pop() {
            let room = NEAR / steps.saturating_mul(width).saturating_mul(SIZE).max(1);
            let wanted = ((VISIT + steps - 1) / steps.max(1)).min(room);
            if wanted <= 1 {
                self.outer.push(dim);
                return Ok(());
            }
            let strides = [dim.strides[0], dim.strides[1]];
            match dim.length {
                Length::Known(length) => {
                    let fits = |size: &i64| length % size == 0;
                    let size = (wanted..=length.min(room)).find(fits);
                    let size = size.or_else(|| (1..wanted).rev().find(fits)).unwrap_or(1).max(1);
                    if length <= 1 || size == length {
                        self.inner.insert(0, InnerLoop { strides, length: dim.length });
                        steps = steps.saturating_mul(length.max(1));
                        continue;
                    }
                    let strides_of_block = dim.strides.map(|stride| stride * size);
                    let length = Length::Known(length / size);
                    self.outer.push(OuterLoop { strides: strides_of_block, length, ..dim });
                    self.inner.insert(0, InnerLoop { strides, length: Length::Known(size) });
                }
                Length::Slot(_) => {
                    let counter = slot()?;
                    self.outer.push(OuterLoop { block: Some((wanted, counter)), ..dim });
                    self.inner.insert(0, InnerLoop { strides, length: Length::Slot(counter) });
                }
            }
            return Ok(());
        }
        Ok(())
    }
}
