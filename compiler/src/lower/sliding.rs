//! Kernels for window reductions and their adjoints.
//!
//! All are computed where the result is owned: the adjoint of a window reduction visits, for each
//! element, the windows that cover it, so no two threads add to one element.

use super::Lowering;
use super::elementwise::element_kernel;
use super::error::LowerError;
use super::expression::Emitter;
use super::reduction::beats;
use dlc_ir::{NodeId, Window, WindowKind};
use dlc_kernel::{Affine, Binary, Comparison, Guard, IndexExpr, ScalarOp, Var};
use dlc_types::{DType, Dim, Shape};

/// Lowers a `reduce_window`.
pub(crate) fn lower_reduce_window(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kind: WindowKind,
    window: &Window,
) -> Result<(), LowerError> {
    let operand = lowering.node(id).operands[0];
    let input = lowering.ty(operand).shape.clone();
    let dtype = lowering.ty(id).dtype;
    let (binary, identity) = match kind {
        WindowKind::Sum => (Binary::Add, 0.0),
        WindowKind::Max => (Binary::Max, dtype.extremes().0),
    };
    lower_windows(lowering, id, &|emitter, at| {
        let first = emitter.nest.number(dtype, identity);
        let mut taps = vec![Affine::constant(0); at.len()];
        let mut carried = Vec::new();
        for axis in window_axes(window) {
            let extent = Affine::constant(window.sizes[axis] as i64);
            let (var, current) = emitter.nest.open(Affine::constant(0), extent, false, &[first]);
            taps[axis] = Affine::var(var);
            carried.push(current[0]);
        }
        let mut value = load_tap(emitter, operand, &input, window, at, &taps, identity)?;
        for current in carried.into_iter().rev() {
            let next = emitter.nest.op(dtype, ScalarOp::Binary(binary), &[current, value]);
            value = emitter.nest.close(&[next], None)[0];
        }
        emitter.store(id, at, value)
    })
}

/// Lowers a `window_argmax`: taps are visited in order, the first one on an element leads at the start,
/// and a later one must be larger to win, which padding never is.
pub(crate) fn lower_window_arg_max(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    window: &Window,
) -> Result<(), LowerError> {
    let operand = lowering.node(id).operands[0];
    let input = lowering.ty(operand).shape.clone();
    let dtype = lowering.ty(operand).dtype;
    lower_windows(lowering, id, &|emitter, at| {
        let least = emitter.nest.number(dtype, dtype.extremes().0);
        let first = first_tap(emitter, &input, window, at);
        let mut taps = vec![Affine::constant(0); at.len()];
        let mut best = vec![least, first];
        let axes: Vec<usize> = window_axes(window).collect();
        let mut number = Affine::constant(0);
        for &axis in &axes {
            let extent = Affine::constant(window.sizes[axis] as i64);
            let (var, current) = emitter.nest.open(Affine::constant(0), extent, false, &best);
            taps[axis] = Affine::var(var);
            number = number.times(window.sizes[axis] as i64).plus(&taps[axis]);
            best = current;
        }
        let value = load_tap(emitter, operand, &input, window, at, &taps, dtype.extremes().0)?;
        let number = emitter.nest.form_value(DType::I32, &number);
        let better = beats(&mut emitter.nest, Comparison::Greater, value, best[0]);
        let mut next = vec![
            emitter.nest.op(dtype, ScalarOp::Select, &[better, value, best[0]]),
            emitter.nest.op(DType::I32, ScalarOp::Select, &[better, number, best[1]]),
        ];
        for _ in &axes {
            next = emitter.nest.close(&next, None);
        }
        emitter.store(id, at, next[1])
    })
}

/// The number of the window's first tap that lies on an element; 0 where none does.
fn first_tap(emitter: &mut Emitter<'_, '_>, input: &Shape, window: &Window, at: &[Affine]) -> Var {
    let nest = &mut emitter.nest;
    let zero = nest.number(DType::I32, 0.0);
    let mut number = zero;
    let mut on_elements: Option<Var> = None;
    for axis in 0..at.len() {
        let size = nest.number(DType::I32, window.sizes[axis] as f64);
        number = nest.op(DType::I32, ScalarOp::Binary(Binary::Multiply), &[number, size]);
        let (Dim::Fixed(length), true) = (input[axis], window.padding[axis] != (0, 0)) else { continue };
        let dilation = window.dilations[axis] as i64;
        let corner = at[axis].times(window.strides[axis] as i64).offset(-(window.padding[axis].0 as i64));
        let before = nest.form_value(DType::I32, &corner.times(-1).offset(dilation - 1));
        let by = nest.number(DType::I32, dilation as f64);
        let steps = nest.op(DType::I32, ScalarOp::Binary(Binary::Divide), &[before, by]);
        let tap = nest.op(DType::I32, ScalarOp::Binary(Binary::Max), &[steps, zero]);
        number = nest.op(DType::I32, ScalarOp::Binary(Binary::Add), &[number, tap]);
        let reach = nest.op(DType::I32, ScalarOp::Binary(Binary::Multiply), &[tap, by]);
        let corner = nest.form_value(DType::I32, &corner);
        let place = nest.op(DType::I32, ScalarOp::Binary(Binary::Add), &[corner, reach]);
        let length = nest.number(DType::I32, length as f64);
        for (value, bound) in [(tap, size), (place, length)] {
            let below = nest.op(DType::Bool, ScalarOp::Compare(Comparison::Less), &[value, bound]);
            on_elements = Some(match on_elements {
                Some(so_far) => nest.op(DType::Bool, ScalarOp::Binary(Binary::And), &[so_far, below]),
                None => below,
            });
        }
    }
    match on_elements {
        Some(on_elements) => nest.op(DType::I32, ScalarOp::Select, &[on_elements, number, zero]),
        None => zero,
    }
}

