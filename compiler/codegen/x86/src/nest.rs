//! Loops around the tiles: `ReduceOuter` dimensions, `Sequential` dimensions, tiles of lanes, tiles of rows.
//!
//! The pointers of [`PLACE`] are advanced by each loop; every loop leaves them as it found them. Masks are
//! set once per run of lanes and stay untouched inside.

use crate::Level;
use crate::X86Error;
use crate::frame::{PLACE, Slot};
use crate::grouping::OuterLoop;
use crate::plan::{Emitter, Length, SIZE};
use crate::tile::{LanesRun, RowsRun};
use iced_x86::code_asm::AsmRegister64;
use iced_x86::code_asm::registers::gpr64::{rax, rcx};

/// What a loop moves.
#[derive(Clone, Copy, Default)]
struct Motion {
    /// Its dimension; nothing where it moves nothing.
    dim: Option<usize>,
    /// Byte strides of the pointers of [`PLACE`].
    strides: [i64; 3],
}

/// Pointers as they were in front of a loop.
#[derive(Default)]
struct Kept {
    places: Vec<(AsmRegister64, Slot)>,
    /// Those of the epilogue.
    pointers: Vec<(Slot, Slot)>,
}

impl Emitter<'_> {
    /// Sets the mask to the first `rcx` lanes.
    pub(crate) fn mask_of_rcx(&mut self) -> Result<(), X86Error> {
        self.needs_mask_table |= self.code.level == Level::Avx2;
        self.code.first_lanes(self.mask_table)
    }

    /// Everything at one point, or all of it beside one tile of lanes.
    pub(crate) fn nest(&mut self, lanes: Option<LanesRun>) -> Result<(), X86Error> {
        let loops = self.grouping.outer.clone();
        self.outer(&loops, lanes)
    }

    fn motion(&self, dim: usize) -> Motion {
        Motion { dim: Some(dim), strides: self.strides(dim) }
    }

    /// Moves the pointers.
    fn advance(&mut self, motion: Motion, steps: i64) -> Result<(), X86Error> {
        for (pointer, stride) in PLACE.into_iter().zip(motion.strides) {
            self.code.add(pointer, stride * steps)?;
        }
        for (slot, stride) in motion.dim.map(|dim| self.moving(dim)).unwrap_or_default() {
            let bytes = i32::try_from(stride * steps).map_err(|_| X86Error::TooFar)?;
            self.code.asm.add(slot.memory(), bytes)?;
        }
        Ok(())
    }

    /// The epilogue's pointers that a dimension moves, with their byte strides.
    pub(crate) fn moving(&self, dim: usize) -> Vec<(Slot, i64)> {
        let Some(tail) = &self.tail else { return Vec::new() };
        let strides = tail.pointers.iter().filter_map(|pointer| pointer.strides.get(dim).copied());
        self.pointers.iter().copied().zip(strides).filter(|&(_, stride)| stride != 0).collect()
    }

    /// Keeps the pointers that a loop moves; may overwrite `rax`.
    fn keep(&mut self, motion: Motion) -> Result<Kept, X86Error> {
        let mut kept = Kept::default();
        for (pointer, stride) in PLACE.into_iter().zip(motion.strides) {
            if stride != 0 {
                let slot = self.slot()?;
                self.code.asm.mov(slot.memory(), pointer)?;
                kept.places.push((pointer, slot));
            }
        }
        for (pointer, _) in motion.dim.map(|dim| self.moving(dim)).unwrap_or_default() {
            let slot = self.slot()?;
            self.code.asm.mov(rax, pointer.memory())?;
            self.code.asm.mov(slot.memory(), rax)?;
            kept.pointers.push((pointer, slot));
        }
        Ok(kept)
    }

    /// Puts pointers back; may overwrite `rax`.
    fn restore(&mut self, kept: Kept) -> Result<(), X86Error> {
        for (pointer, slot) in kept.places {
            self.code.asm.mov(pointer, slot.memory())?;
        }
        for (pointer, slot) in kept.pointers {
            self.code.asm.mov(rax, slot.memory())?;
            self.code.asm.mov(pointer.memory(), rax)?;
        }
        Ok(())
    }

    fn outer(&mut self, loops: &[OuterLoop], lanes: Option<LanesRun>) -> Result<(), X86Error> {
        let Some((&around, rest)) = loops.split_first() else {
            return match lanes {
                None => self.lanes_runs(),
                Some(run) => self.rows_runs(run),
            };
        };
        let OuterLoop { dim, strides, is_reduced, .. } = around;
        let motion = Motion { dim: Some(dim), strides };
        let mark = self.frame.mark();
        match around.length {
            Length::Known(1) => self.outer_body(is_reduced, rest, lanes)?,
            // An empty outer reduction takes one step, which writes zeros.
            Length::Known(0) if is_reduced => self.outer_body(is_reduced, rest, lanes)?,
            Length::Known(0) => {}
            Length::Known(count) => {
                let counter = self.slot()?;
                let mut head = self.code.asm.create_label();
                self.code.set(rax, count)?;
                self.code.asm.mov(counter.memory(), rax)?;
                self.code.place(&mut head)?;
                self.outer_body(is_reduced, rest, lanes)?;
                self.advance(motion, 1)?;
                self.code.asm.dec(counter.memory())?;
                self.code.asm.jne(head)?;
                self.advance(motion, -count)?;
            }
            Length::Slot(length) => {
                let counter = self.slot()?;
                let kept = self.keep(motion)?;
                let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
                self.code.asm.mov(rax, length.memory())?;
                self.code.asm.mov(counter.memory(), rax)?;
                if !is_reduced {
                    self.code.asm.test(rax, rax)?;
                    self.code.asm.jle(done)?;
                }
                self.code.place(&mut head)?;
                if let Some((size, current)) = around.block {
                    self.code.asm.mov(rax, counter.memory())?;
                    self.code.set(rcx, size)?;
                    self.code.asm.cmp(rax, rcx)?;
                    self.code.asm.cmovg(rax, rcx)?;
                    self.code.asm.mov(current.memory(), rax)?;
                }
                let size = around.block.map_or(1, |(size, _)| size);
                self.outer_body(is_reduced, rest, lanes)?;
                self.advance(motion, size)?;
                self.code.asm.sub(counter.memory(), i32::try_from(size).map_err(|_| X86Error::TooFar)?)?;
                self.code.asm.jg(head)?;
                self.code.place(&mut done)?;
                self.restore(kept)?;
            }
        }
        self.frame.release(mark);
        Ok(())
    }

    fn outer_body(
        &mut self,
        is_reduced: bool,
        rest: &[OuterLoop],
        lanes: Option<LanesRun>,
    ) -> Result<(), X86Error> {
        self.outer(rest, lanes)?;
        let innermost = is_reduced && rest.first().is_none_or(|next| !next.is_reduced);
        if let (true, Some(fresh)) = (innermost, self.fresh) {
            self.code.asm.mov(fresh.memory(), 0)?;
        }
        Ok(())
    }

    fn lanes_runs(&mut self) -> Result<(), X86Error> {
        let mark = self.frame.mark();
        let width = self.code.level.lanes_f32() as i64;
        let motion = self.motion(self.lanes);
        let runs = self.tiling.lanes.clone();
        let left = self.left(self.lanes)?;
        let repeats = runs.len() > 1 || left.is_some() || runs.iter().any(|run| run.count != Some(1));
        let motion = if repeats { motion } else { Motion::default() };
        let kept = self.keep(motion)?;
        for run in runs {
            let step = run.vectors as i64 * width;
            if let (true, Some(left)) = (run.masked, left) {
                let mut none = self.code.asm.create_label();
                self.code.asm.mov(rcx, left.memory())?;
                self.code.asm.test(rcx, rcx)?;
                self.code.asm.jle(none)?;
                self.mask_of_rcx()?;
                self.rows_runs(run)?;
                self.code.place(&mut none)?;
                continue;
            }
            if run.masked {
                self.code.set(rcx, self.tiling.tail.unwrap_or(width))?;
                self.mask_of_rcx()?;
            }
            self.run(run.count, left, step, motion, &mut |emitter| emitter.rows_runs(run))?;
        }
        self.restore(kept)?;
        self.frame.release(mark);
        Ok(())
    }

    fn rows_runs(&mut self, lanes: LanesRun) -> Result<(), X86Error> {
        let mark = self.frame.mark();
        let motion = self.motion(self.rows);
        let runs = self.tiling.rows_runs(lanes.vectors);
        let left = self.left(self.rows)?;
        let repeats = runs.len() > 1 || left.is_some() || runs.iter().any(|run| run.count != Some(1));
        let motion = if repeats { motion } else { Motion::default() };
        let kept = self.keep(motion)?;
        for run in runs {
            let RowsRun { rows, count } = run;
            let tile = self.tiling.tile(lanes, run);
            self.run(count, left, rows as i64, motion, &mut |emitter| emitter.tile(tile))?;
        }
        self.restore(kept)?;
        self.frame.release(mark);
        Ok(())
    }

    /// All points once per tile of lanes, which `slot` counts in bytes.
    pub(crate) fn points_beside_lanes(&mut self, slot: Slot) -> Result<(), X86Error> {
        let step = self.code.level.lanes_f32() as i64 * SIZE;
        self.code.asm.mov(slot.memory(), 0)?;
        for run in self.tiling.lanes.clone() {
            if run.masked {
                self.code.set(rcx, self.tiling.tail.unwrap_or(1))?;
                self.mask_of_rcx()?;
            }
            let bytes = i32::try_from(run.vectors as i64 * step).map_err(|_| X86Error::TooFar)?;
            self.run(run.count, None, 0, Motion::default(), &mut |emitter| {
                emitter.points(Some(run))?;
                Ok(emitter.code.asm.add(slot.memory(), bytes)?)
            })?;
        }
        Ok(())
    }

    /// A counter of what is left of a dimension whose length is known only at run time.
    fn left(&mut self, number: usize) -> Result<Option<Slot>, X86Error> {
        let Length::Slot(length) = self.lengths[number] else { return Ok(None) };
        let left = self.slot()?;
        self.code.asm.mov(rax, length.memory())?;
        self.code.asm.mov(left.memory(), rax)?;
        Ok(Some(left))
    }

    /// Equal tiles of `step` coordinates each: `count` of them, or as many as fit into `left`. The
    /// pointers move on to what follows.
    fn run(
        &mut self,
        count: Option<i64>,
        left: Option<Slot>,
        step: i64,
        motion: Motion,
        body: &mut dyn FnMut(&mut Self) -> Result<(), X86Error>,
    ) -> Result<(), X86Error> {
        let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        match (count, left) {
            (Some(1), _) => {
                body(self)?;
                self.advance(motion, step)
            }
            (Some(count), _) => {
                let mark = self.frame.mark();
                let counter = self.slot()?;
                self.code.set(rax, count)?;
                self.code.asm.mov(counter.memory(), rax)?;
                self.code.place(&mut head)?;
                body(self)?;
                self.advance(motion, step)?;
                self.code.asm.dec(counter.memory())?;
                self.code.asm.jne(head)?;
                self.frame.release(mark);
                Ok(())
            }
            (None, Some(left)) => {
                self.code.place(&mut head)?;
                self.code.asm.cmp(left.memory(), step as i32)?;
                self.code.asm.jl(done)?;
                body(self)?;
                self.advance(motion, step)?;
                self.code.asm.sub(left.memory(), step as i32)?;
                self.code.asm.jmp(head)?;
                self.code.place(&mut done)
            }
            (None, None) => Err(self.malformed("a run of tiles has no end")),
        }
    }
}
