//! Operators that move elements: Reshape, Transpose, Squeeze, Unsqueeze, Flatten, Concat, Slice, Expand,
//! Split, Tile.
//!
//! History: shapes, axes and limits were attributes once (the upgrade makes them inputs); negative axes came
//! with opset 11 or 13, `allowzero` of Reshape with 14, `num_outputs` of Split with 18.

use super::{Context, Measure, Operator, Stop};
use dlc_ir::{NodeId, Op};
use dlc_types::{Dim, Shape};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Reshape", 1, reshape),
    Operator::new("Transpose", 1, transpose),
    Operator::new("Squeeze", 1, squeeze),
    Operator::new("Unsqueeze", 1, unsqueeze),
    Operator::new("Flatten", 1, flatten),
    Operator::new("Concat", 1, concat),
    Operator::new("Slice", 1, slice),
    Operator::new("Expand", 8, expand),
    Operator::new("Split", 1, split),
    Operator::new("Tile", 6, tile),
];

/// `whole / part` where that is an extent.
fn quotient(whole: Dim, part: Dim) -> Option<Dim> {
    let divide = |a: usize, b: usize| (b != 0 && a.is_multiple_of(b)).then(|| a / b);
    match (whole, part) {
        (Dim::Fixed(a), Dim::Fixed(b)) | (Dim::Batch(a), Dim::Batch(b)) => divide(a, b).map(Dim::Fixed),
        (Dim::Batch(a), Dim::Fixed(b)) => divide(a, b).map(Dim::Batch),
        (Dim::Fixed(_), Dim::Batch(_)) => None,
    }
}

/// 0 copies an extent unless `allowzero`; one -1 is whatever is left.
fn reshape(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (_, before) = context.input_type(0)?;
    let wanted = context.need_measures(1)?;
    let zero_is_zero = context.flag("allowzero", false)?;
    let mut dims = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, &size) in wanted.iter().enumerate() {
        dims.push(match size {
            Measure::Number(-1) if open.is_none() => {
                open = Some(axis);
                Dim::Fixed(1)
            }
            Measure::Number(0) if !zero_is_zero => *before.get(axis).ok_or_else(|| {
                context.invalid(format!("the shape {} copies an axis that is not there", listed(&wanted)))
            })?,
            size => {
                context.dim(size).map_err(|_| context.invalid(format!("{} is no shape", listed(&wanted))))?
            }
        });
    }
    if let Some(axis) = open {
        let left = Shape(before.clone())
            .elements()
            .zip(Shape(dims.clone()).elements())
            .and_then(|(whole, part)| quotient(whole, part));
        dims[axis] = left.ok_or_else(|| {
            context.invalid(format!(
                "{} does not divide into the shape {}",
                Shape(before.clone()),
                listed(&wanted)
            ))
        })?;
    }
    reshaped(context, dims)
}

/// A shape for messages: `[N, -1, 8]`.
fn listed(measures: &[Measure]) -> String {
    let texts = measures.iter().map(|measure| match measure {
        Measure::Number(size) => size.to_string(),
        Measure::Batch(scale) => Dim::Batch(*scale).to_string(),
    });
    format!("[{}]", texts.collect::<Vec<_>>().join(", "))
}

/// The first input with other extents. What is known stays known.
fn reshaped(context: &mut Context<'_, '_>, dims: Vec<Dim>) -> Result<(), Stop> {
    let (element, _) = context.input_type(0)?;
    if element.dtype().is_none()
        && let (Some(known), Some(sizes)) = (context.known(0), Shape(dims.clone()).as_fixed())
    {
        return context.set_known(0, known.reshaped(sizes).map_err(Stop::Invalid)?);
    }
    let x = context.input(0)?;
    let result = context.builder().reshape(x, Shape(dims))?;
    context.set_output(0, result)
}

fn transpose(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let rank = context.rank(x);
    let permutation = match context.ints("perm")? {
        Some(axes) => {
            axes.iter().map(|&axis| context.axis(axis, rank)).collect::<Result<Vec<usize>, Stop>>()?
        }
        None => (0..rank).rev().collect(),
    };
    let result = context.builder().add_node(Op::Transpose { permutation }, &[x])?;
    context.set_output(0, result)
}

