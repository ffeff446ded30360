//! Which elements of the factors a thread reads for a tile, and which rows and lanes of the result there are.

use super::stage::{Share, Side};
use super::{Place, Tiling, divides};
use crate::PtxError;
use crate::contraction::plan::Plan;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_types::Dim;

impl Emitter<'_> {
    pub(super) fn lanes_side(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        shared: (Value, u32),
    ) -> Result<Side, PtxError> {
        let along_depth = self.along_depth(plan, 0, tiling.lanes);
        let share = Share::new(tiling.shape, tiling.shape.lanes, along_depth);
        let first = self.first_of_share(&share);
        let start = self.index_sum(place.lane, first[0]);
        let whole = divides(place.lanes, tiling.shape.lanes);
        let stride = plan.dim(tiling.lanes).strides[0];
        let mut places = Vec::new();
        for step in share.place_steps() {
            let lane = self.index_sum(start, Value::Integer(i64::from(step)));
            let exists = if whole { None } else { Some(self.index_test("lt.s", lane, place.lanes)) };
            places.push((self.index_product(lane, Value::Integer(stride)), exists));
        }
        Ok(self.side(0, Class::of(plan.dtype), &share, first, places, shared))
    }

    pub(super) fn rows_side(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        shared: (Value, u32),
    ) -> Result<Side, PtxError> {
        let nearest = tiling.rows.last().copied().unwrap_or(tiling.lanes);
        let along_depth = self.along_depth(plan, 1, nearest);
        let share = Share::new(tiling.shape, tiling.shape.rows, along_depth);
        let first = self.first_of_share(&share);
        let start = self.index_sum(place.row, first[0]);
        let mut places = Vec::new();
        for step in share.place_steps() {
            let row = self.index_sum(start, Value::Integer(i64::from(step)));
            let exists = self.row_exists(tiling, place, row);
            let found = self.row_coordinates(plan, tiling, row)?;
            let mut offset = Value::Integer(0);
            for (&number, &value) in tiling.rows.iter().zip(&found) {
                offset = self.index_mad(value, plan.dim(number).strides[1], offset);
            }
            places.push((offset, exists));
        }
        Ok(self.side(1, Class::of(plan.dtype), &share, first, places, shared))
    }

    /// Whether a factor is read along the reduction rather than along the tile.
    fn along_depth(&self, plan: &Plan<'_>, factor: usize, along: usize) -> bool {
        let inner = plan.reduced.last().map_or(0, |&number| plan.dim(number).strides[factor].abs());
        inner == 1 && plan.dim(along).strides[factor].abs() != 1
    }

    /// Whether a row is one of the result's; nothing where it always is.
    pub(super) fn row_exists(&mut self, tiling: &Tiling, place: &Place, row: Value) -> Option<Value> {
        if divides(place.rows, tiling.shape.rows) {
            return None;
        }
        Some(self.index_test("lt.s", row, place.rows))
    }

    /// The coordinates of a row along the dimensions that rows run over.
    pub(super) fn row_coordinates(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        row: Value,
    ) -> Result<Vec<Value>, PtxError> {
        let dims: Vec<Dim> = tiling.rows.iter().map(|&number| plan.dim(number).extent).collect();
        let extents = self.extents(&dims)?;
        Ok(self.divided_up(row, &extents))
    }
}
