//! Elementwise functions, choice, and functions of lists.

use super::LayerSpec;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::report::Eval;
use crate::value::{List, MAX_LIST_LENGTH, Value};
use dlc_ir::Unary;
use dlc_types::DType;

const X: &[Parameter<'static>] = &[("x", true)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("exp", X, |el, arguments, _| elementwise(el, arguments, Unary::Exp, f64::exp)),
    LayerSpec::new("log", X, |el, arguments, _| elementwise(el, arguments, Unary::Log, f64::ln)),
    LayerSpec::new("sqrt", X, |el, arguments, _| elementwise(el, arguments, Unary::Sqrt, f64::sqrt)),
    LayerSpec::new("abs", X, |el, arguments, _| elementwise(el, arguments, Unary::Abs, f64::abs)),
    LayerSpec::new("sin", X, |el, arguments, _| elementwise(el, arguments, Unary::Sin, f64::sin)),
    LayerSpec::new("cos", X, |el, arguments, _| elementwise(el, arguments, Unary::Cos, f64::cos)),
    LayerSpec::new("select", &[("condition", true), ("a", true), ("b", true)], select),
    LayerSpec::new("len", X, len),
    LayerSpec::new("enumerate", X, enumerate),
];

fn elementwise(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    function: Unary,
    of_number: fn(f64) -> f64,
) -> Eval<Value> {
    if let Some((Value::Int(value), _)) = arguments.get("x")
        && function == Unary::Abs
    {
        return Ok(Value::Int(value.saturating_abs()));
    }
    if let Some(number) = arguments.get("x").and_then(|(value, _)| value.as_float()) {
        let result = of_number(number);
        if result.is_finite() {
            return Ok(Value::Float(result));
        }
        let message = format!("{}({number}) is not a finite number", arguments.callee);
        return el.fail_at(codes::ARITHMETIC, message, arguments.span, "not finite");
    }
    let x = arguments.float_tensor(el, "x")?;
    el.build(arguments.span, |builder| builder.unary(function, x)).map(Value::Tensor)
}

/// `condition ? a : b`, element by element; numbers are broadcast.
fn select(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let span = arguments.span;
    let condition = arguments.tensor(el, "condition")?;
    if el.dtype(condition) != DType::Bool {
        return arguments.mismatch(el, "condition", "a tensor of bool, such as `x > 0`");
    }
    let (Some((a, _)), Some((b, _))) = (arguments.get("a"), arguments.get("b")) else {
        return arguments.mismatch(el, "a", "a tensor or number");
    };
    let (a, b) = match (a, b) {
        (Value::Tensor(a), Value::Tensor(b)) => el.broadcast_pair("select", *a, *b, span)?,
        (Value::Tensor(a), other) => (*a, el.splat(*a, other, span)?),
        (other, Value::Tensor(b)) => (el.splat(*b, other, span)?, *b),
        _ => return arguments.mismatch(el, "a", "a tensor, unless `b` is one"),
    };
    let shape = el.builder.shape(a).clone();
    if el.builder.shape(condition).rank() > shape.rank() {
        return arguments.mismatch(el, "condition", &format!("a tensor of the shape {shape} of the others"));
    }
    let condition = el.broadcast_to(condition, &shape, span)?;
    el.build(span, |builder| builder.select(condition, a, b)).map(Value::Tensor)
}

fn len(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    match arguments.get("x") {
        Some((Value::List(list), _)) => Ok(Value::Int(list.items().len() as i64)),
        Some((Value::Range(low, high), _)) => Ok(Value::Int(high.saturating_sub(*low).max(0))),
        _ => arguments.mismatch(el, "x", "a list or range"),
    }
}

/// `[(0, first), (1, second), …]`, for `for i, item in enumerate(items)`.
fn enumerate(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let items: Vec<Value> = match arguments.get("x") {
        Some((Value::List(list), _)) => list.items().to_vec(),
        Some((Value::Range(low, high), _)) => {
            (*low..*high).take(MAX_LIST_LENGTH + 1).map(Value::Int).collect()
        }
        _ => return arguments.mismatch(el, "x", "a list or range"),
    };
    let pairs = items.into_iter().enumerate().map(|(position, item)| {
        List::new(vec![Value::Int(position as i64), item]).map_or(Value::Poison, Value::List)
    });
    let pairs = pairs.collect();
    el.list(pairs, arguments.span)
}
