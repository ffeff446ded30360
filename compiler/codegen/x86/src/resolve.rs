//! Indices that are only names of forms are put into the forms that use them.

use crate::loops::Resolved;
use dlc_kernel::{Affine, Guard, IndexExpr, IndexVar, Kernel, Loop, LoopBody, Statement};
use std::collections::BTreeMap;

type Forms = BTreeMap<IndexVar, Affine>;

impl<'k> Resolved<'k> {
    pub(crate) fn new(kernel: &'k Kernel, body: &LoopBody) -> Resolved<'k> {
        let mut forms = Forms::new();
        let statements = block(&body.statements, &mut forms);
        let body = LoopBody { coordinates: body.coordinates.clone(), statements };
        Resolved { kernel, body, forms }
    }
}

fn affine(form: &Affine, forms: &Forms) -> Affine {
    let mut sum = Affine { constant: form.constant, batch: form.batch, terms: Vec::new() };
    for &(var, coefficient) in &form.terms {
        match forms.get(&var) {
            Some(form) => sum = sum.plus(&form.times(coefficient)),
            None => sum.add_term(var, coefficient),
        }
    }
    sum
}

fn guard(guard: &Guard, forms: &Forms) -> Guard {
    let ranges = guard.ranges.iter().map(|(form, low, high)| (affine(form, forms), *low, *high));
    Guard { ranges: ranges.collect(), fill: guard.fill }
}

fn expression(expr: &IndexExpr, forms: &Forms) -> IndexExpr {
    match expr {
        IndexExpr::Form(form) => IndexExpr::Form(affine(form, forms)),
        IndexExpr::Quotient(form, divisor) => IndexExpr::Quotient(affine(form, forms), *divisor),
        IndexExpr::Remainder(form, divisor) => IndexExpr::Remainder(affine(form, forms), *divisor),
        IndexExpr::ChunkStart { form, chunk, chunks } => {
            IndexExpr::ChunkStart { form: affine(form, forms), chunk: affine(chunk, forms), chunks: *chunks }
        }
        IndexExpr::Clamped(value, form) => IndexExpr::Clamped(*value, affine(form, forms)),
    }
}

fn block(statements: &[Statement], forms: &mut Forms) -> Vec<Statement> {
    let mut resolved = Vec::with_capacity(statements.len());
    for statement in statements {
        resolved.push(match statement {
            Statement::Let { .. } => statement.clone(),
            Statement::Load { result, operand, index, guard: condition } => Statement::Load {
                result: *result,
                operand: *operand,
                index: affine(index, forms),
                guard: condition.as_ref().map(|condition| guard(condition, forms)),
            },
            Statement::Store { operand, index, value } => {
                Statement::Store { operand: *operand, index: affine(index, forms), value: *value }
            }
            Statement::Index { result, expr } => match expression(expr, forms) {
                IndexExpr::Form(form) => {
                    forms.insert(*result, form);
                    continue;
                }
                expr => Statement::Index { result: *result, expr },
            },
            Statement::For(nest) => {
                let (start, end) = (affine(&nest.start, forms), affine(&nest.end, forms));
                let body = block(&nest.body, forms);
                let (var, lanes, carries) = (nest.var, nest.lanes, nest.carries.clone());
                Statement::For(Loop { var, start, end, lanes, carries, body })
            }
        });
    }
    resolved
}
