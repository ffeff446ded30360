//! Loads and stores of elements of less than 32 bits by an epilogue: a lane holds the number as an `i32`.
//!
//! Stores keep the lowest bits. AVX2 has no form for some of eight lanes: such tails go to the portable generator.

use crate::Level;
use crate::code::{Address, Code, xmm, ymm, zmm};
use crate::constants::Constants;
use crate::loops::{Done, Stop};
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr32::eax;
use iced_x86::code_asm::{byte_ptr, dword_ptr, qword_ptr, word_ptr, xmmword_ptr, ymmword_ptr};

/// The lowest bytes, or the lowest halves, of the lanes of each half of a vector of 256 bits.
const LOWEST_BYTES: [u32; 8] =
    [0x0C08_0400, u32::MAX, u32::MAX, u32::MAX, 0x0C08_0400, u32::MAX, u32::MAX, u32::MAX];
const LOWEST_HALVES: [u32; 8] =
    [0x0504_0100, 0x0D0C_0908, u32::MAX, u32::MAX, 0x0504_0100, 0x0D0C_0908, u32::MAX, u32::MAX];

impl Code {
    /// `vector` = neighbouring elements, or one in all lanes; lanes behind the mask zero.
    pub(crate) fn load_narrow(
        &mut self,
        dtype: DType,
        vector: usize,
        from: Address,
        (lanes, masked): (bool, bool),
    ) -> Done {
        let from = from.operand()?;
        if !lanes {
            match dtype {
                DType::I8 => self.asm.movsx(eax, byte_ptr(from))?,
                DType::U8 => self.asm.movzx(eax, byte_ptr(from))?,
                DType::I16 => self.asm.movsx(eax, word_ptr(from))?,
                _ => return Err(Stop::Unsupported),
            }
            return Ok(self.broadcast_eax(vector)?);
        }
        match (self.level, masked) {
            (Level::Avx512, masked) => {
                let to = if masked { zmm(vector)?.k1().z() } else { zmm(vector)? };
                match dtype {
                    DType::I8 => self.asm.vpmovsxbd(to, xmmword_ptr(from))?,
                    DType::U8 => self.asm.vpmovzxbd(to, xmmword_ptr(from))?,
                    DType::I16 => self.asm.vpmovsxwd(to, ymmword_ptr(from))?,
                    _ => return Err(Stop::Unsupported),
                }
            }
            (Level::Avx2, false) => {
                let to = ymm(vector)?;
                match dtype {
                    DType::I8 => self.asm.vpmovsxbd(to, qword_ptr(from))?,
                    DType::U8 => self.asm.vpmovzxbd(to, qword_ptr(from))?,
                    DType::I16 => self.asm.vpmovsxwd(to, xmmword_ptr(from))?,
                    _ => return Err(Stop::Unsupported),
                }
            }
            (Level::Avx2, true) => return Err(Stop::Unsupported),
        }
        Ok(())
    }

    /// `memory` = the lowest bits of all lanes; `spare` may be overwritten.
    pub(crate) fn store_narrow(
        &mut self,
        constants: &mut Constants,
        dtype: DType,
        to: Address,
        [vector, spare]: [usize; 2],
        masked: bool,
    ) -> Done {
        let place = to.operand()?;
        let bytes = match dtype {
            DType::I8 | DType::U8 => true,
            DType::I16 => false,
            _ => return Err(Stop::Unsupported),
        };
        match (self.level, masked, bytes) {
            (Level::Avx512, false, true) => self.asm.vpmovdb(xmmword_ptr(place), zmm(vector)?)?,
            (Level::Avx512, true, true) => self.asm.vpmovdb(xmmword_ptr(place).k1(), zmm(vector)?)?,
            (Level::Avx512, false, false) => self.asm.vpmovdw(ymmword_ptr(place), zmm(vector)?)?,
            (Level::Avx512, true, false) => self.asm.vpmovdw(ymmword_ptr(place).k1(), zmm(vector)?)?,
            (Level::Avx2, false, _) => {
                let table = constants.list(self, if bytes { &LOWEST_BYTES } else { &LOWEST_HALVES });
                self.asm.vpshufb(ymm(spare)?, ymm(vector)?, ymmword_ptr(table))?;
                let half =
                    Address { displacement: to.displacement + if bytes { 4 } else { 8 }, ..to }.operand()?;
                match bytes {
                    true => self.asm.vmovd(dword_ptr(place), xmm(spare)?)?,
                    false => self.asm.vmovq(qword_ptr(place), xmm(spare)?)?,
                }
                self.asm.vextracti128(xmm(spare)?, ymm(spare)?, 1)?;
                match bytes {
                    true => self.asm.vmovd(dword_ptr(half), xmm(spare)?)?,
                    false => self.asm.vmovq(qword_ptr(half), xmm(spare)?)?,
                }
            }
            (Level::Avx2, true, _) => return Err(Stop::Unsupported),
        }
        Ok(())
    }
}
