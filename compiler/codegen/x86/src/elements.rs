//! Loads and stores of loop kernels: whole vectors, one element for all lanes, or elements at a step.

use crate::Level;
use crate::access::Element;
use crate::code::{Address, MASK, xmm, ymm, zmm};
use crate::loops::{Done, LoopEmitter, Stop};
use crate::primitives::under;
use crate::registers::Home;
use dlc_kernel::{Affine, Var};
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr8::al;
use iced_x86::code_asm::registers::gpr32::eax;
use iced_x86::code_asm::registers::gpr64::rsp;
use iced_x86::code_asm::registers::k::{k1, k2};
use iced_x86::code_asm::{CodeLabel, byte_ptr, dword_ptr, qword_ptr, xmmword_ptr};

/// Steps from lane to lane beyond it have no form here.
const WIDE_STEP: i64 = 1 << 24;

impl LoopEmitter<'_> {
    fn operand_type(&self, operand: usize) -> Result<DType, Stop> {
        let operand = self.source.kernel.operands.get(operand).ok_or(Stop::Unsupported)?;
        Ok(operand.dtype)
    }

    fn masked(&self) -> bool {
        self.lanes.is_some_and(|lanes| lanes.masked)
    }

    /// Sets the mask to the first so many lanes, less than a vector.
    pub(crate) fn first_lanes(&mut self, count: usize) -> Done {
        match self.code.level {
            Level::Avx512 => {
                self.code.asm.mov(eax, (1 << count) - 1)?;
                self.code.asm.kmovw(k1, eax)?;
            }
            Level::Avx2 => {
                let bits: Vec<u32> = (0..8).map(|lane| if lane < count { u32::MAX } else { 0 }).collect();
                let label = self.constants.list(&mut self.code, &bits);
                self.code.load_list(MASK, label)?;
            }
        }
        Ok(())
    }

    pub(crate) fn load(&mut self, result: Var, operand: usize, index: &Affine) -> Done {
        let dtype = self.operand_type(operand)?;
        self.registers.set_dtype(result, dtype);
        let Element { address, step, stays } = self.element(operand, index)?;
        if dtype == DType::Bool {
            return self.load_condition(result, address, step);
        }
        let whole = step == 0 || (step == 1 && !self.masked());
        if whole && stays {
            let home = Home::Element { address, repeated: step == 0 };
            self.registers.homes.insert(result, home);
            return Ok(());
        }
        let to = self.registers.make(&mut self.code, result, dtype)?;
        self.registers.pinned.push(result);
        match step {
            0 => self.code.broadcast(to, address)?,
            1 => self.code.load(to, address, self.masked())?,
            _ => self.gather(to, address, step)?,
        }
        Ok(())
    }

    /// Label of the offsets of lanes at a step.
    fn offsets(&mut self, step: i64) -> Result<CodeLabel, Stop> {
        if step.abs() > WIDE_STEP {
            return Err(Stop::Unsupported);
        }
        let bits: Vec<u32> = (0..self.width()).map(|lane| (lane * step) as i32 as u32).collect();
        Ok(self.constants.list(&mut self.code, &bits))
    }

    /// `to` = elements at a step, zero behind the mask.
    fn gather(&mut self, to: usize, address: Address, step: i64) -> Done {
        let (first, second) = (self.registers.fresh(), self.registers.fresh());
        let offsets = self.registers.make(&mut self.code, first, DType::I32)?;
        self.registers.pinned.push(first);
        let lanes = self.registers.make(&mut self.code, second, DType::Bool)?;
        self.gather_whole(to, address, step, [offsets, lanes])?;
        self.registers.end(first);
        self.registers.end(second);
        Ok(())
    }

    /// `to` = elements at a step, zero behind the mask; the offsets' and the lanes' registers are overwritten.
    pub(crate) fn gather_whole(
        &mut self,
        to: usize,
        address: Address,
        step: i64,
        [offsets, lanes]: [usize; 2],
    ) -> Done {
        self.code.zero(to)?;
        match (self.code.level, self.masked()) {
            (Level::Avx512, true) => self.code.asm.kmovw(k2, k1)?,
            (Level::Avx512, false) => self.code.asm.kxnorw(k2, k2, k2)?,
            (Level::Avx2, true) => self.code.copy(lanes, MASK)?,
            (Level::Avx2, false) => self.code.asm.vpcmpeqd(ymm(lanes)?, ymm(lanes)?, ymm(lanes)?)?,
        }
        self.gather_lanes(to, address, step, [offsets, lanes])
    }

    /// `to` = elements at a step in the lanes of `k2` or of a register, which is used up.
    pub(crate) fn gather_lanes(
        &mut self,
        to: usize,
        address: Address,
        step: i64,
        [offsets, lanes]: [usize; 2],
    ) -> Done {
        let label = self.offsets(step)?;
        self.code.load_list(offsets, label)?;
        let from = address.operand()?;
        match self.code.level {
            Level::Avx512 => {
                self.code.asm.vgatherdps(under(zmm(to)?, 2), dword_ptr(from + zmm(offsets)? * 4))?;
            }
            Level::Avx2 => {
                let from = dword_ptr(from + ymm(offsets)? * 4);
                self.code.asm.vgatherdps_3(ymm(to)?, from, ymm(lanes)?)?;
            }
        }
        Ok(())
    }

    /// Bytes of 0 or 1 as a condition.
    fn load_condition(&mut self, result: Var, address: Address, step: i64) -> Done {
        let to = self.registers.make(&mut self.code, result, DType::Bool)?;
        let from = address.operand()?;
        match (step, self.code.level, self.masked()) {
            (0, _, _) => {
                self.code.asm.movzx(eax, byte_ptr(from))?;
                self.code.asm.neg(eax)?;
                return Ok(self.code.broadcast_eax(to)?);
            }
            (1, Level::Avx512, masked) => {
                let vector = zmm(to)?;
                match masked {
                    false => self.code.asm.vpmovzxbd(vector, xmmword_ptr(from))?,
                    true => self.code.asm.vpmovzxbd(vector.k1().z(), xmmword_ptr(from))?,
                }
                self.code.asm.vptestmd(k2, vector, vector)?;
                self.code.asm.vpmovm2d(vector, k2)?;
            }
            (1, Level::Avx2, masked) => {
                let vector = ymm(to)?;
                if masked {
                    self.pass_bytes(address, true)?;
                    let passage = self.passage();
                    self.code.asm.vpmovzxbd(vector, qword_ptr(passage.operand()?))?;
                } else {
                    self.code.asm.vpmovzxbd(vector, qword_ptr(from))?;
                }
                self.code.asm.vpslld(vector, vector, 31)?;
                self.code.asm.vpsrad(vector, vector, 31)?;
            }
            _ => return Err(Stop::Unsupported),
        }
        Ok(())
    }

    fn passage(&self) -> Address {
        Address { base: rsp, displacement: i64::from(self.passage.displacement()) }
    }

    /// Copies the bytes of the mask's lanes to the frame, or from there; overwrites `rax`.
    fn pass_bytes(&mut self, address: Address, inward: bool) -> Done {
        use iced_x86::code_asm::registers::gpr64::{rax, rdi};
        let passage = self.passage();
        // The address may be in `rax`.
        self.code.asm.mov(rdi, address.base)?;
        if inward {
            self.code.asm.mov(qword_ptr(passage.operand()?), 0)?;
        }
        let mut done = self.code.asm.create_label();
        for lane in 0..7 {
            self.code.asm.vmovmskps(rax, ymm(MASK)?)?;
            self.code.asm.test(eax, 1 << lane)?;
            self.code.asm.je(done)?;
            let here = Address { base: rdi, displacement: address.displacement + lane };
            let there = Address { base: rsp, displacement: passage.displacement + lane };
            let (from, to) = if inward { (here, there) } else { (there, here) };
            self.code.asm.mov(al, byte_ptr(from.operand()?))?;
            self.code.asm.mov(byte_ptr(to.operand()?), al)?;
        }
        Ok(self.code.place(&mut done)?)
    }

    pub(crate) fn store(&mut self, operand: usize, index: &Affine, value: Var) -> Done {
        let dtype = self.operand_type(operand)?;
        let vector = self.registers.fetch(&mut self.code, value)?;
        let Element { address, step, .. } = self.element(operand, index)?;
        match (dtype, step, self.lanes.is_some()) {
            (DType::Bool, 0, false) => {
                self.code.asm.vmovmskps(iced_x86::code_asm::registers::gpr64::rdi, xmm(vector)?)?;
                use iced_x86::code_asm::registers::gpr8::dil;
                use iced_x86::code_asm::registers::gpr32::edi;
                self.code.asm.and(edi, 1)?;
                self.code.asm.mov(byte_ptr(address.operand()?), dil)?;
            }
            (DType::Bool, 1, true) => self.store_condition(address, vector)?,
            (DType::Bool, ..) | (_, 0, true) => return Err(Stop::Unsupported),
            (_, 0, false) => self.code.store_one(address, vector)?,
            (_, 1, _) => self.code.store(address, vector, self.masked())?,
            _ => self.scatter(address, vector, step)?,
        }
        Ok(())
    }

    fn store_condition(&mut self, address: Address, vector: usize) -> Done {
        let shifted = self.registers.fresh();
        let number = self.registers.make(&mut self.code, shifted, DType::I32)?;
        let to = address.operand()?;
        match self.code.level {
            Level::Avx512 => {
                let bytes = zmm(number)?;
                self.code.asm.vpsrld(bytes, zmm(vector)?, 31)?;
                match self.masked() {
                    false => self.code.asm.vpmovdb(xmmword_ptr(to), bytes)?,
                    true => self.code.asm.vpmovdb(xmmword_ptr(to).k1(), bytes)?,
                }
            }
            Level::Avx2 => {
                let high = self.registers.fresh();
                self.registers.pinned.push(shifted);
                let upper = xmm(self.registers.make(&mut self.code, high, DType::I32)?)?;
                self.code.asm.vpsrld(ymm(number)?, ymm(vector)?, 31)?;
                let low = xmm(number)?;
                self.code.asm.vextracti128(upper, ymm(number)?, 1)?;
                self.code.asm.vpackusdw(low, low, upper)?;
                self.code.asm.vpackuswb(low, low, low)?;
                if self.masked() {
                    let passage = self.passage();
                    self.code.asm.vmovq(qword_ptr(passage.operand()?), low)?;
                    self.pass_bytes(address, false)?;
                } else {
                    self.code.asm.vmovq(qword_ptr(to), low)?;
                }
                self.registers.end(high);
            }
        }
        self.registers.end(shifted);
        Ok(())
    }

    /// Elements at a step; may overwrite `rdi`.
    fn scatter(&mut self, address: Address, vector: usize, step: i64) -> Done {
        if self.code.level == Level::Avx512 {
            let label = self.offsets(step)?;
            let offsets = self.registers.fresh();
            let number = self.registers.make(&mut self.code, offsets, DType::I32)?;
            self.code.load_list(number, label)?;
            match self.masked() {
                true => self.code.asm.kmovw(k2, k1)?,
                false => self.code.asm.kxnorw(k2, k2, k2)?,
            }
            let to = dword_ptr(address.operand()? + zmm(number)? * 4).k2();
            self.code.asm.vscatterdps(to, zmm(vector)?)?;
            self.registers.end(offsets);
            return Ok(());
        }
        use iced_x86::code_asm::registers::gpr32::edi;
        use iced_x86::code_asm::registers::gpr64::rdi;
        let half = self.registers.fresh();
        let upper = self.registers.make(&mut self.code, half, DType::I32)?;
        self.code.asm.vextractf128(xmm(upper)?, ymm(vector)?, 1)?;
        let mut done = self.code.asm.create_label();
        if self.masked() {
            self.code.asm.vmovmskps(rdi, ymm(MASK)?)?;
        }
        for lane in 0..8 {
            if self.masked() {
                self.code.asm.test(edi, 1 << lane)?;
                self.code.asm.je(done)?;
            }
            let to = Address { displacement: address.displacement + 4 * step * lane, ..address };
            let from = if lane < 4 { vector } else { upper };
            self.code.asm.vextractps(dword_ptr(to.operand()?), xmm(from)?, (lane % 4) as u32)?;
        }
        self.code.place(&mut done)?;
        self.registers.end(half);
        Ok(())
    }
}
