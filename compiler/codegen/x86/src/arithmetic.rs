//! Vector arithmetic of either level, for loop kernels.

use crate::code::{Address, Code, xmm, ymm, zmm};
use crate::{Level, X86Error};
use iced_x86::code_asm::registers::k::k2;
use iced_x86::code_asm::{AsmRegister64, dword_ptr};

impl Code {
    /// `to` = all bits where the comparison holds, none elsewhere.
    pub(crate) fn compare(&mut self, to: usize, a: usize, b: usize, predicate: u32) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => {
                self.asm.vcmpps(k2, zmm(a)?, zmm(b)?, predicate)?;
                self.asm.vpmovm2d(zmm(to)?, k2)?;
            }
            Level::Avx2 => self.asm.vcmpps(ymm(to)?, ymm(a)?, ymm(b)?, predicate)?,
        }
        Ok(())
    }

    /// `to = if condition { a } else { b }`
    pub(crate) fn select(&mut self, to: usize, condition: usize, a: usize, b: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => {
                self.asm.vpmovd2m(k2, zmm(condition)?)?;
                self.asm.vblendmps(zmm(to)?.k2(), zmm(b)?, zmm(a)?)?;
            }
            Level::Avx2 => self.asm.vblendvps(ymm(to)?, ymm(b)?, ymm(a)?, ymm(condition)?)?,
        }
        Ok(())
    }

    /// `to = a`
    pub(crate) fn copy(&mut self, to: usize, a: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vmovaps(zmm(to)?, zmm(a)?)?,
            Level::Avx2 => self.asm.vmovaps(ymm(to)?, ymm(a)?)?,
        }
        Ok(())
    }

    /// `to` = the integer, converted, in all lanes.
    pub(crate) fn broadcast_integer(&mut self, to: usize, from: AsmRegister64) -> Result<(), X86Error> {
        self.zero(to)?;
        match self.level {
            Level::Avx512 => {
                self.asm.evex().vcvtsi2ss(xmm(to)?, xmm(to)?, from)?;
                self.asm.vbroadcastss(zmm(to)?, xmm(to)?)?;
            }
            Level::Avx2 => {
                self.asm.vcvtsi2ss(xmm(to)?, xmm(to)?, from)?;
                self.asm.vbroadcastss(ymm(to)?, xmm(to)?)?;
            }
        }
        Ok(())
    }

    /// `memory` = the first lane.
    pub(crate) fn store_one(&mut self, to: Address, vector: usize) -> Result<(), X86Error> {
        let to = dword_ptr(to.operand()?);
        match self.level {
            Level::Avx512 => self.asm.evex().vmovss(to, xmm(vector)?)?,
            Level::Avx2 => self.asm.vmovss(to, xmm(vector)?)?,
        }
        Ok(())
    }
}
