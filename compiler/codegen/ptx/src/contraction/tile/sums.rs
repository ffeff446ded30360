//! Sums of an epilogue over all rows of a point: each thread adds up its own rows, tile after tile; at the end the
//! groups of threads along the rows leave theirs in shared memory, and one thread per lane adds them in order.

use super::finish::Totals;
use super::odometer::Odometer;
use super::{Place, Tiling, define_coordinates, divides};
use crate::PtxError;
use crate::contraction::plan::Plan;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::{Binary, Epilogue, EpilogueSum};
use dlc_types::DType;

impl Emitter<'_> {
    /// Bytes of shared memory for one total of every group and lane.
    pub(super) fn totals_bytes(&self, tiling: &Tiling, epilogue: &Epilogue) -> Result<u32, PtxError> {
        let mut most = 0;
        for sum in &epilogue.sums {
            most = most.max(self.operand_type(sum.operand)?.computed_in().size() as u32);
        }
        Ok(most * tiling.shape.groups() * tiling.shape.lanes)
    }

    /// All tiles of a point's rows, and the sums over them.
    pub(super) fn walk_rows(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        epilogue: &Epilogue,
        mut place: Place,
        odometer: &Odometer,
        base: Value,
    ) -> Result<(), PtxError> {
        let mut totals: Totals = Vec::new();
        for sum in &epilogue.sums {
            let dtype = self.operand_type(sum.operand)?;
            let zero = self.number(dtype, 0.0);
            let class = Class::of(dtype);
            let registers = (0..tiling.shape.thread_lanes).map(|_| self.copy(class, zero)).collect();
            totals.push((dtype, registers));
        }
        let row = self.copy(self.index_class(), Value::Integer(0));
        place.row = row;
        let (again, done) = (self.label(), self.label());
        let none = self.index_test("ge.s", row, place.rows);
        self.branch(none, true, &done);
        self.place(&again);
        let sums = self.tile_sums(plan, tiling, &place, odometer, base)?;
        self.finish(plan, tiling, &place, &sums, Some(&totals))?;
        // Shared memory is free, and the reduction begins anew.
        self.put("bar.sync 0;");
        self.rewind(odometer);
        let name = if self.wide { "add.s64" } else { "add.s32" };
        self.assign(row, name, &[row, Value::Integer(i64::from(tiling.shape.rows))]);
        let more = self.index_test("lt.s", row, place.rows);
        self.branch(more, true, &again);
        self.place(&done);
        for (sum, (dtype, registers)) in epilogue.sums.iter().zip(&totals) {
            self.write_totals(plan, tiling, &place, epilogue, sum, (*dtype, registers), base)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a total has a place, a type, registers and memory")]
    fn write_totals(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        epilogue: &Epilogue,
        sum: &EpilogueSum,
        (dtype, registers): (DType, &[Value]),
        base: Value,
    ) -> Result<(), PtxError> {
        let shape = tiling.shape;
        let class = Class::of(dtype);
        let size = dtype.computed_in().size() as u32;
        let [lane, group] = [place.own_lane, place.group].map(|value| self.narrowed_index(value));
        let own = self.word_mad(group, i64::from(size * shape.lanes), base);
        let own = self.word_mad(lane, i64::from(size), own);
        for (&register, at) in registers.iter().zip(tiling.lane_spread().places) {
            let at = crate::memory::place(own, i64::from(size * at));
            self.put(format!("st.shared.{} {at}, {register};", class.kind()));
        }
        self.put("bar.sync 0;");
        let thread = self.special("%tid.x");
        let threads = shape.threads();
        for round in 0..shape.lanes.div_ceil(threads) {
            let skip = self.label();
            let lane = self.index_sum(thread, Value::Integer(i64::from(round * threads)));
            if !shape.lanes.is_multiple_of(threads) {
                let beyond = self.index_test("ge.s", lane, Value::Integer(i64::from(shape.lanes)));
                self.branch(beyond, true, &skip);
            }
            let number = self.index_sum(place.lane, lane);
            if !divides(place.lanes, shape.lanes) {
                let beyond = self.index_test("ge.s", number, place.lanes);
                self.branch(beyond, true, &skip);
            }
            let word = self.narrowed_index(lane);
            let first = self.word_mad(word, i64::from(size), base);
            let mut total = None;
            for group in 0..shape.groups() {
                let value = self.fresh(class);
                let at = crate::memory::place(first, i64::from(group * size * shape.lanes));
                self.put(format!("ld.shared.{} {value}, {at};", class.kind()));
                total = Some(match total {
                    None => value,
                    Some(total) => self.binary(Binary::Add, dtype, total, value)?,
                });
            }
            let mut coordinates = place.coordinates.clone();
            coordinates[tiling.lanes] = number;
            define_coordinates(self, plan, epilogue, &coordinates)?;
            let (at, displacement) = self.address(sum.operand, &sum.index)?;
            let total = total.unwrap_or(registers[0]);
            self.store_element(dtype, total, at, displacement, None);
            self.place(&skip);
        }
        self.put("bar.sync 0;");
        Ok(())
    }
}
