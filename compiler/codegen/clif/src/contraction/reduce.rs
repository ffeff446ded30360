//! The reduction inside a register tile: accumulators go round as block parameters.

use super::{Plan, Unit, taps};
use crate::ClifError;
use crate::emitter::Emitter;
use crate::nest::arguments;
use crate::statement::access;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use dlc_kernel::approximation::Arithmetic;
use dlc_kernel::{Parts, Role};

/// Multiply-adds in one straight piece of code, at most.
const STRAIGHT: i64 = 108;

/// One loop of the reduction; steps are bytes in lanes and rows operand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// A known number of steps.
    Fixed { count: i64, steps: [i64; 2] },
    /// As many steps as a value says.
    Counted { count: Value, steps: [i64; 2] },
    /// The taps' table.
    Table { count: i64 },
}

/// What a tile's steps need to know.
pub(super) struct Micro {
    pub(super) unit: Unit,
    pub(super) rows: usize,
    /// Type of an accumulator.
    pub(super) ty: Type,
    pub(super) parts: Parts,
    /// What the rows' words are combined with before they are multiplied, if with anything.
    pub(super) highest: Option<Value>,
    /// Bytes between registers of the lanes.
    pub(super) lane_step: i64,
    /// Bytes between rows in the rows operand.
    pub(super) row_step: i64,
    /// Bytes between registers of the lanes in the rows operand; 0 where its elements are repeated.
    pub(super) paired_step: i64,
}

impl Micro {
    fn multiplications(&self) -> i64 {
        (self.unit.registers() * self.rows) as i64
    }
}

/// Pointers into lanes and rows operand with displacements.
#[derive(Clone, Copy)]
struct Cursor {
    pointers: [Value; 2],
    displacements: [i64; 2],
}

/// Steps of straight code that the levels amount to, if all of them are known.
fn steps(levels: &[Level]) -> Option<i64> {
    levels.iter().try_fold(1_i64, |product, level| match level {
        Level::Fixed { count, .. } => product.checked_mul(*count),
        _ => None,
    })
}

/// How many steps of `count` to put into one iteration.
fn unroll(count: Option<i64>, multiplications: i64) -> i64 {
    let most = (STRAIGHT / multiplications.max(1)).clamp(1, 8);
    let Some(count) = count else { return if most >= 4 { 4 } else { 1 } };
    let most = most.min(count.max(1));
    (1..=most).rev().find(|&size| count % size == 0 && size * 2 > most).unwrap_or(most)
}

