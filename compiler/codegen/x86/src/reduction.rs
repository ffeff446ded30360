//! The reduction inside a tile: `Reduce` dimensions from the outside, taps innermost but one, the last
//! dimension innermost.
//!
//! Short inner parts become straight code. A level says by how much it moved the cursors, so that the level
//! around it needs to move them only by the difference.

use crate::X86Error;
use crate::frame::{COUNTERS, CURSOR, PLACE, Slot};
use crate::grouping::InnerLoop;
use crate::plan::{Emitter, Length, SIZE};
use crate::tile::Tile;
use iced_x86::code_asm::registers::gpr64::{r11, rdi};
use iced_x86::code_asm::{AsmRegister64, ptr, qword_ptr};

/// Steps in one iteration of a loop whose length is known only at run time.
const BLIND: i64 = 4;
/// Steps that loops are unrolled to, at most: a whole line of the rows operand.
const MOST: i64 = 16;
/// How many times shorter the body of a loop is than code without a loop may be: the bodies of all tiles should stay
/// where the machine keeps decoded instructions, and counting costs little.
const LOOPED: i64 = 2;

/// One loop of the reduction; steps are bytes in lanes and rows operand.
#[derive(Clone, Copy, Debug)]
enum Loop {
    Known { count: i64, steps: [i64; 2] },
    Counted { count: Slot, steps: [i64; 2] },
    Table,
}

/// Where a loop counts.
#[derive(Clone, Copy)]
enum Counter {
    Register(AsmRegister64),
    Slot(Slot),
}

/// Steps that some loops amount to, if all of them are known.
fn steps_of(loops: &[Loop]) -> Option<i64> {
    loops.iter().try_fold(1_i64, |product, level| match level {
        Loop::Known { count, .. } => product.checked_mul(*count),
        _ => None,
    })
}

/// How many steps of `count` to put into one iteration, `most` at most: a multiple of `turn`, the steps after which
/// the chains begin anew, so that a step goes to the same chain in tiles of every size.
fn unroll(count: i64, most: i64, turn: i64) -> i64 {
    let most = most.min(count).max(1);
    let most = if most > turn { most - most % turn } else { most };
    let divides = |size: i64| count % size == 0 && size * 2 > most && (size % turn == 0 || most <= turn);
    (1..=most).rev().find(|&size| divides(size)).unwrap_or(most)
}

fn plus(a: [i64; 2], b: [i64; 2], factor: i64) -> [i64; 2] {
    [a[0] + b[0] * factor, a[1] + b[1] * factor]
}

/// The reduction of one tile while it is emitted.
struct Reduction {
    tile: Tile,
    /// Multiply-adds in straight code, at most.
    straight: i64,
    /// Steps emitted so far; they take turns with the chains.
    emitted: usize,
}

impl Reduction {
    fn products(&self) -> i64 {
        (self.tile.vectors * self.tile.rows) as i64
    }
}

