//! What a contraction's epilogue needs to know before code is emitted: its statements in the order that
//! they are emitted in, the pointers that its accesses go through, and how many registers it takes.
//!
//! Loads and numbers stand directly in front of their first use, but no load crosses a store, so that as few
//! values as possible live at a time. Accesses whose index forms differ by a constant share a pointer, which
//! moves with the loops around the tiles; rows and vectors of a tile are displacements from it.

use crate::Level;
use crate::code::Code;
use crate::column::Column;
use crate::constants::Constants;
use crate::plan::{self, FAR, SIZE};
use crate::points::Points;
use crate::registers::Registers;
use dlc_kernel::{Affine, Contraction, Epilogue, Kernel, Role, ScalarOp, Statement, Var};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Dim};

/// Where an epilogue's elements of one operand lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) operand: usize,
    /// Bytes per unit of the batch.
    pub(crate) batch: i64,
    /// Bytes per coordinate of each dimension.
    pub(crate) strides: Vec<i64>,
}

/// An access of an epilogue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    /// Which of [`Tail::pointers`].
    pub(crate) pointer: usize,
    /// Bytes from it.
    pub(crate) constant: i64,
    /// Bytes between rows.
    pub(crate) row: i64,
    /// Whether there is an element for each lane.
    pub(crate) lanes: bool,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Let {
        result: Var,
        dtype: DType,
        op: ScalarOp,
        args: Vec<Var>,
    },
    Load {
        result: Var,
        at: Access,
    },
    Store {
        value: Var,
        at: Access,
    },
    /// Adds to a sum.
    Sum {
        number: usize,
        value: Var,
    },
}

/// A sum over the elements of a point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    /// Where it goes.
    pub(crate) at: Access,
    /// The value so far, within a tile.
    pub(crate) running: Var,
}

/// An epilogue as it is emitted.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    /// The contraction's own sum.
    pub(crate) value: Var,
    pub(crate) steps: Vec<Step>,
    /// For each step whether it gives the same in every row of a tile.
    pub(crate) same: Vec<bool>,
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) sums: Vec<Sum>,
    /// A value of its own.
    pub(crate) scratch: Var,
    /// Registers beside the accumulators, at least.
    pub(crate) registers: usize,
    /// Instructions per vector of the result, about.
    pub(crate) instructions: usize,
}

impl Step {
    pub(crate) fn result(&self) -> Option<Var> {
        match self {
            Step::Let { result, .. } | Step::Load { result, .. } => Some(*result),
            Step::Store { .. } | Step::Sum { .. } => None,
        }
    }

    pub(crate) fn uses(&self) -> &[Var] {
        match self {
            Step::Let { args, .. } => args,
            Step::Load { .. } => &[],
            Step::Store { value, .. } | Step::Sum { value, .. } => std::slice::from_ref(value),
        }
    }
}

/// A plan under construction.
struct Planner<'k> {
    contraction: &'k Contraction,
    epilogue: &'k Epilogue,
    operands: usize,
    steps: Vec<Step>,
    pointers: Vec<Pointer>,
    sums: Vec<Sum>,
    /// Loads and numbers that nothing has used yet.
    waiting: Vec<Step>,
}

impl Planner<'_> {
    fn access(&mut self, operand: usize, index: &Affine) -> Option<Access> {
        let near = |number: i64| (-FAR..FAR).contains(&number);
        let known = index.terms.iter().all(|(var, _)| self.epilogue.coordinates.contains(var));
        let small = near(index.constant) && near(index.batch) && index.terms.iter().all(|term| near(term.1));
        if !(known && small && operand < self.operands) {
            return None;
        }
        let (mut strides, mut row, mut lanes) = (Vec::new(), 0, false);
        for (dim, &coordinate) in self.contraction.dims.iter().zip(&self.epilogue.coordinates) {
            let single = matches!(dim.extent, Dim::Fixed(0 | 1));
            let stride = index.coefficient(coordinate);
            let stride = if single { 0 } else { stride };
            match dim.role {
                Role::Lanes if ![0, 1].contains(&stride) => return None,
                Role::Lanes => lanes = stride == 1,
                Role::Rows => row = stride * SIZE,
                _ => {}
            }
            strides.push(stride * SIZE);
        }
        let pointer = Pointer { operand, batch: index.batch * SIZE, strides };
        let number = self.pointers.iter().position(|other| *other == pointer).unwrap_or_else(|| {
            self.pointers.push(pointer);
            self.pointers.len() - 1
        });
        Some(Access { pointer: number, constant: index.constant * SIZE, row, lanes })
    }

    fn push(&mut self, step: Step) {
        let result = step.result();
        self.steps.push(step);
        result.into_iter().for_each(|result| self.add_to_sums(result));
    }

    fn add_to_sums(&mut self, value: Var) {
        for (number, sum) in self.epilogue.sums.iter().enumerate() {
            if sum.value == value {
                self.steps.push(Step::Sum { number, value });
            }
        }
    }

    fn wait(&mut self, step: Step) {
        let summed = self.epilogue.sums.iter().any(|sum| Some(sum.value) == step.result());
        if summed { self.push(step) } else { self.waiting.push(step) }
    }

    fn need(&mut self, values: &[Var]) {
        for &value in values {
            if let Some(at) = self.waiting.iter().position(|step| step.result() == Some(value)) {
                let step = self.waiting.remove(at);
                self.push(step);
            }
        }
    }

    fn statement(&mut self, statement: &Statement) -> Option<()> {
        match statement {
            Statement::Let { result, dtype, op, args } => {
                let step = Step::Let { result: *result, dtype: *dtype, op: *op, args: args.clone() };
                if args.is_empty() {
                    self.wait(step);
                } else {
                    self.need(args);
                    self.push(step);
                }
            }
            Statement::Load { result, operand, index, guard: None } => {
                let at = self.access(*operand, index)?;
                self.wait(Step::Load { result: *result, at });
            }
            Statement::Store { operand, index, value } => {
                let at = self.access(*operand, index)?;
                let loads = self.waiting.iter().filter(|step| matches!(step, Step::Load { .. }));
                let mut before: Vec<Var> = loads.filter_map(Step::result).collect();
                before.push(*value);
                self.need(&before);
                self.push(Step::Store { value: *value, at });
            }
            _ => return None,
        }
        Some(())
    }
}

