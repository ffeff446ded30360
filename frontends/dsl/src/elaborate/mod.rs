//! Running a model's text at compile time: loops unroll, conditions are decided, layers become nodes.
//!
//! The same body is elaborated once per [`Mode`]; each run owns a builder. Work is bounded by a budget of
//! steps, depth by the parser's and a limit on calls, so every program ends.

pub(crate) mod arguments;
mod arithmetic;
pub(crate) use arithmetic::pooling_hint;
mod call;
mod expression;
mod index;
mod paths;
mod tensors;

use crate::ast::{Expr, Ident, Statement};
use crate::codes;
use crate::losses::purpose::Purposes;
use crate::program::Program;
use crate::report::{Eval, Poison, Reporter};
use crate::value::{LayerInstance, Value};
use dlc_ir::{Builder, NodeId, Parameter, State};
use dlc_recipe::ClassWeights;
use dlc_types::{Diagnostic, Span, TensorType};
use std::collections::BTreeMap;
use std::rc::Rc;

/// For what the body is elaborated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Running statistics, no dropout.
    Inference,
    /// Batch statistics, dropout.
    Training,
}

/// Statements, calls and loop turns that one elaboration may take.
const BUDGET: u32 = 1_000_000;
/// Expressions, list items and pieces of text that one elaboration may evaluate.
const WORK: usize = 5_000_000;
/// Nodes that one function may have.
const MAX_NODES: usize = 200_000;
/// What a node counts for among values.
pub(crate) const WORK_OF_A_NODE: usize = WORK / MAX_NODES;
/// How deeply evaluation may nest over all blocks.
const MAX_EVALUATION_DEPTH: usize = 160;

/// The names of one body.
#[derive(Debug)]
struct Frame {
    /// Innermost last; `for` opens one.
    scopes: Vec<BTreeMap<String, Value>>,
    /// Put before the paths of layers; `None` where the block instance has none.
    prefix: Option<String>,
    /// Name of the binding that is evaluated.
    binding: Option<String>,
}

/// Parameters, states and paths of one elaboration.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) states: Vec<State>,
    /// Nodes of parameters and, in their newest version, of states.
    nodes: BTreeMap<String, NodeId>,
    /// States with a new value, in training mode.
    pub(crate) updates: BTreeMap<String, NodeId>,
    claims: BTreeMap<String, Span>,
    /// Instances that were used before, by place of their making.
    used_instances: Vec<(Rc<LayerInstance>, String)>,
    /// Paths that stand in for missing and repeated ones, so that the check can go on.
    substitutes: usize,
    /// Above 0 inside the repeated use of an instance.
    repeated: usize,
}

impl Ownership {
    /// The node of a parameter.
    pub(crate) fn parameter_node(&self, name: &str) -> Option<NodeId> {
        self.nodes.get(name).copied()
    }
}

/// A target of training: fed beside the model's inputs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `None` until a loss says it.
    pub(crate) ty: Option<TensorType>,
    pub(crate) node: Option<NodeId>,
}

/// One elaboration.
pub(crate) struct Elaborator<'a> {
    pub(crate) program: &'a Program,
    pub(crate) builder: Builder,
    pub(crate) mode: Mode,
    pub(crate) reporter: &'a mut Reporter,
    pub(crate) ownership: Ownership,
    pub(crate) targets: BTreeMap<String, Target>,
    frames: Vec<Frame>,
    budget: u32,
    work: usize,
    depth: usize,
    /// Random ops made so far.
    pub(crate) streams: u32,
    /// Blocks that are being elaborated.
    active: Vec<String>,
    /// Whether losses and metrics may be called.
    pub(crate) in_train_section: bool,
    /// What the loss takes the targets for.
    pub(crate) purposes: Purposes,
    /// What the data section says of classes.
    pub(crate) class_weights: Option<ClassWeights>,
    /// Whether somebody asked for it.
    pub(crate) class_weights_used: bool,
}

