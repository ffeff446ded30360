//! Gradients of kernels by tiles: at every point a product of the input's tiles and those of the gradient of
//! the results, summed over all tiles of all images.
//!
//! Such a convolution has the gradient of the results as its kernel, channels as its batch and images as its
//! channels. A last tile takes zeros for results that do not exist.

use super::Plan;
use super::forward::{input_at_points, number, store_points};
use super::parts::{division_of, into_sequence};
use super::points::{Position, Strip, Values, at_points, of_a_part, rows_of, strips, tiles_of_an_image};
use super::transform::Size;
use crate::lower::contraction::{lower_product, operand_view};
use crate::lower::error::LowerError;
use crate::lower::expression::{Emitter, element, operand_name};
use crate::lower::fuse::Fusion;
use crate::lower::product::{Axis, Product};
use crate::lower::view::View;
use crate::lower::{Lowering, Place};
use dlc_ir::NodeId;
use dlc_kernel::{Affine, Binary, ScalarOp, Sequence, Tap};
use dlc_types::{DType, Dim};

/// Bytes of both operands at one point that stay in the second-level cache.
const NEAR: usize = 512 << 10;

/// Lowers the gradient of a kernel by tiles.
pub(crate) fn lower_kernel_gradient(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    plan: &Plan,
) -> Result<(), LowerError> {
    let [input, results] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("convolve takes two operands".to_owned()));
    };
    let name = lowering.kernel_name(id, "winograd");
    let [inputs, outputs] = plan.channels;
    let division = division_of(lowering, plan);
    let within = division.as_ref();
    let tiles = of_a_part(lowering, plan, within, inputs, &format!("{name}.input"))?;
    let gradients = of_a_part(lowering, plan, within, outputs, &format!("{name}.results"))?;
    let runs = within.map_or(1, |division| division.runs(lowering.options.batch_max));
    let sums = at_points(lowering, plan, [runs * inputs, outputs], &format!("{name}.product"))?;
    // One run after the other.
    let one = inputs * outputs;
    let sums = with_strides(sums, [one as i64, outputs as i64, 1]);
    if division.is_some() {
        zero(lowering, id, [runs * plan.points(), inputs, outputs], &sums, format!("{name}.zero"))?;
    }
    let first_launch = lowering.program.launches.len();
    let view = by_images(operand_view(lowering, input)?);
    input_at_points(lowering, id, &view, plan, within, &tiles, &format!("{name}.input"))?;
    let view = by_images(operand_view(lowering, results)?);
    for (strip, number) in strips(plan).into_iter().zip(["results", "last_results"]) {
        let place = (&gradients, &strip);
        results_at_points(lowering, id, &view, plan, within, place, format!("{name}.{number}"))?;
    }
    let product = product_at_points(lowering, plan, within, [&gradients, &tiles, &sums]);
    lower_product(lowering, &Fusion::none(id), product, format!("{name}.product"))?;
    if let Some(division) = within {
        let scratch = [tiles.buffer, gradients.buffer];
        let runs = (sums.buffer, plan.points() * one);
        if !into_sequence(lowering, first_launch, division, &scratch, Some(runs)) {
            return Err(LowerError::Internal(
                "a transform cannot be done for a part of the batch".to_owned(),
            ));
        }
    }
    if runs == 1 {
        return taps(lowering, id, plan, &sums, format!("{name}.output"));
    }
    let whole = at_points(lowering, plan, [inputs, outputs], &format!("{name}.sum"))?;
    add_runs(lowering, id, plan, runs, [&sums, &whole], format!("{name}.sum"))?;
    taps(lowering, id, plan, &whole, format!("{name}.output"))
}

fn with_strides(mut place: Place, strides: [i64; 3]) -> Place {
    place.layout.strides = strides.to_vec();
    place
}

