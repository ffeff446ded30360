//! Gradients of kernels by tiles: at every point a product of the input's tiles and those of the gradient of
//! the results, summed over all tiles of all images.
//!
//! Such a convolution has the gradient of the results as its kernel, channels as its batch and images as its
//! channels. A last tile takes zeros for results that do not exist.

use super::Plan;
use super::forward::{input_at_points, number, store_points};
use super::parts::{images_of_a_part, launch_parts, take_steps};
use super::points::{LINE, Position, Strip, Values, at_points, rows_of, strips};
use super::transform::Size;
use crate::lower::contraction::{Axis, Product, lower_product, operand_view};
use crate::lower::error::LowerError;
use crate::lower::expression::{Emitter, element, operand_name};
use crate::lower::fuse::Fusion;
use crate::lower::view::View;
use crate::lower::{Lowering, Place};
use dlc_ir::NodeId;
use dlc_kernel::{Affine, Body, KernelId, Tap};
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
    let part = images_of_a_part(lowering, plan);
    let rows = rows_of(lowering, plan, part);
    let gap = part.map_or(0, |_| LINE);
    let tiles = at_points(lowering, plan, rows, inputs, gap, &format!("{name}.input"))?;
    let gradients = at_points(lowering, plan, rows, outputs, gap, &format!("{name}.results"))?;
    let sums = at_points(lowering, plan, inputs, outputs, 0, &format!("{name}.product"))?;
    let first_launch = lowering.program.launches.len();
    let view = by_images(operand_view(lowering, input)?);
    input_at_points(lowering, id, &view, plan, &tiles, &format!("{name}.input"))?;
    let view = by_images(operand_view(lowering, results)?);
    for (strip, number) in strips(plan).into_iter().zip(["results", "last_results"]) {
        results_at_points(lowering, id, &view, plan, &strip, &gradients, format!("{name}.{number}"))?;
    }
    let product = product_at_points(plan, rows, [&gradients, &tiles, &sums]);
    lower_product(lowering, &Fusion::none(id), product, format!("{name}.product"))?;
    if let Some(images) = part {
        let more = accumulating(lowering, format!("{name}.more"))?;
        let shared = [tiles.buffer, gradients.buffer, sums.buffer];
        let cut = || LowerError::Internal("a transform cannot be done for a part of the batch".to_owned());
        let steps = take_steps(lowering, first_launch, &shared).ok_or_else(cut)?;
        launch_parts(lowering, images, &steps);
        // The first part begins the sums, the others add to them.
        let product = steps.len() - 1;
        for launch in (first_launch + product..lowering.program.launches.len()).step_by(steps.len()).skip(1) {
            lowering.program.launches[launch].kernel = more;
        }
    }
    taps(lowering, id, plan, &sums, format!("{name}.output"))
}

/// The product that was launched last, adding to what its result holds.
fn accumulating(lowering: &mut Lowering<'_>, name: String) -> Result<KernelId, LowerError> {
    let launch = lowering.program.launches.last().cloned();
    let launch = launch.ok_or_else(|| LowerError::Internal("there is no product".to_owned()))?;
    let mut kernel = lowering.program.kernels[launch.kernel].clone();
    let (Body::Contraction(contraction), Some(result)) = (&mut kernel.body, kernel.operands.get_mut(2))
    else {
        return Err(LowerError::Internal("a product is a contraction".to_owned()));
    };
    (contraction.accumulate, result.reads, kernel.name) = (true, true, name);
    Ok(lowering.kernel(kernel))
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
    strip: &Strip,
    target: &Place,
    name: String,
) -> Result<(), LowerError> {
    let step = plan.size.outputs();
    let from = lowering.place(view.base)?.buffer;
    let mut emitter = Emitter::new(lowering, None);
    let mut position = Position::in_space(&mut emitter, plan, strip.count).0;
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
fn product_at_points(plan: &Plan, rows: usize, [gradients, tiles, sums]: [&Place; 3]) -> Product {
    let strides = |axis: usize| [gradients, tiles, sums].map(|place: &Place| place.layout.strides[axis]);
    let [of_gradients, of_tiles, of_sums] = strides(1);
    let count = plan.tiles_per_image();
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
