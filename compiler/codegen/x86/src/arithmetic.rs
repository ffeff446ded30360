//! Vector arithmetic of either level, for loop kernels.

use crate::code::{Address, Code, xmm, ymm, zmm};
use crate::{Level, X86Error};
use iced_x86::code_asm::registers::k::k2;
use iced_x86::code_asm::{AsmRegister64, CodeLabel, dword_ptr};

/// Operations of two operands. The extremes give the second operand where either is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Max,
    Min,
}

/// Predicate of comparisons: either is NaN.
const UNORDERED: u32 = 3;

impl Code {
    /// `to = a op b`
    pub(crate) fn arithmetic(
        &mut self,
        op: Arithmetic,
        to: usize,
        a: usize,
        b: usize,
    ) -> Result<(), X86Error> {
        macro_rules! of {
            ($register:ident) => {{
                let (to, a, b) = ($register(to)?, $register(a)?, $register(b)?);
                match op {
                    Arithmetic::Add => self.asm.vaddps(to, a, b)?,
                    Arithmetic::Subtract => self.asm.vsubps(to, a, b)?,
                    Arithmetic::Multiply => self.asm.vmulps(to, a, b)?,
                    Arithmetic::Divide => self.asm.vdivps(to, a, b)?,
                    Arithmetic::Max => self.asm.vmaxps(to, a, b)?,
                    Arithmetic::Min => self.asm.vminps(to, a, b)?,
                }
            }};
        }
        match self.level {
            Level::Avx512 => of!(zmm),
            Level::Avx2 => of!(ymm),
        }
        Ok(())
    }

    /// `to` = the larger or smaller of both, NaN if either is; `spare` is overwritten.
    pub(crate) fn extreme(
        &mut self,
        op: Arithmetic,
        to: usize,
        a: usize,
        b: usize,
        spare: usize,
    ) -> Result<(), X86Error> {
        self.arithmetic(op, to, a, b)?;
        match self.level {
            Level::Avx512 => {
                self.asm.vcmpps(k2, zmm(a)?, zmm(a)?, UNORDERED)?;
                self.asm.vmovaps(zmm(to)?.k2(), zmm(a)?)?;
            }
            Level::Avx2 => {
                self.asm.vcmpps(ymm(spare)?, ymm(a)?, ymm(a)?, UNORDERED)?;
                self.asm.vblendvps(ymm(to)?, ymm(to)?, ymm(a)?, ymm(spare)?)?;
            }
        }
        Ok(())
    }

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

    /// `to = -a`; the two differ.
    pub(crate) fn negate(&mut self, to: usize, a: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => {
                self.asm.vpternlogd(zmm(to)?, zmm(to)?, zmm(to)?, 0xff)?;
                self.asm.vpslld(zmm(to)?, zmm(to)?, 31)?;
                self.asm.vpxord(zmm(to)?, zmm(to)?, zmm(a)?)?;
            }
            Level::Avx2 => {
                self.asm.vpcmpeqd(ymm(to)?, ymm(to)?, ymm(to)?)?;
                self.asm.vpslld(ymm(to)?, ymm(to)?, 31)?;
                self.asm.vxorps(ymm(to)?, ymm(to)?, ymm(a)?)?;
            }
        }
        Ok(())
    }

    /// `to = sqrt(a)`
    pub(crate) fn square_root(&mut self, to: usize, a: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vsqrtps(zmm(to)?, zmm(a)?)?,
            Level::Avx2 => self.asm.vsqrtps(ymm(to)?, ymm(a)?)?,
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

    /// `to` = the number behind the label in all lanes.
    pub(crate) fn broadcast_constant(&mut self, to: usize, label: CodeLabel) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vbroadcastss(zmm(to)?, dword_ptr(label))?,
            Level::Avx2 => self.asm.vbroadcastss(ymm(to)?, dword_ptr(label))?,
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