impl Tail {
    /// The plan of an epilogue that has a wide form.
    pub(crate) fn new(
        kernel: &Kernel,
        contraction: &Contraction,
        level: Level,
        points: &Points,
    ) -> Option<Tail> {
        let epilogue = contraction.epilogue.as_ref()?;
        let refused = contraction.dims.iter().any(|dim| {
            dim.role == Role::ReduceOuter
                || (dim.is_reduced() && dim.split.is_some_and(|split| split.chunks > 1))
        });
        let floats = kernel.operands.iter().all(|operand| operand.dtype == DType::F32);
        if refused || !floats || epilogue.coordinates.len() != contraction.dims.len() {
            return None;
        }
        let mut planner = Planner {
            contraction,
            epilogue,
            operands: kernel.operands.len(),
            steps: Vec::new(),
            pointers: Vec::new(),
            sums: Vec::new(),
            waiting: Vec::new(),
        };
        let results = epilogue.statements.iter().filter_map(|statement| match statement {
            Statement::Let { result, .. } | Statement::Load { result, .. } => Some(*result),
            _ => None,
        });
        let fresh = results.chain([epilogue.value]).map(EntityIndex::as_usize).max()? + 1;
        for (number, sum) in epilogue.sums.iter().enumerate() {
            let at = planner.access(sum.operand, &sum.index)?;
            planner.sums.push(Sum { at, running: Var::from_usize(fresh + 1 + number) });
        }
        planner.add_to_sums(epilogue.value);
        epilogue.statements.iter().try_for_each(|statement| planner.statement(statement))?;
        let Planner { steps, pointers, sums, .. } = planner;
        let instructions = steps.len() + sums.len();
        let same = same_in_all_rows(&steps, &pointers);
        let scratch = Var::from_usize(fresh);
        let mut tail =
            Tail { value: epilogue.value, steps, same, pointers, sums, scratch, registers: 0, instructions };
        let free = level.registers() - level.reserved(plan::gathers(contraction));
        tail.registers = (0..free).find(|&free| tail.fits(level, points, free, 0))?;
        Some(tail)
    }

    /// How many of the steps that are the same in all rows can be done once for all of them, with so many
    /// registers beside the accumulators; nothing if there are too few registers even so.
    pub(crate) fn kept(&self, level: Level, points: &Points, free: usize) -> Option<usize> {
        let most = self.same.iter().filter(|&&same| same).count();
        (0..=most).rev().find(|&kept| self.fits(level, points, free, kept))
    }

    /// Emits one vector of one row into nowhere, to find out whether it has a form with these registers.
    fn fits(&self, level: Level, points: &Points, free: usize, kept: usize) -> bool {
        let Ok(mut code) = Code::new(level) else { return false };
        let mut constants = Constants::default();
        let mut column = Column {
            tail: self,
            code: &mut code,
            constants: &mut constants,
            points,
            registers: Registers::within(1..1 + free),
            slots: &[],
            result_is_free: true,
            masked: false,
            displacement: 0,
        };
        column.whole(kept, std::iter::once(0), false).is_ok()
    }
}

/// Which steps give the same in every row of a tile: they depend on no row, and nothing stores to what they
/// read.
fn same_in_all_rows(steps: &[Step], pointers: &[Pointer]) -> Vec<bool> {
    let operand = |at: &Access| pointers.get(at.pointer).map(|pointer| pointer.operand);
    let mut values = Vec::new();
    let mut same = Vec::new();
    for step in steps {
        let this = match step {
            Step::Let { args, .. } => args.iter().all(|arg| values.contains(arg)),
            Step::Load { at, .. } => {
                let stored =
                    |other: &Step| matches!(other, Step::Store { at: to, .. } if operand(to) == operand(at));
                at.row == 0 && !steps.iter().any(stored)
            }
            Step::Store { .. } | Step::Sum { .. } => false,
        };
        if this {
            values.extend(step.result());
        }
        same.push(this);
    }
    same
}
