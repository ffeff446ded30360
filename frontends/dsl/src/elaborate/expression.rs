//! Values of expressions.

use super::Elaborator;
use crate::ast::{BinaryOperator, Expr, ExprKind, Ident, If, Piece, UnaryOperator};
use crate::codes;
use crate::layers::initializer::InitializerRule;
use crate::report::Eval;
use crate::value::{List, MAX_TEXT_LENGTH, Value};
use dlc_types::{DType, Diagnostic, Dim, Shape, Span, TensorType, diagnostic::nearest};

/// Words that mean themselves unless they are bound.
const SYMBOLS: [&str; 9] =
    ["same", "valid", "all", "last", "binary", "macro", "micro", "weighted", "per_class"];

impl Elaborator<'_> {
    /// The value of an expression.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Eval<Value> {
        self.charge(1, expr.span)?;
        self.deeper(expr.span, |this| this.expr_kind(expr))
    }

    fn expr_kind(&mut self, expr: &Expr) -> Eval<Value> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Int(value) => Ok(Value::Int(*value)),
            ExprKind::Float(value) => Ok(Value::Float(*value)),
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::None => Ok(Value::None),
            ExprKind::Text(pieces) => self.text(pieces, span),
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::List(items) => {
                let items: Vec<Eval<Value>> = items.iter().map(|item| self.expr(item)).collect();
                let items = items.into_iter().collect::<Eval<Vec<Value>>>()?;
                self.list(items, span)
            }
            ExprKind::Type(dtype, dims) => self.tensor_type(*dtype, dims, span).map(Value::Type),
            ExprKind::Unary(operator, operand) => {
                let value = self.expr(operand)?;
                self.unary(*operator, value, span)
            }
            ExprKind::Binary(operator @ (BinaryOperator::And | BinaryOperator::Or), left, right) => {
                self.decision(*operator, left, right, span)
            }
            ExprKind::Binary(operator, left, right) => {
                let (left, right) = (self.expr(left), self.expr(right));
                self.binary(*operator, left?, right?, span)
            }
            ExprKind::Range(low, high) => self.range(low, high, span),
            ExprKind::Call(call) => self.call(call, None),
            ExprKind::Pipe(head, stages) => {
                let mut value = self.expr(head);
                for stage in stages {
                    let head = head.span;
                    value = self.call(stage, Some((value, head.to(stage.span))));
                }
                value
            }
            ExprKind::Layer(call) => self.layer_instance(call),
            ExprKind::Attribute(value, name) => {
                let value = self.expr(value)?;
                self.attribute(value, name, span)
            }
            ExprKind::Index(value, subscripts) => {
                let value = self.expr(value)?;
                self.index(value, subscripts, span)
            }
            ExprKind::If(condition) => match self.if_body(condition)? {
                Some(value) => Ok(value),
                None => {
                    let message = "this `if` has no value";
                    self.fail(
                        Diagnostic::error(codes::STATEMENT, message)
                            .at(span, "a value is needed here")
                            .help("end both branches with a value: `if c { x } else { y }`"),
                    )
                }
            },
        }
    }

    /// `and` and `or`: the right side need not make sense where the left decides.
    fn decision(&mut self, operator: BinaryOperator, left: &Expr, right: &Expr, span: Span) -> Eval<Value> {
        match self.expr(left)? {
            Value::Bool(value) if value == (operator == BinaryOperator::Or) => Ok(Value::Bool(value)),
            Value::Bool(_) => self.expr(right),
            other => {
                let right = self.expr(right)?;
                self.binary(operator, other, right, span)
            }
        }
    }

    fn range(&mut self, low: &Expr, high: &Expr, span: Span) -> Eval<Value> {
        let (low, high) = (self.expr(low), self.expr(high));
        match (low?, high?) {
            (Value::Int(low), Value::Int(high)) => Ok(Value::Range(low, high)),
            (low, high) => {
                let message = format!(
                    "a range runs between whole numbers, not from {} to {}",
                    low.describe(&self.builder),
                    high.describe(&self.builder)
                );
                self.fail_at(codes::KIND, message, span, "not a range")
            }
        }
    }

    /// The value of the branch that the condition chooses.
    pub(super) fn if_body(&mut self, condition: &If) -> Eval<Option<Value>> {
        match self.expr(&condition.condition)? {
            Value::Bool(true) => self.body(&condition.then),
            Value::Bool(false) => match &condition.otherwise {
                Some(body) => self.body(body),
                None => Ok(None),
            },
            other => {
                let message = format!(
                    "the condition of an `if` is {}, not true or false",
                    other.describe(&self.builder)
                );
                self.fail(
                    Diagnostic::error(codes::KIND, message)
                        .at(condition.condition.span, "must be known at compile time")
                        .help("tensors are chosen element by element with `select(condition, a, b)`"),
                )
            }
        }
    }

    pub(crate) fn list(&mut self, items: Vec<Value>, span: Span) -> Eval<Value> {
        self.charge(items.len(), span)?;
        match List::new(items) {
            Some(list) => Ok(Value::List(list)),
            None => self.fail_at(codes::TOO_LARGE, "this list is too long or too deep", span, "too large"),
        }
    }

    fn text(&mut self, pieces: &[Piece], span: Span) -> Eval<Value> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(expr) => match self.expr(expr)? {
                    Value::Int(value) => text.push_str(&value.to_string()),
                    Value::Float(value) => text.push_str(&value.to_string()),
                    Value::Bool(value) => text.push_str(&value.to_string()),
                    Value::Text(value) => text.push_str(&value),
                    other => {
                        let message = format!("{} cannot stand in a string", other.describe(&self.builder));
                        return self.fail_at(codes::KIND, message, expr.span, "not a number or string");
                    }
                },
            }
            if text.len() > MAX_TEXT_LENGTH {
                return self.fail_at(codes::TOO_LARGE, "this string is too long", span, "too long");
            }
        }
        self.charge(text.len() / 16, span)?;
        Ok(Value::Text(text.into()))
    }

    fn name(&mut self, name: &str, span: Span) -> Eval<Value> {
        match self.lookup(name) {
            Some(Value::Poison) => return Err(crate::report::Poison),
            Some(value) => return Ok(value.clone()),
            None => {}
        }
        if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| *symbol == name) {
            return Ok(Value::Symbol(symbol));
        }
        if let Some(rule) = InitializerRule::from_word(name) {
            return Ok(Value::Initializer(rule));
        }
        if name == "N" {
            return Ok(Value::Extent(Dim::N));
        }
        if let Some(size) = self.program.dims.get(name) {
            return Ok(Value::Int(*size));
        }
        if self.targets.contains_key(name) {
            return self.target(name, span);
        }
        let names = self.names();
        let known = names.iter().map(String::as_str).chain(self.targets.keys().map(String::as_str));
        let near = nearest(name, known.chain(SYMBOLS)).map(str::to_owned);
        let mut diagnostic = Diagnostic::error(codes::NAME, format!("nothing is called `{name}` here"))
            .at(span, "unknown name");
        diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
        self.fail(diagnostic)
    }

    /// A type as it is written: `f32[N, 3 * width]`.
    pub(crate) fn tensor_type(&mut self, dtype: DType, dims: &[Expr], span: Span) -> Eval<TensorType> {
        let mut shape = Vec::new();
        for dim in dims {
            shape.push(match self.expr(dim)? {
                Value::Int(size) if size > 0 && size <= super::tensors::MAX_EXTENT => {
                    Dim::Fixed(size as usize)
                }
                Value::Extent(extent) => extent,
                other => {
                    let message = format!(
                        "an extent is a number of at least 1 or `N`, not {}",
                        other.describe(&self.builder)
                    );
                    return self.fail_at(codes::RANGE, message, dim.span, "not an extent");
                }
            });
        }
        let ty = TensorType::new(dtype, Shape(shape));
        self.check_size(&ty, span)?;
        Ok(ty)
    }

    fn attribute(&mut self, value: Value, name: &Ident, span: Span) -> Eval<Value> {
        let Value::Tensor(node) = value else {
            let message = format!("{} has no attributes", value.describe(&self.builder));
            return self.fail_at(codes::ATTRIBUTE, message, span, "not a tensor");
        };
        let shape = self.builder.shape(node).clone();
        let axis = match name.text.as_str() {
            "shape" => {
                return self.list(shape.0.iter().map(|&dim| Value::from_dim(dim)).collect(), span);
            }
            "rank" => return Ok(Value::Int(shape.rank() as i64)),
            "batch" => Some(0),
            "channels" => Some(1),
            "length" => Some(2).filter(|_| shape.rank() == 3),
            "height" => Some(2).filter(|_| shape.rank() == 4),
            "width" => Some(3).filter(|_| shape.rank() == 4),
            "features" => shape.rank().checked_sub(1),
            other => {
                let known = ["shape", "rank", "batch", "channels", "length", "height", "width", "features"];
                let help = match nearest(other, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a tensor has {}", known.join(", ")),
                };
                return self.fail(
                    Diagnostic::error(codes::ATTRIBUTE, format!("a tensor has no attribute `{other}`"))
                        .at(name.span, "unknown attribute")
                        .help(help),
                );
            }
        };
        match axis.and_then(|axis| shape.0.get(axis)) {
            Some(&dim) => Ok(Value::from_dim(dim)),
            None => {
                let message = format!("a tensor of shape {shape} has no `{}`", name.text);
                self.fail_at(codes::RANK, message, span, "its rank does not fit")
            }
        }
    }

    fn unary(&mut self, operator: UnaryOperator, value: Value, span: Span) -> Eval<Value> {
        match (operator, value) {
            (UnaryOperator::Negate, Value::Int(value)) => match value.checked_neg() {
                Some(value) => Ok(Value::Int(value)),
                None => self.fail_at(codes::ARITHMETIC, "the number overflows 64 bits", span, "overflows"),
            },
            (UnaryOperator::Negate, Value::Float(value)) => Ok(Value::Float(-value)),
            (UnaryOperator::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
            (UnaryOperator::Negate, Value::Tensor(node)) => {
                let result = self.builder.neg(node);
                self.made(result, span).map(Value::Tensor)
            }
            (UnaryOperator::Not, Value::Tensor(node)) => {
                let result = self.builder.unary(dlc_ir::Unary::Not, node);
                self.made(result, span).map(Value::Tensor)
            }
            (operator, value) => {
                let symbol = if operator == UnaryOperator::Not { "not" } else { "-" };
                let message = format!("`{symbol}` cannot be applied to {}", value.describe(&self.builder));
                self.fail_at(codes::KIND, message, span, "does not apply")
            }
        }
    }
}
