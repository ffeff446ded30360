//! Sums, means and extremes over axes; on plain numbers, the smaller or larger one.

use super::LayerSpec;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, Parameter, resolve_axis};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Binary, Builder, InferError, NodeId, Reduction};
use dlc_types::{Dim, Shape};

const PARAMETERS: &[Parameter<'static>] = &[("x", true), ("axis", false), ("keep", false)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("sum", PARAMETERS, |el, arguments, _| {
        reduce(el, arguments, |builder, x, axes| builder.sum(x, axes))
    }),
    LayerSpec::new("mean", PARAMETERS, |el, arguments, _| {
        reduce(el, arguments, |builder, x, axes| builder.mean(x, axes))
    }),
    LayerSpec::new("max", PARAMETERS, |el, arguments, _| extreme(el, arguments, Reduction::Max, Binary::Max)),
    LayerSpec::new("min", PARAMETERS, |el, arguments, _| extreme(el, arguments, Reduction::Min, Binary::Min)),
];

/// `max(x, axis = 1)`, `max(a, b)` of two tensors, or of two numbers.
fn extreme(el: &mut Elaborator<'_>, arguments: &Arguments, kind: Reduction, binary: Binary) -> Eval<Value> {
    let pair = (arguments.get("x").cloned(), arguments.get("axis").cloned());
    match pair {
        (Some((Value::Tensor(a), _)), Some((Value::Tensor(b), _))) => {
            let (a, b) = el.broadcast_pair(&arguments.callee, a, b, arguments.span)?;
            el.build(arguments.span, |builder| builder.binary(binary, a, b)).map(Value::Tensor)
        }
        (Some((Value::Int(a), _)), Some((Value::Int(b), _))) => {
            Ok(Value::Int(if kind == Reduction::Max { a.max(b) } else { a.min(b) }))
        }
        (Some((a @ (Value::Int(_) | Value::Float(_)), _)), Some((b, _))) => {
            match (a.as_float(), b.as_float()) {
                (Some(a), Some(b)) => {
                    Ok(Value::Float(if kind == Reduction::Max { a.max(b) } else { a.min(b) }))
                }
                _ => arguments.mismatch(el, "axis", "a number"),
            }
        }
        _ => reduce(el, arguments, |builder, x, axes| builder.reduce(kind, x, axes)),
    }
}

fn reduce(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    build: impl FnOnce(&mut Builder, NodeId, &[usize]) -> Result<NodeId, InferError>,
) -> Eval<Value> {
    let x = arguments.tensor(el, "x")?;
    let shape = el.builder.shape(x).clone();
    let rank = shape.rank();
    let one = |value: &Value| match value {
        Value::Int(axis) => resolve_axis(*axis, rank),
        _ => None,
    };
    let axes: Option<Vec<usize>> = match arguments.get("axis") {
        None => Some((0..rank).collect()),
        Some((Value::List(list), _)) => list.items().iter().map(one).collect(),
        Some((value, _)) => one(value).map(|axis| vec![axis]),
    };
    let Some(mut axes) = axes else {
        let wanted = format!("an axis or a list of axes of {}", el.builder.ty(x));
        return arguments.mismatch(el, "axis", &wanted);
    };
    axes.sort_unstable();
    axes.dedup();
    if arguments.callee == "mean" && !el.dtype(x).is_float() {
        let message = format!("the mean of {} is not a whole number", el.builder.ty(x));
        return el.fail_at(codes::ELEMENT_TYPE, message, arguments.span, "convert with `cast(x, \"f32\")`");
    }
    let keep = arguments.bool_or(el, "keep", false)?;
    let y = el.build(arguments.span, |builder| build(builder, x, &axes))?;
    if !keep {
        return Ok(Value::Tensor(y));
    }
    let kept = shape.0.iter().enumerate();
    let kept = kept.map(|(axis, &dim)| if axes.contains(&axis) { Dim::Fixed(1) } else { dim }).collect();
    el.build(arguments.span, |builder| builder.reshape(y, Shape(kept))).map(Value::Tensor)
}
