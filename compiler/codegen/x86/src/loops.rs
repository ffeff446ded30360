//! Loop kernels of plain `f32` arithmetic in wide vectors.
//!
//! Every value is a vector: inside a lanes loop one element per lane, outside it one number repeated. A lanes
//! loop runs over whole vectors and then over a masked rest. Indices live in the frame; an access has a
//! pointer that is computed in front of the innermost loop around it and moves with that loop.
//!
//! Kernels with guards, integers, indirect indices, reductions over lanes, strided lanes or more values than
//! there are registers have no form here: emission ends in [`Stop::Unsupported`].

use crate::arithmetic::Arithmetic;
use crate::code::{Address, Code};
use crate::frame::{Frame, Slot};
use crate::points::{Points, divide_by};
use crate::registers::{Registers, defined, last_uses};
use crate::{Level, X86Error};
use dlc_kernel::{
    Affine, Binary, Carry, Comparison, IndexExpr, IndexVar, Kernel, Loop, LoopBody, ScalarOp, Statement,
    Unary, Var,
};
use dlc_types::{DType, Dim};
use iced_x86::code_asm::registers::gpr64::{r8, r9, r10, rax, rcx, rdi, rdx, rsi, rsp};
use iced_x86::code_asm::{AsmRegister64, CodeLabel, qword_ptr};
use std::collections::BTreeMap;

/// Bytes of an element.
const SIZE: i64 = 4;
/// Numbers in index forms beyond it have no form here.
const FAR: i64 = 1 << 28;
/// Pointers of accesses inside an innermost loop.
const POINTERS: [AsmRegister64; 6] = [rcx, rdx, rsi, r8, r9, r10];
/// Slots beside those of variables.
const SPARE_SLOTS: usize = 64;

/// Why emission ends early.
pub(crate) enum Stop {
    /// The kernel has no form here.
    Unsupported,
    /// A bug.
    Error(X86Error),
}

impl<E: Into<X86Error>> From<E> for Stop {
    fn from(error: E) -> Stop {
        match error.into() {
            X86Error::TooFar => Stop::Unsupported,
            error => Stop::Error(error),
        }
    }
}

type Done = Result<(), Stop>;

/// How the current statements see lanes.
#[derive(Clone, Copy)]
struct Lanes {
    var: IndexVar,
    masked: bool,
}

/// Emission of one loop kernel.
pub(crate) struct LoopEmitter<'k> {
    body: &'k LoopBody,
    code: Code,
    frame: Frame,
    points: Points,
    bases: Vec<Slot>,
    indices: BTreeMap<IndexVar, Slot>,
    registers: Registers,
    /// Numbers behind the code.
    constants: Vec<(CodeLabel, u32)>,
    mask_table: CodeLabel,
    lanes: Option<Lanes>,
    /// Pointers that move with the innermost loop: what they address, without the constant.
    pointers: Vec<(usize, Affine, AsmRegister64)>,
}

/// Whether all values are `f32` or conditions on them.
pub(crate) fn may_have_wide_form(kernel: &Kernel, body: &LoopBody) -> bool {
    /// Whether there is a lanes loop.
    fn has_lanes(statements: &[Statement]) -> bool {
        statements
            .iter()
            .any(|statement| matches!(statement, Statement::For(nest) if nest.lanes || has_lanes(&nest.body)))
    }
    has_lanes(&body.statements)
        && kernel.operands.iter().all(|operand| operand.dtype == DType::F32)
        && kernel.space.iter().all(|dim| dim.at(1) < FAR as usize)
}

