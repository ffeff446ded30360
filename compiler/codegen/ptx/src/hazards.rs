//! Which statements of a point have to wait for all threads of its team.
//!
//! Outside of lanes loops all threads run alike and the first one stores; inside, each thread has iterations of its
//! own. What one thread has stored another may load only after a barrier, and what one has yet to load another may
//! store only after one. Two operands may be one buffer where every element is read before it is written, at the
//! same index: then only accesses of one kind, of the whole team or of single lanes, can meet.

use dlc_kernel::{Operand, Statement};
use std::collections::BTreeSet;

/// The operands that statements touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accesses {
    /// Operand, and whether in lanes.
    reads: BTreeSet<(usize, bool)>,
    writes: BTreeSet<(usize, bool)>,
}

impl Accesses {
    /// Of a statement, with all that is nested in it.
    pub(crate) fn of(statement: &Statement, in_lanes: bool) -> Accesses {
        let mut accesses = Accesses::default();
        accesses.visit(statement, in_lanes);
        accesses
    }

    fn visit(&mut self, statement: &Statement, in_lanes: bool) {
        match statement {
            Statement::Load { operand, .. } => drop(self.reads.insert((*operand, in_lanes))),
            Statement::Store { operand, .. } => drop(self.writes.insert((*operand, in_lanes))),
            Statement::For(inner) => {
                for statement in &inner.body {
                    self.visit(statement, in_lanes || inner.lanes);
                }
            }
            Statement::Let { .. } | Statement::Index { .. } => {}
        }
    }

    fn add(&mut self, other: &Accesses) {
        self.reads.extend(&other.reads);
        self.writes.extend(&other.writes);
    }

    /// Whether any store is one of the whole team.
    pub(crate) fn has_team_store(&self) -> bool {
        self.writes.iter().any(|&(_, in_lanes)| !in_lanes)
    }
}

/// What the team has touched since its threads last met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hazards {
    pending: Accesses,
}

impl Hazards {
    /// Takes note of what comes next, and says whether the team has to meet before.
    pub(crate) fn meet(&mut self, next: &Accesses, operands: &[Operand]) -> bool {
        let meets = self.conflicts(next, operands);
        if meets {
            self.pending = Accesses::default();
        }
        self.pending.add(next);
        meets
    }

    /// Takes note of what has happened in other rounds of a loop.
    pub(crate) fn add(&mut self, others: &Accesses) {
        self.pending.add(others);
    }

    /// The team has met.
    pub(crate) fn clear(&mut self) {
        self.pending = Accesses::default();
    }

    fn conflicts(&self, next: &Accesses, operands: &[Operand]) -> bool {
        let operand = |accesses: &BTreeSet<(usize, bool)>, number: usize| {
            accesses.iter().any(|&(other, _)| other == number)
        };
        let dtype = |number: usize| operands.get(number).map(|operand| operand.dtype);
        let stored_before = |&(number, _): &(usize, bool)| operand(&self.pending.writes, number);
        let loaded_before = |&(number, in_lanes): &(usize, bool)| {
            self.pending.reads.iter().any(|&(other, others_lanes)| {
                other == number || (others_lanes == in_lanes && dtype(other) == dtype(number))
            })
        };
        next.reads.iter().any(stored_before)
            || next.writes.iter().any(|write| stored_before(write) || loaded_before(write))
    }
}

/// Whether the team has to meet anywhere in a body.
pub(crate) fn needs_barrier(statements: &[Statement], operands: &[Operand]) -> bool {
    walk(statements, operands, &mut Hazards::default())
}

fn walk(statements: &[Statement], operands: &[Operand], hazards: &mut Hazards) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::For(inner) if !inner.lanes => {
            inner.body.iter().for_each(|statement| hazards.add(&Accesses::of(statement, false)));
            walk(&inner.body, operands, hazards)
        }
        _ => hazards.meet(&Accesses::of(statement, false), operands),
    })
}
