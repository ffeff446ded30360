//! Operators on numbers and tensors. Integers are checked: nothing wraps around.

use super::Elaborator;
use crate::ast::BinaryOperator;
use crate::codes;
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Binary, Comparison, NodeId};
use dlc_types::{Diagnostic, Dim, Span};

impl Elaborator<'_> {
    /// `left operator right`
    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: Value,
        right: Value,
        span: Span,
    ) -> Eval<Value> {
        match (&left, &right) {
            (Value::Target(name), _) | (_, Value::Target(name)) => self.untyped_target(name, span),
            (Value::Tensor(a), Value::Tensor(b)) if operator == BinaryOperator::MatMul => {
                self.matmul(*a, *b, span).map(Value::Tensor)
            }
            (Value::Tensor(a), Value::Tensor(b)) => {
                let (a, b) = self.broadcast_pair(operator.symbol(), *a, *b, span)?;
                self.tensor_operation(operator, a, b, span)
            }
            (Value::Tensor(a), other) => {
                let b = self.splat(*a, other, span)?;
                self.tensor_operation(operator, *a, b, span)
            }
            (other, Value::Tensor(b)) => {
                let a = self.splat(*b, other, span)?;
                self.tensor_operation(operator, a, *b, span)
            }
            (Value::Int(a), Value::Int(b)) => self.integers(operator, *a, *b, span),
            (Value::Extent(a), Value::Int(b)) | (Value::Int(b), Value::Extent(a))
                if operator == BinaryOperator::Multiply =>
            {
                let product =
                    usize::try_from(*b).ok().filter(|&b| b > 0).and_then(|b| a.times(Dim::Fixed(b)));
                match product {
                    Some(dim) => Ok(Value::Extent(dim)),
                    None => {
                        self.fail_at(codes::ARITHMETIC, "this extent does not exist", span, "not an extent")
                    }
                }
            }
            _ => self.plain_values(operator, &left, &right, span),
        }
    }

    fn inapplicable(
        &mut self,
        operator: BinaryOperator,
        left: &Value,
        right: &Value,
        span: Span,
    ) -> Eval<Value> {
        let message = format!(
            "`{}` cannot join {} and {}",
            operator.symbol(),
            left.describe(&self.builder),
            right.describe(&self.builder)
        );
        self.fail_at(codes::KIND, message, span, "does not apply")
    }

    fn plain_values(
        &mut self,
        operator: BinaryOperator,
        left: &Value,
        right: &Value,
        span: Span,
    ) -> Eval<Value> {
        use BinaryOperator::*;
        if let (Equal | NotEqual, Some(equal)) = (operator, equal(left, right)) {
            return Ok(Value::Bool(equal == (operator == Equal)));
        }
        if let (Value::Bool(a), Value::Bool(b)) = (left, right) {
            match operator {
                And => return Ok(Value::Bool(*a && *b)),
                Or => return Ok(Value::Bool(*a || *b)),
                _ => return self.inapplicable(operator, left, right, span),
            }
        }
        let (Some(a), Some(b)) = (left.as_float(), right.as_float()) else {
            return self.inapplicable(operator, left, right, span);
        };
        let result = match operator {
            Less => return Ok(Value::Bool(a < b)),
            LessEqual => return Ok(Value::Bool(a <= b)),
            Greater => return Ok(Value::Bool(a > b)),
            GreaterEqual => return Ok(Value::Bool(a >= b)),
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            Remainder => a % b,
            Power => a.powf(b),
            _ => return self.inapplicable(operator, left, right, span),
        };
        if !result.is_finite() {
            let message = format!("{a} {} {b} is not a finite number", operator.symbol());
            return self.fail_at(codes::ARITHMETIC, message, span, "not finite");
        }
        Ok(Value::Float(result))
    }

    fn integers(&mut self, operator: BinaryOperator, a: i64, b: i64, span: Span) -> Eval<Value> {
        use BinaryOperator::*;
        let result = match operator {
            Equal => return Ok(Value::Bool(a == b)),
            NotEqual => return Ok(Value::Bool(a != b)),
            Less => return Ok(Value::Bool(a < b)),
            LessEqual => return Ok(Value::Bool(a <= b)),
            Greater => return Ok(Value::Bool(a > b)),
            GreaterEqual => return Ok(Value::Bool(a >= b)),
            Add => a.checked_add(b),
            Subtract => a.checked_sub(b),
            Multiply => a.checked_mul(b),
            Divide if b != 0 && a.checked_rem(b) == Some(0) => a.checked_div(b),
            Divide if b != 0 => {
                let message = format!("{a} / {b} is not a whole number");
                return self.fail(
                    Diagnostic::error(codes::ARITHMETIC, message).at(span, "leaves a remainder").help(
                        format!(
                            "write `{a}.0 / {b}` for the fraction, `({a} - {a} % {b}) / {b}` to round down"
                        ),
                    ),
                );
            }
            Remainder => a.checked_rem_euclid(b),
            Power if b < 0 => {
                return self.plain_values(operator, &Value::Float(a as f64), &Value::Int(b), span);
            }
            Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            _ => return self.inapplicable(operator, &Value::Int(a), &Value::Int(b), span),
        };
        match result {
            Some(value) => Ok(Value::Int(value)),
            None => {
                let message = format!("{a} {} {b} overflows 64 bits or divides by zero", operator.symbol());
                self.fail_at(codes::ARITHMETIC, message, span, "cannot be computed")
            }
        }
    }

    fn tensor_operation(
        &mut self,
        operator: BinaryOperator,
        a: NodeId,
        b: NodeId,
        span: Span,
    ) -> Eval<Value> {
        use BinaryOperator as O;
        let compare = |comparison| Err(comparison);
        let function = match operator {
            O::Add => Ok(Binary::Add),
            O::Subtract => Ok(Binary::Subtract),
            O::Multiply => Ok(Binary::Multiply),
            O::Divide => Ok(Binary::Divide),
            O::Power => Ok(Binary::Power),
            O::And => Ok(Binary::And),
            O::Or => Ok(Binary::Or),
            O::Equal => compare(Comparison::Equal),
            O::NotEqual => compare(Comparison::NotEqual),
            O::Less => compare(Comparison::Less),
            O::LessEqual => compare(Comparison::LessEqual),
            O::Greater => compare(Comparison::Greater),
            O::GreaterEqual => compare(Comparison::GreaterEqual),
            O::Remainder | O::MatMul => {
                return self.inapplicable(operator, &Value::Tensor(a), &Value::Tensor(b), span);
            }
        };
        let result = match function {
            Ok(function) => self.builder.binary(function, a, b),
            Err(comparison) => self.builder.compare(comparison, a, b),
        };
        self.made(result, span).map(Value::Tensor)
    }

    /// `a @ b`: the last axis of `a` against the first of a matrix, or matrices batch by batch.
    pub(crate) fn matmul(&mut self, a: NodeId, b: NodeId, span: Span) -> Eval<NodeId> {
        let (left, right) = (self.builder.ty(a).clone(), self.builder.ty(b).clone());
        let (ra, rb) = (left.shape.rank(), right.shape.rank());
        let fits_rank = ra >= 2 && (rb == 2 || rb == ra);
        if !fits_rank {
            let message = format!("`@` cannot multiply {left} by {right}");
            return self.fail(
                Diagnostic::error(codes::RANK, message)
                    .at(span, format!("ranks {ra} and {rb}"))
                    .note("`@` takes a tensor and a matrix, or two tensors of equal rank"),
            );
        }
        let right_axis = rb - 2;
        let (inner, expected) = (left.shape[ra - 1], right.shape[right_axis]);
        let batch: Vec<(usize, usize)> = (0..rb - 2).map(|axis| (axis, axis)).collect();
        let batches_fit = batch.iter().all(|&(x, y)| left.shape[x] == right.shape[y]);
        if inner != expected || !batches_fit || left.dtype != right.dtype {
            let mut diagnostic =
                Diagnostic::error(codes::SHAPE, format!("`@` cannot multiply {left} by {right}"))
                    .at(span, format!("{inner} against {expected}"))
                    .note("the last axis of the left side must be as long as the last but one of the right");
            diagnostic.help = pooling_hint(inner, expected);
            return self.fail(diagnostic);
        }
        self.build(span, |builder| builder.contract(a, b, &batch, &[(ra - 1, right_axis)]))
    }
}

