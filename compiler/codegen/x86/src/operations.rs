//! The operations of kernel bodies on vectors: each becomes a few steps (`formula`), which then get registers.

use crate::code::Code;
use crate::constants::Constants;
use crate::formula::{Formula, Step};
use crate::loops::{Done, Stop};
use crate::points::Points;
use crate::primitives::{Primitive, Two};
use crate::registers::{Home, Operand, Registers};
use dlc_kernel::{ScalarOp, Var};
use dlc_types::{DType, Dim};
use iced_x86::code_asm::registers::gpr64::rax;

/// What an operation is emitted with. `rax` may be overwritten.
pub(crate) struct Operations<'a> {
    pub(crate) code: &'a mut Code,
    pub(crate) registers: &'a mut Registers,
    pub(crate) constants: &'a mut Constants,
    pub(crate) points: &'a Points,
}

impl Operations<'_> {
    /// One scalar operation on all lanes.
    pub(crate) fn operation(&mut self, result: Var, dtype: DType, op: ScalarOp, args: &[Var]) -> Done {
        self.registers.pinned.clear();
        if let ScalarOp::Extent(dim @ Dim::Batch(_)) = op {
            self.points.load_extent(self.code, rax, dim)?;
            let to = self.registers.make(self.code, result, dtype)?;
            return match dtype {
                DType::F32 => Ok(self.code.broadcast_integer(to, rax)?),
                DType::I32 => Ok(self.code.broadcast_eax(to)?),
                _ => Err(Stop::Unsupported),
            };
        }
        let from = args.last().map_or(dtype, |&arg| self.registers.dtype(arg));
        let mut formula = Formula::new(self.code.level, self.registers);
        let value = formula.operation(op, dtype, from, args)?;
        let mut steps = formula.steps;
        match steps.last_mut().filter(|step| step.result == value) {
            Some(step) => step.result = result,
            None => steps.push(Step { result, op: Primitive::Copy, args: vec![value] }),
        }
        self.registers.set_dtype(result, dtype);
        self.steps(&steps, args)?;
        if !self.registers.homely() {
            self.registers.pinned.clear();
            self.registers.fetch(self.code, result)?;
        }
        Ok(())
    }

    /// Steps in order; values that they alone use end with their last use.
    fn steps(&mut self, steps: &[Step], kept: &[Var]) -> Done {
        let dying = std::mem::take(&mut self.registers.dying);
        for (at, step) in steps.iter().enumerate() {
            let later = |var: &Var| steps.iter().skip(at + 1).any(|step| step.args.contains(var));
            let own = |var: &Var| !kept.contains(var) || dying.contains(var);
            let ending: Vec<Var> = step.args.iter().copied().filter(|var| own(var) && !later(var)).collect();
            self.registers.pinned.clear();
            self.registers.pinned.extend(kept.iter().chain(&step.args).copied());
            self.step(step, &ending)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, ending: &[Var]) -> Done {
        let dtype = self.registers.dtype(step.result);
        let ends = |var: Var| ending.contains(&var);
        match (step.op, step.args.as_slice()) {
            (Primitive::Bits(bits), []) => {
                let number = self.constants.number(self.code, bits);
                self.registers.homes.insert(step.result, Home::Number(number));
            }
            (Primitive::Copy, &[a]) => {
                let from = self.registers.fetch(self.code, a)?;
                let to = self.registers.make(self.code, step.result, dtype)?;
                self.code.copy(to, from)?;
            }
            (Primitive::Two(op), &[a, b]) => {
                let held = |var: Var| self.registers.held.contains_key(&var);
                let (a, b) = if op.commutes() && !held(a) && held(b) { (b, a) } else { (a, b) };
                let a = self.registers.fetch(self.code, a)?;
                let b = match (op, self.code.level) {
                    (Two::Scale, _) => Operand::Register(self.registers.fetch(self.code, b)?),
                    _ => self.registers.operand(self.code, b, ends(b))?,
                };
                let to = self.result(step, ending, dtype)?;
                self.code.two(op, to, a, b)?;
            }
            (Primitive::One(op), &[a]) => {
                let a = self.registers.fetch(self.code, a)?;
                let to = self.result(step, ending, dtype)?;
                self.code.one(op, to, a)?;
            }
            (Primitive::MultiplyAdd, &[a, b, c]) => self.multiply_add(step, false, [a, b, c], ending)?,
            (Primitive::NegativeMultiplyAdd, &[a, b, c]) => {
                self.multiply_add(step, true, [a, b, c], ending)?;
            }
            (Primitive::Compare(predicate), &[a, b]) => {
                self.compare(step, false, predicate, [a, b], ending)?
            }
            (Primitive::CompareIntegers(predicate), &[a, b]) => {
                self.compare(step, true, predicate, [a, b], ending)?;
            }
            (Primitive::Select, &[condition, a, b]) => {
                let a = self.registers.fetch(self.code, a)?;
                let b = self.registers.fetch(self.code, b)?;
                if let Some(&Home::Mask(mask)) = self.registers.homes.get(&condition) {
                    let to = self.result(step, ending, dtype)?;
                    self.code.choose(to, mask, a, b)?;
                } else {
                    let condition = self.registers.fetch(self.code, condition)?;
                    let to = self.result(step, ending, dtype)?;
                    self.code.select(to, condition, a, b)?;
                }
            }
            _ => return Err(Stop::Unsupported),
        }
        ending.iter().for_each(|&var| self.registers.end(var));
        Ok(())
    }

    /// The result's register, which may be that of an operand that ends: instructions read before they write.
    /// Homes stay until the instruction has read them.
    fn result(&mut self, step: &Step, ending: &[Var], dtype: DType) -> Result<usize, Stop> {
        ending.iter().for_each(|&var| self.registers.release(var));
        self.registers.make(self.code, step.result, dtype)
    }

    fn compare(
        &mut self,
        step: &Step,
        integers: bool,
        predicate: u32,
        [a, b]: [Var; 2],
        ending: &[Var],
    ) -> Done {
        self.registers.set_dtype(step.result, DType::Bool);
        let a = self.registers.fetch(self.code, a)?;
        if let Some(mask) = self.registers.free_mask() {
            let b = self.registers.operand(self.code, b, ending.contains(&b))?;
            self.code.compare_into(integers, mask, a, b, predicate)?;
            self.registers.homes.insert(step.result, Home::Mask(mask));
            return Ok(());
        }
        let b = self.registers.fetch(self.code, b)?;
        let to = self.result(step, ending, DType::Bool)?;
        match integers {
            false => self.code.compare(to, a, b, predicate)?,
            true => self.code.compare_integers(to, a, b, predicate)?,
        }
        Ok(())
    }

    /// Onto an operand that ends, if there is one in a register, else onto a copy.
    fn multiply_add(&mut self, step: &Step, negative: bool, args: [Var; 3], ending: &[Var]) -> Done {
        let [a, b, c] = args;
        let ends = |var: Var| ending.contains(&var);
        let ready = |registers: &Registers, var: Var| {
            ends(var)
                && registers.held.contains_key(&var)
                && args.iter().filter(|&&arg| arg == var).count() == 1
        };
        if ready(self.registers, c) {
            let (a, b) = if self.registers.held.contains_key(&a) { (a, b) } else { (b, a) };
            let a = self.registers.fetch(self.code, a)?;
            let b = self.registers.operand(self.code, b, ends(b))?;
            let sum = self.registers.of(c)?;
            self.code.onto_sum(negative, sum, a, b)?;
            self.registers.homes.remove(&c);
            self.registers.rename(c, step.result);
            return Ok(());
        }
        for (factor, other) in [(a, b), (b, a)] {
            if ready(self.registers, factor) {
                let other = self.registers.fetch(self.code, other)?;
                let c = self.registers.operand(self.code, c, ends(c))?;
                let register = self.registers.of(factor)?;
                self.code.onto_factor(negative, register, other, c)?;
                self.registers.homes.remove(&factor);
                self.registers.rename(factor, step.result);
                return Ok(());
            }
        }
        let dtype = self.registers.dtype(step.result);
        let held = self.registers.held.get(&c).copied();
        let home = self.registers.homes.get(&c).copied();
        let (a, b) = if self.registers.held.contains_key(&a) { (a, b) } else { (b, a) };
        let a = self.registers.fetch(self.code, a)?;
        let b = self.registers.operand(self.code, b, ends(b))?;
        let to = self.registers.make(self.code, step.result, dtype)?;
        match (held, home) {
            (Some(sum), _) => self.code.copy(to, sum)?,
            (None, Some(home)) => self.registers.load(self.code, to, home)?,
            (None, None) => return Err(Stop::Unsupported),
        }
        Ok(self.code.onto_sum(negative, to, a, b)?)
    }
}
