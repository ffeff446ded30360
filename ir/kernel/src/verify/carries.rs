//! How the lanes of a loop combine what they carry.

use super::Fault;
use crate::{Binary, Carry, Combine, IndexExpr, Loop, ScalarOp, Statement, Var};

/// Checks that lanes may sum up on their own and be joined after the loop.
pub(super) fn verify_combine(around: &Loop, carry: &Carry) -> Result<(), Fault> {
    let combine = match (around.lanes, carry.combine) {
        (false, None) => return Ok(()),
        (false, Some(_)) => return Err(Fault::CarryWithCombine(carry.current)),
        (true, None) => return Err(Fault::CarryWithoutCombine(carry.current)),
        (true, Some(combine)) => combine,
    };
    let wanted = match combine {
        Combine::Sum => Binary::Add,
        Combine::Product => Binary::Multiply,
        Combine::Max => Binary::Max,
        Combine::Min => Binary::Min,
    };
    let defined = around.body.iter().any(|statement| match statement {
        Statement::Let { result, op, args, .. } => {
            *result == carry.next && *op == ScalarOp::Binary(wanted) && args.contains(&carry.current)
        }
        _ => false,
    });
    let handed_on = around.carries.iter().filter(|other| other.next == carry.current).count();
    if !defined || uses(&around.body, carry.current) + handed_on != 1 {
        let (next, current) = (carry.next, carry.current);
        return Err(Fault::CarryCombine { next, combine: combine.name(), current });
    }
    Ok(())
}

/// How often the statements use a value.
fn uses(statements: &[Statement], var: Var) -> usize {
    let one = |used: Var| usize::from(used == var);
    statements
        .iter()
        .map(|statement| match statement {
            Statement::Let { args, .. } => args.iter().map(|&arg| one(arg)).sum(),
            Statement::Store { value, .. } => one(*value),
            Statement::Index { expr: IndexExpr::Clamped(value, _), .. } => one(*value),
            Statement::For(inner) => {
                let carried: usize =
                    inner.carries.iter().map(|carry| one(carry.initial) + one(carry.next)).sum();
                carried + uses(&inner.body, var)
            }
            Statement::Load { .. } | Statement::Index { .. } => 0,
        })
        .sum()
}
