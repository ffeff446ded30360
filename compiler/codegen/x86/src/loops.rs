//! Loop kernels in wide vectors.
//!
//! Every value is a vector of 32-bit lanes: inside a lanes loop one element per lane, outside it one number
//! repeated. Indices live in the frame (`access`), values in registers or, where there are too few, in the
//! frame (`registers`, `places`). `nests` is rolled loops and loops over lanes, `folds` what loops over lanes
//! carry, `elements` and `guards` are loads and stores, `indices` what is computed of indices. Operations
//! become steps (`meaning`, `elementary`, `formula`), steps get registers (`operations`) and become
//! instructions (`primitives`).
//!
//! Kernels that would not be faster (`worth`), elements of 64 bits, random numbers, powers, and indices that
//! differ from lane to lane but for a constant step have no form here: emission ends in
//! [`Stop::Unsupported`].

use crate::access::Pointer;
use crate::code::Code;
use crate::constants::Constants;
use crate::frame::{Frame, Slot};
use crate::operations::Operations;
use crate::points::Points;
use crate::registers::Registers;
use crate::schedule::{Schedule, defined, last_uses, span};
use crate::worth::is_worth_it;
use crate::{Level, X86Error};
use dlc_kernel::{Affine, IndexVar, Kernel, LoopBody, ScalarOp, Statement, Var};
use dlc_types::DType;
use iced_x86::code_asm::registers::gpr64::{r8, r9, r10, rax, rcx, rdi, rdx, rsi, rsp};
use iced_x86::code_asm::{CodeLabel, qword_ptr};
use std::collections::BTreeMap;

/// Numbers in index forms beyond it have no form here.
pub(crate) const FAR: i64 = 1 << 28;
/// Slots beside those of variables.
const SPARE_SLOTS: usize = 256;
/// Bytes that the widest vector and its alignment take.
const VECTOR: usize = 64;

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
    /// Lanes behind those that the variable tells.
    pub(crate) offset: i64,
}

/// A kernel's body with indices that stand for forms put in, and those forms.
pub(crate) struct Resolved<'k> {
    pub(crate) kernel: &'k Kernel,
    pub(crate) body: LoopBody,
    pub(crate) forms: BTreeMap<IndexVar, Affine>,
    /// Vectors of an iteration of a lanes loop, by its variable, where there are several.
    pub(crate) vectors: BTreeMap<IndexVar, i64>,
}

/// Emission of one loop kernel.
pub(crate) struct LoopEmitter<'k> {
    pub(crate) source: &'k Resolved<'k>,
    pub(crate) code: Code,
    pub(crate) frame: Frame,
    pub(crate) points: Points,
    pub(crate) bases: Vec<Slot>,
    pub(crate) indices: BTreeMap<IndexVar, Slot>,
    /// Indices that are numbers in the current copy of a loop's body.
    pub(crate) known: BTreeMap<IndexVar, i64>,
    pub(crate) registers: Registers,
    pub(crate) constants: Constants,
    pub(crate) mask_table: CodeLabel,
    pub(crate) lanes: Option<Lanes>,
    /// Pointers and numbers that move with the innermost loop.
    pub(crate) pointers: Vec<Pointer>,
    /// Vectors of the frame.
    vectors: usize,
    /// Bytes of the frame for one vector, for passing bytes.
    pub(crate) passage: Slot,
}

/// Whether there is a lanes loop.
fn has_lanes(statements: &[Statement]) -> bool {
    statements
        .iter()
        .any(|statement| matches!(statement, Statement::For(nest) if nest.lanes || has_lanes(&nest.body)))
}

/// Whether elements are of types that lanes have, and there is a lanes loop.
pub(crate) fn may_have_wide_form(kernel: &Kernel, body: &LoopBody) -> bool {
    let fits = |dtype: DType| matches!(dtype, DType::F32 | DType::I32 | DType::Bool);
    has_lanes(&body.statements)
        && kernel.operands.iter().all(|operand| fits(operand.dtype))
        && kernel.space.iter().all(|dim| dim.at(1) < FAR as usize)
}

/// The whole function.
pub(crate) fn function(kernel: &Kernel, body: &LoopBody, level: Level) -> Result<Vec<u8>, Stop> {
    let source = Resolved::new(kernel, body, level);
    if !is_worth_it(&source.body.statements, false) {
        return Err(Stop::Unsupported);
    }
    let mut vectors = 0;
    // How many vectors the frame needs is known behind the code, and fewer pointers may need more.
    for _ in 0..4 {
        let (bytes, used) = LoopEmitter::new(&source, level, vectors)?.function()?;
        if used <= vectors {
            return Ok(bytes);
        }
        vectors = used;
    }
    Err(Stop::Unsupported)
}

