//! How many vectors side by side a lanes loop bears: an estimate of the values that live at once.

use crate::emitter::Emitter;
use crate::nest::statement_count;
use crate::scalar_op::fits_lanes;
use dlc_kernel::{Binary, Loop, ScalarOp, Statement, Unary, Var};
use dlc_types::DType;
use std::collections::BTreeMap;

/// Vector registers, less two for addresses' constants and temporaries.
const REGISTERS: usize = 14;
/// Vector statements in one iteration, at most.
const STATEMENTS: usize = 160;

impl Emitter<'_, '_> {
    /// How many vectors side by side leave all live values in registers.
    pub(crate) fn unroll(&self, nest: &Loop, width: usize) -> usize {
        let mut census = Census { width, ..Census::default() };
        census.visit(&nest.body);
        let mut live = 0_usize;
        let mut most = nest.carries.len();
        for position in 0..census.position {
            live += census.defined.values().filter(|&&at| at == position).count();
            most =
                most.max(nest.carries.len() + live + census.temporaries.get(&position).copied().unwrap_or(0));
            live -= census
                .last_use
                .iter()
                .filter(|&(var, &at)| at == position && census.defined.contains_key(var))
                .count();
        }
        if census.scattered {
            return 1;
        }
        let fits = |vectors: usize| {
            most * vectors <= REGISTERS && statement_count(&nest.body) * vectors <= STATEMENTS
        };
        if fits(4) {
            4
        } else if fits(2) {
            2
        } else {
            1
        }
    }
}

/// Definitions and last uses of the values of a body, by position.
#[derive(Default)]
struct Census {
    width: usize,
    position: usize,
    defined: BTreeMap<Var, usize>,
    last_use: BTreeMap<Var, usize>,
    temporaries: BTreeMap<usize, usize>,
    scattered: bool,
}

impl Census {
    fn visit(&mut self, body: &[Statement]) {
        for statement in body {
            match statement {
                Statement::Let { result, dtype, op, args } => {
                    let types: Vec<DType> = args.iter().map(|_| *dtype).collect();
                    self.scattered |= !fits_lanes(op, *dtype, &types, self.width)
                        && !matches!(op, ScalarOp::Constant(_) | ScalarOp::Integer(_) | ScalarOp::Extent(_));
                    let temporaries = match op {
                        ScalarOp::Unary(
                            Unary::Exp
                            | Unary::Log
                            | Unary::LogOnePlus
                            | Unary::Tanh
                            | Unary::Sigmoid
                            | Unary::Erf
                            | Unary::Cos
                            | Unary::Sin,
                        ) => 5,
                        ScalarOp::Binary(Binary::Max | Binary::Min) => 1,
                        _ => 0,
                    };
                    self.temporaries.insert(self.position, temporaries);
                    for &arg in args {
                        self.last_use.insert(arg, self.position);
                    }
                    if !matches!(op, ScalarOp::Constant(_)) {
                        self.defined.insert(*result, self.position);
                    }
                }
                Statement::Load { result, .. } => {
                    self.defined.insert(*result, self.position);
                    self.last_use.insert(*result, self.position);
                }
                Statement::Store { value, .. } => {
                    self.last_use.insert(*value, self.position);
                }
                Statement::Index { .. } => {}
                Statement::For(inner) => {
                    for carry in &inner.carries {
                        self.last_use.insert(carry.initial, self.position);
                        self.defined.insert(carry.result, self.position);
                    }
                    self.visit(&inner.body);
                }
            }
            self.position += 1;
        }
    }
}
