//! Values that nobody reads.
//!
//! Liveness runs backwards over each body, without evaluating it: a branch that one setting never takes
//! still counts as a reader. A name that starts with `_` may stay unread.

use crate::ast::{Expr, ExprKind, File, Ident, Statement};
use crate::codes;
use crate::program::Program;
use crate::report::Reporter;
use crate::walk;
use dlc_types::{Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};

type Names = BTreeSet<String>;

/// Checks all blocks and models.
pub(crate) fn check(file: &File, program: &Program, reporter: &mut Reporter) {
    for block in program.blocks.values() {
        let mut analysis = Analysis::default();
        let mut live = analysis.body(&block.body, Names::new());
        for parameter in block.parameters.iter().rev() {
            analysis.declaration(&parameter.name, &mut live, "parameter");
            if let Some(default) = &parameter.default {
                analysis.expr(default, &mut live);
            }
        }
        analysis.tell(reporter);
    }
    for model in &file.models {
        let mut analysis = Analysis::default();
        let outputs: Names = model.outputs.iter().map(|output| output.text.clone()).collect();
        let mut live = analysis.body(&model.body, outputs);
        for (name, ty) in model.inputs.iter().rev() {
            analysis.declaration(name, &mut live, "input");
            analysis.expr(ty, &mut live);
        }
        for (name, default) in model.options.iter().rev() {
            analysis.declaration(name, &mut live, "option");
            analysis.expr(default, &mut live);
        }
        analysis.tell(reporter);
    }
}

#[derive(Default)]
struct Analysis {
    /// Where unread names are bound, and what they are.
    unread: BTreeMap<Span, (String, &'static str)>,
}

impl Analysis {
    fn tell(self, reporter: &mut Reporter) {
        for (span, (name, what)) in self.unread {
            reporter.push(
                Diagnostic::error(codes::UNUSED, format!("the {what} `{name}` is never used"))
                    .at(span, "bound here, read nowhere")
                    .help(format!("delete it, or call it `_{name}`")),
            );
        }
    }

    fn declaration(&mut self, name: &Ident, live: &mut Names, what: &'static str) {
        if !live.remove(&name.text) && !name.text.starts_with('_') {
            self.unread.insert(name.span, (name.text.clone(), what));
        }
    }

    /// Names that are live before a body, from those live behind it.
    fn body(&mut self, body: &[Statement], mut live: Names) -> Names {
        for statement in body.iter().rev() {
            match statement {
                Statement::Bind { names, value } => {
                    let read =
                        names.iter().any(|name| live.contains(&name.text) || name.text.starts_with('_'));
                    for name in names {
                        live.remove(&name.text);
                    }
                    if let (false, Some(first)) = (read, names.first()) {
                        self.unread.insert(first.span, (first.text.clone(), "value"));
                    }
                    self.expr(value, &mut live);
                }
                Statement::For { names, items, body, .. } => {
                    // What a turn reads anywhere may be what the turn before has bound.
                    let mut end = live.clone();
                    end.extend(reads(body).filter(|read| !names.iter().any(|own| own.text == *read)));
                    let mut start = self.body(body, end);
                    for name in names {
                        start.remove(&name.text);
                    }
                    live.extend(start);
                    self.expr(items, &mut live);
                }
                Statement::Return { values, .. } => {
                    live = Names::new();
                    for value in values.iter().rev() {
                        self.expr(value, &mut live);
                    }
                }
                Statement::Expr(value) => self.expr(value, &mut live),
            }
        }
        live
    }

    /// Adds what an expression reads.
    fn expr(&mut self, expr: &Expr, live: &mut Names) {
        match &expr.kind {
            ExprKind::Name(name) => {
                live.insert(name.clone());
            }
            ExprKind::If(condition) => {
                let then = self.body(&condition.then, live.clone());
                let otherwise = match &condition.otherwise {
                    Some(body) => self.body(body, live.clone()),
                    None => live.clone(),
                };
                live.clear();
                live.extend(then);
                live.extend(otherwise);
                self.expr(&condition.condition, live);
            }
            kind => {
                match kind {
                    ExprKind::Call(call) => {
                        live.insert(call.callee.text.clone());
                    }
                    ExprKind::Pipe(_, stages) => {
                        live.extend(stages.iter().map(|stage| stage.callee.text.clone()));
                    }
                    _ => {}
                }
                walk::children(expr, &mut |child| self.expr(child, live));
            }
        }
    }
}

/// All names that a body reads or calls, wherever.
fn reads(body: &[Statement]) -> impl Iterator<Item = String> {
    let mut names = Names::new();
    walk::statements(body, &mut |expr: &Expr| match &expr.kind {
        ExprKind::Name(name) => {
            names.insert(name.clone());
        }
        ExprKind::Call(call) => {
            names.insert(call.callee.text.clone());
        }
        ExprKind::Pipe(_, stages) => names.extend(stages.iter().map(|stage| stage.callee.text.clone())),
        _ => {}
    });
    names.into_iter()
}