/// What to do where a flattened map is larger than expected by a power of four.
pub(crate) fn pooling_hint(found: Dim, expected: Dim) -> Option<String> {
    let (Some(found), Some(expected)) = (per_sample(found), per_sample(expected)) else { return None };
    if expected == 0 || found % expected != 0 {
        return None;
    }
    let ratio = found / expected;
    let halvings = (1..=8u32).find(|&halvings| 4usize.pow(halvings) == ratio)?;
    let times = if halvings == 1 {
        "one `max_pool(2)`".to_owned()
    } else {
        format!("{halvings} times `max_pool(2)`")
    };
    Some(format!(
        "the maps are {ratio} times larger than expected, as if no pooling ever shrank them: put {times} before, or \
         let `dense(units)` infer its inputs"
    ))
}

fn per_sample(dim: Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(size) | Dim::Batch(size) => Some(size),
    }
}

/// Whether two plain values are equal; `None` where they cannot be compared.
fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::Text(a), Value::Text(b)) => Some(a == b),
        (Value::Extent(a), Value::Extent(b)) => Some(a == b),
        (Value::Extent(_), Value::Int(_)) | (Value::Int(_), Value::Extent(_)) => Some(false),
        (Value::Symbol(a), Value::Symbol(b)) => Some(a == b),
        (Value::None, Value::None) => Some(true),
        (Value::None, _) | (_, Value::None) => Some(false),
        (Value::List(a), Value::List(b)) => {
            if a.items().len() != b.items().len() {
                return Some(false);
            }
            let flat = |value: &Value| !matches!(value, Value::List(_));
            a.items().iter().zip(b.items()).try_fold(true, |all, (a, b)| {
                (flat(a) && flat(b)).then(|| equal(a, b)).flatten().map(|equal| all && equal)
            })
        }
        _ => match (left.as_float(), right.as_float()) {
            (Some(a), Some(b)) => Some(a == b),
            _ => None,
        },
    }
}
