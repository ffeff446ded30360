//! Sums of an epilogue over the elements of a point: zeros where they begin.
//!
//! Where one tile holds all rows and no sequential loop is around it, its sums are stored as they are.
//! Otherwise every point begins with zeros along its lanes, and each tile adds its rows, first to last.

use crate::X86Error;
use crate::code::Address;
use crate::plan::{Emitter, Length, SIZE};
use crate::tile::LanesRun;
use dlc_kernel::Role;
use iced_x86::code_asm::registers::gpr64::{rcx, rdi, rsi};

/// The vector of zeros; a point begins with no sum in any register.
const ZEROS: usize = 0;

impl Emitter<'_> {
    /// Whether the sums of a tile are the point's.
    pub(crate) fn sums_fit_one_tile(&self) -> bool {
        let single = |number: &usize| self.lengths[*number] == Length::Known(1);
        self.of_role(Role::Sequential).iter().all(single)
            && matches!(self.lengths[self.rows], Length::Known(1..))
            && self.tiling.lanes.iter().all(|lanes| {
                let runs = self.tiling.rows_runs(lanes.vectors);
                matches!(runs.as_slice(), [run] if run.count == Some(1))
            })
    }

    /// Zeros in all sums of the current point, or of it beside one tile of lanes.
    pub(crate) fn zero_sums(&mut self, lanes: Option<LanesRun>) -> Result<(), X86Error> {
        let Some(tail) = self.tail.clone() else { return Ok(()) };
        if tail.sums.is_empty() || self.sums_fit_one_tile() {
            return Ok(());
        }
        tail.sums.iter().try_for_each(|sum| self.zero_sum(sum.at.pointer, sum.at.constant, lanes))
    }

    fn zero_sum(&mut self, pointer: usize, constant: i64, lanes: Option<LanesRun>) -> Result<(), X86Error> {
        let slot = *self.pointers.get(pointer).ok_or_else(|| self.malformed("a sum has no pointer"))?;
        let bytes = self.vector_bytes();
        let width = bytes / SIZE;
        self.code.zero(ZEROS)?;
        self.code.asm.mov(rdi, slot.memory())?;
        let to = |displacement: i64| Address { base: rdi, displacement };
        if let Some(run) = lanes {
            for vector in 0..run.vectors {
                let masked = run.masked && vector + 1 == run.vectors;
                self.code.store(to(constant + vector as i64 * bytes), ZEROS, masked)?;
            }
            return Ok(());
        }
        match self.lengths[self.lanes] {
            Length::Known(length) => self.code.set(rsi, length)?,
            Length::Slot(length) => self.code.asm.mov(rsi, length.memory())?,
        }
        let bytes = i32::try_from(bytes).map_err(|_| X86Error::TooFar)?;
        let width = i32::try_from(width).map_err(|_| X86Error::TooFar)?;
        let (mut head, mut rest) = (self.code.asm.create_label(), self.code.asm.create_label());
        let mut done = self.code.asm.create_label();
        self.code.place(&mut head)?;
        self.code.asm.cmp(rsi, width)?;
        self.code.asm.jl(rest)?;
        self.code.store(to(constant), ZEROS, false)?;
        self.code.asm.add(rdi, bytes)?;
        self.code.asm.sub(rsi, width)?;
        self.code.asm.jmp(head)?;
        self.code.place(&mut rest)?;
        self.code.asm.mov(rcx, rsi)?;
        self.code.asm.test(rcx, rcx)?;
        self.code.asm.jle(done)?;
        self.mask_of_rcx()?;
        self.code.store(to(constant), ZEROS, true)?;
        self.code.place(&mut done)
    }
}
