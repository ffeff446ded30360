//! Which tile of which contraction a block has, and where in it a thread is.

use super::Tiling;
use crate::PtxError;
use crate::contraction::plan::Plan;
use crate::emitter::Emitter;
use crate::kernel::extent;
use crate::register::Value;
use dlc_abi::Tiles;
use dlc_types::Dim;

/// Where a block's tile is.
pub(super) struct Place {
    pub(super) coordinates: Vec<Value>,
    /// Element offsets of the three operands that all of the tile shares.
    pub(super) offsets: [Value; 3],
    /// The first row and the first lane.
    pub(super) row: Value,
    pub(super) lane: Value,
    /// How many there are in all.
    pub(super) rows: Value,
    pub(super) lanes: Value,
    /// The thread's number along the rows, and its first row and lane in the tile.
    pub(super) group: Value,
    pub(super) own_row: Value,
    pub(super) own_lane: Value,
}

impl Emitter<'_> {
    /// Which tile the block has, and the grid of them.
    pub(super) fn tile_place(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
    ) -> Result<(Place, Vec<Tiles>), PtxError> {
        let shape = tiling.shape;
        let dims =
            |numbers: &[usize]| -> Vec<Dim> { numbers.iter().map(|&number| plan.size(number)).collect() };
        let tiles = |numbers: &[usize], per_block: u32| Tiles {
            extents: dims(numbers).into_iter().map(extent).collect(),
            per_block: per_block as usize,
        };
        let rows_extents = self.extents(&dims(&tiling.rows))?;
        let rows = self.product(&rows_extents);
        let lanes = self.extents(&dims(&[tiling.lanes]))?[0];
        let mut grid = vec![tiles(&tiling.batch, 1)];
        let mut counts = vec![Value::Integer(0)];
        if !tiling.walks {
            grid.push(tiles(&tiling.rows, shape.rows));
            counts.push(self.tiles_of(rows, shape.rows));
        } else {
            counts.push(Value::Integer(1));
        }
        grid.push(tiles(&[tiling.lanes], shape.lanes));
        counts.push(self.tiles_of(lanes, shape.lanes));
        let blocks = self.block_numbers(&counts);
        let batch_extents = self.extents(&dims(&tiling.batch))?;
        let found = self.divided_up(blocks[0], &batch_extents);

        let (coordinates, offsets) = self.located(plan, &tiling.batch, &found);
        let row = self.index_product(blocks[1], Value::Integer(i64::from(shape.rows)));
        let lane = self.index_product(blocks[2], Value::Integer(i64::from(shape.lanes)));
        let [group, own_row, own_lane] = self.own_place(tiling);
        Ok((Place { coordinates, offsets, row, lane, rows, lanes, group, own_row, own_lane }, grid))
    }

    /// Tiles of a length that cover a count.
    fn tiles_of(&mut self, count: Value, length: u32) -> Value {
        let above = self.index_sum(count, Value::Integer(i64::from(length) - 1));
        self.index_quotient(above, Value::Integer(i64::from(length)))
    }
}
