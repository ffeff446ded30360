//! Layers that move elements without computing.

use super::LayerSpec;
use crate::codes;
use crate::elaborate::Elaborator;
use crate::elaborate::arguments::{Arguments, resolve_axis};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{NodeId, Op};
use dlc_types::{DType, Diagnostic, Dim, Shape, Span, TensorType};

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new("flatten", &[("x", true)], flatten),
    LayerSpec::new("reshape", &[("x", true), ("shape", true)], reshape),
    LayerSpec::new("transpose", &[("x", true), ("axes", true)], transpose),
    LayerSpec::new("concat", &[("x", true), ("axis", false)], concat).with_rest(),
    LayerSpec::new("cast", &[("x", true), ("type", true)], cast),
];

/// `[N, a, b, …] -> [N, a * b * …]`
fn flatten(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    let rest = ty.shape.0.get(1..).and_then(|rest| Shape(rest.to_vec()).elements());
    let (Some(&first), Some(rest)) = (ty.shape.0.first(), rest) else {
        let message = format!("`flatten` takes [N, …], got {ty}");
        return el.fail_at(codes::RANK, message, arguments.span, "cannot be flattened");
    };
    el.build(arguments.span, |builder| builder.reshape(x, Shape(vec![first, rest]))).map(Value::Tensor)
}

fn reshape(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.tensor(el, "x")?;
    let wanted = "a list of extents such as [N, 1, 8, 8], with at most one -1";
    let Some((Value::List(list), _)) = arguments.get("shape") else {
        return arguments.mismatch(el, "shape", wanted);
    };
    let ty = el.builder.ty(x).clone();
    let mut dims = Vec::new();
    let mut open = None;
    for (axis, item) in list.items().iter().enumerate() {
        dims.push(match item {
            Value::Extent(dim) => *dim,
            Value::Int(-1) if open.is_none() => {
                open = Some(axis);
                Dim::Fixed(1)
            }
            Value::Int(size) if (1..=1 << 40).contains(size) => Dim::Fixed(*size as usize),
            _ => return arguments.mismatch(el, "shape", wanted),
        });
    }
    let total = ty.shape.elements();
    let given = Shape(dims.clone()).elements();
    if let (Some(axis), Some(total), Some(given)) = (open, total, given) {
        match quotient(total, given) {
            Some(dim) => dims[axis] = dim,
            None => return misfit(el, arguments, &ty, &Shape(dims)),
        }
    } else if total.is_none() || total != given {
        return misfit(el, arguments, &ty, &Shape(dims));
    }
    el.build(arguments.span, |builder| builder.reshape(x, Shape(dims))).map(Value::Tensor)
}

fn misfit<T>(el: &mut Elaborator<'_>, arguments: &Arguments, from: &TensorType, to: &Shape) -> Eval<T> {
    let count = |shape: &Shape| shape.elements().map_or("too many".to_owned(), |count| count.to_string());
    let message = format!(
        "`reshape` cannot turn {from} ({} elements) into {to} ({} elements)",
        count(&from.shape),
        count(to)
    );
    let mut diagnostic = Diagnostic::error(codes::SHAPE, message)
        .at(arguments.span, format!("{} against {}", count(&from.shape), count(to)))
        .note("a reshape keeps the number of elements");
    diagnostic.help = match (from.shape.elements(), to.elements()) {
        (Some(found), Some(expected)) => crate::elaborate::pooling_hint(found, expected),
        _ => None,
    };
    if diagnostic.help.is_none() && from.shape.has_batch() && !to.has_batch() {
        diagnostic.help = Some("keep the batch as the first axis: `reshape([N, …])`".to_owned());
    }
    if diagnostic.help.is_none() {
        diagnostic.help = Some("write -1 for the axis that is to be inferred, or use `flatten()`".to_owned());
    }
    el.fail(diagnostic)
}

/// `total / part`, where it is an extent.
fn quotient(total: Dim, part: Dim) -> Option<Dim> {
    let divide = |a: usize, b: usize| (b > 0 && a > 0 && a.is_multiple_of(b)).then(|| a / b);
    match (total, part) {
        (Dim::Fixed(a), Dim::Fixed(b)) | (Dim::Batch(a), Dim::Batch(b)) => divide(a, b).map(Dim::Fixed),
        (Dim::Batch(a), Dim::Fixed(b)) => divide(a, b).map(Dim::Batch),
        (Dim::Fixed(_), Dim::Batch(_)) => None,
    }
}

/// Result axis `i` is operand axis `axes[i]`.
fn transpose(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.tensor(el, "x")?;
    let rank = el.builder.shape(x).rank();
    let axes: Option<Vec<usize>> = match arguments.get("axes") {
        Some((Value::List(list), _)) => list
            .items()
            .iter()
            .map(|item| match item {
                Value::Int(axis) => resolve_axis(*axis, rank),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    let permutation = axes.filter(|axes| {
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..rank)
    });
    match permutation {
        Some(axes) => el.build(arguments.span, |builder| builder.transpose(x, &axes)).map(Value::Tensor),
        None => {
            arguments.mismatch(el, "axes", &format!("an order of the {rank} axes of {}", el.builder.ty(x)))
        }
    }
}

/// `concat(a, b, …, axis = 1)` or `concat([a, b, …])`.
fn concat(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let mut tensors: Vec<(NodeId, Span)> = Vec::new();
    for (value, span) in arguments.get("x").into_iter().chain(&arguments.rest) {
        match value {
            Value::Tensor(node) => tensors.push((*node, *span)),
            Value::List(list) => {
                for item in list.items() {
                    let Value::Tensor(node) = item else {
                        return el.fail_at(
                            codes::KIND,
                            "`concat` joins tensors",
                            *span,
                            "not a list of tensors",
                        );
                    };
                    tensors.push((*node, *span));
                }
            }
            other => {
                let message = format!("`concat` joins tensors, not {}", other.describe(&el.builder));
                return el.fail_at(codes::KIND, message, *span, "not a tensor");
            }
        }
    }
    let Some(&(first, _)) = tensors.first() else {
        return el.fail_at(
            codes::ARGUMENT,
            "`concat` joins at least one tensor",
            arguments.span,
            "none given",
        );
    };
    let ty = el.builder.ty(first).clone();
    let axis = arguments.axis(el, "axis", 1, ty.shape.rank())?;
    el.charge(tensors.len(), arguments.span)?;
    for &(node, span) in &tensors {
        let other = el.builder.ty(node).clone();
        let same_rank = other.shape.rank() == ty.shape.rank();
        let fits = same_rank && (0..ty.shape.rank()).all(|i| i == axis || ty.shape[i] == other.shape[i]);
        if !fits || other.dtype != ty.dtype {
            let message = format!("`concat` along axis {axis} cannot join {ty} and {other}");
            return el.fail(
                Diagnostic::error(codes::SHAPE, message)
                    .at(span, format!("{other}"))
                    .note("all axes but the joined one must be equal, and the element types too"),
            );
        }
    }
    let nodes: Vec<NodeId> = tensors.into_iter().map(|(node, _)| node).collect();
    el.build(arguments.span, |builder| builder.add_node(Op::Concat { axis }, &nodes)).map(Value::Tensor)
}

/// `cast(x, "i32")`
fn cast(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let x = arguments.tensor(el, "x")?;
    match arguments.text(el, "type")?.parse::<DType>() {
        Ok(dtype) => el.build(arguments.span, |builder| builder.cast(x, dtype)).map(Value::Tensor),
        Err(()) => arguments.mismatch(el, "type", "an element type such as \"f32\""),
    }
}
