//! The ends of a tile: what its sums begin with, and what is done with them.

use super::{Place, Tiling, define_coordinates, divides};
use crate::alignment::{Multiples, power_of, power_of_extent};
use crate::contraction::plan::Plan;
use crate::emitter::Emitter;
use crate::register::{Class, Value, list};
use crate::{PtxError, vector};
use dlc_kernel::{Binary, Epilogue};
use dlc_types::{DType, Dim};

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
        let run = self.result_run(plan, tiling);
        let lanes = self.own_lanes(tiling, place);
        let rows = tiling.row_spread().places;
        for (at, sums) in rows.into_iter().zip(sums.chunks(lanes.len())) {
            let row = self.row(plan, tiling, place, at)?;
            for (lanes, sums) in lanes.chunks(run).zip(sums.chunks(run)) {
                let at = self.result_place(plan, tiling, &row, &lanes[0]);
                let only = self.both_exist(&row, &lanes[0]);
                let only = only.map_or_else(String::new, |only| format!("@{only} "));
                let (vector, names) = list(sums);
                self.put(format!("{only}ld.global{vector}.{} {names}, [{at}];", class.kind()));
            }
        }
        Ok(sums)
    }

    /// Neighbouring lanes of a thread that exist together.
    fn lanes_run(plan: &Plan<'_>, tiling: &Tiling) -> i64 {
        i64::from(tiling.lane_spread().run).min(power_of_extent(plan.dim(tiling.lanes).extent))
    }

    /// Neighbouring lanes whose results are one access of memory.
    fn result_run(&self, plan: &Plan<'_>, tiling: &Tiling) -> usize {
        let contraction = plan.contraction;
        if plan.dim(tiling.lanes).strides[2] != 1 {
            return 1;
        }
        let others = (0..contraction.dims.len()).filter(|&number| number != tiling.lanes);
        let strides = others.filter(|&number| plan.size(number) != Dim::Fixed(1)).map(|number| {
            let dim = plan.dim(number);
            if dim.is_reduced() { dim.split.map_or(0, |split| split.result_stride) } else { dim.strides[2] }
        });
        let known = self.operand_multiple(2, plan.size).min(Self::lanes_run(plan, tiling));
        let all = strides.chain([contraction.offsets[2]]);
        all.fold(known, |all, number| all.min(power_of(number))) as usize
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
        let run = match &plan.contraction.epilogue {
            None => self.result_run(plan, tiling),
            Some(epilogue) => {
                let along = plan.coordinate(epilogue, tiling.lanes)?;
                let (places, run) = (self.operand_places(), Self::lanes_run(plan, tiling));
                vector::neighbours(along, &epilogue.statements, &places, &Multiples::default(), run)
            }
        };
        let rows = tiling.row_spread().places;
        for (at, sums) in rows.into_iter().zip(sums.chunks(lanes.len())) {
            let row = self.row(plan, tiling, place, at)?;
            let Some(epilogue) = &plan.contraction.epilogue else {
                for (lanes, sums) in lanes.chunks(run).zip(sums.chunks(run)) {
                    let at = self.result_place(plan, tiling, &row, &lanes[0]);
                    let only = self.both_exist(&row, &lanes[0]);
                    self.store_elements(plan.dtype, sums, (at, 0), only);
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
            for (number, (lanes, sums)) in lanes.chunks(run).zip(sums.chunks(run)).enumerate() {
                let next = self.label();
                if let Some(exists) = lanes[0].exists {
                    self.branch(exists, false, &next);
                }
                coordinates[tiling.lanes] = lanes[0].number;
                define_coordinates(self, plan, epilogue, &coordinates)?;
                let along = plan.coordinate(epilogue, tiling.lanes)?;
                self.with_neighbours(along, lanes[0].number, run, &mut |emitter| {
                    emitter.run_epilogue(plan, epilogue, sums, totals, number * run)
                })?;
                self.place(&next);
            }
            self.place(&beyond);
        }
        Ok(())
    }

    /// The statements of an epilogue for neighbouring lanes, the first of which has this number.
    fn run_epilogue(
        &mut self,
        plan: &Plan<'_>,
        epilogue: &Epilogue,
        sums: &[Value],
        totals: Option<&Totals>,
        first: usize,
    ) -> Result<(), PtxError> {
        let mut each = sums.iter();
        self.for_each_neighbour(&mut |emitter| {
            let sum = each.next().copied().unwrap_or(sums[0]);
            emitter.define(epilogue.value, plan.dtype, sum);
            Ok(())
        })?;
        self.statements(&epilogue.statements)?;
        let Some(totals) = totals else { return Ok(()) };
        let mut lanes = first..;
        self.for_each_neighbour(&mut |emitter| {
            emitter.add_to_totals(epilogue, totals, lanes.next().unwrap_or(first))
        })
        .map(drop)
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