fn squeeze(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (_, dims) = context.input_type(0)?;
    let axes = match context.optional_ints(1)? {
        Some(axes) => context.axes(&axes, dims.len())?,
        None => (0..dims.len()).filter(|&axis| dims[axis] == Dim::Fixed(1)).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| dims[axis] != Dim::Fixed(1)) {
        return Err(context.invalid(format!("axis {axis} of {} cannot be squeezed", Shape(dims))));
    }
    let kept =
        dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, &dim)| dim).collect();
    reshaped(context, kept)
}

fn unsqueeze(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (_, dims) = context.input_type(0)?;
    let axes = context.need_ints(1)?;
    let axes = context.axes(&axes, dims.len() + axes.len())?;
    let mut result = dims;
    // Ascending, so each place is one in the result.
    axes.iter().for_each(|&axis| result.insert(axis, Dim::Fixed(1)));
    reshaped(context, result)
}

fn flatten(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (_, dims) = context.input_type(0)?;
    let axis = context.int_or("axis", 1)?;
    let axis = if axis == dims.len() as i64 { dims.len() } else { context.axis(axis, dims.len())? };
    let product = |dims: &[Dim]| Shape(dims.to_vec()).elements();
    match (product(&dims[..axis]), product(&dims[axis..])) {
        (Some(rows), Some(columns)) => reshaped(context, vec![rows, columns]),
        _ => Err(context.not_done("a size that grows with the square of the batch")),
    }
}

/// Operands without elements along the axis add nothing.
fn concat(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let axis = context.required_int("axis")?;
    let mut operands = Vec::new();
    for position in 0..context.input_count() {
        let (_, dims) = context.input_type(position)?;
        let axis = context.axis(axis, dims.len())?;
        if dims[axis] != Dim::Fixed(0) {
            operands.push(context.input(position)?);
        }
    }
    let Some(&first) = operands.first() else { return context.pass(0, 0) };
    let axis = context.axis(axis, context.rank(first))?;
    let result = match operands.as_slice() {
        [only] => *only,
        _ => context.builder().add_node(Op::Concat { axis }, &operands)?,
    };
    context.set_output(0, result)
}

/// One axis of a slice: first element, number of elements, step; from ONNX's start, end, step.
fn run(size: usize, start: i64, end: i64, step: i64) -> (usize, usize, i64) {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let from_end = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
    let (start, end) = (from_end(start), from_end(end));
    let (start, end) = if step > 0 {
        (start.clamp(0, size), end.clamp(0, size))
    } else {
        (start.clamp(-1, size - 1), end.clamp(-1, size - 1))
    };
    let length = if step > 0 { end - start } else { start - end };
    let count = if length <= 0 { 0 } else { (length as u64).div_ceil(step.unsigned_abs()) };
    (start.max(0) as usize, count as usize, step)
}

fn slice(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let (starts, ends) = (context.need_ints(1)?, context.need_ints(2)?);
    let (axes, steps) = (context.optional_ints(3)?, context.optional_ints(4)?);
    let x = context.input(0)?;
    let shape = context.shape(x);
    let count = starts.len();
    let axes = axes.unwrap_or_else(|| (0..count as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; count]);
    if [ends.len(), axes.len(), steps.len()] != [count; 3] {
        return Err(context.invalid("its starts, ends, axes and steps differ in number"));
    }
    let rank = shape.rank();
    let (mut low, mut high, mut strides) = (vec![0; rank], vec![usize::MAX; rank], vec![1; rank]);
    let mut reversed = Vec::new();
    for position in 0..count {
        let axis = context.axis(axes[position], rank)?;
        let (start, end, step) = (starts[position], ends[position], steps[position]);
        if step == 0 {
            return Err(context.invalid("a step is 0"));
        }
        let Dim::Fixed(size) = shape[axis] else {
            if (start, step) == (0, 1) && end >= i64::from(i32::MAX) {
                continue;
            }
            return Err(context.not_done(format!("a part of the batch, axis {axis} of {shape}")));
        };
        let (first, length, step) = run(size, start, end, step);
        let reach = step.unsigned_abs() as usize;
        let span = length.saturating_sub(1).saturating_mul(reach);
        // A run backwards is one forwards that is reversed afterwards.
        let first = if step > 0 || length == 0 { first } else { first.saturating_sub(span) };
        (low[axis], strides[axis]) = (first, reach);
        high[axis] = if length == 0 { first } else { first + span + 1 };
        if step < 0 {
            reversed.push(axis);
        }
    }
    reversed.sort_unstable();
    reversed.dedup();
    let op = Op::Slice { starts: low, limits: high, strides };
    let mut result = context.builder().add_node(op, &[x])?;
    if !reversed.is_empty() {
        result = context.builder().add_node(Op::Reverse { axes: reversed }, &[result])?;
    }
    context.set_output(0, result)
}

