//! Loop kernels of plain `f32` arithmetic in wide vectors.
//!
//! Every value is a vector: inside a lanes loop one element per lane, outside it one number repeated. A lanes
//! loop runs over whole vectors and then over a masked rest. Indices live in the frame; an access has a
//! pointer that is computed in front of the innermost loop around it and moves with that loop.
//!
//! Kernels with guards, integers, indirect indices, reductions over lanes, strided lanes or more values than
//! there are registers have no form here: emission ends in [`Stop::Unsupported`].

use crate::code::Code;
use crate::constants::Constants;
use crate::frame::{Frame, Slot};
use crate::operations::Operations;
use crate::points::{Points, divide_by};
use crate::registers::{Registers, defined, last_uses};
use crate::{Level, X86Error};
use dlc_kernel::{Affine, Carry, IndexExpr, IndexVar, Kernel, Loop, LoopBody, Statement, Var};
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr64::{r8, r9, r11, rax, rcx, rdi, rdx, rsi, rsp};
use iced_x86::code_asm::{AsmRegister64, CodeLabel, qword_ptr};
use std::collections::BTreeMap;

/// Numbers in index forms beyond it have no form here.
pub(crate) const FAR: i64 = 1 << 28;
/// Counts the iterations of an innermost loop down.
const COUNTER: AsmRegister64 = r11;
/// Vectors of a lanes loop that pay for its beginning where it lies inside another loop.
const SHORT: i64 = 8;
/// Slots beside those of variables.
const SPARE_SLOTS: usize = 64;

/// Why emission ends early.
pub(crate) enum Stop {
    /// The kernel has no form here.
    Unsupported,
    /// A bug.
    Error(X86Error),
}

impl Stop {
    /// The error that lets [`crate::build_kernel`] refuse a contraction.
    pub(crate) fn refusal(self) -> X86Error {
        match self {
            Stop::Unsupported => X86Error::TooFar,
            Stop::Error(error) => error,
        }
    }
}

impl<E: Into<X86Error>> From<E> for Stop {
    fn from(error: E) -> Stop {
        match error.into() {
            X86Error::TooFar => Stop::Unsupported,
            error => Stop::Error(error),
        }
    }
}

/// What emission of a piece gives.
pub(crate) type Done = Result<(), Stop>;

/// How the current statements see lanes.
#[derive(Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) var: IndexVar,
    pub(crate) masked: bool,
}

/// Emission of one loop kernel.
pub(crate) struct LoopEmitter<'k> {
    body: &'k LoopBody,
    pub(crate) code: Code,
    frame: Frame,
    pub(crate) points: Points,
    pub(crate) bases: Vec<Slot>,
    pub(crate) indices: BTreeMap<IndexVar, Slot>,
    pub(crate) registers: Registers,
    constants: Constants,
    mask_table: CodeLabel,
    pub(crate) lanes: Option<Lanes>,
    /// Loops around that are no lanes loops.
    loops: usize,
    /// Pointers that move with the innermost loop: what they address, without the constant.
    pub(crate) pointers: Vec<(usize, Affine, AsmRegister64)>,
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
            constants: Constants::default(),
            mask_table,
            lanes: None,
            loops: 0,
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
        std::mem::take(&mut self.constants).emit(&mut self.code)?;
        Ok(self.code.asm.assemble(0)?)
    }

    fn slot(&mut self) -> Result<Slot, Stop> {
        self.frame.slot().ok_or(Stop::Unsupported)
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
            Statement::Let { result, dtype, op, args } => {
                let mut operations = Operations {
                    code: &mut self.code,
                    registers: &mut self.registers,
                    constants: &mut self.constants,
                    points: &self.points,
                };
                operations.operation(*result, *dtype, *op, args)?;
            }
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
        let width = self.code.level.lanes_f32() as i32;
        let short = nest
            .start
            .as_constant()
            .zip(nest.end.as_constant())
            .is_some_and(|(start, end)| end.saturating_sub(start) < SHORT * i64::from(width));
        if short && self.loops > 0 && is_innermost(&nest.body) {
            return Err(Stop::Unsupported);
        }
        let mark = self.frame.mark();
        let mut done = self.code.asm.create_label();
        let (at, end) = self.bounds(nest, done)?;
        let (mut head, mut rest) = (self.code.asm.create_label(), self.code.asm.create_label());
        let fixed = nest.start.as_constant().zip(nest.end.as_constant()).map(|(start, end)| end - start);
        if fixed.is_none_or(|length| length >= i64::from(width)) {
            self.lanes = Some(Lanes { var: nest.var, masked: false });
            self.code.asm.mov(rax, end.memory())?;
            self.code.asm.sub(rax, at.memory())?;
            self.code.asm.cmp(rax, width)?;
            self.code.asm.jl(rest)?;
            let counts = is_innermost(&nest.body) && self.begin_pointers(&nest.body)?;
            if counts {
                // The index is not read inside, so that it takes its last value before the loop.
                self.code.asm.mov(COUNTER, end.memory())?;
                self.code.asm.sub(COUNTER, at.memory())?;
                self.code.asm.sar(COUNTER, width.trailing_zeros())?;
                self.code.asm.imul_3(rax, COUNTER, width)?;
                self.code.asm.add(at.memory(), rax)?;
            }
            self.code.place(&mut head)?;
            self.statements(&nest.body, &[])?;
            self.move_pointers(nest.var, i64::from(width))?;
            if counts {
                self.code.asm.dec(COUNTER)?;
                self.code.asm.jne(head)?;
            } else {
                self.code.asm.mov(rax, at.memory())?;
                self.code.asm.add(rax, width)?;
                self.code.asm.mov(at.memory(), rax)?;
                self.code.asm.mov(rdi, end.memory())?;
                self.code.asm.sub(rdi, rax)?;
                self.code.asm.cmp(rdi, width)?;
                self.code.asm.jge(head)?;
            }
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
        let counts = is_innermost(&nest.body) && self.begin_pointers(&nest.body)?;
        if counts {
            self.code.asm.mov(COUNTER, end.memory())?;
            self.code.asm.sub(COUNTER, at.memory())?;
        }
        self.loops += 1;
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
        self.loops -= 1;
        self.move_pointers(nest.var, 1)?;
        if counts {
            self.code.asm.dec(COUNTER)?;
            self.code.asm.jne(head)?;
        } else {
            self.code.asm.mov(rax, at.memory())?;
            self.code.asm.inc(rax)?;
            self.code.asm.mov(at.memory(), rax)?;
            self.code.asm.cmp(rax, end.memory())?;
            self.code.asm.jl(head)?;
        }
        self.code.place(&mut done)?;
        self.pointers.clear();
        for Carry { current, result, .. } in &nest.carries {
            self.registers.rename(*current, *result);
        }
        self.frame.release(mark);
        Ok(())
    }
}

fn is_innermost(body: &[Statement]) -> bool {
    !body.iter().any(|statement| matches!(statement, Statement::For(_) | Statement::Index { .. }))
}
