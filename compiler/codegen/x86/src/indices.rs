//! What loop kernels compute of indices, and indices as values.

use crate::Level;
use crate::code::xmm;
use crate::code::{ymm, zmm};
use crate::loops::{Done, LoopEmitter, Stop};
use crate::points::divide_by;
use crate::primitives::One;
use dlc_kernel::{Affine, IndexExpr, IndexVar, Var};
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr32::eax;
use iced_x86::code_asm::registers::gpr64::{rax, rcx, rdi};
use iced_x86::code_asm::{ymmword_ptr, zmmword_ptr};

impl LoopEmitter<'_> {
    /// `rax` = a form that lanes agree on.
    fn shared_form(&mut self, form: &Affine) -> Done {
        let (form, step) = self.lanes_of(form);
        if step != 0 {
            return Err(Stop::Unsupported);
        }
        self.form(&form)
    }

    /// Computes an index; overwrites `rax`, `rcx`, `rdx` and `rdi`.
    pub(crate) fn index(&mut self, result: IndexVar, expr: &IndexExpr) -> Done {
        let divisor = |number: i64| usize::try_from(number).map_err(|_| Stop::Unsupported);
        let slot = self.slot()?;
        match expr {
            IndexExpr::Form(form) => self.shared_form(form)?,
            IndexExpr::Quotient(form, by) => {
                self.shared_form(form)?;
                divide_by(&mut self.code, divisor(*by)?)?;
            }
            IndexExpr::Remainder(form, by) => {
                self.shared_form(form)?;
                self.code.asm.mov(slot.memory(), rax)?;
                divide_by(&mut self.code, divisor(*by)?)?;
                let by = i32::try_from(*by).map_err(|_| Stop::Unsupported)?;
                self.code.asm.imul_3(rdi, rax, by)?;
                self.code.asm.mov(rax, slot.memory())?;
                self.code.asm.sub(rax, rdi)?;
            }
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                self.shared_form(form)?;
                self.code.asm.mov(slot.memory(), rax)?;
                self.shared_form(chunk)?;
                self.code.asm.imul_2(rax, slot.memory())?;
                divide_by(&mut self.code, divisor(*chunks)?)?;
            }
            IndexExpr::Clamped(value, form) => self.clamped(*value, form)?,
        }
        self.code.asm.mov(slot.memory(), rax)?;
        self.indices.insert(result, slot);
        Ok(())
    }

    /// `rax` = a number outside of lanes, within `0..form`.
    fn clamped(&mut self, value: Var, form: &Affine) -> Done {
        if self.lanes.is_some() || self.registers.dtype(value) != DType::I32 {
            return Err(Stop::Unsupported);
        }
        let vector = self.registers.fetch(&mut self.code, value)?;
        self.shared_form(form)?;
        self.code.asm.dec(rax)?;
        self.code.asm.mov(rcx, rax)?;
        self.code.asm.vmovd(eax, xmm(vector)?)?;
        self.code.asm.cdqe()?;
        self.code.asm.cmp(rax, rcx)?;
        self.code.asm.cmovg(rax, rcx)?;
        self.code.asm.mov(rdi, 0_i64)?;
        self.code.asm.cmp(rax, rdi)?;
        Ok(self.code.asm.cmovl(rax, rdi)?)
    }

    /// An index as a value of lanes.
    pub(crate) fn index_value(&mut self, result: Var, dtype: DType, index: IndexVar) -> Done {
        let (form, step) = self.lanes_of(&self.named(index));
        self.number(&form)?;
        if !matches!(dtype, DType::F32 | DType::I32) {
            return Err(Stop::Unsupported);
        }
        let to = self.registers.make(&mut self.code, result, dtype)?;
        if step == 0 && dtype == DType::F32 {
            return Ok(self.code.broadcast_integer(to, rax)?);
        }
        self.code.broadcast_eax(to)?;
        if step != 0 {
            let bits: Vec<u32> = (0..self.width()).map(|lane| (lane * step) as i32 as u32).collect();
            let offsets = self.constants.list(&mut self.code, &bits);
            match self.code.level {
                Level::Avx512 => self.code.asm.vpaddd(zmm(to)?, zmm(to)?, zmmword_ptr(offsets))?,
                Level::Avx2 => self.code.asm.vpaddd(ymm(to)?, ymm(to)?, ymmword_ptr(offsets))?,
            }
        }
        if dtype == DType::F32 {
            self.code.one(One::ToFloat, to, to)?;
        }
        Ok(())
    }
}