impl<'k> LoopEmitter<'k> {
    fn new(source: &'k Resolved<'k>, level: Level, vectors: usize) -> Result<LoopEmitter<'k>, Stop> {
        let (kernel, body) = (source.kernel, &source.body);
        let beside = if vectors > 0 { (vectors + 1) * VECTOR / 8 } else { 0 };
        let mut frame = Frame::new(beside + kernel.operands.len() + kernel.space.len() + SPARE_SLOTS)?;
        let mut slot = || frame.slot().ok_or(Stop::Unsupported);
        for _ in 0..beside {
            slot()?;
        }
        let passage = slot()?;
        for _ in 1..VECTOR / 8 {
            slot()?;
        }
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
        Ok(LoopEmitter {
            source,
            code,
            frame,
            points,
            bases,
            indices,
            known: BTreeMap::new(),
            registers: Registers::new(level, Schedule::new(&body.statements)),
            constants: Constants::default(),
            mask_table,
            lanes: None,
            pointers: Vec::new(),
            vectors,
            passage,
        })
    }

    /// Whether values have vectors of the frame, which `r10` then points to.
    pub(crate) fn spills(&self) -> bool {
        self.vectors > 0
    }

    /// Bytes and how many vectors of the frame are in use at once.
    fn function(mut self) -> Result<(Vec<u8>, usize), Stop> {
        let points = self.points.clone();
        self.open(&points)?;
        let (mut point, mut done) = (self.code.asm.create_label(), self.code.asm.create_label());
        self.code.asm.mov(rax, points.begin.memory())?;
        self.code.asm.mov(points.number.memory(), rax)?;
        self.code.asm.cmp(rax, points.end.memory())?;
        self.code.asm.jge(done)?;
        points.first(&mut self.code)?;
        self.code.place(&mut point)?;
        let source = self.source;
        self.statements(&source.body.statements, 0, &[])?;
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
        Ok((self.code.asm.assemble(0)?, self.registers.slots))
    }

    /// Makes the frame and puts the parameters into it.
    fn open(&mut self, points: &Points) -> Done {
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
        if self.spills() {
            self.code.asm.lea(r10, qword_ptr(rsp + (VECTOR as i32 - 1)))?;
            self.code.asm.and(r10, -(VECTOR as i32))?;
        }
        Ok(())
    }

    pub(crate) fn slot(&mut self) -> Result<Slot, Stop> {
        self.frame.slot().ok_or(Stop::Unsupported)
    }

    /// A block whose first statement has the given number; values that it defines end with it, but for those
    /// to keep.
    pub(crate) fn statements(&mut self, statements: &'k [Statement], number: usize, keep: &[Var]) -> Done {
        let last = last_uses(statements);
        let mut own: Vec<Var> = Vec::new();
        let mut now = number;
        for (at, statement) in statements.iter().enumerate() {
            let needed = |var: &Var| keep.contains(var) || last.get(var).is_some_and(|&last| last > at);
            self.registers.now = now;
            self.registers.dying = own.iter().copied().filter(|var| !needed(var)).collect();
            self.statement(statement, now)?;
            now += span(statement);
            own.extend(defined(statement));
            own.retain(|var| {
                if !needed(var) {
                    self.registers.end(*var);
                }
                needed(var)
            });
        }
        self.registers.dying.clear();
        Ok(())
    }

    fn statement(&mut self, statement: &'k Statement, now: usize) -> Done {
        self.registers.pinned.clear();
        if !matches!(statement, Statement::Let { .. }) {
            self.registers.dying.clear();
        }
        match statement {
            Statement::Let { result, dtype, op: ScalarOp::Index(index), .. } => {
                self.index_value(*result, *dtype, *index)
            }
            Statement::Let { result, dtype, op, args } => self.operation(*result, *dtype, *op, args),
            Statement::Load { result, operand, index, guard: None } => self.load(*result, *operand, index),
            Statement::Load { result, operand, index, guard: Some(guard) } => {
                self.guarded_load(*result, *operand, index, guard)
            }
            Statement::Store { operand, index, value } => {
                self.registers.leave_elements(&mut self.code)?;
                self.store(*operand, index, *value)
            }
            Statement::Index { result, expr } => self.index(*result, expr),
            Statement::For(nest) => {
                self.registers.leave_elements(&mut self.code)?;
                if nest.lanes { self.lanes_loop(nest, now) } else { self.rolled(nest, now) }
            }
        }
    }

    pub(crate) fn operation(&mut self, result: Var, dtype: DType, op: ScalarOp, args: &[Var]) -> Done {
        let mut operations = Operations {
            code: &mut self.code,
            registers: &mut self.registers,
            constants: &mut self.constants,
            points: &self.points,
        };
        operations.operation(result, dtype, op, args)
    }
}
