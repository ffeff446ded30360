//! Moving numbers into lanes, between lanes and out of masks, for loop kernels.

use crate::code::{Code, MASK, xmm, ymm, zmm};
use crate::constants::Number;
use crate::primitives::{mask, under};
use crate::{Level, X86Error};
use iced_x86::code_asm::registers::gpr32::eax;
use iced_x86::code_asm::{CodeLabel, dword_ptr, ymmword_ptr, zmmword_ptr};

impl Code {
    /// `to = if mask { a } else { b }`
    pub(crate) fn choose(&mut self, to: usize, mask: usize, a: usize, b: usize) -> Result<(), X86Error> {
        Ok(self.asm.vblendmps(under(zmm(to)?, mask), zmm(b)?, zmm(a)?)?)
    }

    /// `to` = all bits where the mask is set.
    pub(crate) fn expand_mask(&mut self, to: usize, from: usize) -> Result<(), X86Error> {
        Ok(self.asm.vpmovm2d(zmm(to)?, mask(from)?)?)
    }

    /// `to` = a number in all lanes.
    pub(crate) fn load_number(&mut self, to: usize, number: Number) -> Result<(), X86Error> {
        match (number.bits, self.level) {
            (0, _) => self.zero(to)?,
            (_, Level::Avx512) => self.asm.vbroadcastss(zmm(to)?, dword_ptr(number.label))?,
            (_, Level::Avx2) => self.asm.vmovups(ymm(to)?, ymmword_ptr(number.label))?,
        }
        Ok(())
    }

    /// `to` = the low 32 bits of `eax` in all lanes.
    pub(crate) fn broadcast_eax(&mut self, to: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vpbroadcastd(zmm(to)?, eax)?,
            Level::Avx2 => {
                self.asm.vmovd(xmm(to)?, eax)?;
                self.asm.vpbroadcastd(ymm(to)?, xmm(to)?)?;
            }
        }
        Ok(())
    }

    /// `to` = lanes of `a` in another order: halves, quarters, pairs or neighbours change places.
    pub(crate) fn exchange(&mut self, to: usize, a: usize, distance: usize) -> Result<(), X86Error> {
        match (self.level, distance) {
            (Level::Avx512, 8) => self.asm.vshuff64x2(zmm(to)?, zmm(a)?, zmm(a)?, 0b01_00_11_10)?,
            (Level::Avx512, 4) => self.asm.vshuff64x2(zmm(to)?, zmm(a)?, zmm(a)?, 0b10_11_00_01)?,
            (Level::Avx512, 2) => self.asm.vpermilps(zmm(to)?, zmm(a)?, 0b01_00_11_10)?,
            (Level::Avx512, _) => self.asm.vpermilps(zmm(to)?, zmm(a)?, 0b10_11_00_01)?,
            (Level::Avx2, 4) => self.asm.vperm2f128(ymm(to)?, ymm(a)?, ymm(a)?, 1)?,
            (Level::Avx2, 2) => self.asm.vpermilps(ymm(to)?, ymm(a)?, 0b01_00_11_10)?,
            (Level::Avx2, _) => self.asm.vpermilps(ymm(to)?, ymm(a)?, 0b10_11_00_01)?,
        }
        Ok(())
    }

    /// `to = a` in the lanes of the tail's mask, unchanged behind them.
    pub(crate) fn copy_masked(&mut self, to: usize, a: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vmovaps(zmm(to)?.k1(), zmm(a)?)?,
            Level::Avx2 => {
                self.asm.vblendvps(ymm(to)?, ymm(to)?, ymm(a)?, ymm(MASK)?)?;
            }
        }
        Ok(())
    }

    /// `to` = a whole vector behind a label.
    pub(crate) fn load_list(&mut self, to: usize, label: CodeLabel) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vmovups(zmm(to)?, zmmword_ptr(label))?,
            Level::Avx2 => self.asm.vmovups(ymm(to)?, ymmword_ptr(label))?,
        }
        Ok(())
    }
}