impl<'a> Elaborator<'a> {
    pub(crate) fn new(
        program: &'a Program,
        function: &str,
        mode: Mode,
        reporter: &'a mut Reporter,
    ) -> Elaborator<'a> {
        let frame = Frame { scopes: vec![BTreeMap::new()], prefix: Some(String::new()), binding: None };
        Elaborator {
            program,
            builder: Builder::new(function),
            mode,
            reporter,
            ownership: Ownership::default(),
            targets: BTreeMap::new(),
            frames: vec![frame],
            budget: BUDGET,
            work: WORK,
            depth: 0,
            streams: 0,
            active: Vec::new(),
            in_train_section: false,
            purposes: Purposes::default(),
            class_weights: None,
            class_weights_used: false,
        }
    }

    /// Tells a diagnostic and fails.
    pub(crate) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Eval<T> {
        self.reporter.fail(diagnostic)
    }

    /// Tells an error at a place and fails.
    pub(crate) fn fail_at<T>(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Eval<T> {
        self.fail(Diagnostic::error(code, message).at(span, label))
    }

    /// Pays for one step of work.
    fn spend(&mut self, span: Span) -> Eval<()> {
        if self.budget == 0 {
            return Err(Poison);
        }
        if self.budget == 1 || self.work == 0 || self.builder.function().nodes.len() > MAX_NODES {
            self.budget = 0;
            return self.fail(
                Diagnostic::error(codes::TOO_LARGE, "the program unrolls to too much")
                    .at(span, "given up here")
                    .note(format!(
                        "the limits are {BUDGET} statements, {WORK} values and {MAX_NODES} graph nodes"
                    )),
            );
        }
        self.budget -= 1;
        Ok(())
    }

    /// Pays for work that is not a statement.
    pub(crate) fn charge(&mut self, amount: usize, span: Span) -> Eval<()> {
        self.work = self.work.saturating_sub(amount);
        if self.work == 0 { self.spend(span) } else { Ok(()) }
    }

    /// Runs `run` one level deeper.
    pub(crate) fn deeper<T>(&mut self, span: Span, run: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        if self.depth >= MAX_EVALUATION_DEPTH {
            let message = format!("blocks and expressions nest more than {MAX_EVALUATION_DEPTH} levels deep");
            return self.fail_at(codes::NESTING, message, span, "too deep from here");
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame { scopes: vec![BTreeMap::new()], prefix: None, binding: None });
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// The value of a name.
    pub(crate) fn lookup(&self, name: &str) -> Option<&Value> {
        self.frames.last()?.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    /// All names in reach, for suggestions.
    fn names(&self) -> Vec<String> {
        self.frames
            .last()
            .map(|frame| frame.scopes.iter().flat_map(|scope| scope.keys().cloned()).collect())
            .unwrap_or_default()
    }

    /// Binds a name: where it is bound already, else in the innermost scope.
    pub(crate) fn bind(&mut self, name: &str, value: Value) {
        let scopes = &mut self.frame().scopes;
        let known = scopes.iter_mut().rev().find(|scope| scope.contains_key(name));
        match known {
            Some(scope) => {
                scope.insert(name.to_owned(), value);
            }
            None => {
                if let Some(scope) = scopes.last_mut() {
                    scope.insert(name.to_owned(), value);
                }
            }
        }
    }

    /// Unbinds a name of the outermost scope: a target of that name takes its place.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(scope) = self.frame().scopes.first_mut() {
            scope.remove(name);
        }
    }

    /// Runs a body; its value is that of its last expression or `return`.
    pub(crate) fn body(&mut self, statements: &[Statement]) -> Eval<Option<Value>> {
        let mut result = Ok(None);
        for (position, statement) in statements.iter().enumerate() {
            let is_last = position + 1 == statements.len();
            match statement {
                Statement::Expr(expr) => {
                    let value = self.statement_value(expr, is_last);
                    if is_last {
                        result = value;
                    }
                }
                Statement::Return { values, span } => {
                    if !is_last {
                        let message = "`return` stands before the end of its body";
                        self.fail_at(codes::STATEMENT, message, *span, "nothing runs after this")?;
                    }
                    result = self.returned(values).map(Some);
                }
                Statement::Bind { names, value } => self.binding(names, value),
                Statement::For { names, items, body, span } => {
                    // A loop that failed has told why; what follows is still checked.
                    let _ = self.for_loop(names, items, body, *span);
                }
            }
            if self.budget == 0 {
                return Err(Poison);
            }
        }
        result
    }

    fn statement_value(&mut self, expr: &Expr, is_last: bool) -> Eval<Option<Value>> {
        self.spend(expr.span)?;
        if let crate::ast::ExprKind::If(condition) = &expr.kind {
            return self.deeper(expr.span, |this| this.if_body(condition));
        }
        if !is_last {
            let message = "this value is computed for nobody";
            return self.fail(
                Diagnostic::error(codes::STATEMENT, message)
                    .at(expr.span, "not bound to a name")
                    .help("write `name = …`, or delete the line"),
            );
        }
        self.expr(expr).map(Some)
    }

    fn returned(&mut self, values: &[Expr]) -> Eval<Value> {
        let values: Vec<Eval<Value>> = values.iter().map(|value| self.expr(value)).collect();
        let mut values = values.into_iter().collect::<Eval<Vec<Value>>>()?;
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => Ok(value),
            (Some(value), false) => {
                values.push(value);
                crate::value::List::new(values).map(Value::List).ok_or(Poison)
            }
            (None, _) => Err(Poison),
        }
    }

    fn binding(&mut self, names: &[Ident], value: &Expr) {
        let path_name = match names {
            [name] => Some(name.text.clone()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.frame().binding, path_name);
        let result = self.spend(value.span).and_then(|()| self.expr(value));
        self.frame().binding = outer;
        let [name] = names else {
            return self.bind_several(names, value.span, result);
        };
        self.bind(&name.text, result.unwrap_or(Value::Poison));
    }

    fn bind_several(&mut self, names: &[Ident], span: Span, result: Eval<Value>) {
        let values = match &result {
            Ok(Value::List(list)) if list.items().len() == names.len() => list.items().to_vec(),
            Ok(other) => {
                let found = match other {
                    Value::List(list) => format!("{} values", list.items().len()),
                    _ => format!("one value, {}", other.describe(&self.builder)),
                };
                let message = format!("{} names are bound to {found}", names.len());
                let _ = self.fail_at::<()>(codes::RESULTS, message, span, "this gives the values");
                vec![Value::Poison; names.len()]
            }
            Err(_) => vec![Value::Poison; names.len()],
        };
        for (name, value) in names.iter().zip(values) {
            self.bind(&name.text, value);
        }
    }

    fn for_loop(&mut self, names: &[Ident], items: &Expr, body: &[Statement], span: Span) -> Eval<()> {
        let items_value = self.expr(items)?;
        let (count, list) = match &items_value {
            Value::Range(low, high) => (high.saturating_sub(*low).max(0), None),
            Value::List(list) => (list.items().len() as i64, Some(list.clone())),
            other => {
                let message =
                    format!("`for` runs over a range or a list, not over {}", other.describe(&self.builder));
                return self.fail_at(codes::KIND, message, items.span, "neither a range nor a list");
            }
        };
        for turn in 0..count {
            self.spend(span)?;
            let item = match (&list, &items_value) {
                (Some(list), _) => list.items().get(turn as usize).cloned().unwrap_or(Value::Poison),
                (None, Value::Range(low, _)) => Value::Int(low + turn),
                _ => Value::Poison,
            };
            self.frame().scopes.push(BTreeMap::new());
            self.bind_loop(names, items.span, item);
            let result = self.deeper(span, |this| this.body(body));
            self.frame().scopes.pop();
            if let Ok(Some(_)) = result {
                let message = "a loop's body has no value";
                return self.fail_at(codes::STATEMENT, message, span, "ends with a value that nobody reads");
            }
        }
        Ok(())
    }

    /// Loop variables are new in their scope, whatever is bound outside.
    fn bind_loop(&mut self, names: &[Ident], span: Span, item: Value) {
        if let Some(scope) = self.frame().scopes.last_mut() {
            for name in names {
                scope.insert(name.text.clone(), Value::Poison);
            }
        }
        match names {
            [name] => self.bind(&name.text, item),
            _ => self.bind_several(names, span, Ok(item)),
        }
    }
}
