//! Loads that read memory only where it exists: a branch around the load where all lanes agree, masks where
//! they do not.

use crate::Level;
use crate::access::Element;
use crate::code::{MASK, ymm, zmm};
use crate::loops::{Done, FAR, LoopEmitter, Stop};
use crate::primitives::under;
use dlc_kernel::{Affine, Guard, Var};
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr64::{rax, rdi};
use iced_x86::code_asm::registers::k::k2;
use iced_x86::code_asm::{dword_bcst, dword_ptr, ymmword_ptr, zmmword_ptr};

/// A range that lanes are in or not: `0 <= form < length`, with the form's step from lane to lane.
struct Range {
    form: Affine,
    step: i64,
    length: i64,
}

/// The ranges that lanes agree on, and the others.
type Ranges = (Vec<Range>, Vec<Range>);

impl LoopEmitter<'_> {
    pub(crate) fn guarded_load(
        &mut self,
        result: Var,
        operand: usize,
        index: &Affine,
        guard: &Guard,
    ) -> Done {
        let declared = self.source.kernel.operands.get(operand).ok_or(Stop::Unsupported)?;
        let dtype = declared.dtype;
        self.registers.set_dtype(result, dtype);
        let fill = match dtype {
            DType::F32 => (guard.fill as f32).to_bits(),
            DType::I32 => guard.fill as i32 as u32,
            _ => return Err(Stop::Unsupported),
        };
        let Some((shared, own)) = self.ranges(guard)? else {
            let number = self.constants.number(&mut self.code, fill);
            let to = self.registers.make(&mut self.code, result, dtype)?;
            return Ok(self.code.load_number(to, number)?);
        };
        if shared.is_empty() && own.is_empty() {
            return self.load(result, operand, index);
        }
        let to = self.registers.make(&mut self.code, result, dtype)?;
        self.registers.pinned.push(result);
        let spare = self.registers.fresh();
        let lanes = self.registers.make(&mut self.code, spare, dtype)?;
        self.registers.pinned.push(spare);
        let more = self.registers.fresh();
        let all = self.registers.make(&mut self.code, more, DType::Bool)?;
        self.registers.pinned.push(more);
        let last = self.registers.fresh();
        let end = self.registers.make(&mut self.code, last, dtype)?;
        let number = self.constants.number(&mut self.code, fill);
        let mut done = self.code.asm.create_label();
        // Lanes that read nothing keep it.
        self.code.load_number(to, number)?;
        for range in &shared {
            self.number(&range.form)?;
            self.code.asm.cmp(rax, range.length as i32)?;
            self.code.asm.jae(done)?;
        }
        if own.is_empty() {
            self.load_into(to, operand, index, [lanes, all])?;
        } else {
            for (position, range) in own.iter().enumerate() {
                self.lanes_within(range, position == 0, [lanes, all, end])?;
            }
            self.load_within(to, operand, index, [lanes, all])?;
        }
        self.code.place(&mut done)?;
        self.registers.end(spare);
        self.registers.end(more);
        self.registers.end(last);
        Ok(())
    }

    /// The ranges that lanes agree on, and the others; nothing where an element never exists.
    fn ranges(&self, guard: &Guard) -> Result<Option<Ranges>, Stop> {
        let (mut shared, mut own) = (Vec::new(), Vec::new());
        for (form, low, high) in &guard.ranges {
            let (form, step) = self.lanes_of(form);
            let range = Range { form: form.offset(-low), step, length: high - low };
            if range.length > FAR || range.step.abs() > FAR >> 8 {
                return Err(Stop::Unsupported);
            }
            if range.length <= 0 {
                return Ok(None);
            }
            match (range.step, range.form.as_constant()) {
                (0, Some(number)) if (0..range.length).contains(&number) => {}
                (0, Some(_)) => return Ok(None),
                (0, None) => shared.push(range),
                (step, Some(number)) => {
                    let last = number + step * (self.width() - 1);
                    let within = |number: i64| (0..range.length).contains(&number);
                    if !(within(number) && within(last)) {
                        own.push(range);
                    }
                }
                _ => own.push(range),
            }
        }
        Ok(Some((shared, own)))
    }

    fn load_into(&mut self, to: usize, operand: usize, index: &Affine, spare: [usize; 2]) -> Done {
        let Element { address, step, .. } = self.element(operand, index)?;
        let masked = self.lanes.is_some_and(|lanes| lanes.masked);
        match step {
            0 => self.code.broadcast(to, address)?,
            1 => self.code.load(to, address, masked)?,
            _ => self.gather_whole(to, address, step, spare)?,
        }
        Ok(())
    }

    /// Restricts the lanes that load (`k2`, or all bits in `all`) to a range; overwrites `rax` and `rdi`.
    fn lanes_within(&mut self, range: &Range, first: bool, [lanes, all, end_register]: [usize; 3]) -> Done {
        let masked = self.lanes.is_some_and(|lanes| lanes.masked);
        let bits: Vec<u32> = (0..self.width()).map(|lane| (lane * range.step) as i32 as u32).collect();
        let offsets = self.constants.list(&mut self.code, &bits);
        self.number(&range.form)?;
        // Lanes count in 32 bits: numbers far outside are taken for others far outside.
        for bound in [FAR * 2, -FAR * 2] {
            self.code.asm.mov(rdi, bound)?;
            self.code.asm.cmp(rax, rdi)?;
            match bound > 0 {
                true => self.code.asm.cmovg(rax, rdi)?,
                false => self.code.asm.cmovl(rax, rdi)?,
            }
        }
        match self.code.level {
            Level::Avx512 => {
                self.code.broadcast_eax(lanes)?;
                self.code.asm.vpaddd(zmm(lanes)?, zmm(lanes)?, zmmword_ptr(offsets))?;
                let length = self.constants.label(&mut self.code, range.length as u32);
                let to = match (first, masked) {
                    (true, false) => k2,
                    (true, true) => k2.k1(),
                    (false, _) => k2.k2(),
                };
                self.code.asm.vpcmpud(to, zmm(lanes)?, dword_bcst(length), 1)?;
            }
            Level::Avx2 => {
                // Unsigned order is signed order behind a shift by half of the numbers.
                self.code.asm.add(iced_x86::code_asm::registers::gpr32::eax, i32::MIN)?;
                self.code.broadcast_eax(lanes)?;
                self.code.asm.vpaddd(ymm(lanes)?, ymm(lanes)?, ymmword_ptr(offsets))?;
                let end = (range.length as u32).wrapping_add(1 << 31);
                let end = self.constants.number(&mut self.code, end);
                if first {
                    match masked {
                        true => self.code.asm.vmovaps(ymm(all)?, ymm(MASK)?)?,
                        false => self.code.asm.vpcmpeqd(ymm(all)?, ymm(all)?, ymm(all)?)?,
                    }
                }
                self.code.load_number(end_register, end)?;
                self.code.asm.vpcmpgtd(ymm(lanes)?, ymm(end_register)?, ymm(lanes)?)?;
                self.code.asm.vpand(ymm(all)?, ymm(all)?, ymm(lanes)?)?;
            }
        }
        Ok(())
    }

    /// Loads the lanes that are left, the others keep what is there.
    fn load_within(&mut self, to: usize, operand: usize, index: &Affine, [lanes, all]: [usize; 2]) -> Done {
        let Element { address, step, .. } = self.element(operand, index)?;
        let from = address.operand()?;
        match (self.code.level, step) {
            (Level::Avx512, 1) => self.code.asm.vmovups(under(zmm(to)?, 2), zmmword_ptr(from))?,
            (Level::Avx512, 0) => self.code.asm.vbroadcastss(under(zmm(to)?, 2), dword_ptr(from))?,
            (Level::Avx2, 1) => {
                self.code.asm.vmaskmovps(ymm(lanes)?, ymm(all)?, ymmword_ptr(from))?;
                self.code.asm.vblendvps(ymm(to)?, ymm(to)?, ymm(lanes)?, ymm(all)?)?;
            }
            (Level::Avx2, 0) => {
                let mut done = self.code.asm.create_label();
                self.code.asm.vmovmskps(rdi, ymm(all)?)?;
                self.code.asm.test(rdi, rdi)?;
                self.code.asm.je(done)?;
                self.code.broadcast(lanes, address)?;
                self.code.asm.vblendvps(ymm(to)?, ymm(to)?, ymm(lanes)?, ymm(all)?)?;
                self.code.place(&mut done)?;
            }
            _ => self.gather_lanes(to, address, step, [lanes, all])?,
        }
        Ok(())
    }
}
