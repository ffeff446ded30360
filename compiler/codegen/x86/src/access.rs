//! Index forms and the elements they address in loop kernels.
//!
//! What is accessed inside an innermost loop has a pointer that moves with the loop, in a register or else in
//! the frame; other addresses are computed where they are used.

use crate::code::Address;
use crate::frame::Slot;
use crate::loops::{Done, FAR, LoopEmitter, Stop};
use dlc_kernel::{Affine, IndexVar, Loop, ScalarOp, Statement};
use iced_x86::code_asm::registers::gpr64::{r8, r9, r10, rax, rcx, rdi, rdx, rsi};
use iced_x86::code_asm::{AsmRegister64, qword_ptr};

/// Registers of pointers inside an innermost loop; the last one only where no values go to the frame.
const POINTERS: [AsmRegister64; 6] = [rcx, rdx, rsi, r8, r9, r10];

/// A sum that moves with an innermost loop: an address if there is an operand, else a number.
pub(crate) struct Pointer {
    operand: Option<usize>,
    /// Without its constant.
    form: Affine,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Register(AsmRegister64),
    Slot(Slot),
}

/// An element.
#[derive(Clone, Copy)]
pub(crate) struct Element {
    pub(crate) address: Address,
    /// From lane to lane, in elements; 0 for one element that all lanes share.
    pub(crate) step: i64,
    /// Whether the address holds until the pointers move.
    pub(crate) stays: bool,
}

