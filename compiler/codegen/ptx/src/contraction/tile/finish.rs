//! The ends of a tile: what its sums begin with, and what is done with them.

use super::{Place, Tiling, define_coordinates, divides};
use crate::PtxError;
use crate::contraction::plan::Plan;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::{Binary, Epilogue};
use dlc_types::DType;

/// A register of a sum over rows, for each lane of a thread, with its type.
pub(super) type Totals = Vec<(DType, Vec<Value>)>;

/// One of a thread's rows.
struct Row {
    exists: Option<Value>,
    /// Coordinates of the dimensions that rows run over.
    found: Vec<Value>,
    /// Element offset in the result.
    offset: Value,
}

/// One of a thread's lanes.
pub(super) struct Lane {
    pub(super) number: Value,
    pub(super) exists: Option<Value>,
}

impl Emitter<'_> {
    fn row(&mut self, plan: &Plan<'_>, tiling: &Tiling, place: &Place, at: u32) -> Result<Row, PtxError> {
        let first = self.index_sum(place.row, place.own_row);
        let row = self.index_sum(first, Value::Integer(i64::from(at)));
        let exists = self.row_exists(tiling, place, row);
        let found = self.row_coordinates(plan, tiling, row)?;
        let mut offset = place.offsets[2];
        for (&number, &value) in tiling.rows.iter().zip(&found) {
            offset = self.index_mad(value, plan.dim(number).strides[2], offset);
        }
        Ok(Row { exists, found, offset })
    }

    /// The lanes of a thread.
    pub(super) fn own_lanes(&mut self, tiling: &Tiling, place: &Place) -> Vec<Lane> {
        let shape = tiling.shape;
        let whole = divides(place.lanes, shape.lanes);
        let own = |emitter: &mut Self, at: u32| {
            let first = emitter.index_sum(place.lane, place.own_lane);
            let number = emitter.index_sum(first, Value::Integer(i64::from(at)));
            let exists = if whole { None } else { Some(emitter.index_test("lt.s", number, place.lanes)) };
            Lane { number, exists }
        };
        tiling.lane_spread().places.into_iter().map(|at| own(self, at)).collect()
    }

    fn both_exist(&mut self, row: &Row, lane: &Lane) -> Option<Value> {
        match (row.exists, lane.exists) {
            (Some(row), Some(lane)) => Some(self.ins(Class::Predicate, "and.pred", &[row, lane])),
            (row, lane) => row.or(lane),
        }
    }

    /// Zeros, or what the result holds.
    pub(super) fn first_sums(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
    ) -> Result<Vec<Value>, PtxError> {
        let shape = tiling.shape;
        let class = Class::of(plan.dtype);
        let count = shape.thread_rows * shape.thread_lanes;
        let zero = self.number(plan.dtype, 0.0);
        let sums: Vec<Value> = (0..count).map(|_| self.copy(class, zero)).collect();
        if !plan.contraction.accumulate {
            return Ok(sums);
        }
        let lanes = self.own_lanes(tiling, place);
        let rows = tiling.row_spread().places;
        for (at, sums) in rows.into_iter().zip(sums.chunks(lanes.len())) {
            let row = self.row(plan, tiling, place, at)?;
            for (lane, sum) in lanes.iter().zip(sums) {
                let at = self.result_place(plan, tiling, &row, lane);
                let only = self.both_exist(&row, lane).map_or_else(String::new, |only| format!("@{only} "));
                self.put(format!("{only}ld.global.{} {sum}, [{at}];", class.kind()));
            }
        }
        Ok(sums)
    }

    fn result_place(&mut self, plan: &Plan<'_>, tiling: &Tiling, row: &Row, lane: &Lane) -> Value {
        let index = self.index_mad(lane.number, plan.dim(tiling.lanes).strides[2], row.offset);
        self.element(self.pointers[2], index, plan.size)
    }

    /// Stores what a thread has summed, or hands it to the epilogue.
    pub(super) fn finish(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        sums: &[Value],
        totals: Option<&Totals>,
    ) -> Result<(), PtxError> {
        let lanes = self.own_lanes(tiling, place);
        let rows = tiling.row_spread().places;
        for (at, sums) in rows.into_iter().zip(sums.chunks(lanes.len())) {
            let row = self.row(plan, tiling, place, at)?;
            let Some(epilogue) = &plan.contraction.epilogue else {
                for (lane, &sum) in lanes.iter().zip(sums) {
                    let at = self.result_place(plan, tiling, &row, lane);
                    let only = self.both_exist(&row, lane);
                    self.store_element(plan.dtype, sum, at, 0, only);
                }
                continue;
            };
            let beyond = self.label();
            if let Some(exists) = row.exists {
                self.branch(exists, false, &beyond);
            }
            let mut coordinates = place.coordinates.clone();
            for (&number, &value) in tiling.rows.iter().zip(&row.found) {
                coordinates[number] = value;
            }
            for (number, (lane, &sum)) in lanes.iter().zip(sums).enumerate() {
                let next = self.label();
                if let Some(exists) = lane.exists {
                    self.branch(exists, false, &next);
                }
                coordinates[tiling.lanes] = lane.number;
                define_coordinates(self, plan, epilogue, &coordinates)?;
                self.define(epilogue.value, plan.dtype, sum);
                self.statements(&epilogue.statements)?;
                if let Some(totals) = totals {
                    self.add_to_totals(epilogue, totals, number)?;
                }
                self.place(&next);
            }
            self.place(&beyond);
        }
        Ok(())
    }

    fn add_to_totals(&mut self, epilogue: &Epilogue, totals: &Totals, lane: usize) -> Result<(), PtxError> {
        for (sum, (dtype, registers)) in epilogue.sums.iter().zip(totals) {
            let (_, value) = self.var(sum.value)?;
            let next = self.binary(Binary::Add, *dtype, registers[lane], value)?;
            self.set(registers[lane], next);
        }
        Ok(())
    }
}
