//! Pools: MaxPool, AveragePool, LpPool, and the global ones.
//!
//! History: AveragePool got `count_include_pad` with opset 7, MaxPool its second output with 8; `ceil_mode` and
//! `dilations` came with 10 (MaxPool), 10 and 19 (AveragePool) and 18 (LpPool); `p` was a float in opset 1.

use super::sliding::{Sliding, spatial};
use super::{Context, Operator, Stop};
use dlc_ir::{Binary, NodeId, Op, Reduction, Unary, WindowKind};
use dlc_types::DType;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("MaxPool", 1, max_pool),
    Operator::new("AveragePool", 1, average_pool),
    Operator::new("LpPool", 1, lp_pool),
    Operator::new("GlobalMaxPool", 1, |context| {
        global(context, |context, x, axes| Ok(context.builder().reduce(Reduction::Max, x, axes)?))
    }),
    Operator::new("GlobalAveragePool", 1, |context| {
        global(context, |context, x, axes| Ok(context.builder().mean(x, axes)?))
    }),
    Operator::new("GlobalLpPool", 1, |context| {
        global(context, |context, x, axes| {
            let p = exponent(context)?;
            let power = powers(context, x, p)?;
            let sum = context.builder().sum(power, axes)?;
            root(context, sum, p)
        })
    }),
];

/// The window, without and with the padding that `ceil_mode` needs.
fn windows(context: &Context<'_, '_>, x: NodeId) -> Result<(Sliding, Sliding), Stop> {
    let inputs = spatial(context, x)?;
    let sizes = context.sizes("kernel_shape")?;
    let sizes = sizes.ok_or_else(|| context.invalid("its attribute `kernel_shape` is missing"))?;
    let told = Sliding::read(context, &inputs, sizes)?;
    let automatic = !matches!(context.text_or("auto_pad", "NOTSET")?, "NOTSET" | "");
    if automatic || !context.flag("ceil_mode", false)? {
        return Ok((told.clone(), told));
    }
    let ceiled = told.clone().ceiled(context, &inputs)?;
    Ok((told, ceiled))
}

fn max_pool(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let (_, sliding) = windows(context, x)?;
    let result = context.builder().reduce_window(WindowKind::Max, x, sliding.window())?;
    context.set_output(0, result)?;
    if context.has_output(1) {
        let places = places(context, x, &sliding)?;
        context.set_output(1, places)?;
    }
    Ok(())
}

/// Where in the whole input each window's largest element is, counted row by row, or column by column of the
/// spatial axes where `storage_order` says so.
fn places(context: &mut Context<'_, '_>, x: NodeId, sliding: &Sliding) -> Result<NodeId, Stop> {
    let inputs = spatial(context, x)?;
    let volume: usize = inputs.iter().product();
    let columns = context.int_or("storage_order", 0)? == 1;
    // An integer may equal what padding counts as; no number equals a float's.
    let dtype = if context.dtype(x).is_float() { context.dtype(x) } else { DType::F64 };
    let x = context.builder().cast(x, dtype)?;
    let channels = context.size(context.shape(x)[1])?;
    let tap = context.builder().add_node(Op::WindowArgMax { window: sliding.window() }, &[x])?;
    let shape = context.shape(tap);
    let mut tap = context.builder().cast(tap, DType::I64)?;
    let image = context.iota(DType::I64, &shape, 0)?;
    let channel = context.iota(DType::I64, &shape, 1)?;
    let mut place = context.builder().scale(image, channels as f64)?;
    place = context.builder().add(place, channel)?;
    place = context.builder().scale(place, volume as f64)?;
    // Taps are numbered row by row, so the last axis is what is left of a division by its size.
    for axis in (0..inputs.len()).rev() {
        let size = sliding.sizes[axis] as f64;
        let stride: usize = if columns { inputs[..axis].iter() } else { inputs[axis + 1..].iter() }.product();
        let window = context.iota(DType::I64, &shape, axis + 2)?;
        let builder = context.builder();
        let count = builder.splat_like(tap, size)?;
        let outer = builder.div(tap, count)?;
        let whole = builder.mul(outer, count)?;
        let inner = builder.sub(tap, whole)?;
        tap = outer;
        let inner = builder.scale(inner, sliding.dilations[axis] as f64)?;
        let start = builder.scale(window, sliding.strides[axis] as f64)?;
        let position = builder.add(start, inner)?;
        let position = builder.shift(position, -(sliding.padding[axis].0 as f64))?;
        let offset = builder.scale(position, stride as f64)?;
        place = builder.add(place, offset)?;
    }
    Ok(place)
}

