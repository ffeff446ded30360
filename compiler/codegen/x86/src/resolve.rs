//! Indices that are only names of forms, variables of loops that run once among them, are put into the forms
//! that use them, and loops over lanes are taken in groups of vectors where that pays (`jam`).

use crate::Level;
use crate::jam::Groups;
use crate::loops::Resolved;
use dlc_kernel::{Affine, Guard, IndexExpr, IndexVar, Kernel, Loop, LoopBody, Statement};
use std::collections::BTreeMap;

type Forms = BTreeMap<IndexVar, Affine>;

impl<'k> Resolved<'k> {
    pub(crate) fn new(kernel: &'k Kernel, body: &LoopBody, level: Level) -> Resolved<'k> {
        let mut groups = Groups::default();
        let statements = block(&body.statements, &mut groups, level);
        let body = LoopBody { coordinates: body.coordinates.clone(), statements };
        Resolved { kernel, body, forms: groups.forms, vectors: groups.vectors }
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

fn block(statements: &[Statement], groups: &mut Groups, level: Level) -> Vec<Statement> {
    let mut resolved = Vec::with_capacity(statements.len());
    for statement in statements {
        let forms = &mut groups.forms;
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
                let once = start.plus(&Affine::constant(1)) == end;
                if once && !nest.lanes && nest.carries.is_empty() {
                    forms.insert(nest.var, start);
                    resolved.extend(block(&nest.body, groups, level));
                    continue;
                }
                let body = block(&nest.body, groups, level);
                let (var, lanes, carries) = (nest.var, nest.lanes, nest.carries.clone());
                let nest = Loop { var, start, end, lanes, carries, body };
                resolved.extend(groups.grouped(nest, level).into_iter().map(Statement::For));
                continue;
            }
        });
    }
    resolved
}