impl LoopEmitter<'_> {
    /// The form with known indices put in, and its step from lane to lane.
    pub(crate) fn lanes_of(&self, form: &Affine) -> (Affine, i64) {
        let step = self.lanes.map_or(0, |lanes| form.coefficient(lanes.var));
        let offset = self.lanes.map_or(0, |lanes| lanes.offset * step);
        let mut sum = Affine { constant: form.constant + offset, batch: form.batch, terms: Vec::new() };
        for &(var, coefficient) in &form.terms {
            match self.known.get(&var) {
                Some(number) => sum.constant += number * coefficient,
                None => sum.terms.push((var, coefficient)),
            }
        }
        (sum, step)
    }

    /// `rax` = the form, with the lanes' variable taken as it is in the frame; overwrites `rdi`.
    pub(crate) fn form(&mut self, form: &Affine) -> Done {
        let near = |number: i64| (-FAR..FAR).contains(&number);
        if !near(form.constant) || !near(form.batch) || !form.terms.iter().all(|term| near(term.1)) {
            return Err(Stop::Unsupported);
        }
        let mut terms = Vec::new();
        if form.batch != 0 {
            terms.push((self.points.batch, form.batch));
        }
        for &(var, coefficient) in &form.terms {
            terms.push((*self.indices.get(&var).ok_or(Stop::Unsupported)?, coefficient));
        }
        let mut first = true;
        for (slot, coefficient) in terms {
            let register = if first { rax } else { rdi };
            if coefficient == 1 {
                self.code.asm.mov(register, slot.memory())?;
            } else {
                self.code.asm.imul_3(register, slot.memory(), coefficient as i32)?;
            }
            if !first {
                self.code.asm.add(rax, rdi)?;
            }
            first = false;
        }
        if first {
            self.code.set(rax, form.constant)?;
        } else if form.constant != 0 {
            self.code.asm.add(rax, form.constant as i32)?;
        }
        Ok(())
    }

    fn find(&self, operand: Option<usize>, moving: &Affine) -> Option<Place> {
        let found =
            self.pointers.iter().find(|pointer| pointer.operand == operand && pointer.form == *moving);
        found.map(|pointer| pointer.place)
    }

    /// `rax` = a form, known indices put in; may overwrite `rdi`.
    pub(crate) fn number(&mut self, form: &Affine) -> Done {
        let moving = Affine { constant: 0, ..form.clone() };
        match self.find(None, &moving) {
            Some(Place::Slot(slot)) => {
                self.code.asm.mov(rax, slot.memory())?;
                if form.constant != 0 {
                    let constant = i32::try_from(form.constant).map_err(|_| Stop::Unsupported)?;
                    self.code.asm.add(rax, constant)?;
                }
                Ok(())
            }
            Some(Place::Register(_)) | None => self.form(form),
        }
    }

    /// Bytes of an operand's elements.
    pub(crate) fn size(&self, operand: usize) -> Result<i64, Stop> {
        let operand = self.source.kernel.operands.get(operand).ok_or(Stop::Unsupported)?;
        Ok(operand.dtype.size() as i64)
    }

    /// Where an element lies. May overwrite `rax` and `rdi`.
    pub(crate) fn element(&mut self, operand: usize, index: &Affine) -> Result<Element, Stop> {
        let (form, step) = self.lanes_of(index);
        let size = self.size(operand)?;
        let displacement = form.constant * size;
        let moving = Affine { constant: 0, ..form };
        Ok(match self.find(Some(operand), &moving) {
            Some(Place::Register(base)) => {
                Element { address: Address { base, displacement }, step, stays: true }
            }
            Some(Place::Slot(slot)) => {
                self.code.asm.mov(rax, slot.memory())?;
                Element { address: Address { base: rax, displacement }, step, stays: false }
            }
            None => {
                self.pointer_to(operand, &moving)?;
                Element { address: Address { base: rax, displacement }, step, stays: false }
            }
        })
    }

    /// `rax` = the address of an element; overwrites `rdi`.
    fn pointer_to(&mut self, operand: usize, form: &Affine) -> Done {
        self.form(form)?;
        let base = *self.bases.get(operand).ok_or(Stop::Unsupported)?;
        self.code.asm.mov(rdi, base.memory())?;
        let size = self.size(operand)? as i32;
        Ok(self.code.asm.lea(rax, qword_ptr(rdi + rax * size))?)
    }

    /// Computes what moves with an innermost loop at its first iteration.
    pub(crate) fn begin_pointers(&mut self, body: &[Statement]) -> Done {
        self.pointers.clear();
        let mut wanted = Vec::new();
        self.collect(body, &mut wanted);
        let available = if self.spills() { POINTERS.len() - 1 } else { POINTERS.len() };
        let mut registers = POINTERS.iter().take(available);
        for (operand, form) in wanted {
            let moving = Affine { constant: 0, ..form };
            if self.find(operand, &moving).is_some() {
                continue;
            }
            match operand {
                Some(operand) => self.pointer_to(operand, &moving)?,
                None => self.form(&moving)?,
            }
            let place = match operand.and_then(|_| registers.next()) {
                Some(&register) => {
                    self.code.asm.mov(register, rax)?;
                    Place::Register(register)
                }
                None => {
                    let slot = self.slot()?;
                    self.code.asm.mov(slot.memory(), rax)?;
                    Place::Slot(slot)
                }
            };
            self.pointers.push(Pointer { operand, form: moving, place });
        }
        Ok(())
    }

    /// All forms that statements use, loops that are written out included.
    fn collect(&mut self, body: &[Statement], wanted: &mut Vec<(Option<usize>, Affine)>) {
        for statement in body {
            match statement {
                Statement::Load { operand, index, guard, .. } => {
                    wanted.push((Some(*operand), self.lanes_of(index).0));
                    let ranges = guard.iter().flat_map(|guard| &guard.ranges);
                    wanted.extend(ranges.map(|range| (None, self.lanes_of(&range.0).0)));
                }
                Statement::Store { operand, index, .. } => {
                    wanted.push((Some(*operand), self.lanes_of(index).0));
                }
                Statement::Let { op: ScalarOp::Index(index), .. } => {
                    wanted.push((None, self.lanes_of(&self.named(*index)).0));
                }
                Statement::For(Loop { var, start, body, .. }) => {
                    let before = self.known.insert(*var, start.constant);
                    self.collect(body, wanted);
                    match before {
                        Some(number) => self.known.insert(*var, number),
                        None => self.known.remove(var),
                    };
                }
                Statement::Let { .. } | Statement::Index { .. } => {}
            }
        }
        wanted.retain(|(operand, form)| operand.is_some() || form.as_constant().is_none());
    }

    /// The form of an index.
    pub(crate) fn named(&self, index: IndexVar) -> Affine {
        self.source.forms.get(&index).cloned().unwrap_or_else(|| Affine::var(index))
    }

    /// Moves the pointers by some iterations; may overwrite `rax`.
    pub(crate) fn move_pointers(&mut self, var: IndexVar, steps: i64) -> Done {
        for position in 0..self.pointers.len() {
            let Some(pointer) = self.pointers.get(position) else { continue };
            let size = pointer.operand.map_or(Ok(1), |operand| self.size(operand))?;
            let bytes = pointer.form.coefficient(var) * steps * size;
            match pointer.place {
                _ if bytes == 0 => {}
                Place::Register(register) => {
                    let bytes = i32::try_from(bytes).map_err(|_| Stop::Unsupported)?;
                    self.code.asm.add(register, bytes)?;
                }
                Place::Slot(slot) => {
                    self.code.set(rax, bytes)?;
                    self.code.asm.add(slot.memory(), rax)?;
                }
            }
        }
        Ok(())
    }
}