/// Zeros for sums to begin with.
fn zero(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    lengths: [usize; 3],
    target: &Place,
    name: String,
) -> Result<(), LowerError> {
    let mut emitter = Emitter::new(lowering, None);
    let at = nest_of(&mut emitter, lengths);
    let zero = emitter.nest.number(DType::F32, 0.0);
    let operand = emitter.nest.operand(target.buffer, "products", DType::F32, true);
    emitter.nest.store(operand, element(0, &target.layout.strides, &at), zero);
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// A point, an input channel, and, in lanes, an output channel.
fn nest_of(emitter: &mut Emitter<'_, '_>, [points, inputs, outputs]: [usize; 3]) -> [Affine; 3] {
    [
        Affine::var(emitter.nest.coordinate(Dim::Fixed(points))),
        Affine::var(emitter.nest.coordinate(Dim::Fixed(inputs))),
        Affine::var(emitter.nest.open_over(Dim::Fixed(outputs), true)),
    ]
}

/// The sums of all runs, added in their order.
fn add_runs(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    plan: &Plan,
    runs: usize,
    [from, to]: [&Place; 2],
    name: String,
) -> Result<(), LowerError> {
    let [inputs, outputs] = plan.channels;
    let mut emitter = Emitter::new(lowering, None);
    let at = nest_of(&mut emitter, [plan.points(), inputs, outputs]);
    let source = emitter.nest.operand(from.buffer, "products", DType::F32, false);
    let first = element(0, &from.layout.strides, &at);
    let step = (plan.points() * inputs * outputs) as i64;
    let mut sum = emitter.nest.load(source, first.clone(), None);
    for run in 1..runs as i64 {
        let next = emitter.nest.load(source, first.clone().offset(run * step), None);
        sum = emitter.nest.op(DType::F32, ScalarOp::Binary(Binary::Add), &[sum, next]);
    }
    let operand = emitter.nest.operand(to.buffer, "sum", DType::F32, true);
    emitter.nest.store(operand, element(0, &to.layout.strides, &at), sum);
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// A view of `[channel, image, …]` as one of `[image, channel, …]`.
fn by_images(mut view: View) -> View {
    view.strides.swap(0, 1);
    view
}

/// Tiles of the gradient of the results at the points.
fn results_at_points(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    view: &View,
    plan: &Plan,
    division: Option<&Sequence>,
    (target, strip): (&Place, &Strip),
    name: String,
) -> Result<(), LowerError> {
    let step = plan.size.outputs();
    let from = lowering.place(view.base)?.buffer;
    let mut emitter = Emitter::new(lowering, None);
    let mut position = Position::in_space(&mut emitter, plan, strip.count, division).0;
    position.tile[0] = position.tile[0].clone().offset(strip.first as i64);
    let channel = Affine::var(emitter.nest.open_over(Dim::Fixed(plan.channels[1]), true));
    let from = emitter.nest.operand(from, &operand_name(lowering, view.base), DType::F32, false);
    let mut emit = |emitter: &mut Emitter<'_, '_>, across: Affine, width: usize| {
        position.tile[1] = across;
        let load = |values: &mut Values<'_, '_, '_>, row: usize, column: usize| {
            if row >= strip.height || column >= width {
                return Ok(values.zero());
            }
            let [row, column] =
                [(0, row), (1, column)].map(|(axis, number)| position.coordinate(plan, axis, number));
            let at = [position.image.clone(), channel.clone(), row, column];
            Ok(values.emitter.nest.load(from, element(view.offset, &view.strides, &at), None))
        };
        let row = position.row(plan);
        let mut values = Values::new(emitter);
        let store = store_points(&mut values, plan.size, target, [&row, &channel]);
        plan.size.tile(&mut values, step, Size::output_gradient, load, store)
    };
    let (whole, rest) = (plan.outputs[1] / step, plan.outputs[1] % step);
    if whole > 0 {
        let across = Affine::var(emitter.nest.open_over(Dim::Fixed(whole), false));
        emit(&mut emitter, across, step)?;
        emitter.nest.close(&[], None);
    }
    if rest > 0 {
        emit(&mut emitter, number(whole), rest)?;
    }
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// One product per point, over all tiles; over those of one image after another where all would not stay near.
fn product_at_points(
    lowering: &Lowering<'_>,
    plan: &Plan,
    division: Option<&Sequence>,
    [gradients, tiles, sums]: [&Place; 3],
) -> Product {
    let rows = rows_of(lowering, plan, division);
    let strides = |axis: usize| [gradients, tiles, sums].map(|place: &Place| place.layout.strides[axis]);
    let [of_gradients, of_tiles, of_sums] = strides(1);
    let count = tiles_of_an_image(plan, division);
    let mut axes = vec![
        Axis::kept("point", Dim::Fixed(plan.points()), strides(0), (0, 1)),
        Axis::kept("c", Dim::Fixed(plan.channels[0]), [0, 1, of_sums], (1, 1)),
        Axis::kept("o", Dim::Fixed(plan.channels[1]), [1, 0, 1], (2, 1)),
    ];
    let near = rows * (plan.channels[0] + plan.channels[1]) * DType::F32.size() <= NEAR || count == 1;
    match plan.images.times(Dim::Fixed(count)).filter(|_| near) {
        Some(all) => axes.push(Axis::summed("tile", all, [of_gradients, of_tiles, 0])),
        None => {
            let apart = [of_gradients * count as i64, of_tiles * count as i64, 0];
            axes.push(Axis::summed("n", plan.images, apart));
            axes.push(Axis::summed("tile", Dim::Fixed(count), [of_gradients, of_tiles, 0]));
        }
    }
    Product {
        axes,
        offsets: [0, 0, 0],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        operands: [gradients.buffer, tiles.buffer],
        start: Vec::new(),
        may_split: false,
        target: Some(sums.clone()),
        adds: division.is_some(),
    }
}

/// The gradient of the taps from sums at the points.
fn taps(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    plan: &Plan,
    sums: &Place,
    name: String,
) -> Result<(), LowerError> {
    let mut emitter = Emitter::new(lowering, Some(id));
    let input = Affine::var(emitter.nest.coordinate(Dim::Fixed(plan.channels[0])));
    let output = Affine::var(emitter.nest.open_over(Dim::Fixed(plan.channels[1]), true));
    let from = emitter.nest.operand(sums.buffer, "products", DType::F32, false);
    let first = element(0, &sums.layout.strides[1..], &[input.clone(), output.clone()]);
    let load = |values: &mut Values<'_, '_, '_>, row: usize, column: usize| {
        let point = (row * plan.size.points() + column) as i64;
        let index = first.clone().offset(point * sums.layout.strides[0]);
        Ok(values.emitter.nest.load(from, index, None))
    };
    let store = |values: &mut Values<'_, '_, '_>, row: usize, taps: Vec<dlc_kernel::Var>| {
        for (column, tap) in taps.into_iter().enumerate() {
            let at = [input.clone(), output.clone(), number(row), number(column)];
            values.emitter.store(id, &at, tap)?;
        }
        Ok(())
    };
    plan.size.tile(&mut Values::new(&mut emitter), plan.size.points(), Size::kernel_gradient, load, store)?;
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}
