//! The function around a contraction, and the start of each of its points: lengths of the split dimensions
//! and pointers to the point's first elements. `rax`, `rcx`, `rdx`, `rdi` and `r11` are free here.

use crate::X86Error;
use crate::frame::{PLACE, Slot};
use crate::plan::{Emitter, Idle, Length, SIZE};
use crate::points::divide_by;
use crate::tile::LanesRun;
use dlc_kernel::{Role, Split};
use iced_x86::code_asm::ptr;
use iced_x86::code_asm::registers::gpr64::{rax, rcx, rdx};

impl Emitter<'_> {
    /// The whole function.
    pub(crate) fn function(mut self) -> Result<Vec<u8>, X86Error> {
        let mut homes = vec![self.points.batch, self.points.begin, self.points.end];
        homes.extend(&self.bases);
        self.frame.open(&mut self.code, &homes)?;
        if self.gathers {
            self.code.asm.lea(rdx, ptr(self.offset_table))?;
            self.code.load_offsets(rdx)?;
        }
        match self.lanes_outside {
            None => self.points(None)?,
            Some(slot) => self.points_beside_lanes(slot)?,
        }
        self.frame.close(&mut self.code)?;
        self.constants()?;
        Ok(self.code.asm.assemble(0)?)
    }

    /// All points, or all of them beside one tile of lanes.
    pub(crate) fn points(&mut self, lanes: Option<LanesRun>) -> Result<(), X86Error> {
        let (mut point, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        self.code.asm.mov(rax, self.points.begin.memory())?;
        self.code.asm.mov(self.points.number.memory(), rax)?;
        self.code.asm.cmp(rax, self.points.end.memory())?;
        self.code.asm.jge(done)?;
        self.points.first(&mut self.code)?;
        self.code.place(&mut point)?;
        self.point(lanes)?;
        self.points.next(&mut self.code)?;
        self.code.asm.mov(rax, self.points.number.memory())?;
        self.code.asm.inc(rax)?;
        self.code.asm.mov(self.points.number.memory(), rax)?;
        self.code.asm.cmp(rax, self.points.end.memory())?;
        self.code.asm.jl(point)?;
        self.code.place(&mut done)
    }

    /// Constants behind the code.
    fn constants(&mut self) -> Result<(), X86Error> {
        if self.needs_mask_table {
            let lanes = self.code.level.lanes_f32();
            self.code.place(&mut self.mask_table)?;
            self.code.asm.dd(&vec![u32::MAX; lanes])?;
            self.code.asm.dd(&vec![0; lanes])?;
        }
        if self.gathers {
            let stride = self.dim(self.lanes).strides[0];
            let lanes = self.code.level.lanes_f32() as i64;
            let offsets: Vec<i32> = (0..lanes).filter_map(|lane| i32::try_from(lane * stride).ok()).collect();
            self.code.place(&mut self.offset_table)?;
            self.code.asm.dd_i(&offsets)?;
        }
        if self.grid.is_none() {
            self.code.place(&mut self.tap_table)?;
            for tap in &self.contraction.taps {
                self.code.asm.dq_i(&[tap.lanes * SIZE, tap.rows * SIZE])?;
            }
            self.code.place(&mut self.tap_table_end)?;
            self.code.asm.db(&[0])?;
        }
        std::mem::take(&mut self.numbers).emit(&mut self.code)
    }

    /// The work at the current point.
    fn point(&mut self, lanes: Option<LanesRun>) -> Result<(), X86Error> {
        for (operand, &pointer) in PLACE.iter().enumerate() {
            self.code.asm.mov(pointer, self.bases[operand].memory())?;
            self.code.add(pointer, self.contraction.offsets[operand] * SIZE)?;
        }
        if let Some(slot) = self.lanes_outside {
            self.code.asm.add(PLACE[0], slot.memory())?;
            self.code.asm.add(PLACE[2], slot.memory())?;
            if self.pairs {
                self.code.asm.add(PLACE[1], slot.memory())?;
            }
        }
        self.begin_pointers()?;
        let mut coordinates = self.points.coordinates.clone().into_iter();
        for number in self.of_role(Role::Parallel) {
            let Some(coordinate) = coordinates.next() else {
                return Err(self.malformed("the space is too small"));
            };
            self.code.asm.mov(rax, coordinate.memory())?;
            self.displace(self.strides(number), Some(number))?;
        }
        for number in 0..self.contraction.dims.len() {
            let dim = self.dim(number);
            let Some(split) = dim.split else {
                self.whole(number)?;
                continue;
            };
            let Some(chunk) = coordinates.next() else {
                return Err(self.malformed("the space is too small"));
            };
            if split.chunks > 1 {
                self.piece(number, split, chunk)?;
            } else {
                self.whole(number)?;
            }
        }
        if let Some(fresh) = self.fresh {
            self.code.asm.mov(fresh.memory(), 1)?;
        }
        self.find_idle()?;
        self.zero_sums(lanes)?;
        self.nest(lanes)
    }

    /// The epilogue's pointers at the first elements of all dimensions.
    fn begin_pointers(&mut self) -> Result<(), X86Error> {
        let Some(tail) = self.tail.clone() else { return Ok(()) };
        for (slot, pointer) in self.pointers.clone().into_iter().zip(&tail.pointers) {
            let Some(base) = self.bases.get(pointer.operand).copied() else {
                return Err(self.malformed("an epilogue has no such operand"));
            };
            self.code.asm.mov(rax, base.memory())?;
            if pointer.batch != 0 {
                self.code.asm.mov(rdx, self.points.batch.memory())?;
                self.code.multiply(rdx, pointer.batch)?;
                self.code.asm.add(rax, rdx)?;
            }
            match (self.lanes_outside, pointer.strides.get(self.lanes)) {
                (Some(lanes), Some(&SIZE)) => self.code.asm.add(rax, lanes.memory())?,
                (Some(lanes), Some(&size @ (1 | 2))) => {
                    self.code.asm.mov(rdx, lanes.memory())?;
                    self.code.asm.shr(rdx, (SIZE / size).trailing_zeros())?;
                    self.code.asm.add(rax, rdx)?;
                }
                _ => {}
            }
            self.code.asm.mov(slot.memory(), rax)?;
        }
        Ok(())
    }

    /// Moves the pointers by `rax` steps of these strides, and those of the epilogue along the dimension;
    /// overwrites `rdx`.
    fn displace(&mut self, strides: [i64; 3], dim: Option<usize>) -> Result<(), X86Error> {
        for (slot, stride) in dim.map(|dim| self.moving(dim)).unwrap_or_default() {
            self.code.asm.mov(rdx, rax)?;
            self.code.multiply(rdx, stride)?;
            self.code.asm.add(slot.memory(), rdx)?;
        }
        for (pointer, stride) in PLACE.into_iter().zip(strides) {
            if stride != 0 {
                self.code.asm.mov(rdx, rax)?;
                self.code.multiply(rdx, stride)?;
                self.code.asm.add(pointer, rdx)?;
            }
        }
        Ok(())
    }

    /// The length of a dimension that is not split.
    fn whole(&mut self, number: usize) -> Result<(), X86Error> {
        if let Length::Slot(slot) = self.lengths[number] {
            let extent = self.dim(number).extent;
            self.points.load_extent(&mut self.code, rax, extent)?;
            self.code.asm.mov(slot.memory(), rax)?;
        }
        Ok(())
    }

    /// Start and length of a piece.
    fn piece(&mut self, number: usize, split: Split, chunk: Slot) -> Result<(), X86Error> {
        self.code.asm.mov(rax, chunk.memory())?;
        self.displace([0, 0, split.result_stride * SIZE], None)?;
        let strides = self.strides(number);
        let slot = match self.lengths[number] {
            Length::Known(length) => {
                self.code.multiply(rax, length)?;
                return self.displace(strides, Some(number));
            }
            Length::Slot(slot) => slot,
        };
        self.border(number, split)?;
        self.displace(strides, Some(number))?;
        self.code.asm.mov(slot.memory(), rax)?;
        let (mut last, mut ready) = (self.code.asm.create_label(), self.code.asm.create_label());
        self.code.asm.mov(rax, chunk.memory())?;
        self.code.asm.inc(rax)?;
        self.code.set(rcx, split.chunks as i64)?;
        self.code.asm.cmp(rax, rcx)?;
        self.code.asm.jge(last)?;
        self.border(number, split)?;
        self.code.asm.jmp(ready)?;
        self.code.place(&mut last)?;
        let extent = self.dim(number).extent;
        self.points.load_extent(&mut self.code, rax, extent)?;
        self.code.place(&mut ready)?;
        self.code.asm.sub(rax, slot.memory())?;
        self.code.asm.mov(slot.memory(), rax)?;
        Ok(())
    }

    /// `rax` = where piece `rax` of a dimension begins.
    fn border(&mut self, number: usize, split: Split) -> Result<(), X86Error> {
        let extent = self.dim(number).extent;
        self.points.load_extent(&mut self.code, rcx, extent)?;
        self.code.asm.imul_2(rax, rcx)?;
        divide_by(&mut self.code, split.chunks)?;
        divide_by(&mut self.code, split.align)?;
        if split.align > 1 {
            self.code.multiply(rax, split.align as i64)?;
        }
        Ok(())
    }

    /// Notes whether an outer reduction has no step.
    fn find_idle(&mut self) -> Result<(), X86Error> {
        let Idle::When(slot) = self.idle else { return Ok(()) };
        self.code.asm.mov(slot.memory(), 0)?;
        for number in self.of_role(Role::ReduceOuter) {
            let Length::Slot(length) = self.lengths[number] else { continue };
            let mut any = self.code.asm.create_label();
            self.code.asm.cmp(length.memory(), 0)?;
            self.code.asm.jg(any)?;
            self.code.asm.mov(slot.memory(), 1)?;
            self.code.place(&mut any)?;
        }
        Ok(())
    }
}
