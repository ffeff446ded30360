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

    /// Takes the path for a layer or block instance. A missing or repeated one is told, and a substitute
    /// lets the check go on.
    pub(super) fn claim(&mut self, path: Option<String>, callee: &str, span: Span) -> String {
        let Some(path) = path else {
            self.reporter.push(
                Diagnostic::error(codes::NO_PATH, format!("`{callee}` has trainable values but no path"))
                    .at(span, "neither bound to one name nor named")
                    .help(format!("write `{callee}(…) as NAME`")),
            );
            return self.substitute();
        };
        if self.ownership.repeated > 0 {
            return path;
        }
        let reserved = path == "train" || path.starts_with("train.");
        let fault = match self.ownership.claims.get(&path) {
            _ if reserved => Diagnostic::error(
                codes::EQUAL_PATHS,
                format!("the path `{path}` is taken by the training step"),
            )
            .at(span, "reserved")
            .help("use another name"),
            Some(&first) => equal_paths(&path, span, first),
            None => {
                self.ownership.claims.insert(path.clone(), span);
                return path;
            }
        };
        self.reporter.push(fault);
        self.substitute()
    }

    fn substitute(&mut self) -> String {
        self.ownership.substitutes += 1;
        format!("?{}", self.ownership.substitutes)
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
        if matches!(initializer, Initializer::Orthogonal { .. }) && ty.shape.rank() < 2 {
            let message = format!("`orthogonal` makes matrices, but `{name}` is {ty}");
            return self.fail(
                Diagnostic::error(codes::RANK, message)
                    .at(span, format!("rank {}", ty.shape.rank()))
                    .help("use `normal(0.02)` or `zeros` for it"),
            );
        }
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

    /// The newest value of a state whose first value comes with the model.
    pub(crate) fn given_state(&mut self, name: &str, ty: TensorType, span: Span) -> Eval<NodeId> {
        let node = self.state(name, ty, 0.0, span)?;
        if let Some(state) = self.ownership.states.iter_mut().find(|state| state.name == name) {
            state.initializer = Initializer::Given;
        }
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

fn equal_paths(path: &str, span: Span, first: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::EQUAL_PATHS, format!("two layers have the path `{path}`"));
    if first == span {
        return diagnostic
            .at(span, format!("`{path}` again in a later turn of the loop"))
            .help(format!("number it: `as \"{path}{{i}}\"`, with the loop's variable"));
    }
    diagnostic.at(span, format!("`{path}` again")).at(first, "first here").help(
        "give one of them another path with `as NAME`; to share weights write `shared = layer …` once and call \
         `shared(x)`",
    )
}
