//! Statements of a body in order, with barriers of the team where one thread's work meets another's.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::hazards::Accesses;
use crate::team::WARP;
use dlc_kernel::Statement;

impl Emitter<'_> {
    /// Statements in order.
    pub(crate) fn statements(&mut self, statements: &[Statement]) -> Result<(), PtxError> {
        for statement in statements {
            if !matches!(statement, Statement::For(inner) if !inner.lanes) {
                self.meet_before(statement);
            }
            match statement {
                Statement::Let { result, dtype, op, args } => {
                    self.for_each_neighbour(&mut |emitter| emitter.compute(*result, *dtype, op, args))?;
                }
                Statement::Load { result, operand, index, guard } => {
                    self.load(*result, *operand, index, guard.as_ref())?;
                }
                Statement::Store { operand, index, value } => self.store(*operand, index, *value)?,
                Statement::Index { result, expr } => {
                    self.for_each_neighbour(&mut |emitter| emitter.index_statement(*result, expr))?;
                }
                Statement::For(inner) if inner.lanes && !self.in_lanes => self.lanes_loop(inner)?,
                Statement::For(inner) => self.sequential_loop(inner)?,
            }
        }
        Ok(())
    }

    fn meet_before(&mut self, statement: &Statement) {
        if self.in_lanes || self.team.size == 1 {
            return;
        }
        let operands = &self.kernel.operands;
        if self.hazards.meet(&Accesses::of(statement, false), operands) {
            self.barrier();
        }
    }

    /// All threads of the team wait for one another, and see what each has stored.
    pub(crate) fn barrier(&mut self) {
        if self.team.size > WARP {
            self.put("bar.sync 0;");
        } else {
            self.put(format!("bar.warp.sync {};", self.team.mask));
        }
    }
}
