//! What one instruction does to vectors, for loop kernels: lanes of `f32` or `i32`, conditions as all bits
//! or none.

use crate::code::{Code, ymm, zmm};
use crate::registers::Operand;
use crate::{Level, X86Error};
use iced_x86::code_asm::registers::k;
use iced_x86::code_asm::{AsmRegisterK, AsmRegisterZmm, dword_bcst, ymmword_ptr, zmmword_ptr};

/// One step of a computation on lanes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Primitive {
    /// A number; no operand.
    Bits(u32),
    /// The operand itself.
    Copy,
    /// Two operands.
    Two(Two),
    /// `a * b + c`, rounded once.
    MultiplyAdd,
    /// `c - a * b`, rounded once.
    NegativeMultiplyAdd,
    /// A comparison of `f32` by its predicate.
    Compare(u32),
    /// A comparison of `i32` by its predicate: 0 equal, 1 less, 2 less or equal, 4 not equal, 5 greater or
    /// equal, 6 greater; AVX2 has 0 and 6 only.
    CompareIntegers(u32),
    /// Condition and two operands.
    Select,
    /// One operand.
    One(One),
}

/// Steps of two operands. The extremes of floats give the second operand where either is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Two {
    Add,
    Subtract,
    Multiply,
    Divide,
    Max,
    Min,
    And,
    Or,
    Xor,
    AddIntegers,
    SubtractIntegers,
    MultiplyIntegers,
    MaxIntegers,
    MinIntegers,
    /// `a * 2^floor(b)`; AVX-512 only.
    Scale,
}

impl Two {
    /// Whether the operands may change places.
    pub(crate) fn commutes(self) -> bool {
        !matches!(
            self,
            Two::Subtract | Two::Divide | Two::Max | Two::Min | Two::SubtractIntegers | Two::Scale
        )
    }
}

/// Steps of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum One {
    SquareRoot,
    ShiftLeft(u32),
    ShiftRight(u32),
    /// Copies of the sign come in.
    ShiftRightSigned(u32),
    /// Rounding by its mode: 8 to nearest even, 9 down, 10 up.
    Round(u32),
    ToFloat,
    /// Towards zero.
    ToInteger,
}

pub(crate) fn mask(number: usize) -> Result<AsmRegisterK, X86Error> {
    [k::k0, k::k1, k::k2, k::k3, k::k4, k::k5, k::k6, k::k7].get(number).copied().ok_or(X86Error::TooFar)
}

/// A vector under a mask.
pub(crate) fn under(vector: AsmRegisterZmm, mask: usize) -> AsmRegisterZmm {
    match mask {
        1 => vector.k1(),
        2 => vector.k2(),
        3 => vector.k3(),
        4 => vector.k4(),
        5 => vector.k5(),
        6 => vector.k6(),
        _ => vector.k7(),
    }
}

impl Code {
    /// `to = a op b`
    pub(crate) fn two(&mut self, op: Two, to: usize, a: usize, b: Operand) -> Result<(), X86Error> {
        macro_rules! of {
            ($wide:ident, $narrow:ident) => {
                match (self.level, b) {
                    (Level::Avx512, Operand::Register(b)) => self.asm.$wide(zmm(to)?, zmm(a)?, zmm(b)?)?,
                    (Level::Avx512, Operand::Memory(b)) => {
                        self.asm.$wide(zmm(to)?, zmm(a)?, zmmword_ptr(b))?
                    }
                    (Level::Avx512, Operand::Repeated(b)) => {
                        self.asm.$wide(zmm(to)?, zmm(a)?, dword_bcst(b))?
                    }
                    (Level::Avx2, Operand::Register(b)) => self.asm.$narrow(ymm(to)?, ymm(a)?, ymm(b)?)?,
                    (Level::Avx2, Operand::Memory(b)) => {
                        self.asm.$narrow(ymm(to)?, ymm(a)?, ymmword_ptr(b))?
                    }
                    (Level::Avx2, Operand::Repeated(_)) => return Err(X86Error::TooFar),
                }
            };
        }
        match op {
            Two::Add => of!(vaddps, vaddps),
            Two::Subtract => of!(vsubps, vsubps),
            Two::Multiply => of!(vmulps, vmulps),
            Two::Divide => of!(vdivps, vdivps),
            Two::Max => of!(vmaxps, vmaxps),
            Two::Min => of!(vminps, vminps),
            Two::And => of!(vpandd, vpand),
            Two::Or => of!(vpord, vpor),
            Two::Xor => of!(vpxord, vpxor),
            Two::AddIntegers => of!(vpaddd, vpaddd),
            Two::SubtractIntegers => of!(vpsubd, vpsubd),
            Two::MultiplyIntegers => of!(vpmulld, vpmulld),
            Two::MaxIntegers => of!(vpmaxsd, vpmaxsd),
            Two::MinIntegers => of!(vpminsd, vpminsd),
            Two::Scale => match (self.level, b) {
                (Level::Avx512, Operand::Register(b)) => self.asm.vscalefps(zmm(to)?, zmm(a)?, zmm(b)?)?,
                (Level::Avx512, Operand::Memory(b)) => {
                    self.asm.vscalefps(zmm(to)?, zmm(a)?, zmmword_ptr(b))?
                }
                _ => return Err(X86Error::TooFar),
            },
        }
        Ok(())
    }

