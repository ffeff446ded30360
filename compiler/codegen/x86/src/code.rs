//! The assembler with the few forms that emission needs: vectors of either level by number, immediates of
//! any size, labels anywhere.

use crate::{Level, X86Error};
use iced_x86::Register;
use iced_x86::code_asm::registers::{
    gpr8::cl,
    gpr32::eax,
    gpr64::{r11, rcx, rdi, rdx},
    k::{k1, k2},
    xmm::get_xmm,
    ymm::get_ymm,
    zmm::get_zmm,
};
use iced_x86::code_asm::{
    AsmMemoryOperand, AsmRegister64, AsmRegisterXmm, AsmRegisterYmm, AsmRegisterZmm, CodeAssembler,
    CodeLabel, dword_bcst, dword_ptr, ptr, ymmword_ptr, zmmword_ptr,
};

/// An element: a pointer and a distance in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) base: AsmRegister64,
    pub(crate) displacement: i64,
}

impl Address {
    pub(crate) fn operand(self) -> Result<AsmMemoryOperand, X86Error> {
        let displacement = i32::try_from(self.displacement).map_err(|_| X86Error::TooFar)?;
        Ok(self.base + displacement)
    }
}

/// Code under construction.
pub(crate) struct Code {
    pub(crate) asm: CodeAssembler,
    pub(crate) level: Level,
    /// Instructions before the last label.
    labelled: Option<usize>,
}

pub(crate) fn zmm(number: usize) -> Result<AsmRegisterZmm, X86Error> {
    get_zmm(Register::ZMM0 + number as u32).ok_or(X86Error::TooFar)
}

pub(crate) fn ymm(number: usize) -> Result<AsmRegisterYmm, X86Error> {
    get_ymm(Register::YMM0 + number as u32).ok_or(X86Error::TooFar)
}

pub(crate) fn xmm(number: usize) -> Result<AsmRegisterXmm, X86Error> {
    get_xmm(Register::XMM0 + number as u32).ok_or(X86Error::TooFar)
}

/// The register that holds the mask of an AVX2 tail: all bits of the lanes that exist.
pub(crate) const MASK: usize = 15;
/// Offsets of lanes that lie apart, and the mask that a gathering instruction uses up.
const OFFSETS: usize = 14;
const GATHER_MASK: usize = 13;
const WIDE_OFFSETS: usize = 31;

impl Code {
    pub(crate) fn new(level: Level) -> Result<Code, X86Error> {
        Ok(Code { asm: CodeAssembler::new(64)?, level, labelled: None })
    }

    /// Puts a label here.
    pub(crate) fn place(&mut self, label: &mut CodeLabel) -> Result<(), X86Error> {
        let at = self.asm.instructions().len();
        if self.labelled == Some(at) {
            // The assembler takes one label per instruction.
            self.asm.nop()?;
        }
        self.asm.set_label(label)?;
        self.labelled = Some(self.asm.instructions().len());
        Ok(())
    }

    /// `register = number`
    pub(crate) fn set(&mut self, register: AsmRegister64, number: i64) -> Result<(), X86Error> {
        Ok(self.asm.mov(register, number)?)
    }

    /// `register += number`; may overwrite `r11`.
    pub(crate) fn add(&mut self, register: AsmRegister64, number: i64) -> Result<(), X86Error> {
        if number == 0 {
            return Ok(());
        }
        match i32::try_from(number) {
            Ok(number) => self.asm.add(register, number)?,
            Err(_) => {
                self.asm.mov(r11, number)?;
                self.asm.add(register, r11)?;
            }
        }
        Ok(())
    }

    /// `register *= number`; may overwrite `rdi`.
    pub(crate) fn multiply(&mut self, register: AsmRegister64, number: i64) -> Result<(), X86Error> {
        match (number, i32::try_from(number)) {
            (1, _) => {}
            (2.., Ok(_)) if number.count_ones() == 1 => self.asm.shl(register, number.trailing_zeros())?,
            (_, Ok(number)) => self.asm.imul_3(register, register, number)?,
            _ => {
                self.asm.mov(rdi, number)?;
                self.asm.imul_2(register, rdi)?;
            }
        }
        Ok(())
    }

    /// `vector = memory`, lanes behind the mask zero.
    pub(crate) fn load(&mut self, vector: usize, from: Address, masked: bool) -> Result<(), X86Error> {
        let from = from.operand()?;
        match (self.level, masked) {
            (Level::Avx512, false) => self.asm.vmovups(zmm(vector)?, zmmword_ptr(from))?,
            (Level::Avx512, true) => self.asm.vmovups(zmm(vector)?.k1().z(), zmmword_ptr(from))?,
            (Level::Avx2, false) => self.asm.vmovups(ymm(vector)?, ymmword_ptr(from))?,
            (Level::Avx2, true) => self.asm.vmaskmovps(ymm(vector)?, ymm(MASK)?, ymmword_ptr(from))?,
        }
        Ok(())
    }