/// How many elements each window has along an axis: those of the input, with `padding` of them around it.
fn elements(sliding: &Sliding, axis: usize, input: usize, count: usize, padding: (usize, usize)) -> Vec<f64> {
    let (first, last) = (sliding.padding[axis].0 - padding.0, sliding.padding[axis].0 + input + padding.1);
    let inside = |window: usize| {
        let start = window * sliding.strides[axis];
        let below =
            |end: usize| end.saturating_sub(start).div_ceil(sliding.dilations[axis]).min(sliding.sizes[axis]);
        (below(last) - below(first)) as f64
    };
    (0..count).map(inside).collect()
}

fn average_pool(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let inputs = spatial(context, x)?;
    let (told, sliding) = windows(context, x)?;
    let include = context.flag("count_include_pad", false)?;
    let counts = sliding.counts(context, &inputs)?;
    let sum = context.builder().reduce_window(WindowKind::Sum, x, sliding.window())?;
    let (shape, dtype) = (context.shape(sum), context.dtype(sum));
    let mut divisor = None;
    let mut uniform = 1.0;
    for axis in 0..inputs.len() {
        // What `ceil_mode` adds behind the padding never counts.
        let padding = if include { told.padding[axis] } else { (0, 0) };
        context.describable(counts[axis])?;
        let numbers = elements(&sliding, axis, inputs[axis], counts[axis], padding);
        if numbers.iter().all(|number| *number == numbers[0]) {
            uniform *= numbers[0];
            continue;
        }
        let numbers = context.float_tensor(dtype, &[counts[axis]], &numbers)?;
        let numbers = context.builder().broadcast_along(numbers, shape.clone(), axis + 2)?;
        divisor = Some(match divisor {
            None => numbers,
            Some(others) => context.builder().mul(others, numbers)?,
        });
    }
    let divisor = match divisor {
        Some(numbers) if uniform != 1.0 => context.builder().scale(numbers, uniform)?,
        Some(numbers) => numbers,
        None => context.builder().splat_like(sum, uniform)?,
    };
    let result = context.builder().div(sum, divisor)?;
    context.set_output(0, result)
}

fn exponent(context: &Context<'_, '_>) -> Result<f64, Stop> {
    let p = match context.int("p") {
        Ok(p) => p.unwrap_or(2) as f64,
        Err(_) => context.float_or("p", 2.0)?,
    };
    if p > 0.0 { Ok(p) } else { Err(context.invalid(format!("its p is {p}"))) }
}

/// `|x|^p`
pub(super) fn powers(context: &mut Context<'_, '_>, x: NodeId, p: f64) -> Result<NodeId, Stop> {
    let builder = context.builder();
    if p == 2.0 {
        return Ok(builder.mul(x, x)?);
    }
    let size = builder.unary(Unary::Abs, x)?;
    if p == 1.0 {
        return Ok(size);
    }
    let p = builder.splat_like(size, p)?;
    Ok(builder.binary(Binary::Power, size, p)?)
}

/// The p-th root.
pub(super) fn root(context: &mut Context<'_, '_>, x: NodeId, p: f64) -> Result<NodeId, Stop> {
    let builder = context.builder();
    if p == 1.0 {
        return Ok(x);
    }
    if p == 2.0 {
        return Ok(builder.unary(Unary::Sqrt, x)?);
    }
    let p = builder.splat_like(x, 1.0 / p)?;
    Ok(builder.binary(Binary::Power, x, p)?)
}

fn lp_pool(context: &mut Context<'_, '_>) -> Result<(), Stop> {
    let x = context.input(0)?;
    let p = exponent(context)?;
    let (_, sliding) = windows(context, x)?;
    let power = powers(context, x, p)?;
    let sum = context.builder().reduce_window(WindowKind::Sum, power, sliding.window())?;
    let result = root(context, sum, p)?;
    context.set_output(0, result)
}

/// Reduces the spatial axes to size 1.
fn global(
    context: &mut Context<'_, '_>,
    function: fn(&mut Context<'_, '_>, NodeId, &[usize]) -> Result<NodeId, Stop>,
) -> Result<(), Stop> {
    let x = context.input(0)?;
    let axes: Vec<usize> = (2..context.rank(x)).collect();
    let value = function(context, x, &axes)?;
    let result = context.with_axes(value, &axes)?;
    context.set_output(0, result)
}
