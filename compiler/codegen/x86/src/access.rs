//! Index forms and the elements they address in loop kernels.
//!
//! An access inside an innermost loop has a pointer that moves with the loop, as long as there are
//! registers; other addresses are computed where they are used.

use crate::code::Address;
use crate::loops::{Done, FAR, Lanes, LoopEmitter, Stop};
use dlc_kernel::{Affine, IndexVar, Statement};
use iced_x86::code_asm::registers::gpr64::{r8, r9, r10, rax, rcx, rdi, rdx, rsi};
use iced_x86::code_asm::{AsmRegister64, qword_ptr};

/// Bytes of an element.
const SIZE: i64 = 4;
/// Pointers of accesses inside an innermost loop.
const POINTERS: [AsmRegister64; 6] = [rcx, rdx, rsi, r8, r9, r10];

impl LoopEmitter<'_> {
    /// `rax` = the form, with the lanes' and the given variable taken as they are in the frame; overwrites
    /// `rdi`.
    pub(crate) fn form(&mut self, form: &Affine) -> Done {
        let near = |number: i64| (-FAR..FAR).contains(&number);
        if !near(form.constant) || !near(form.batch) || !form.terms.iter().all(|term| near(term.1)) {
            return Err(Stop::Unsupported);
        }
        self.code.set(rax, form.constant)?;
        let mut terms = vec![(self.points.batch, form.batch)];
        for &(var, coefficient) in &form.terms {
            terms.push((*self.indices.get(&var).ok_or(Stop::Unsupported)?, coefficient));
        }
        for (slot, coefficient) in terms {
            if coefficient != 0 {
                self.code.asm.imul_3(rdi, slot.memory(), coefficient as i32)?;
                self.code.asm.add(rax, rdi)?;
            }
        }
        Ok(())
    }

    /// Where an element lies, and the lanes if there is one for each of them. May overwrite `rax` and `rdi`.
    pub(crate) fn access(
        &mut self,
        operand: usize,
        index: &Affine,
    ) -> Result<(Address, Option<Lanes>), Stop> {
        let lanes = match self.lanes.map(|lanes| (lanes, index.coefficient(lanes.var))) {
            None | Some((_, 0)) => None,
            Some((lanes, 1)) => Some(lanes),
            Some(_) => return Err(Stop::Unsupported),
        };
        let moving = Affine { constant: 0, ..index.clone() };
        let known = self.pointers.iter().find(|(other, form, _)| *other == operand && *form == moving);
        if let Some(&(.., base)) = known {
            return Ok((Address { base, displacement: index.constant * SIZE }, lanes));
        }
        self.form(index)?;
        let base = *self.bases.get(operand).ok_or(Stop::Unsupported)?;
        self.code.asm.shl(rax, SIZE.trailing_zeros())?;
        self.code.asm.add(rax, base.memory())?;
        Ok((Address { base: rax, displacement: 0 }, lanes))
    }

    /// Computes the pointers of an innermost loop's accesses at its first iteration; whether there is one
    /// for each of them.
    pub(crate) fn begin_pointers(&mut self, body: &[Statement]) -> Result<bool, Stop> {
        self.pointers.clear();
        let mut all = true;
        for statement in body {
            let (Statement::Load { operand, index, .. } | Statement::Store { operand, index, .. }) =
                statement
            else {
                continue;
            };
            let moving = Affine { constant: 0, ..index.clone() };
            if self.pointers.iter().any(|(other, form, _)| other == operand && *form == moving) {
                continue;
            }
            let Some(&register) = POINTERS.get(self.pointers.len()) else {
                all = false;
                continue;
            };
            self.form(&moving)?;
            let base = *self.bases.get(*operand).ok_or(Stop::Unsupported)?;
            self.code.asm.mov(register, base.memory())?;
            self.code.asm.lea(register, qword_ptr(register + rax * (SIZE as i32)))?;
            self.pointers.push((*operand, moving, register));
        }
        Ok(all)
    }

    /// Moves the pointers by some iterations.
    pub(crate) fn move_pointers(&mut self, var: IndexVar, steps: i64) -> Done {
        for (_, form, register) in &self.pointers {
            self.code.add(*register, form.coefficient(var) * steps * SIZE)?;
        }
        Ok(())
    }
}