/// Broadcasts both ways: an extent of 1 in the wanted shape keeps the operand's.
fn expand(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let sizes = context.need_measures(1)?;
    let dims = sizes.iter().map(|&size| context.dim(size)).collect::<Result<Vec<Dim>, Stop>>()?;
    let shape = super::broadcast::shape([&context.shape(x), &Shape(dims)].into_iter())?;
    let result = context.broadcast_to(x, &shape)?;
    context.set_output(0, result)
}

/// Parts of given sizes, or of equal ones, the last of which may be smaller.
fn split(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let shape = context.shape(x);
    let axis = context.int_or("axis", 0)?;
    let axis = context.axis(axis, shape.rank())?;
    let Dim::Fixed(size) = shape[axis] else {
        return Err(context.not_done("parts of the batch"));
    };
    let parts = match context.optional_ints(1)? {
        Some(sizes) => sizes
            .iter()
            .map(|&size| usize::try_from(size).map_err(|_| context.invalid(format!("{size} is no size"))))
            .collect::<Result<Vec<usize>, Stop>>()?,
        None => {
            let count = context.int("num_outputs")?.and_then(|count| usize::try_from(count).ok());
            let count = count.unwrap_or(context.output_count()).max(1);
            if count != context.output_count().max(1) {
                let outputs = context.output_count();
                return Err(
                    context.invalid(format!("it has {outputs} outputs, not its `num_outputs`, {count}"))
                );
            }
            let each = size.div_ceil(count);
            (0..count).map(|part| each.min(size.saturating_sub(part.saturating_mul(each)))).collect()
        }
    };
    let total = parts.iter().try_fold(0_usize, |sum, &part| sum.checked_add(part));
    if total != Some(size) || parts.len() < context.output_count() {
        return Err(context.invalid(format!("{parts:?} are not the parts of axis {axis} of {shape}")));
    }
    let mut first = 0;
    for (position, &part) in parts.iter().enumerate() {
        let (mut starts, mut limits) = (vec![0; shape.rank()], vec![usize::MAX; shape.rank()]);
        (starts[axis], limits[axis]) = (first, first + part);
        first += part;
        let op = Op::Slice { starts, limits, strides: vec![1; shape.rank()] };
        let value = context.builder().add_node(op, &[x])?;
        context.set_output(position, value)?;
    }
    Ok(())
}

/// Each axis with a repetition becomes two, of which the first is the repetition.
fn tile(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let repeats = context.need_ints(1)?;
    let result = tiled(context, x, &repeats)?;
    context.set_output(0, result)
}

fn tiled(context: &mut Context<'_, '_>, x: NodeId, repeats: &[i64]) -> Result<NodeId, Stop> {
    let shape = context.shape(x);
    if repeats.len() != shape.rank() {
        return Err(context.invalid(format!("{repeats:?} does not tell the repetitions of {shape}")));
    }
    let (mut apart, mut joined, mut axes) = (Vec::new(), Vec::new(), Vec::new());
    for (&dim, &repeat) in shape.dims().iter().zip(repeats) {
        let repeat =
            usize::try_from(repeat).map_err(|_| context.invalid(format!("{repeat} is no repetition")))?;
        let total =
            dim.times(Dim::Fixed(repeat)).ok_or_else(|| context.invalid("the result is too large"))?;
        apart.push(Dim::Fixed(repeat));
        axes.push(apart.len());
        apart.push(dim);
        joined.push(total);
    }
    let spread = context.builder().broadcast(x, Shape(apart), &axes)?;
    Ok(context.builder().reshape(spread, Shape(joined))?)
}