    /// Loads the offsets of lanes that lie apart, for [`Code::gather`].
    pub(crate) fn load_offsets(&mut self, table: AsmRegister64) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vmovups(zmm(WIDE_OFFSETS)?, zmmword_ptr(table))?,
            Level::Avx2 => self.asm.vmovups(ymm(OFFSETS)?, ymmword_ptr(table))?,
        }
        Ok(())
    }

    /// `vector` = elements that lie apart, lanes behind the mask zero.
    pub(crate) fn gather(&mut self, vector: usize, from: Address, masked: bool) -> Result<(), X86Error> {
        self.zero(vector)?;
        let from = from.operand()?;
        match self.level {
            Level::Avx512 => {
                match masked {
                    true => self.asm.kmovw(k2, k1)?,
                    false => self.asm.kxnorw(k2, k2, k2)?,
                }
                self.asm.vgatherdps(zmm(vector)?.k2(), dword_ptr(from + zmm(WIDE_OFFSETS)? * 4))?;
            }
            Level::Avx2 => {
                let mask = ymm(GATHER_MASK)?;
                match masked {
                    true => self.asm.vmovaps(mask, ymm(MASK)?)?,
                    false => self.asm.vpcmpeqd(mask, mask, mask)?,
                }
                self.asm.vgatherdps_3(ymm(vector)?, dword_ptr(from + ymm(OFFSETS)? * 4), mask)?;
            }
        }
        Ok(())
    }

    /// `memory = vector`, memory behind the mask untouched.
    pub(crate) fn store(&mut self, to: Address, vector: usize, masked: bool) -> Result<(), X86Error> {
        let to = to.operand()?;
        match (self.level, masked) {
            (Level::Avx512, false) => self.asm.vmovups(zmmword_ptr(to), zmm(vector)?)?,
            (Level::Avx512, true) => self.asm.vmovups(zmmword_ptr(to).k1(), zmm(vector)?)?,
            (Level::Avx2, false) => self.asm.vmovups(ymmword_ptr(to), ymm(vector)?)?,
            (Level::Avx2, true) => self.asm.vmaskmovps(ymmword_ptr(to), ymm(MASK)?, ymm(vector)?)?,
        }
        Ok(())
    }

    /// `vector = 0`
    pub(crate) fn zero(&mut self, vector: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vpxord(zmm(vector)?, zmm(vector)?, zmm(vector)?)?,
            Level::Avx2 => self.asm.vxorps(ymm(vector)?, ymm(vector)?, ymm(vector)?)?,
        }
        Ok(())
    }

    /// `vector` = one element in all lanes.
    pub(crate) fn broadcast(&mut self, vector: usize, from: Address) -> Result<(), X86Error> {
        let from = dword_ptr(from.operand()?);
        match self.level {
            Level::Avx512 => self.asm.vbroadcastss(zmm(vector)?, from)?,
            Level::Avx2 => self.asm.vbroadcastss(ymm(vector)?, from)?,
        }
        Ok(())
    }

    /// `sum += a * b`, rounded once.
    pub(crate) fn multiply_add(&mut self, sum: usize, a: usize, b: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vfmadd231ps(zmm(sum)?, zmm(a)?, zmm(b)?)?,
            Level::Avx2 => self.asm.vfmadd231ps(ymm(sum)?, ymm(a)?, ymm(b)?)?,
        }
        Ok(())
    }

    /// `sum += a * memory`, a whole vector.
    pub(crate) fn multiply_add_memory(&mut self, sum: usize, a: usize, b: Address) -> Result<(), X86Error> {
        let b = b.operand()?;
        match self.level {
            Level::Avx512 => self.asm.vfmadd231ps(zmm(sum)?, zmm(a)?, zmmword_ptr(b))?,
            Level::Avx2 => self.asm.vfmadd231ps(ymm(sum)?, ymm(a)?, ymmword_ptr(b))?,
        }
        Ok(())
    }

    /// `sum += a * element`; `spare` is overwritten where the level cannot repeat an element in place.
    pub(crate) fn multiply_add_repeated(
        &mut self,
        sum: usize,
        a: usize,
        element: Address,
        spare: usize,
    ) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => {
                let element = dword_bcst(element.operand()?);
                self.asm.vfmadd231ps(zmm(sum)?, zmm(a)?, element)?;
                Ok(())
            }
            Level::Avx2 => {
                self.broadcast(spare, element)?;
                self.multiply_add(sum, a, spare)
            }
        }
    }

    /// `sum += a`
    pub(crate) fn add_vectors(&mut self, sum: usize, a: usize) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => self.asm.vaddps(zmm(sum)?, zmm(sum)?, zmm(a)?)?,
            Level::Avx2 => self.asm.vaddps(ymm(sum)?, ymm(sum)?, ymm(a)?)?,
        }
        Ok(())
    }

    /// Sets the mask to the first `rcx` lanes, at least one and less than a vector; overwrites `eax`, `rcx`
    /// and `rdx`. The table holds as many ones as lanes, then as many zeros.
    pub(crate) fn first_lanes(&mut self, table: CodeLabel) -> Result<(), X86Error> {
        match self.level {
            Level::Avx512 => {
                self.asm.mov(eax, 1)?;
                self.asm.shl(eax, cl)?;
                self.asm.dec(eax)?;
                self.asm.kmovw(k1, eax)?;
            }
            Level::Avx2 => {
                let width = self.level.lanes_f32() as i32;
                self.asm.lea(rdx, ptr(table))?;
                self.asm.neg(rcx)?;
                self.asm.vmovups(ymm(MASK)?, ymmword_ptr(rdx + rcx * 4 + 4 * width))?;
            }
        }
        Ok(())
    }
}