impl<'k> LoopEmitter<'k> {
    pub(crate) fn new(kernel: &'k Kernel, body: &'k LoopBody, level: Level) -> Result<LoopEmitter<'k>, Stop> {
        let slots = kernel.operands.len() + kernel.space.len() + SPARE_SLOTS;
        let mut frame = Frame::new(slots)?;
        let mut slot = || frame.slot().ok_or(Stop::Unsupported);
        let (batch, begin, number, end) = (slot()?, slot()?, slot()?, slot()?);
        let coordinates = kernel.space.iter().map(|_| slot()).collect::<Result<Vec<_>, _>>()?;
        let bases = kernel.operands.iter().map(|_| slot()).collect::<Result<Vec<_>, _>>()?;
        if body.coordinates.len() != coordinates.len() {
            return Err(Stop::Unsupported);
        }
        let indices = body.coordinates.iter().copied().zip(coordinates.iter().copied()).collect();
        let mut code = Code::new(level)?;
        let mask_table = code.asm.create_label();
        let points = Points { space: kernel.space.clone(), batch, begin, number, end, coordinates };
        let registers = Registers::new(level);
        Ok(LoopEmitter {
            body,
            code,
            frame,
            points,
            bases,
            indices,
            registers,
            constants: Vec::new(),
            mask_table,
            lanes: None,
            pointers: Vec::new(),
        })
    }

    /// The whole function.
    pub(crate) fn function(mut self) -> Result<Vec<u8>, Stop> {
        let points = self.points.clone();
        let bytes = self.frame.bytes();
        self.code.asm.sub(rsp, bytes)?;
        let parameters = [rdi, rsi, rdx, rcx, r8, r9];
        let homes = [points.batch, points.begin, points.end];
        for (position, &home) in homes.iter().chain(&self.bases).enumerate() {
            match parameters.get(position) {
                Some(&register) => self.code.asm.mov(home.memory(), register)?,
                None => {
                    let behind = bytes + 8 * (position as i32 - parameters.len() as i32 + 1);
                    self.code.asm.mov(rax, qword_ptr(rsp + behind))?;
                    self.code.asm.mov(home.memory(), rax)?;
                }
            }
        }
        let (mut point, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        self.code.asm.mov(rax, points.begin.memory())?;
        self.code.asm.mov(points.number.memory(), rax)?;
        self.code.asm.cmp(rax, points.end.memory())?;
        self.code.asm.jge(done)?;
        points.first(&mut self.code)?;
        self.code.place(&mut point)?;
        self.statements(&self.body.statements, &[])?;
        points.next(&mut self.code)?;
        self.code.asm.mov(rax, points.number.memory())?;
        self.code.asm.inc(rax)?;
        self.code.asm.mov(points.number.memory(), rax)?;
        self.code.asm.cmp(rax, points.end.memory())?;
        self.code.asm.jl(point)?;
        self.code.place(&mut done)?;
        self.frame.close(&mut self.code)?;
        let lanes = self.code.level.lanes_f32();
        self.code.place(&mut self.mask_table)?;
        self.code.asm.dd(&vec![u32::MAX; lanes])?;
        self.code.asm.dd(&vec![0; lanes])?;
        for (mut label, bits) in std::mem::take(&mut self.constants) {
            self.code.place(&mut label)?;
            self.code.asm.dd(&[bits])?;
        }
        Ok(self.code.asm.assemble(0)?)
    }

    fn slot(&mut self) -> Result<Slot, Stop> {
        self.frame.slot().ok_or(Stop::Unsupported)
    }

    /// `rax` = the form, with the lanes' and the given variable taken as they are in the frame; overwrites
    /// `rdi`.
    fn form(&mut self, form: &Affine) -> Done {
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

    /// A block; values that it defines end with it, but for those to keep.
    fn statements(&mut self, statements: &'k [Statement], keep: &[Var]) -> Done {
        let last = last_uses(statements);
        let mut own = Vec::new();
        for (at, statement) in statements.iter().enumerate() {
            self.statement(statement)?;
            own.extend(defined(statement));
            own.retain(|var| {
                let needed = keep.contains(var) || last.get(var).is_some_and(|&last| last > at);
                if !needed {
                    self.registers.end(*var);
                }
                needed
            });
        }
        Ok(())
    }

    fn statement(&mut self, statement: &'k Statement) -> Done {
        match statement {
            Statement::Let { result, dtype, op, args } => self.operation(*result, *dtype, *op, args)?,
            Statement::Load { guard: Some(_), .. } => return Err(Stop::Unsupported),
            Statement::Load { result, operand, index, guard: None } => {
                let vector = self.registers.define(*result)?;
                let (address, lanes) = self.access(*operand, index)?;
                match lanes {
                    Some(lanes) => self.code.load(vector, address, lanes.masked)?,
                    None => self.code.broadcast(vector, address)?,
                }
            }
            Statement::Store { operand, index, value } => {
                let vector = self.registers.of(*value)?;
                let (address, lanes) = self.access(*operand, index)?;
                match (lanes, self.lanes) {
                    (Some(lanes), _) => self.code.store(address, vector, lanes.masked)?,
                    (None, None) => self.code.store_one(address, vector)?,
                    (None, Some(_)) => return Err(Stop::Unsupported),
                }
            }
            Statement::Index { result, expr } => self.index(*result, expr)?,
            Statement::For(nest) if nest.lanes => self.lanes_loop(nest)?,
            Statement::For(nest) => self.rolled(nest)?,
        }
        Ok(())
    }

    /// Where an element lies, and the lanes if there is one for each of them. May overwrite `rax` and `rdi`.
    fn access(&mut self, operand: usize, index: &Affine) -> Result<(Address, Option<Lanes>), Stop> {
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

    fn index(&mut self, result: IndexVar, expr: &IndexExpr) -> Done {
        let forms = match expr {
            IndexExpr::Form(form) => vec![form],
            IndexExpr::ChunkStart { form, chunk, .. } => vec![form, chunk],
            _ => return Err(Stop::Unsupported),
        };
        if self.lanes.is_some_and(|lanes| forms.iter().any(|form| form.coefficient(lanes.var) != 0)) {
            return Err(Stop::Unsupported);
        }
        match expr {
            IndexExpr::Form(form) => self.form(form)?,
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                let kept = self.slot()?;
                self.form(form)?;
                self.code.asm.mov(kept.memory(), rax)?;
                self.form(chunk)?;
                self.code.asm.imul_2(rax, kept.memory())?;
                divide_by(&mut self.code, usize::try_from(*chunks).map_err(|_| Stop::Unsupported)?)?;
            }
            _ => return Err(Stop::Unsupported),
        }
        let slot = self.slot()?;
        self.code.asm.mov(slot.memory(), rax)?;
        self.indices.insert(result, slot);
        Ok(())
    }

    /// Start and end of a loop into new slots; jumps to `done` where it is empty.
    fn bounds(&mut self, nest: &Loop, done: CodeLabel) -> Result<(Slot, Slot), Stop> {
        let (at, end) = (self.slot()?, self.slot()?);
        self.form(&nest.end)?;
        self.code.asm.mov(end.memory(), rax)?;
        self.form(&nest.start)?;
        self.code.asm.mov(at.memory(), rax)?;
        self.indices.insert(nest.var, at);
        self.code.asm.cmp(rax, end.memory())?;
        self.code.asm.jge(done)?;
        Ok((at, end))
    }

    /// A lanes loop: whole vectors, then the masked rest.
    fn lanes_loop(&mut self, nest: &'k Loop) -> Done {
        if self.lanes.is_some() || !nest.carries.is_empty() {
            return Err(Stop::Unsupported);
        }
        let mark = self.frame.mark();
        let width = self.code.level.lanes_f32() as i32;
        let mut done = self.code.asm.create_label();
        let (at, end) = self.bounds(nest, done)?;
        let (mut head, mut rest) = (self.code.asm.create_label(), self.code.asm.create_label());
        let fixed = nest.start.as_constant().zip(nest.end.as_constant()).map(|(start, end)| end - start);
        if fixed.is_none_or(|length| length >= i64::from(width)) {
            self.lanes = Some(Lanes { var: nest.var, masked: false });
            let shallow = is_innermost(&nest.body);
            self.code.asm.mov(rax, end.memory())?;
            self.code.asm.sub(rax, at.memory())?;
            self.code.asm.cmp(rax, width)?;
            self.code.asm.jl(rest)?;
            if shallow {
                self.begin_pointers(&nest.body)?;
            }
            self.code.place(&mut head)?;
            self.statements(&nest.body, &[])?;
            if shallow {
                self.move_pointers(nest.var, i64::from(width))?;
            }
            self.code.asm.mov(rax, at.memory())?;
            self.code.asm.add(rax, width)?;
            self.code.asm.mov(at.memory(), rax)?;
            self.code.asm.mov(rdi, end.memory())?;
            self.code.asm.sub(rdi, rax)?;
            self.code.asm.cmp(rdi, width)?;
            self.code.asm.jge(head)?;
            self.pointers.clear();
        }
        self.code.place(&mut rest)?;
        if fixed.is_none_or(|length| length % i64::from(width) != 0) {
            self.code.asm.mov(rcx, end.memory())?;
            self.code.asm.sub(rcx, at.memory())?;
            self.code.asm.jle(done)?;
            self.code.first_lanes(self.mask_table)?;
            self.lanes = Some(Lanes { var: nest.var, masked: true });
            self.statements(&nest.body, &[])?;
        }
        self.lanes = None;
        self.code.place(&mut done)?;
        self.frame.release(mark);
        Ok(())
    }

    /// A loop, one iteration after the other.
    fn rolled(&mut self, nest: &'k Loop) -> Done {
        let mark = self.frame.mark();
        for Carry { current, initial, .. } in &nest.carries {
            let from = self.registers.of(*initial)?;
            let to = self.registers.define(*current)?;
            self.code.copy(to, from)?;
        }
        if nest.carries.iter().any(|carry| nest.carries.iter().any(|other| other.current == carry.next)) {
            return Err(Stop::Unsupported);
        }
        let (mut head, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        let (at, end) = self.bounds(nest, done)?;
        let shallow = is_innermost(&nest.body);
        if shallow {
            self.begin_pointers(&nest.body)?;
        }
        self.code.place(&mut head)?;
        let next: Vec<Var> = nest.carries.iter().map(|carry| carry.next).collect();
        self.statements(&nest.body, &next)?;
        for Carry { current, next, .. } in &nest.carries {
            let (to, from) = (self.registers.of(*current)?, self.registers.of(*next)?);
            self.code.copy(to, from)?;
            // A value from outside of the loop lives on.
            if nest.body.iter().any(|statement| defined(statement).contains(next)) {
                self.registers.end(*next);
            }
        }
        if shallow {
            self.move_pointers(nest.var, 1)?;
        }
        self.code.asm.mov(rax, at.memory())?;
        self.code.asm.inc(rax)?;
        self.code.asm.mov(at.memory(), rax)?;
        self.code.asm.cmp(rax, end.memory())?;
        self.code.asm.jl(head)?;
        self.code.place(&mut done)?;
        self.pointers.clear();
        for Carry { current, result, .. } in &nest.carries {
            self.registers.rename(*current, *result);
        }
        self.frame.release(mark);
        Ok(())
    }

    /// Computes the pointers of an innermost loop's accesses at its first iteration.
    fn begin_pointers(&mut self, body: &[Statement]) -> Done {
        self.pointers.clear();
        for statement in body {
            let (Statement::Load { operand, index, .. } | Statement::Store { operand, index, .. }) =
                statement
            else {
                continue;
            };
            let moving = Affine { constant: 0, ..index.clone() };
            let known = self.pointers.iter().any(|(other, form, _)| other == operand && *form == moving);
            let Some(&register) = POINTERS.get(self.pointers.len()).filter(|_| !known) else { continue };
            self.form(&moving)?;
            let base = *self.bases.get(*operand).ok_or(Stop::Unsupported)?;
            self.code.asm.mov(register, base.memory())?;
            self.code.asm.lea(register, qword_ptr(register + rax * (SIZE as i32)))?;
            self.pointers.push((*operand, moving, register));
        }
        Ok(())
    }

    /// Moves the pointers by some iterations.
    fn move_pointers(&mut self, var: IndexVar, steps: i64) -> Done {
        for (_, form, register) in &self.pointers {
            self.code.add(*register, form.coefficient(var) * steps * SIZE)?;
        }
        Ok(())
    }

    fn number(&mut self, vector: usize, number: f32) -> Done {
        let bits = number.to_bits();
        let label = match self.constants.iter().find(|constant| constant.1 == bits) {
            Some(&(label, _)) => label,
            None => {
                let label = self.code.asm.create_label();
                self.constants.push((label, bits));
                label
            }
        };
        Ok(self.code.broadcast_constant(vector, label)?)
    }

    fn operation(&mut self, result: Var, dtype: DType, op: ScalarOp, args: &[Var]) -> Done {
        let mut from = Vec::with_capacity(args.len());
        for &arg in args {
            from.push(self.registers.of(arg)?);
        }
        let to = self.registers.define(result)?;
        if dtype == DType::Bool {
            let (ScalarOp::Compare(comparison), &[a, b]) = (op, from.as_slice()) else {
                return Err(Stop::Unsupported);
            };
            let predicate = match comparison {
                Comparison::Equal => 0,
                Comparison::NotEqual => 4,
                Comparison::Less => 17,
                Comparison::LessEqual => 18,
                Comparison::Greater => 30,
                Comparison::GreaterEqual => 29,
            };
            return Ok(self.code.compare(to, a, b, predicate)?);
        }
        if dtype != DType::F32 {
            return Err(Stop::Unsupported);
        }
        match (op, from.as_slice()) {
            (ScalarOp::Constant(number), []) => self.number(to, number as f32)?,
            (ScalarOp::Extent(dim), []) => match dim {
                Dim::Fixed(extent) => self.number(to, extent as f32)?,
                Dim::Batch(_) => {
                    let points = self.points.clone();
                    points.load_extent(&mut self.code, rax, dim)?;
                    self.code.broadcast_integer(to, rax)?;
                }
            },
            (ScalarOp::Unary(Unary::Negate), &[a]) => self.code.negate(to, a)?,
            (ScalarOp::Unary(Unary::Relu), &[a]) => {
                self.code.zero(to)?;
                self.code.arithmetic(Arithmetic::Max, to, to, a)?;
            }
            (ScalarOp::Unary(Unary::Sqrt), &[a]) => self.code.square_root(to, a)?,
            (ScalarOp::Unary(Unary::ReciprocalSqrt), &[a]) => {
                let spare = self.registers.spare()?;
                self.code.square_root(spare, a)?;
                self.number(to, 1.0)?;
                self.code.arithmetic(Arithmetic::Divide, to, to, spare)?;
            }
            (ScalarOp::Binary(op), &[a, b]) => {
                let op = match op {
                    Binary::Add => Arithmetic::Add,
                    Binary::Subtract => Arithmetic::Subtract,
                    Binary::Multiply => Arithmetic::Multiply,
                    Binary::Divide => Arithmetic::Divide,
                    Binary::Max => {
                        return Ok(self.code.extreme(Arithmetic::Max, to, a, b, self.registers.spare()?)?);
                    }
                    Binary::Min => {
                        return Ok(self.code.extreme(Arithmetic::Min, to, a, b, self.registers.spare()?)?);
                    }
                    _ => return Err(Stop::Unsupported),
                };
                self.code.arithmetic(op, to, a, b)?;
            }
            (ScalarOp::FusedMultiplyAdd, &[a, b, c]) => {
                self.code.copy(to, c)?;
                self.code.multiply_add(to, a, b)?;
            }
            (ScalarOp::Select, &[condition, a, b]) => self.code.select(to, condition, a, b)?,
            _ => return Err(Stop::Unsupported),
        }
        Ok(())
    }
}

fn is_innermost(body: &[Statement]) -> bool {
    !body.iter().any(|statement| matches!(statement, Statement::For(_) | Statement::Index { .. }))
}
