//! Which loop kernels are left to the portable code because wide vectors would not make them faster.
//!
//! Elements that lie apart are gathered one by one on every machine, so that lanes pay for them only where
//! enough is computed with them; and of very few lanes, most of a masked vector is idle.

use dlc_kernel::{Affine, IndexVar, Loop, ScalarOp, Statement, Unary};

/// Operations per access to elements apart that pay for it.
const OPERATIONS: usize = 6;
/// Operations that an elementary function counts for.
const ELEMENTARY: usize = 8;
/// Lanes inside another loop that pay for a vector, at least.
const FEW: i64 = 5;

/// Whether wide vectors make a body faster.
pub(crate) fn is_worth_it(statements: &[Statement], inside: bool) -> bool {
    statements.iter().all(|statement| match statement {
        Statement::For(nest) if nest.lanes => lanes_pay(nest, inside),
        Statement::For(nest) => is_worth_it(&nest.body, true),
        _ => true,
    })
}

fn lanes_pay(nest: &Loop, inside: bool) -> bool {
    let extent = nest.start.as_constant().zip(nest.end.as_constant()).map(|(start, end)| end - start);
    let apart = apart(&nest.body, nest.var);
    !(inside && extent.is_some_and(|extent| extent < FEW))
        && (apart == 0 || operations(&nest.body) >= OPERATIONS * apart)
}

/// Accesses to elements that lie apart.
fn apart(statements: &[Statement], lane: IndexVar) -> usize {
    let is_apart = |index: &Affine| usize::from(!matches!(index.coefficient(lane), 0 | 1));
    let one = |statement: &Statement| match statement {
        Statement::Load { index, .. } | Statement::Store { index, .. } => is_apart(index),
        Statement::For(nest) => apart(&nest.body, lane),
        Statement::Let { .. } | Statement::Index { .. } => 0,
    };
    statements.iter().map(one).sum()
}

fn operations(statements: &[Statement]) -> usize {
    let one = |statement: &Statement| match statement {
        Statement::Let { op: ScalarOp::Unary(function), .. } => match function {
            Unary::Negate | Unary::Abs | Unary::Relu | Unary::Not => 1,
            _ => ELEMENTARY,
        },
        Statement::Let { op: ScalarOp::Constant(_) | ScalarOp::Integer(_), .. } => 0,
        Statement::Let { .. } => 1,
        Statement::For(nest) => operations(&nest.body),
        _ => 0,
    };
    statements.iter().map(one).sum()
}
