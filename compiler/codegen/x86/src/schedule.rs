//! When the values of a loop kernel are used: statements are numbered in their order, with a number more
//! behind each loop's body, where the loop needs again what it did not define.

use dlc_kernel::{IndexExpr, Loop, ScalarOp, Statement, Unary, Var};
use std::collections::{BTreeMap, BTreeSet};

/// For each value the numbers of its uses, rising.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    uses: BTreeMap<Var, Vec<usize>>,
}

/// The values that a statement defines for those behind it.
pub(crate) fn defined(statement: &Statement) -> Vec<Var> {
    match statement {
        Statement::Let { result, .. } | Statement::Load { result, .. } => vec![*result],
        Statement::For(nest) => nest.carries.iter().map(|carry| carry.result).collect(),
        Statement::Store { .. } | Statement::Index { .. } => Vec::new(),
    }
}

/// The values that a statement uses, nested ones included.
pub(crate) fn used(statement: &Statement) -> Vec<Var> {
    match statement {
        Statement::Let { args, .. } => args.clone(),
        Statement::Store { value, .. } => vec![*value],
        Statement::For(nest) => {
            let carried = nest.carries.iter().flat_map(|carry| [carry.initial, carry.next]);
            carried.chain(nest.body.iter().flat_map(used)).collect()
        }
        Statement::Index { expr: IndexExpr::Clamped(value, _), .. } => vec![*value],
        Statement::Load { .. } | Statement::Index { .. } => Vec::new(),
    }
}

/// For each value the last statement of a block that uses it.
pub(crate) fn last_uses(block: &[Statement]) -> BTreeMap<Var, usize> {
    let uses = block
        .iter()
        .enumerate()
        .flat_map(|(at, statement)| used(statement).into_iter().map(move |var| (var, at)));
    uses.collect()
}

/// How many numbers a statement takes.
pub(crate) fn span(statement: &Statement) -> usize {
    match statement {
        Statement::For(nest) => 2 + nest.body.iter().map(span).sum::<usize>(),
        _ => 1,
    }
}

/// All values that are defined inside a loop.
fn inside(nest: &Loop) -> BTreeSet<Var> {
    let mut vars: BTreeSet<Var> = nest.carries.iter().map(|carry| carry.current).collect();
    for statement in &nest.body {
        vars.extend(defined(statement));
        if let Statement::For(inner) = statement {
            vars.extend(inside(inner));
        }
    }
    vars
}

/// The values from outside that a loop's body uses, in order of their numbers.
pub(crate) fn invariants(nest: &Loop) -> BTreeSet<Var> {
    let own = inside(nest);
    let next = nest.carries.iter().map(|carry| carry.next);
    nest.body.iter().flat_map(used).chain(next).filter(|var| !own.contains(var)).collect()
}

impl Schedule {
    /// The uses in a body whose first statement has number 0.
    pub(crate) fn new(statements: &[Statement]) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.number(statements, 0);
        schedule
    }

    fn note(&mut self, var: Var, at: usize) {
        self.uses.entry(var).or_default().push(at);
    }

    fn number(&mut self, statements: &[Statement], mut at: usize) {
        for statement in statements {
            if let Statement::For(nest) = statement {
                nest.carries.iter().for_each(|carry| self.note(carry.initial, at));
                self.number(&nest.body, at + 1);
                let end = at + span(statement) - 1;
                nest.carries.iter().for_each(|carry| self.note(carry.next, end));
                if nest.lanes {
                    // The value before the loop comes in behind it.
                    nest.carries.iter().for_each(|carry| self.note(carry.initial, end));
                }
                invariants(nest).into_iter().for_each(|var| self.note(var, end));
            } else {
                used(statement).into_iter().for_each(|var| self.note(var, at));
            }
            at += span(statement);
        }
    }

    /// The first use behind a number; `now` itself for values that are not in the kernel, and nothing for
    /// values that are not used any more.
    pub(crate) fn next_use(&self, var: Var, now: usize) -> Option<usize> {
        match self.uses.get(&var) {
            None => Some(now),
            Some(uses) => uses.iter().copied().find(|&at| at > now),
        }
    }
}

/// Registers that a statement takes beside its operands and results.
fn beside(statement: &Statement) -> usize {
    match statement {
        Statement::Let { op: ScalarOp::Unary(function), .. } => match function {
            Unary::Exp | Unary::Sigmoid | Unary::Sign => 4,
            Unary::Tanh | Unary::Erf | Unary::Log | Unary::LogOnePlus | Unary::Cos | Unary::Sin => 6,
            _ => 1,
        },
        Statement::Let { .. } | Statement::Load { guard: Some(_), .. } => 1,
        _ => 0,
    }
}

/// About how many registers the values of a block take at once.
pub(crate) fn pressure(block: &[Statement]) -> usize {
    let last = last_uses(block);
    let mut live: Vec<Var> = Vec::new();
    let mut most = 0;
    for (at, statement) in block.iter().enumerate() {
        if let Statement::For(nest) = statement {
            most = most.max(live.len() + nest.carries.len() + pressure(&nest.body));
        }
        most = most.max(live.len() + defined(statement).len() + beside(statement));
        live.extend(defined(statement));
        live.retain(|var| last.get(var).is_some_and(|&last| last > at));
    }
    most
}
