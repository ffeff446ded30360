//! The steps of an epilogue in the order in which they are emitted.
//!
//! Loads and numbers stand directly in front of their first use, but no load crosses a store, so that as few
//! values as possible live at a time. Accesses whose index forms differ by a constant share a pointer, which
//! moves with the loops around the tiles; rows and vectors of a tile are displacements from it.

use crate::plan::{FAR, SIZE};
use dlc_kernel::{Affine, Contraction, Epilogue, Role, ScalarOp, Statement, Var};
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
    /// Type of an element.
    pub(crate) dtype: DType,
    /// Its bytes.
    pub(crate) size: i64,
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
pub(crate) struct Planner<'k> {
    pub(crate) contraction: &'k Contraction,
    pub(crate) epilogue: &'k Epilogue,
    /// The types of the kernel's operands.
    pub(crate) operands: Vec<DType>,
    pub(crate) steps: Vec<Step>,
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) sums: Vec<Sum>,
    /// Loads and numbers that nothing has used yet.
    pub(crate) waiting: Vec<Step>,
}

impl Planner<'_> {
    /// The access to an operand's element; nothing where it has no form here.
    pub(crate) fn access(&mut self, operand: usize, index: &Affine) -> Option<Access> {
        let near = |number: i64| (-FAR..FAR).contains(&number);
        let known = index.terms.iter().all(|(var, _)| self.epilogue.coordinates.contains(var));
        let small = near(index.constant) && near(index.batch) && index.terms.iter().all(|term| near(term.1));
        let dtype = *self.operands.get(operand)?;
        let size = match dtype {
            DType::F32 | DType::I32 => SIZE,
            DType::I16 => 2,
            DType::Bool | DType::I8 | DType::U8 => 1,
            _ => return None,
        };
        if !(known && small) {
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
                Role::Rows => row = stride * size,
                _ => {}
            }
            strides.push(stride * size);
        }
        let pointer = Pointer { operand, batch: index.batch * size, strides };
        let number = self.pointers.iter().position(|other| *other == pointer).unwrap_or_else(|| {
            self.pointers.push(pointer);
            self.pointers.len() - 1
        });
        Some(Access { pointer: number, constant: index.constant * size, row, lanes, dtype, size })
    }

    fn push(&mut self, step: Step) {
        let result = step.result();
        self.steps.push(step);
        result.into_iter().for_each(|result| self.add_to_sums(result));
    }

    /// What follows where a value is known.
    pub(crate) fn add_to_sums(&mut self, value: Var) {
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

    /// The steps of a statement; nothing where it has no form here.
    pub(crate) fn statement(&mut self, statement: &Statement) -> Option<()> {
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
                let at = self.access(*operand, index).filter(|at| at.dtype != DType::Bool)?;
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
