//! Visiting every expression of a body, outer ones before inner ones.

use crate::ast::{Call, Expr, ExprKind, Piece, Statement, Subscript};

/// Visits the expressions of statements.
pub(crate) fn statements<'a>(body: &'a [Statement], visit: &mut impl FnMut(&'a Expr)) {
    for statement in body {
        match statement {
            Statement::Bind { value, .. } | Statement::Expr(value) => expression(value, visit),
            Statement::For { items, body, .. } => {
                expression(items, visit);
                statements(body, visit);
            }
            Statement::Return { values, .. } => values.iter().for_each(|value| expression(value, visit)),
        }
    }
}

/// Visits an expression and what it contains.
pub(crate) fn expression<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::If(condition) => {
            expression(&condition.condition, visit);
            statements(&condition.then, visit);
            if let Some(body) = &condition.otherwise {
                statements(body, visit);
            }
        }
        _ => children(expr, &mut |child| expression(child, visit)),
    }
}

/// Visits the direct children of an expression, but not the bodies of an `if`.
pub(crate) fn children<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Bool(_)
        | ExprKind::None
        | ExprKind::Name(_)
        | ExprKind::If(_) => {}
        ExprKind::Text(pieces) => {
            for piece in pieces {
                if let Piece::Value(value) = piece {
                    visit(value);
                }
            }
        }
        ExprKind::List(items) | ExprKind::Type(_, items) => items.iter().for_each(visit),
        ExprKind::Unary(_, value) | ExprKind::Attribute(value, _) => visit(value),
        ExprKind::Binary(_, left, right) | ExprKind::Range(left, right) => {
            visit(left);
            visit(right);
        }
        ExprKind::Call(inner) | ExprKind::Layer(inner) => call(inner, visit),
        ExprKind::Pipe(head, stages) => {
            visit(head);
            stages.iter().for_each(|stage| call(stage, visit));
        }
        ExprKind::Index(value, subscripts) => {
            visit(value);
            for subscript in subscripts {
                match subscript {
                    Subscript::At(index) => visit(index),
                    Subscript::Slice(slice) => {
                        [&slice.start, &slice.limit, &slice.step].into_iter().flatten().for_each(&mut *visit);
                    }
                }
            }
        }
    }
}

fn call<'a>(call: &'a Call, visit: &mut impl FnMut(&'a Expr)) {
    call.arguments.iter().for_each(|argument| visit(&argument.value));
    if let Some(alias) = &call.alias {
        visit(alias);
    }
}
