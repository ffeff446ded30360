//! Maps of another size: upsampling, and pools whose windows divide a map into so many parts.
//!
//! What is linear in an axis alone is a product with a matrix of that axis, whose derivative is another.

use super::LayerSpec;
use super::window::axis_name;
use crate::codes;
use crate::elaborate::arguments::{Arguments, Parameter};
use crate::elaborate::{Elaborator, WORK_OF_A_NODE};
use crate::report::Eval;
use crate::value::Value;
use dlc_ir::{Builder, InferError, Literal, NodeId, Op, Reduction};
use dlc_types::{DType, Diagnostic, Dim, Shape};

const ADAPTIVE: &[Parameter<'static>] = &[("x", true), ("size", true)];

pub(super) const SPECS: &[LayerSpec] = &[
    LayerSpec::new(
        "upsample",
        &[("x", true), ("factor", false), ("size", false), ("mode", false), ("align_corners", false)],
        upsample,
    ),
    LayerSpec::new("adaptive_avg_pool", ADAPTIVE, adaptive_avg_pool),
    LayerSpec::new("adaptive_max_pool", ADAPTIVE, adaptive_max_pool),
];

/// The most weights of a matrix of one axis.
const MAX_MATRIX: usize = 1 << 24;

/// The tensor and the sizes of its spatial axes, one or two.
fn maps(el: &mut Elaborator<'_>, arguments: &Arguments) -> Eval<(NodeId, Vec<usize>)> {
    let x = arguments.float_tensor(el, "x")?;
    let ty = el.builder.ty(x).clone();
    let sizes: Option<Vec<usize>> = ty.shape.0.iter().skip(2).map(|dim| dim.fixed()).collect();
    match sizes {
        Some(sizes) if (3..=4).contains(&ty.shape.rank()) => Ok((x, sizes)),
        _ => {
            let message = format!(
                "`{}` takes [N, channels, length] or [N, channels, height, width], got {ty}",
                arguments.callee
            );
            el.fail_at(codes::RANK, message, arguments.span, format!("rank {}", ty.shape.rank()))
        }
    }
}

/// Larger maps, by repetition or by straight lines between neighbours, as PyTorch's `Upsample`.
fn upsample(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (x, sizes) = maps(el, arguments)?;
    let axes = sizes.len();
    let linear = match arguments.get("mode") {
        None => false,
        Some((Value::Text(mode), _)) => match &**mode {
            "nearest" => false,
            "linear" | "bilinear" => true,
            _ => return arguments.mismatch(el, "mode", "\"nearest\", \"linear\" or \"bilinear\""),
        },
        Some(_) => return arguments.mismatch(el, "mode", "\"nearest\", \"linear\" or \"bilinear\""),
    };
    let aligned = arguments.bool_or(el, "align_corners", false)?;
    if aligned && !linear {
        let message = "`align_corners` is a form of linear upsampling";
        return el.fail_at(
            codes::RANGE,
            message,
            arguments.span_of("align_corners"),
            "the mode is \"nearest\"",
        );
    }
    let results: Vec<usize> = match (arguments.get("factor"), arguments.get("size")) {
        (Some(_), None) => {
            let factors = arguments.per_axis(el, "factor", axes, 1)?;
            sizes.iter().zip(&factors).map(|(&size, &factor)| size.saturating_mul(factor)).collect()
        }
        (None, Some(_)) => arguments.per_axis(el, "size", axes, 1)?,
        _ => {
            return el.fail(
                Diagnostic::error(codes::ARGUMENT, "`upsample` needs `factor` or `size`, and not both")
                    .at(arguments.span, "how large the map becomes")
                    .help("write `upsample(2)`, or `upsample(size = (32, 32))`"),
            );
        }
    };
    if !linear {
        return el.build(arguments.span, |builder| nearest(builder, x, &sizes, &results)).map(Value::Tensor);
    }
    let rows = |from: usize, to: usize| lines(from, to, aligned);
    by_matrices(el, arguments, x, &sizes, &results, rows)
}

/// Element `i` is element `floor(i * from / to)` of the smaller map.
fn nearest(
    builder: &mut Builder,
    x: NodeId,
    sizes: &[usize],
    results: &[usize],
) -> Result<NodeId, InferError> {
    let mut y = x;
    for (axis, (&from, &to)) in sizes.iter().zip(results).enumerate() {
        let axis = axis + 2;
        if from == to {
            continue;
        }
        let mut shape = builder.shape(y).0.clone();
        if to.is_multiple_of(from) {
            shape.insert(axis + 1, Dim::Fixed(to / from));
            let kept: Vec<usize> = (0..shape.len()).filter(|&place| place != axis + 1).collect();
            let repeated = builder.broadcast(y, Shape(shape.clone()), &kept)?;
            shape.remove(axis + 1);
            shape[axis] = Dim::Fixed(to);
            y = builder.reshape(repeated, Shape(shape))?;
        } else {
            let places: Vec<i64> = (0..to).map(|place| (place * from / to) as i64).collect();
            let places = builder.constant(Literal::ints(DType::I32, &[to], &places))?;
            y = builder.add_node(Op::Gather { axis }, &[y, places])?;
        }
    }
    Ok(y)
}

/// Weights of a straight line between neighbours, one row per result.
fn lines(from: usize, to: usize, aligned: bool) -> Vec<Vec<(usize, f64)>> {
    let place = |result: usize| {
        if aligned {
            if to == 1 { 0.0 } else { (result * (from - 1)) as f64 / (to - 1) as f64 }
        } else {
            ((result as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
        }
    };
    let row = |result: usize| {
        let place = place(result);
        let low = (place.floor() as usize).min(from - 1);
        let share = if low + 1 < from { place - low as f64 } else { 0.0 };
        vec![(low, 1.0 - share), ((low + 1).min(from - 1), share)]
    };
    (0..to).map(row).collect()
}

/// The part of an axis that result `i` of `to` covers.
fn part(from: usize, to: usize, result: usize) -> (usize, usize) {
    (result * from / to, ((result + 1) * from).div_ceil(to))
}

/// Means over parts of the map, as PyTorch's `AdaptiveAvgPool`.
fn adaptive_avg_pool(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (x, sizes) = maps(el, arguments)?;
    let results = parts(el, arguments, x, &sizes)?;
    let rows = |from: usize, to: usize| {
        let row = |result: usize| {
            let (low, high) = part(from, to, result);
            (low..high).map(|place| (place, 1.0 / (high - low) as f64)).collect()
        };
        (0..to).map(row).collect()
    };
    by_matrices(el, arguments, x, &sizes, &results, rows)
}

/// The largest elements of parts of the map, as PyTorch's `AdaptiveMaxPool`.
fn adaptive_max_pool(el: &mut Elaborator<'_>, arguments: &Arguments, _: &str) -> Eval<Value> {
    let (x, sizes) = maps(el, arguments)?;
    let results = parts(el, arguments, x, &sizes)?;
    // Every part is some nodes of its own.
    let nodes = results.iter().fold(0_usize, |sum, &to| sum.saturating_add(to.saturating_mul(3)));
    el.charge(nodes.saturating_mul(WORK_OF_A_NODE), arguments.span)?;
    el.build(arguments.span, |builder| {
        let mut y = x;
        for (axis, (&from, &to)) in sizes.iter().zip(&results).enumerate() {
            y = largest_of_parts(builder, y, axis + 2, from, to)?;
        }
        Ok(y)
    })
    .map(Value::Tensor)
}

fn largest_of_parts(
    builder: &mut Builder,
    x: NodeId,
    axis: usize,
    from: usize,
    to: usize,
) -> Result<NodeId, InferError> {
    if from == to {
        return Ok(x);
    }
    let shape = builder.shape(x).clone();
    if from.is_multiple_of(to) {
        let mut divided = shape.0.clone();
        divided[axis] = Dim::Fixed(to);
        divided.insert(axis + 1, Dim::Fixed(from / to));
        let divided = builder.reshape(x, Shape(divided))?;
        return builder.reduce(Reduction::Max, divided, &[axis + 1]);
    }
    let mut pieces = Vec::with_capacity(to);
    for result in 0..to {
        let (low, high) = part(from, to, result);
        let mut starts = vec![0; shape.rank()];
        let mut limits = vec![usize::MAX; shape.rank()];
        (starts[axis], limits[axis]) = (low, high);
        let strides = vec![1; shape.rank()];
        let piece = builder.add_node(Op::Slice { starts, limits, strides }, &[x])?;
        let largest = builder.reduce(Reduction::Max, piece, &[axis])?;
        let mut kept = shape.0.clone();
        kept[axis] = Dim::Fixed(1);
        pieces.push(builder.reshape(largest, Shape(kept))?);
    }
    builder.add_node(Op::Concat { axis }, &pieces)
}

/// The number of parts per axis.
fn parts(el: &mut Elaborator<'_>, arguments: &Arguments, x: NodeId, sizes: &[usize]) -> Eval<Vec<usize>> {
    let results = arguments.per_axis(el, "size", sizes.len(), 1)?;
    for (axis, (&from, &to)) in sizes.iter().zip(&results).enumerate() {
        if to > from {
            let name = axis_name(sizes.len(), axis);
            let message = format!(
                "`{}` cannot divide the {name} of {}, which is {from}, into {to} parts",
                arguments.callee,
                el.builder.ty(x)
            );
            return el.fail(
                Diagnostic::error(codes::SHAPE, message)
                    .at(arguments.span_of("size"), format!("{to} against {from}"))
                    .help("a larger map is made by `upsample`"),
            );
        }
    }
    Ok(results)
}

/// Each spatial axis multiplied with a matrix, given by the weights of each row.
fn by_matrices(
    el: &mut Elaborator<'_>,
    arguments: &Arguments,
    x: NodeId,
    sizes: &[usize],
    results: &[usize],
    rows: impl Fn(usize, usize) -> Vec<Vec<(usize, f64)>>,
) -> Eval<Value> {
    if sizes.iter().zip(results).any(|(&from, &to)| from.saturating_mul(to) > MAX_MATRIX) {
        let message = format!("`{}` from {sizes:?} to {results:?} is too large", arguments.callee);
        return el.fail_at(codes::TOO_LARGE, message, arguments.span, "more than 2^24 weights");
    }
    let dtype = el.dtype(x);
    el.build(arguments.span, |builder| {
        let mut y = x;
        for (&from, &to) in sizes.iter().zip(results) {
            let mut weights = vec![0.0; from * to];
            for (result, row) in rows(from, to).into_iter().enumerate() {
                for (place, weight) in row {
                    weights[place * to + result] += weight;
                }
            }
            let matrix = builder.constant(Literal::floats(dtype, &[from, to], &weights))?;
            // The axis goes to the end, so that after all axes their order is the first one.
            y = builder.contract(y, matrix, &[], &[(2, 0)])?;
        }
        Ok(y)
    })
    .map(Value::Tensor)
}
