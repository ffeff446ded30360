//! The stack frame: parameters, coordinates, counters and saved pointers, eight bytes each.
//!
//! Only caller-saved registers are used, so that nothing has to be saved; what does not fit into them
//! lives here. Registers have fixed tasks, named below.

use crate::X86Error;
use crate::code::Code;
use iced_x86::code_asm::registers::gpr64::{r8, r9, r10, rax, rcx, rdi, rdx, rsi, rsp};
use iced_x86::code_asm::{AsmMemoryOperand, AsmRegister64, qword_ptr};

/// Pointers into lanes operand, rows operand and result at the current place of the nest.
pub(crate) const PLACE: [AsmRegister64; 3] = [r8, r9, r10];
/// Pointers into lanes and rows operand inside a reduction.
pub(crate) const CURSOR: [AsmRegister64; 2] = [rax, rcx];
/// Counters of the two innermost loops of a reduction, innermost first.
pub(crate) const COUNTERS: [AsmRegister64; 2] = [rdx, rsi];
/// The System V AMD64 registers of the first six parameters.
const PARAMETERS: [AsmRegister64; 6] = [rdi, rsi, rdx, rcx, r8, r9];

/// Eight bytes of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(i32);

impl Slot {
    /// The slot as an operand.
    pub(crate) fn memory(self) -> AsmMemoryOperand {
        qword_ptr(rsp + self.0)
    }

    /// Bytes between the frame's begin and the slot.
    pub(crate) fn displacement(self) -> i32 {
        self.0
    }
}

/// A frame of fixed size.
#[derive(Debug)]
pub(crate) struct Frame {
    used: i32,
    bytes: i32,
}

impl Frame {
    /// A frame of so many slots.
    pub(crate) fn new(slots: usize) -> Result<Frame, X86Error> {
        let bytes = i32::try_from(slots * 8).map_err(|_| X86Error::TooFar)?;
        Ok(Frame { used: 0, bytes: (bytes + 15) & !15 })
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> i32 {
        self.bytes
    }

    /// A slot that nobody has yet; nothing where the frame is full.
    pub(crate) fn slot(&mut self) -> Option<Slot> {
        if self.used + 8 > self.bytes {
            return None;
        }
        let slot = Slot(self.used);
        self.used += 8;
        Some(slot)
    }

    /// Makes the frame and puts the parameters into the given slots; overwrites `rax`.
    pub(crate) fn open(&self, code: &mut Code, homes: &[Slot]) -> Result<(), X86Error> {
        code.asm.sub(rsp, self.bytes)?;
        for (position, home) in homes.iter().enumerate() {
            match PARAMETERS.get(position) {
                Some(&parameter) => code.asm.mov(home.memory(), parameter)?,
                None => {
                    // Behind the frame and the return address.
                    let behind = self.bytes + 8 * (position as i32 - PARAMETERS.len() as i32 + 1);
                    code.asm.mov(rax, qword_ptr(rsp + behind))?;
                    code.asm.mov(home.memory(), rax)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the frame away and returns.
    pub(crate) fn close(&self, code: &mut Code) -> Result<(), X86Error> {
        code.asm.add(rsp, self.bytes)?;
        code.asm.vzeroupper()?;
        code.asm.ret()?;
        Ok(())
    }
}

/// How much of a frame was in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(i32);

impl Frame {
    /// What is in use now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.used)
    }

    /// Gives back all slots taken since.
    pub(crate) fn release(&mut self, mark: Mark) {
        self.used = mark.0;
    }
}