impl Emitter<'_> {
    /// All steps of a tile's reduction.
    pub(crate) fn reduction(&mut self, tile: Tile) -> Result<(), X86Error> {
        let mark = self.frame.mark();
        let inner = self.grouping.inner.iter();
        let mut loops: Vec<Loop> = inner
            .map(|&InnerLoop { strides: steps, length }| match length {
                Length::Known(count) => Loop::Known { count, steps },
                Length::Slot(count) => Loop::Counted { count, steps },
            })
            .collect();
        let last = loops.pop();
        let mut at = [0, 0];
        match (&self.grid, self.contraction.taps.first()) {
            (Some(grid), Some(first)) => {
                at = [first.lanes * SIZE, first.rows * SIZE];
                loops.extend(grid.iter().map(|(count, step)| Loop::Known {
                    count: *count,
                    steps: [step.lanes * SIZE, step.rows * SIZE],
                }));
            }
            _ => loops.push(Loop::Table),
        }
        loops.extend(last);
        loops.retain(|level| !matches!(level, Loop::Known { count: 1, .. }));
        for (cursor, place) in CURSOR.into_iter().zip(PLACE) {
            self.code.asm.mov(cursor, place)?;
        }
        let mut reduction = Reduction { tile, straight: self.tiling.straight as i64, emitted: 0 };
        self.loops(&mut reduction, &loops, at)?;
        self.frame.release(mark);
        Ok(())
    }

    /// Some loops at so many bytes from the cursors; gives the bytes by which the cursors were moved.
    fn loops(
        &mut self,
        reduction: &mut Reduction,
        loops: &[Loop],
        at: [i64; 2],
    ) -> Result<[i64; 2], X86Error> {
        let Some((&level, inner)) = loops.split_first() else {
            let chain = reduction.emitted % reduction.tile.chains;
            reduction.emitted += 1;
            self.step(reduction.tile, at, chain)?;
            return Ok([0, 0]);
        };
        let products = reduction.products();
        match level {
            Loop::Known { count, steps } => {
                let all = steps_of(loops).map(|steps| steps.saturating_mul(products));
                if all.is_some_and(|all| all <= reduction.straight) {
                    return self.straight(reduction, inner, at, count, steps);
                }
                let chains = reduction.tile.chains as i64;
                let (most, turn) = match steps_of(inner) {
                    Some(1) => {
                        let room = reduction.straight / LOOPED / products.max(1);
                        (room.min(MOST).max(chains), chains)
                    }
                    Some(each) if each % chains == 0 => {
                        let room = reduction.straight / LOOPED / (each * products).max(1);
                        (room.min((MOST / each).max(1)), 1)
                    }
                    _ => (1, 1),
                };
                self.known(reduction, inner, at, (count, unroll(count, most, turn)), steps)
            }
            Loop::Counted { count, steps } => self.counted(reduction, inner, at, count, steps),
            Loop::Table => self.table(reduction, inner, at),
        }
    }

    /// `count` steps without a loop.
    fn straight(
        &mut self,
        reduction: &mut Reduction,
        inner: &[Loop],
        at: [i64; 2],
        count: i64,
        steps: [i64; 2],
    ) -> Result<[i64; 2], X86Error> {
        let mut moved = [0, 0];
        for step in 0..count {
            let here = plus(plus(at, steps, step), moved, -1);
            moved = plus(moved, self.loops(reduction, inner, here)?, 1);
        }
        Ok(moved)
    }

    fn move_cursors(&mut self, by: [i64; 2]) -> Result<(), X86Error> {
        self.code.add(CURSOR[0], by[0])?;
        self.code.add(CURSOR[1], by[1])
    }

    fn counter(&mut self, inner: &[Loop]) -> Result<Counter, X86Error> {
        match COUNTERS.get(inner.len()) {
            Some(&register) => Ok(Counter::Register(register)),
            None => self.slot().map(Counter::Slot),
        }
    }

    /// Counts down and goes round while the counter is not 0.
    fn again(&mut self, counter: Counter, head: iced_x86::code_asm::CodeLabel) -> Result<(), X86Error> {
        match counter {
            Counter::Register(register) => self.code.asm.dec(register)?,
            Counter::Slot(slot) => self.code.asm.dec(slot.memory())?,
        }
        Ok(self.code.asm.jne(head)?)
    }

    /// A loop of `count` steps, `size` of them in each iteration.
    fn known(
        &mut self,
        reduction: &mut Reduction,
        inner: &[Loop],
        at: [i64; 2],
        (count, size): (i64, i64),
        steps: [i64; 2],
    ) -> Result<[i64; 2], X86Error> {
        let groups = count / size;
        let mut moved = [0, 0];
        if groups > 1 {
            let counter = self.counter(inner)?;
            match counter {
                Counter::Register(register) => self.code.set(register, groups)?,
                Counter::Slot(slot) => {
                    self.code.set(rdi, groups)?;
                    self.code.asm.mov(slot.memory(), rdi)?;
                }
            }
            let mut head = self.code.asm.create_label();
            self.code.place(&mut head)?;
            let within = self.straight(reduction, inner, at, size, steps)?;
            self.move_cursors([steps[0] * size - within[0], steps[1] * size - within[1]])?;
            self.again(counter, head)?;
            moved = plus([0, 0], steps, size * groups);
        }
        let done = if groups > 1 { groups * size } else { 0 };
        let here = plus(plus(at, steps, done), moved, -1);
        let rest = self.straight(reduction, inner, here, count - done, steps)?;
        Ok(plus(moved, rest, 1))
    }

    /// A loop whose length is known only at run time; the cursors come back to where they were.
    fn counted(
        &mut self,
        reduction: &mut Reduction,
        inner: &[Loop],
        at: [i64; 2],
        count: Slot,
        steps: [i64; 2],
    ) -> Result<[i64; 2], X86Error> {
        let kept = [self.slot()?, self.slot()?];
        for (slot, cursor) in kept.into_iter().zip(CURSOR) {
            self.code.asm.mov(slot.memory(), cursor)?;
        }
        let counter = self.counter(inner)?;
        let size = if inner.is_empty() { BLIND } else { 1 };
        for size in if size == 1 { vec![1] } else { vec![size, 1] } {
            let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
            let register = match counter {
                Counter::Register(register) => register,
                Counter::Slot(_) => rdi,
            };
            self.code.asm.mov(register, count.memory())?;
            match (inner.is_empty(), size) {
                (true, 1) => self.code.asm.and(register, BLIND as i32 - 1)?,
                (true, _) => self.code.asm.sar(register, BLIND.trailing_zeros())?,
                (false, _) => self.code.asm.test(register, register)?,
            }
            if let Counter::Slot(slot) = counter {
                self.code.asm.mov(slot.memory(), register)?;
            }
            self.code.asm.je(done)?;
            self.code.place(&mut head)?;
            let within = self.straight(reduction, inner, at, size, steps)?;
            self.move_cursors([steps[0] * size - within[0], steps[1] * size - within[1]])?;
            self.again(counter, head)?;
            self.code.place(&mut done)?;
        }
        for (slot, cursor) in kept.into_iter().zip(CURSOR) {
            self.code.asm.mov(cursor, slot.memory())?;
        }
        Ok([0, 0])
    }

    /// A loop over the table of taps; the cursors come back to where they were.
    fn table(
        &mut self,
        reduction: &mut Reduction,
        inner: &[Loop],
        at: [i64; 2],
    ) -> Result<[i64; 2], X86Error> {
        let kept = [self.slot()?, self.slot()?];
        let entry = self.slot()?;
        for (slot, cursor) in kept.into_iter().zip(CURSOR) {
            self.code.asm.mov(slot.memory(), cursor)?;
        }
        self.code.asm.lea(r11, ptr(self.tap_table))?;
        let mut head = self.code.asm.create_label();
        self.code.place(&mut head)?;
        self.code.asm.mov(entry.memory(), r11)?;
        for (half, (slot, cursor)) in kept.into_iter().zip(CURSOR).enumerate() {
            self.code.asm.mov(cursor, slot.memory())?;
            self.code.asm.add(cursor, qword_ptr(r11 + half as i32 * 8))?;
        }
        self.loops(reduction, inner, at)?;
        self.code.asm.mov(r11, entry.memory())?;
        self.code.asm.add(r11, 16)?;
        self.code.asm.lea(rdi, ptr(self.tap_table_end))?;
        self.code.asm.cmp(r11, rdi)?;
        self.code.asm.jne(head)?;
        for (slot, cursor) in kept.into_iter().zip(CURSOR) {
            self.code.asm.mov(cursor, slot.memory())?;
        }
        Ok([0, 0])
    }
}
