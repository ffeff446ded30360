//! Vector registers of a loop kernel: a value has one from its definition to its last use.

use crate::Level;
use crate::loops::Stop;
use dlc_kernel::{Statement, Var};
use std::collections::BTreeMap;

/// Which values are where.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    held: BTreeMap<Var, usize>,
    free: Vec<usize>,
}

impl Registers {
    /// All registers of a loop kernel.
    pub(crate) fn new(level: Level) -> Registers {
        Registers::within(0..level.registers() - level.reserved(false))
    }

    /// These registers, none of which holds anything yet.
    pub(crate) fn within(numbers: std::ops::Range<usize>) -> Registers {
        Registers { held: BTreeMap::new(), free: numbers.rev().collect() }
    }

    /// The register of a value.
    pub(crate) fn of(&self, var: Var) -> Result<usize, Stop> {
        self.held.get(&var).copied().ok_or(Stop::Unsupported)
    }

    /// A register for a new value.
    pub(crate) fn define(&mut self, var: Var) -> Result<usize, Stop> {
        let register = self.free.pop().ok_or(Stop::Unsupported)?;
        self.held.insert(var, register);
        Ok(register)
    }

    /// A value that is in a register outside of these, which is among them from the value's end on.
    pub(crate) fn hold(&mut self, var: Var, register: usize) {
        self.held.insert(var, register);
    }

    /// A register that nobody has, until the next definition.
    pub(crate) fn spare(&self) -> Result<usize, Stop> {
        self.free.last().copied().ok_or(Stop::Unsupported)
    }

    /// Ends a value, if it has a register.
    pub(crate) fn end(&mut self, var: Var) {
        if let Some(register) = self.held.remove(&var) {
            self.free.push(register);
        }
    }

    /// Gives a value's register to another value.
    pub(crate) fn rename(&mut self, from: Var, to: Var) {
        if let Some(register) = self.held.remove(&from) {
            self.held.insert(to, register);
        }
    }
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
fn used(statement: &Statement) -> Vec<Var> {
    match statement {
        Statement::Let { args, .. } => args.clone(),
        Statement::Store { value, .. } => vec![*value],
        Statement::For(nest) => {
            let carried = nest.carries.iter().flat_map(|carry| [carry.initial, carry.next]);
            carried.chain(nest.body.iter().flat_map(used)).collect()
        }
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
