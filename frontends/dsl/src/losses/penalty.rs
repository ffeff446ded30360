//! Penalties on parameters, as terms of a loss.

use crate::elaborate::Elaborator;
use crate::elaborate::arguments::Arguments;
use crate::patterns::{fits, unmatched};
use crate::report::{Eval, Poison};
use crate::value::Value;
use dlc_ir::{Builder, InferError, NodeId, Unary};

/// `factor * sum(|w|)` over the parameters that a pattern fits.
pub(super) fn l1(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    penalty(el, arguments, |builder, weight| builder.unary(Unary::Abs, weight))
}

/// `factor * sum(w^2)` over the parameters that a pattern fits.
pub(super) fn l2(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    penalty(el, arguments, |builder, weight| builder.mul(weight, weight))
}

fn penalty(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    of_element: impl Fn(&mut Builder, NodeId) -> Result<NodeId, InferError>,
) -> Eval<Value> {
    let patterns = match arguments.get("paths") {
        Some((Value::Text(text), _)) => vec![text.to_string()],
        Some((Value::List(list), _)) if list.items().iter().all(|item| matches!(item, Value::Text(_))) => {
            let text = |item: &Value| match item {
                Value::Text(text) => text.to_string(),
                _ => String::new(),
            };
            list.items().iter().map(text).collect()
        }
        _ => return arguments.mismatch(el, "paths", "a pattern of paths such as \"*.weight\""),
    };
    let factor = arguments.float_within(el, "factor", 0.0, 0.0..=1e6)?;
    let names: Vec<String> = el.ownership.parameters.iter().map(|one| one.name.clone()).collect();
    let mut total = None;
    for pattern in &patterns {
        if !names.iter().any(|name| fits(pattern, name)) {
            let fault =
                unmatched(pattern, arguments.span_of("paths"), "penalises nothing", &el.ownership.parameters);
            return el.fail(fault);
        }
    }
    for name in names.iter().filter(|name| patterns.iter().any(|pattern| fits(pattern, name))) {
        let Some(weight) = el.ownership.parameter_node(name) else { return Err(Poison) };
        let sum = el.build(arguments.span, |builder| {
            let elements = of_element(builder, weight)?;
            let axes: Vec<usize> = (0..builder.shape(elements).rank()).collect();
            let sum = builder.sum(elements, &axes)?;
            let sum = builder.scale(sum, factor)?;
            match total {
                None => Ok(sum),
                Some(total) => builder.add(total, sum),
            }
        })?;
        total = Some(sum);
    }
    total.map(Value::Tensor).ok_or(Poison)
}