/// Lowers a `window_scatter`.
pub(crate) fn lower_window_scatter(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    window: &Window,
) -> Result<(), LowerError> {
    let operands = lowering.node(id).operands.clone();
    let windows = lowering.ty(operands[0]).shape.clone();
    let dtype = lowering.ty(id).dtype;
    lower_windows(lowering, id, &|emitter, at| {
        let first = emitter.nest.number(dtype, 0.0);
        let mut taps = vec![Affine::constant(0); at.len()];
        let mut carried = Vec::new();
        let mut number = Affine::constant(0);
        for axis in window_axes(window) {
            let extent = Affine::constant(window.sizes[axis] as i64);
            let (var, current) = emitter.nest.open(Affine::constant(0), extent, false, &[first]);
            taps[axis] = Affine::var(var);
            number = number.times(window.sizes[axis] as i64).plus(&taps[axis]);
            carried.push(current[0]);
        }
        let (source, ranges) = covering_window(emitter, &windows, window, at, &taps);
        let guard = |fill| (!ranges.is_empty()).then(|| Guard { ranges: ranges.clone(), fill });
        let mut value = emitter.load(operands[0], &source, guard(0.0))?;
        if let Some(&chosen) = operands.get(1) {
            let chosen = emitter.load(chosen, &source, guard(-1.0))?;
            let number = emitter.nest.form_value(DType::I32, &number);
            let hit = emitter.nest.op(DType::Bool, ScalarOp::Compare(Comparison::Equal), &[chosen, number]);
            value = emitter.nest.op(dtype, ScalarOp::Select, &[hit, value, first]);
        }
        for current in carried.into_iter().rev() {
            let next = emitter.nest.op(dtype, ScalarOp::Binary(Binary::Add), &[current, value]);
            value = emitter.nest.close(&[next], None)[0];
        }
        emitter.store(id, at, value)
    })
}

type Emit<'f> = dyn Fn(&mut Emitter<'_, '_>, &[Affine]) -> Result<(), LowerError> + 'f;

fn lower_windows(lowering: &mut Lowering<'_>, id: NodeId, emit: &Emit<'_>) -> Result<(), LowerError> {
    let purpose = lowering.node(id).op.name();
    let name = lowering.kernel_name(id, purpose);
    let shape = lowering.ty(id).shape.clone();
    let order = lowering.place(id)?.layout.order.clone();
    let (kernel, arguments) = element_kernel(lowering, None, name, &shape, &order, emit)?;
    lowering.launch(id, kernel, arguments);
    Ok(())
}

fn window_axes(window: &Window) -> impl Iterator<Item = usize> + '_ {
    (0..window.sizes.len()).filter(|&axis| window.sizes[axis] > 1)
}

/// The element of the operand under a tap of the window at `at`.
fn load_tap(
    emitter: &mut Emitter<'_, '_>,
    operand: NodeId,
    input: &Shape,
    window: &Window,
    at: &[Affine],
    taps: &[Affine],
    fill: f64,
) -> Result<Var, LowerError> {
    let mut ranges = Vec::new();
    let place: Vec<Affine> = (0..at.len())
        .map(|axis| {
            let place = at[axis]
                .times(window.strides[axis] as i64)
                .plus(&taps[axis].times(window.dilations[axis] as i64))
                .offset(-(window.padding[axis].0 as i64));
            if let (Dim::Fixed(length), true) = (input[axis], window.padding[axis] != (0, 0)) {
                ranges.push((place.clone(), 0, length as i64));
            }
            place
        })
        .collect();
    emitter.load(operand, &place, (!ranges.is_empty()).then_some(Guard { ranges, fill }))
}

/// The window that has the element `at` under this tap, and the conditions under which there is one.
fn covering_window(
    emitter: &mut Emitter<'_, '_>,
    windows: &Shape,
    window: &Window,
    at: &[Affine],
    taps: &[Affine],
) -> (Vec<Affine>, Vec<(Affine, i64, i64)>) {
    let mut ranges = Vec::new();
    let source = (0..at.len())
        .map(|axis| {
            let stride = window.strides[axis] as i64;
            let reach = taps[axis].times(window.dilations[axis] as i64);
            let place = at[axis].clone().offset(window.padding[axis].0 as i64).plus(&reach.times(-1));
            let Dim::Fixed(count) = windows[axis] else { return place };
            if stride == 1 {
                if window.sizes[axis] > 1 || window.padding[axis] != (0, 0) {
                    ranges.push((place.clone(), 0, count as i64));
                }
                return place;
            }
            // Quotients are taken of forms that are never negative: shift by whole strides first.
            let furthest = (window.sizes[axis] as i64 - 1) * window.dilations[axis] as i64;
            let shift = (furthest + stride - 1) / stride;
            let shifted = place.offset(shift * stride);
            let remainder = emitter.nest.index(IndexExpr::Remainder(shifted.clone(), stride));
            let quotient =
                Affine::var(emitter.nest.index(IndexExpr::Quotient(shifted, stride))).offset(-shift);
            ranges.push((Affine::var(remainder), 0, 1));
            ranges.push((quotient.clone(), 0, count as i64));
            quotient
        })
        .collect();
    (source, ranges)
}
