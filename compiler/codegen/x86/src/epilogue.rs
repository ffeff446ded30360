//! What a contraction's epilogue needs to know before code is emitted: its steps, which of them give the same
//! in all rows of a tile, and how many registers they take.

use crate::Level;
use crate::code::Code;
use crate::column::Column;
use crate::constants::Constants;
use crate::plan;
use crate::points::Points;
use crate::registers::Registers;
use crate::steps::{Access, Planner, Pointer, Step, Sum};
use dlc_kernel::{Contraction, Kernel, Role, Statement, Var};
use dlc_types::DType;
use dlc_types::index::EntityIndex;

/// An epilogue as it is emitted.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    /// The contraction's own sum, and its type.
    pub(crate) value: Var,
    pub(crate) sum: DType,
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
        if refused || epilogue.coordinates.len() != contraction.dims.len() {
            return None;
        }
        let mut planner = Planner {
            contraction,
            epilogue,
            operands: kernel.operands.iter().map(|operand| operand.dtype).collect(),
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
            let at = planner.access(sum.operand, &sum.index).filter(|at| at.dtype == DType::F32)?;
            planner.sums.push(Sum { at, running: Var::from_usize(fresh + 1 + number) });
        }
        planner.add_to_sums(epilogue.value);
        epilogue.statements.iter().try_for_each(|statement| planner.statement(statement))?;
        let Planner { steps, pointers, sums, .. } = planner;
        let instructions = steps.len() + sums.len();
        let same = same_in_all_rows(&steps, &pointers);
        let scratch = Var::from_usize(fresh);
        let sum = Contraction::factors(&kernel.operands)?.sum;
        let mut tail = Tail {
            value: epilogue.value,
            sum,
            steps,
            same,
            pointers,
            sums,
            scratch,
            registers: 0,
            instructions,
        };
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

    /// Emits vectors of some rows into nowhere, to find out whether it has a form with these registers.
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
        // The second row and the second vector find what the first ones left.
        (0..2).all(|_| column.whole(kept, [0, 0].into_iter(), false).is_ok())
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