    /// `to = op a`
    pub(crate) fn one(&mut self, op: One, to: usize, a: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => {
                let (to, a) = (zmm(to)?, zmm(a)?);
                match op {
                    One::SquareRoot => self.asm.vsqrtps(to, a)?,
                    One::ShiftLeft(bits) => self.asm.vpslld(to, a, bits)?,
                    One::ShiftRight(bits) => self.asm.vpsrld(to, a, bits)?,
                    One::ShiftRightSigned(bits) => self.asm.vpsrad(to, a, bits)?,
                    One::Round(mode) => self.asm.vrndscaleps(to, a, mode)?,
                    One::ToFloat => self.asm.vcvtdq2ps(to, a)?,
                    One::ToInteger => self.asm.vcvttps2dq(to, a)?,
                }
            }
            Level::Avx2 => {
                let (to, a) = (ymm(to)?, ymm(a)?);
                match op {
                    One::SquareRoot => self.asm.vsqrtps(to, a)?,
                    One::ShiftLeft(bits) => self.asm.vpslld(to, a, bits)?,
                    One::ShiftRight(bits) => self.asm.vpsrld(to, a, bits)?,
                    One::ShiftRightSigned(bits) => self.asm.vpsrad(to, a, bits)?,
                    One::Round(mode) => self.asm.vroundps(to, a, mode)?,
                    One::ToFloat => self.asm.vcvtdq2ps(to, a)?,
                    One::ToInteger => self.asm.vcvttps2dq(to, a)?,
                }
            }
        }
        Ok(())
    }

    /// `sum = ±(a * b) + sum`
    pub(crate) fn onto_sum(
        &mut self,
        negative: bool,
        sum: usize,
        a: usize,
        b: Operand,
    ) -> Result<(), X86Error> {
        macro_rules! of {
            ($name:ident) => {
                match (self.level, b) {
                    (Level::Avx512, Operand::Register(b)) => self.asm.$name(zmm(sum)?, zmm(a)?, zmm(b)?)?,
                    (Level::Avx512, Operand::Memory(b)) => {
                        self.asm.$name(zmm(sum)?, zmm(a)?, zmmword_ptr(b))?
                    }
                    (Level::Avx512, Operand::Repeated(b)) => {
                        self.asm.$name(zmm(sum)?, zmm(a)?, dword_bcst(b))?
                    }
                    (Level::Avx2, Operand::Register(b)) => self.asm.$name(ymm(sum)?, ymm(a)?, ymm(b)?)?,
                    (Level::Avx2, Operand::Memory(b)) => {
                        self.asm.$name(ymm(sum)?, ymm(a)?, ymmword_ptr(b))?
                    }
                    (Level::Avx2, Operand::Repeated(_)) => return Err(X86Error::TooFar),
                }
            };
        }
        match negative {
            false => of!(vfmadd231ps),
            true => of!(vfnmadd231ps),
        }
        Ok(())
    }

    /// `factor = ±(factor * a) + sum`
    pub(crate) fn onto_factor(
        &mut self,
        negative: bool,
        factor: usize,
        a: usize,
        sum: Operand,
    ) -> Result<(), X86Error> {
        macro_rules! of {
            ($name:ident) => {
                match (self.level, sum) {
                    (Level::Avx512, Operand::Register(s)) => {
                        self.asm.$name(zmm(factor)?, zmm(a)?, zmm(s)?)?
                    }
                    (Level::Avx512, Operand::Memory(s)) => {
                        self.asm.$name(zmm(factor)?, zmm(a)?, zmmword_ptr(s))?
                    }
                    (Level::Avx512, Operand::Repeated(s)) => {
                        self.asm.$name(zmm(factor)?, zmm(a)?, dword_bcst(s))?
                    }
                    (Level::Avx2, Operand::Register(s)) => self.asm.$name(ymm(factor)?, ymm(a)?, ymm(s)?)?,
                    (Level::Avx2, Operand::Memory(s)) => {
                        self.asm.$name(ymm(factor)?, ymm(a)?, ymmword_ptr(s))?
                    }
                    (Level::Avx2, Operand::Repeated(_)) => return Err(X86Error::TooFar),
                }
            };
        }
        match negative {
            false => of!(vfmadd213ps),
            true => of!(vfnmadd213ps),
        }
        Ok(())
    }

    /// A condition into a mask register.
    pub(crate) fn compare_into(
        &mut self,
        integers: bool,
        to: usize,
        a: usize,
        b: Operand,
        predicate: u32,
    ) -> Result<(), X86Error> {
        macro_rules! of {
            ($name:ident) => {
                match b {
                    Operand::Register(b) => self.asm.$name(mask(to)?, zmm(a)?, zmm(b)?, predicate)?,
                    Operand::Memory(b) => self.asm.$name(mask(to)?, zmm(a)?, zmmword_ptr(b), predicate)?,
                    Operand::Repeated(b) => self.asm.$name(mask(to)?, zmm(a)?, dword_bcst(b), predicate)?,
                }
            };
        }
        match integers {
            false => of!(vcmpps),
            true => of!(vpcmpd),
        }
        Ok(())
    }

    /// `to` = all bits where the comparison of integers holds; AVX2 has equality and `a > b`.
    pub(crate) fn compare_integers(
        &mut self,
        to: usize,
        a: usize,
        b: usize,
        predicate: u32,
    ) -> Result<(), X86Error> {
        match (self.level, predicate) {
            (Level::Avx512, _) => {
                self.asm.vpcmpd(k::k2, zmm(a)?, zmm(b)?, predicate)?;
                self.asm.vpmovm2d(zmm(to)?, k::k2)?;
            }
            (Level::Avx2, 0) => self.asm.vpcmpeqd(ymm(to)?, ymm(a)?, ymm(b)?)?,
            (Level::Avx2, 6) => self.asm.vpcmpgtd(ymm(to)?, ymm(a)?, ymm(b)?)?,
            (Level::Avx2, _) => return Err(X86Error::TooFar),
        }
        Ok(())
    }
}
