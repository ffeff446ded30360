//! Paths: every layer that owns parameters or states has one, and no two share it.

use super::Elaborator;
use crate::ast::Call;
use crate::codes;
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{Initializer, NodeId, Parameter, State};
use dlc_types::{Diagnostic, Span, TensorType};

impl Elaborator<'_> {
    /// The path that a call gets: its alias or the name of the binding, inside the frame's.
    pub(super) fn call_path(&mut self, call: &Call) -> Eval<Option<String>> {
        let name = match &call.alias {
            Some(alias) => {
                let Value::Text(name) = self.expr(alias)? else { return Err(Poison) };
                let valid = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
                let segments = name.split('.').all(|segment| !segment.is_empty());
                if !segments || !name.chars().all(valid) {
                    let message = format!("\"{name}\" is not a path");
                    return self.fail(
                        Diagnostic::error(codes::NO_PATH, message)
                            .at(alias.span, "not a path")
                            .note("a path is made of letters, digits, `_` and `-`, with single dots between"),
                    );
                }
                Some(name.to_string())
            }
            None => self.frame().binding.clone(),
        };
        let prefix = self.frame().prefix.clone();
        Ok(match (prefix, name) {
            (Some(prefix), Some(name)) if prefix.is_empty() => Some(name),
            (Some(prefix), Some(name)) => Some(format!("{prefix}.{name}")),
            _ => None,
        })
    }

    /// The path, or the complaint that there is none.
    pub(super) fn require_path(&mut self, path: Option<String>, callee: &str, span: Span) -> Eval<String> {
        match path {
            Some(path) => Ok(path),
            None => {
                let message = format!("`{callee}` has trainable values but no path");
                self.fail(
                    Diagnostic::error(codes::NO_PATH, message)
                        .at(span, "neither bound to one name nor named")
                        .help(format!("write `{callee}(…) as NAME`")),
                )
            }
        }
    }

    /// Takes a path for a layer or block instance.
    pub(super) fn claim(&mut self, path: &str, span: Span) -> Eval<()> {
        if self.ownership.repeated > 0 {
            return Ok(());
        }
        if path == "train" || path.starts_with("train.") {
            let message = format!("the path `{path}` is taken by the training step");
            return self.fail(
                Diagnostic::error(codes::EQUAL_PATHS, message).at(span, "reserved").help("use another name"),
            );
        }
        let Some(&first) = self.ownership.claims.get(path) else {
            self.ownership.claims.insert(path.to_owned(), span);
            return Ok(());
        };
        let mut diagnostic =
            Diagnostic::error(codes::EQUAL_PATHS, format!("two layers have the path `{path}`"));
        diagnostic = if first == span {
            diagnostic
                .at(span, format!("`{path}` again in a later turn of the loop"))
                .help(format!("number it: `as \"{path}{{i}}\"`, with the loop's variable"))
        } else {
            diagnostic.at(span, format!("`{path}` again")).at(first, "first here").help(
                "give one of them another path with `as NAME`; to share weights write `shared = layer …` once \
                 and call `shared(x)`",
            )
        };
        self.fail(diagnostic)
    }

    /// A parameter: made at the first use, found again at repeated uses of an instance.
    pub(crate) fn parameter(
        &mut self,
        name: &str,
        ty: TensorType,
        initializer: Initializer,
        span: Span,
    ) -> Eval<NodeId> {
        if let Some(&node) = self.ownership.nodes.get(name) {
            return self.known(name, node, &ty, span);
        }
        self.check_size(&ty, span)?;
        let node = self.build(span, |builder| builder.parameter(name, ty.clone()))?;
        self.ownership.nodes.insert(name.to_owned(), node);
        self.ownership.parameters.push(Parameter {
            name: name.to_owned(),
            ty,
            initializer,
            trainable: true,
            span: Some(span),
        });
        Ok(node)
    }

    /// The newest value of a state.
    pub(crate) fn state(&mut self, name: &str, ty: TensorType, initial: f64, span: Span) -> Eval<NodeId> {
        if let Some(&node) = self.ownership.nodes.get(name) {
            return self.known(name, node, &ty, span);
        }
        let node = self.build(span, |builder| builder.state(name, ty.clone()))?;
        self.ownership.nodes.insert(name.to_owned(), node);
        self.ownership.states.push(State {
            name: name.to_owned(),
            ty,
            initializer: Initializer::Constant(initial),
        });
        Ok(node)
    }

    /// Gives a state its next value.
    pub(crate) fn update_state(&mut self, name: &str, node: NodeId) {
        self.ownership.nodes.insert(name.to_owned(), node);
        self.ownership.updates.insert(name.to_owned(), node);
    }

    /// A state of the training step (seed, step), which whoever builds the step declares.
    pub(crate) fn step_state(&mut self, name: &str, ty: TensorType, span: Span) -> Eval<NodeId> {
        if let Some(&node) = self.ownership.nodes.get(name) {
            return Ok(node);
        }
        let node = self.build(span, |builder| builder.state(name, ty))?;
        self.ownership.nodes.insert(name.to_owned(), node);
        Ok(node)
    }

    fn known(&mut self, name: &str, node: NodeId, ty: &TensorType, span: Span) -> Eval<NodeId> {
        if self.ownership.repeated == 0 {
            let message = format!("two values have the path `{name}`");
            return self.fail_at(codes::EQUAL_PATHS, message, span, format!("`{name}` again"));
        }
        let first = self.builder.ty(node).clone();
        if first == *ty {
            return Ok(node);
        }
        let message = format!("the shared `{name}` is {first}, but this use needs {ty}");
        self.fail(
            Diagnostic::error(codes::SHAPE, message)
                .at(span, format!("needs {ty}"))
                .note("every use of a shared layer must have inputs of one shape"),
        )
    }
}
