//! Loops around the tiles: `ReduceOuter` dimensions, `Sequential` dimensions, tiles of lanes, tiles of rows.
//!
//! The pointers of [`PLACE`] are advanced by each loop; every loop leaves them as it found them. Masks are
//! set once per run of lanes and stay untouched inside.

use crate::Level;
use crate::X86Error;
use crate::code::MASK;
use crate::frame::{PLACE, Slot};
use crate::plan::{Emitter, Length};
use crate::tile::{LanesRun, RowsRun};
use dlc_kernel::Role;
use iced_x86::Register;
use iced_x86::code_asm::registers::gpr32::eax;
use iced_x86::code_asm::registers::gpr64::{rax, rcx, rdx};
use iced_x86::code_asm::registers::k::k1;
use iced_x86::code_asm::registers::ymm::get_ymm;
use iced_x86::code_asm::{ptr, ymmword_ptr};

/// The dimensions of the outer loops that are left, outermost first.
type Rest<'r> = &'r [(usize, bool)];

impl Emitter<'_> {
    /// Everything at one point.
    pub(crate) fn nest(&mut self) -> Result<(), X86Error> {
        let mut dims: Vec<(usize, bool)> =
            self.of_role(Role::ReduceOuter).into_iter().map(|number| (number, true)).collect();
        dims.extend(self.of_role(Role::Sequential).into_iter().map(|number| (number, false)));
        self.outer(&dims)
    }

    /// Moves the pointers.
    fn advance(&mut self, strides: [i64; 3], steps: i64) -> Result<(), X86Error> {
        for (pointer, stride) in PLACE.into_iter().zip(strides) {
            self.code.add(pointer, stride * steps)?;
        }
        Ok(())
    }

    /// Keeps the pointers that a loop with these strides moves.
    fn keep(&mut self, strides: [i64; 3]) -> Result<[Option<Slot>; 3], X86Error> {
        let mut kept = [None; 3];
        for (operand, pointer) in PLACE.into_iter().enumerate() {
            if strides[operand] != 0 {
                let slot = self.slot()?;
                self.code.asm.mov(slot.memory(), pointer)?;
                kept[operand] = Some(slot);
            }
        }
        Ok(kept)
    }

    fn restore(&mut self, kept: [Option<Slot>; 3]) -> Result<(), X86Error> {
        for (pointer, slot) in PLACE.into_iter().zip(kept) {
            if let Some(slot) = slot {
                self.code.asm.mov(pointer, slot.memory())?;
            }
        }
        Ok(())
    }

    fn outer(&mut self, dims: Rest<'_>) -> Result<(), X86Error> {
        let Some((&(number, reduced), rest)) = dims.split_first() else { return self.lanes_runs() };
        let mark = self.frame.mark();
        let strides = self.strides(number);
        match self.lengths[number] {
            Length::Known(1) => self.outer_body(reduced, rest)?,
            // An empty outer reduction takes one step, which writes zeros.
            Length::Known(0) if reduced => self.outer_body(reduced, rest)?,
            Length::Known(0) => {}
            Length::Known(count) => {
                let counter = self.slot()?;
                let mut head = self.code.asm.create_label();
                self.code.set(rax, count)?;
                self.code.asm.mov(counter.memory(), rax)?;
                self.code.place(&mut head)?;
                self.outer_body(reduced, rest)?;
                self.advance(strides, 1)?;
                self.code.asm.dec(counter.memory())?;
                self.code.asm.jne(head)?;
                self.advance(strides, -count)?;
            }
            Length::Slot(length) => {
                let counter = self.slot()?;
                let kept = self.keep(strides)?;
                let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
                self.code.asm.mov(rax, length.memory())?;
                self.code.asm.mov(counter.memory(), rax)?;
                if !reduced {
                    self.code.asm.test(rax, rax)?;
                    self.code.asm.jle(done)?;
                }
                self.code.place(&mut head)?;
                self.outer_body(reduced, rest)?;
                self.advance(strides, 1)?;
                self.code.asm.dec(counter.memory())?;
                self.code.asm.jg(head)?;
                self.code.place(&mut done)?;
                self.restore(kept)?;
            }
        }
        self.frame.release(mark);
        Ok(())
    }

    fn outer_body(&mut self, reduced: bool, rest: Rest<'_>) -> Result<(), X86Error> {
        self.outer(rest)?;
        let innermost = reduced && rest.first().is_none_or(|&(_, reduced)| !reduced);
        if let (true, Some(fresh)) = (innermost, self.fresh) {
            self.code.asm.mov(fresh.memory(), 0)?;
        }
        Ok(())
    }

    fn lanes_runs(&mut self) -> Result<(), X86Error> {
        let mark = self.frame.mark();
        let width = self.code.level.lanes_f32() as i64;
        let strides = self.strides(self.lanes);
        let runs = self.tiling.lanes.clone();
        let left = self.left(self.lanes)?;
        let repeats = runs.len() > 1 || left.is_some() || runs.iter().any(|run| run.count != Some(1));
        let kept = if repeats { self.keep(strides)? } else { [None; 3] };
        let strides = if repeats { strides } else { [0; 3] };
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
            self.run(run.count, left, step, strides, &mut |emitter| emitter.rows_runs(run))?;
        }
        self.restore(kept)?;
        self.frame.release(mark);
        Ok(())
    }

    fn rows_runs(&mut self, lanes: LanesRun) -> Result<(), X86Error> {
        let mark = self.frame.mark();
        let strides = self.strides(self.rows);
        let runs = self.tiling.rows_runs(lanes.vectors);
        let left = self.left(self.rows)?;
        let repeats = runs.len() > 1 || left.is_some() || runs.iter().any(|run| run.count != Some(1));
        let kept = if repeats { self.keep(strides)? } else { [None; 3] };
        let strides = if repeats { strides } else { [0; 3] };
        for run in runs {
            let RowsRun { rows, count } = run;
            let tile = self.tiling.tile(lanes, run);
            self.run(count, left, rows as i64, strides, &mut |emitter| emitter.tile(tile))?;
        }
        self.restore(kept)?;
        self.frame.release(mark);
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
        strides: [i64; 3],
        body: &mut dyn FnMut(&mut Self) -> Result<(), X86Error>,
    ) -> Result<(), X86Error> {
        let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        match (count, left) {
            (Some(1), _) => {
                body(self)?;
                self.advance(strides, step)
            }
            (Some(count), _) => {
                let mark = self.frame.mark();
                let counter = self.slot()?;
                self.code.set(rax, count)?;
                self.code.asm.mov(counter.memory(), rax)?;
                self.code.place(&mut head)?;
                body(self)?;
                self.advance(strides, step)?;
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
                self.advance(strides, step)?;
                self.code.asm.sub(left.memory(), step as i32)?;
                self.code.asm.jmp(head)?;
                self.code.place(&mut done)
            }
            (None, None) => Err(self.malformed("a run of tiles has no end")),
        }
    }

    /// Sets the mask to the first `rcx` lanes, at least one and less than a vector.
    fn mask_of_rcx(&mut self) -> Result<(), X86Error> {
        match self.code.level {
            Level::Avx512 => {
                self.code.asm.mov(eax, 1)?;
                self.code.asm.shl(eax, iced_x86::code_asm::registers::gpr8::cl)?;
                self.code.asm.dec(eax)?;
                self.code.asm.kmovw(k1, eax)?;
            }
            Level::Avx2 => {
                let Some(mask) = get_ymm(Register::YMM0 + MASK as u32) else {
                    return Err(self.malformed("there is no mask register"));
                };
                self.needs_mask_table = true;
                let width = self.code.level.lanes_f32() as i32;
                self.code.asm.lea(rdx, ptr(self.mask_table))?;
                self.code.asm.neg(rcx)?;
                self.code.asm.vmovups(mask, ymmword_ptr(rdx + rcx * 4 + 4 * width))?;
            }
        }
        Ok(())
    }
}
