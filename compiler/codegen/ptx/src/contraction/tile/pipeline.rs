//! The steps of a tile's reduction: while one is multiplied, later ones are on their way into shared memory.
//!
//! Copies fill as many stages as there are but one ahead. A thread waits until its copies for the stage that comes next
//! have landed; behind the barrier all of that stage is there, and the stage that was multiplied before is free for
//! the copies that begin then. Every round commits a group of copies, an empty one where nothing is left, so that the
//! number of groups under way tells which have landed. Through registers there are two stages: the next step is read
//! while this one is multiplied, and stored behind it. Products of warpgroups are begun in one round and waited for in the
//! next, before its barrier (`warpgroups`).
//!
//! Stages are told apart by an offset in a register, so that the products stand in the text once.

use super::Tiling;
use super::odometer::Odometer;
use super::stage::Side;
use crate::contraction::plan::Plan;
use crate::emitter::Emitter;
use crate::register::{Class, Value};

/// What a round of the pipeline works on.
pub(super) struct Pipeline<'p> {
    pub(super) plan: &'p Plan<'p>,
    pub(super) tiling: &'p Tiling,
    /// Of the lanes and of the rows.
    pub(super) sides: [&'p Side; 2],
    pub(super) odometer: &'p Odometer,
    /// Where the thread reads first, of both.
    pub(super) own: [Value; 2],
    /// The thread's sums, row by row.
    pub(super) sums: &'p [Value],
}

impl Emitter<'_> {
    /// All products of a tile.
    pub(super) fn all_steps(&mut self, pipeline: &Pipeline<'_>) {
        if pipeline.tiling.copies {
            self.steps_by_copies(pipeline)
        } else {
            self.steps_by_registers(pipeline)
        }
    }

    fn steps_by_copies(&mut self, pipeline: &Pipeline<'_>) {
        let shape = pipeline.tiling.shape;
        let (ahead, stage) = (shape.stages - 1, shape.stage_bytes());
        let zero = Value::Integer(0);
        // Steps that are copied and not multiplied yet.
        let [left, read, write] = [(); 3].map(|()| self.copy(Class::Word, zero));
        let (again, done) = (self.label(), self.label());
        for _ in 0..ahead {
            self.copy_step(pipeline, left, write);
        }
        self.place(&again);
        let none = self.ins(Class::Predicate, "setp.eq.s32", &[left, zero]);
        self.branch(none, true, &done);
        self.put(format!("cp.async.wait_group {};", ahead - 1));
        self.copies_ready(pipeline, read);
        self.put("bar.sync 0;");
        self.copy_step(pipeline, left, write);
        self.stage_products(pipeline, read);
        self.next_stage(read, stage, shape.stages);
        self.assign(left, "add.s32", &[left, Value::Integer(-1)]);
        self.put(format!("bra {again};"));
        self.place(&done);
        self.await_products(pipeline);
    }

    /// Starts to copy the next step, where there is one, and ends a group of copies.
    fn copy_step(&mut self, pipeline: &Pipeline<'_>, left: Value, write: Value) {
        let shape = pipeline.tiling.shape;
        let none = self.label();
        self.branch(pipeline.odometer.alive, false, &none);
        let offsets = self.offsets(pipeline.odometer);
        for (side, offset) in pipeline.sides.iter().zip(offsets) {
            self.copy_side(side, pipeline.odometer, offset, write);
        }
        self.advance(pipeline.odometer);
        self.next_stage(write, shape.stage_bytes(), shape.stages);
        self.assign(left, "add.s32", &[left, Value::Integer(1)]);
        self.place(&none);
        self.put("cp.async.commit_group;");
    }

    fn steps_by_registers(&mut self, pipeline: &Pipeline<'_>) {
        let (shape, odometer) = (pipeline.tiling.shape, pipeline.odometer);
        let zero = Value::Integer(0);
        let [read, write] = [(); 2].map(|()| self.copy(Class::Word, zero));
        let (again, last, done) = (self.label(), self.label(), self.label());
        self.branch(odometer.alive, false, &done);
        self.fetch_both(pipeline);
        self.deposit_both(pipeline, write);
        self.place(&again);
        self.branch(odometer.alive, false, &last);
        self.fetch_both(pipeline);
        self.place(&last);
        self.stage_products(pipeline, read);
        self.branch(odometer.alive, false, &done);
        self.next_stage(read, shape.stage_bytes(), shape.stages);
        self.deposit_both(pipeline, write);
        self.put(format!("bra {again};"));
        self.place(&done);
        self.await_products(pipeline);
    }

    fn fetch_both(&mut self, pipeline: &Pipeline<'_>) {
        let offsets = self.offsets(pipeline.odometer);
        for (side, offset) in pipeline.sides.iter().zip(offsets) {
            self.fetch(side, pipeline.odometer, offset);
        }
    }

    /// Stores what was read, and goes on to the next step and stage.
    fn deposit_both(&mut self, pipeline: &Pipeline<'_>, write: Value) {
        let shape = pipeline.tiling.shape;
        pipeline.sides.iter().for_each(|side| self.deposit(side, write));
        self.advance(pipeline.odometer);
        self.next_stage(write, shape.stage_bytes(), shape.stages);
        self.fence_for_products(pipeline);
        self.put("bar.sync 0;");
    }

    /// Moves the offset of a stage to the next one, behind the last to the first.
    fn next_stage(&mut self, offset: Value, bytes: u32, stages: u32) {
        self.assign(offset, "add.s32", &[offset, Value::Integer(i64::from(bytes))]);
        let end = Value::Integer(i64::from(bytes * stages));
        let beyond = self.ins(Class::Predicate, "setp.eq.s32", &[offset, end]);
        self.assign(offset, "selp.b32", &[Value::Integer(0), offset, beyond]);
    }

    /// All products of one stage.
    fn stage_products(&mut self, pipeline: &Pipeline<'_>, stage: Value) {
        if let Some(left) = pipeline.tiling.shape.left {
            self.products_of_warpgroups(pipeline, left, stage);
        } else if pipeline.tiling.shape.tensor() {
            self.products_of_warps(pipeline, stage);
        } else {
            self.products_of_threads(pipeline, stage);
        }
    }
}
