//! The parallel space: points `begin..end`, numbered row-major, visited in order.
//!
//! The first number is taken apart by division; from point to point the coordinates count up with carry.
//! `rax`, `rcx`, `rdx` and `rdi` are overwritten.

use crate::X86Error;
use crate::code::Code;
use crate::frame::Slot;
use dlc_types::Dim;
use iced_x86::code_asm::AsmRegister64;
use iced_x86::code_asm::registers::gpr32::edx;
use iced_x86::code_asm::registers::gpr64::{rax, rcx, rdx};

/// Where a kernel's function keeps its place in the parallel space.
#[derive(Clone, Debug)]
pub(crate) struct Points {
    pub(crate) space: Vec<Dim>,
    pub(crate) batch: Slot,
    /// The points to visit, and the current one's number.
    pub(crate) begin: Slot,
    pub(crate) number: Slot,
    pub(crate) end: Slot,
    /// The current point, one coordinate per dimension.
    pub(crate) coordinates: Vec<Slot>,
}

impl Points {
    /// `register` = the extent; may overwrite `rdi`.
    pub(crate) fn load_extent(
        &self,
        code: &mut Code,
        register: AsmRegister64,
        dim: Dim,
    ) -> Result<(), X86Error> {
        match dim {
            Dim::Fixed(extent) => code.set(register, extent as i64),
            Dim::Batch(scale) => {
                code.asm.mov(register, self.batch.memory())?;
                code.multiply(register, scale as i64)
            }
        }
    }

    /// Coordinates of the point whose number is in `rax`.
    pub(crate) fn first(&self, code: &mut Code) -> Result<(), X86Error> {
        let space = self.space.clone();
        for (position, &dim) in space.iter().enumerate().rev() {
            let coordinate = self.coordinates[position].memory();
            if position == 0 {
                code.asm.mov(coordinate, rax)?;
            } else {
                // There is a point, so that no extent is 0.
                self.load_extent(code, rcx, dim)?;
                divide(code)?;
                code.asm.mov(coordinate, rdx)?;
            }
        }
        Ok(())
    }

    /// Counts the coordinates up.
    pub(crate) fn next(&self, code: &mut Code) -> Result<(), X86Error> {
        let space = self.space.clone();
        let mut ready = code.asm.create_label();
        for (position, &dim) in space.iter().enumerate().rev() {
            let coordinate = self.coordinates[position].memory();
            code.asm.mov(rax, coordinate)?;
            code.asm.inc(rax)?;
            if position > 0 {
                let mut within = code.asm.create_label();
                self.load_extent(code, rcx, dim)?;
                code.asm.cmp(rax, rcx)?;
                code.asm.jne(within)?;
                code.asm.mov(coordinate, 0)?;
                let mut carry = code.asm.create_label();
                code.asm.jmp(carry)?;
                code.place(&mut within)?;
                code.asm.mov(coordinate, rax)?;
                code.asm.jmp(ready)?;
                code.place(&mut carry)?;
            } else {
                code.asm.mov(coordinate, rax)?;
            }
        }
        code.place(&mut ready)
    }
}

/// `rax /= rcx`, the remainder in `rdx`.
fn divide(code: &mut Code) -> Result<(), X86Error> {
    code.asm.xor(edx, edx)?;
    code.asm.div(rcx)?;
    Ok(())
}

/// `rax /= divisor`, not negative; overwrites `rcx` and `rdx`.
pub(crate) fn divide_by(code: &mut Code, divisor: usize) -> Result<(), X86Error> {
    match divisor {
        0 | 1 => Ok(()),
        _ if divisor.is_power_of_two() => Ok(code.asm.shr(rax, divisor.trailing_zeros())?),
        _ => {
            code.set(rcx, divisor as i64)?;
            divide(code)
        }
    }
}