impl<'f> Emitter<'_, 'f> {
    /// All of a tile's reduction: dimensions, taps, the last dimension innermost.
    pub(super) fn reduction(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        pointers: [Value; 2],
        accumulators: Vec<Value>,
    ) -> Result<Vec<Value>, ClifError> {
        let mut levels = Vec::new();
        let numbers: Vec<usize> = (0..plan.contraction.dims.len())
            .filter(|&number| plan.dim(number).role == Role::Reduce)
            .collect();
        for &number in &numbers {
            let [lanes, rows, _] = plan.strides(number);
            let steps = [lanes, rows];
            let span = plan.spans[number];
            levels.push(match span.known {
                Some(count) => Level::Fixed { count, steps },
                None => Level::Counted { count: self.builder.ins().isub(span.end, span.start), steps },
            });
        }
        let last = levels.pop();
        levels.extend(taps::levels(plan));
        levels.extend(last);
        levels.retain(|level| !matches!(level, Level::Fixed { count: 1, .. }));
        let cursor = Cursor { pointers, displacements: taps::origin(plan) };
        self.levels(plan, micro, &levels, cursor, accumulators)
    }

    fn levels(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        levels: &[Level],
        cursor: Cursor,
        accumulators: Vec<Value>,
    ) -> Result<Vec<Value>, ClifError> {
        let Some((&level, inner)) = levels.split_first() else {
            return self.product(micro, cursor, accumulators);
        };
        let straight = steps(levels).is_some_and(|steps| steps * micro.multiplications() <= STRAIGHT);
        match level {
            Level::Fixed { count, steps } if straight => {
                self.straight(plan, micro, inner, cursor, accumulators, (count, steps))
            }
            Level::Fixed { count, steps } => {
                let size = if inner.is_empty() { unroll(Some(count), micro.multiplications()) } else { 1 };
                let groups = self.int(count / size);
                let around = (groups, count >= size, size, steps);
                let (cursor, accumulators) = self.around(plan, micro, inner, cursor, accumulators, around)?;
                self.straight(plan, micro, inner, cursor, accumulators, (count % size, steps))
            }
            Level::Counted { count, steps } => {
                let size = if inner.is_empty() { unroll(None, micro.multiplications()) } else { 1 };
                let groups = self.builder.ins().sshr_imm_s(count, i64::from(size.trailing_zeros()));
                let around = (groups, false, size, steps);
                let (cursor, accumulators) = self.around(plan, micro, inner, cursor, accumulators, around)?;
                if size == 1 {
                    return Ok(accumulators);
                }
                let rest = self.builder.ins().band_imm_s(count, size - 1);
                Ok(self.around(plan, micro, inner, cursor, accumulators, (rest, false, 1, steps))?.1)
            }
            Level::Table { count } => self.table(plan, micro, inner, cursor, accumulators, count),
        }
    }

    fn straight(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        inner: &[Level],
        cursor: Cursor,
        mut accumulators: Vec<Value>,
        (count, steps): (i64, [i64; 2]),
    ) -> Result<Vec<Value>, ClifError> {
        let mut at = cursor;
        for _ in 0..count {
            accumulators = self.levels(plan, micro, inner, at, accumulators)?;
            at.displacements = [at.displacements[0] + steps[0], at.displacements[1] + steps[1]];
        }
        Ok(accumulators)
    }

    /// A loop of `groups` iterations of `size` steps each; hands on the cursor behind them.
    fn around(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        inner: &[Level],
        cursor: Cursor,
        accumulators: Vec<Value>,
        (groups, runs, size, steps): (Value, bool, i64, [i64; 2]),
    ) -> Result<(Cursor, Vec<Value>), ClifError> {
        let mut initial = cursor.pointers.to_vec();
        initial.extend(accumulators);
        let zero = self.int(0);
        let results = self.counted(zero, groups, 1, runs, initial, &mut |emitter, _, carried| {
            let (pointers, accumulators) = emitter.cursor_and_rest(carried)?;
            let at = Cursor { pointers, ..cursor };
            let sums = emitter.straight(plan, micro, inner, at, accumulators, (size, steps))?;
            let mut next =
                vec![emitter.plus(pointers[0], steps[0] * size), emitter.plus(pointers[1], steps[1] * size)];
            next.extend(sums);
            Ok(next)
        })?;
        let (pointers, accumulators) = self.cursor_and_rest(&results)?;
        Ok((Cursor { pointers, ..cursor }, accumulators))
    }

    fn cursor_and_rest(&self, values: &[Value]) -> Result<([Value; 2], Vec<Value>), ClifError> {
        match values {
            &[lanes, rows, ref rest @ ..] => Ok(([lanes, rows], rest.to_vec())),
            _ => Err(self.malformed("a reduction carries two pointers")),
        }
    }

    fn table(
        &mut self,
        plan: &Plan<'_>,
        micro: &Micro,
        inner: &[Level],
        cursor: Cursor,
        accumulators: Vec<Value>,
        count: i64,
    ) -> Result<Vec<Value>, ClifError> {
        let Some(slot) = plan.table else { return Err(self.malformed("taps have no table")) };
        let table = self.builder.ins().stack_addr(types::I64, slot, 0);
        let zero = self.int(0);
        let end = self.int(count * 16);
        self.counted(zero, end, 16, true, accumulators, &mut |emitter, offset, carried| {
            let entry = emitter.builder.ins().iadd(table, offset);
            let mut at = cursor;
            for (half, pointer) in at.pointers.iter_mut().enumerate() {
                let shift = emitter.builder.ins().load(types::I64, access(), entry, (half * 8) as i32);
                *pointer = emitter.builder.ins().iadd(*pointer, shift);
            }
            emitter.levels(plan, micro, inner, at, carried.to_vec())
        })
    }

    /// A pointer and a displacement that an instruction can hold.
    pub(super) fn reachable(&mut self, pointer: Value, displacement: i64) -> (Value, i32) {
        match i32::try_from(displacement) {
            Ok(displacement) => (pointer, displacement),
            Err(_) => (self.plus(pointer, displacement), 0),
        }
    }

    /// One outer product, added to the accumulators (row by row).
    fn product(
        &mut self,
        micro: &Micro,
        cursor: Cursor,
        accumulators: Vec<Value>,
    ) -> Result<Vec<Value>, ClifError> {
        let registers = micro.unit.registers();
        let mut lanes = Vec::with_capacity(registers);
        for number in 0..registers {
            let offset = cursor.displacements[0] + number as i64 * micro.lane_step;
            let (pointer, offset) = self.reachable(cursor.pointers[0], offset);
            lanes.push(self.builder.ins().load(micro.ty, access(), pointer, offset));
        }
        if micro.paired_step != 0 {
            return self.paired_product(micro, cursor, &lanes, &accumulators);
        }
        let hides = micro.ty.is_vector() && registers > 1 && self.target.hides_broadcasts;
        let mut sums = Vec::with_capacity(accumulators.len());
        for (row, mine) in accumulators.chunks(registers).enumerate() {
            let offset = cursor.displacements[1] + row as i64 * micro.row_step;
            let (pointer, offset) = self.reachable(cursor.pointers[1], offset);
            let mut element = self.builder.ins().load(micro.ty.lane_type(), access(), pointer, offset);
            if micro.ty.is_vector() {
                element = self.builder.ins().splat(micro.ty, element);
            }
            if hides {
                element = self.hide_uses(micro, element, cursor.pointers[1], lanes[0]);
            }
            if let Some(highest) = micro.highest {
                element = self.builder.ins().bxor(element, highest);
            }
            for (&lane, &sum) in lanes.iter().zip(mine) {
                sums.push(self.add_product(micro, element, lane, sum)?);
            }
        }
        Ok(sums)
    }

    /// `sum + element * lane`
    fn add_product(
        &mut self,
        micro: &Micro,
        element: Value,
        lane: Value,
        sum: Value,
    ) -> Result<Value, ClifError> {
        match micro.parts {
            Parts::Float => Ok(self.float(micro.ty).mul_add(element, lane, sum)),
            parts => self.add_words(parts, element, lane, sum),
        }
    }

    /// One product of each lane with an element of its own, added to the accumulators (row by row).
    fn paired_product(
        &mut self,
        micro: &Micro,
        cursor: Cursor,
        lanes: &[Value],
        accumulators: &[Value],
    ) -> Result<Vec<Value>, ClifError> {
        let mut sums = Vec::with_capacity(accumulators.len());
        for (row, mine) in accumulators.chunks(lanes.len()).enumerate() {
            for (number, (&lane, &sum)) in lanes.iter().zip(mine).enumerate() {
                let row = row as i64 * micro.row_step;
                let offset = cursor.displacements[1] + row + number as i64 * micro.paired_step;
                let (pointer, offset) = self.reachable(cursor.pointers[1], offset);
                let element = self.builder.ins().load(micro.ty, access(), pointer, offset);
                sums.push(self.add_product(micro, element, lane, sum)?);
            }
        }
        Ok(sums)
    }

    /// Lets Cranelift join a load with the broadcast that uses it.
    ///
    /// It does so only where no value that depends on the load is used twice, and a broadcast on registers
    /// takes a port that multiply-adds need. A value that comes from two predecessors hides its uses from
    /// that rule; the second predecessor here is never taken, since no operand lies at address 0.
    fn hide_uses(&mut self, micro: &Micro, value: Value, pointer: Value, other: Value) -> Value {
        let next = self.builder.create_block();
        let hidden = self.builder.append_block_param(next, micro.ty);
        let never = self.builder.create_block();
        self.builder.set_cold_block(never);
        self.builder.ins().brif(pointer, next, &arguments([value]), never, &[]);
        self.builder.switch_to_block(never);
        self.builder.ins().jump(next, &arguments([other]));
        self.builder.switch_to_block(next);
        hidden
    }
}
