//! Results of a convolution by tiles.

use super::Plan;
use super::parts::{division_of, into_sequence};
use super::points::{Position, Strip, Values, at_points, of_a_part, strips, tiles_of_an_image};
use super::transform::{Size, TAPS};
use crate::lower::contraction::{lower_product, lower_sums, operand_view};
use crate::lower::elementwise::temporary;
use crate::lower::error::LowerError;
use crate::lower::expression::{Emitter, element, operand_name};
use crate::lower::fuse::{self, Fusion};
use crate::lower::partials::Partials;
use crate::lower::product::{Axis, Product};
use crate::lower::view::View;
use crate::lower::{Lowering, Place};
use dlc_ir::NodeId;
use dlc_kernel::{Affine, Binary, ScalarOp, Sequence, Tap, Var};
use dlc_types::{DType, Dim, Shape};

/// Rows of a register tile that fill it: so many tiles of one image are a product of their own.
const ROWS_OF_A_PRODUCT: usize = 16;

/// Lowers a convolution by tiles with what is fused to it.
pub(crate) fn lower_forward(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    plan: &Plan,
) -> Result<(), LowerError> {
    let id = fusion.source;
    let [input, kernel] = lowering.node(id).operands[..] else {
        return Err(LowerError::Internal("convolve takes two operands".to_owned()));
    };
    let mut name = lowering.kernel_name(id, "winograd");
    let [inputs, outputs] = plan.channels;
    let weights = at_points(lowering, plan, [inputs, outputs], &format!("{name}.kernel"))?;
    kernel_at_points(lowering, id, kernel, plan, &weights, format!("{name}.kernel"))?;
    let view = operand_view(lowering, input)?;
    let mut division = division_of(lowering, plan);
    loop {
        let within = division.as_ref();
        let tiles = of_a_part(lowering, plan, within, inputs, &format!("{name}.input"))?;
        let products = of_a_part(lowering, plan, within, outputs, &format!("{name}.product"))?;
        let first_launch = lowering.program.launches.len();
        input_at_points(lowering, id, &view, plan, within, &tiles, &format!("{name}.input"))?;
        let product = product_at_points(plan, within, [&weights, &tiles, &products]);
        lower_product(lowering, &Fusion::none(id), product, format!("{name}.product"))?;
        let mut partials = Vec::new();
        for (strip, number) in strips(plan).into_iter().zip(["output", "last_output"]) {
            let place = (&products, &strip);
            partials.push(results(lowering, fusion, plan, within, place, format!("{name}.{number}"))?);
        }
        if let Some(division) = division.take() {
            let scratch = [weights.buffer, tiles.buffer, products.buffer];
            if !into_sequence(lowering, first_launch, &division, &scratch, None) {
                name = lowering.kernel_name(id, "winograd");
                continue;
            }
        }
        return lower_sums(lowering, fusion, Some(partials), format!("{name}.sums"));
    }
}

/// The kernel at the points.
fn kernel_at_points(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kernel: NodeId,
    plan: &Plan,
    target: &Place,
    name: String,
) -> Result<(), LowerError> {
    let view = operand_view(lowering, kernel)?;
    let from = lowering.place(view.base)?.buffer;
    let mut emitter = Emitter::new(lowering, None);
    let channel = Affine::var(emitter.nest.coordinate(Dim::Fixed(plan.channels[0])));
    let output = Affine::var(emitter.nest.open_over(Dim::Fixed(plan.channels[1]), true));
    let from = emitter.nest.operand(from, &operand_name(lowering, view.base), DType::F32, false);
    let load = |values: &mut Values<'_, '_, '_>, row: usize, column: usize| {
        let at = [output.clone(), channel.clone(), number(row), number(column)];
        Ok(values.emitter.nest.load(from, element(view.offset, &view.strides, &at), None))
    };
    let mut values = Values::new(&mut emitter);
    let store = store_points(&mut values, plan.size, target, [&channel, &output]);
    plan.size.tile(&mut values, TAPS, Size::kernel, load, store)?;
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(id, kernel, arguments);
    Ok(())
}

/// A constant coordinate.
pub(super) fn number(coordinate: usize) -> Affine {
    Affine::constant(coordinate as i64)
}

/// Stores rows of points of one tile at a row and channel of their place.
pub(super) fn store_points<'f>(
    values: &mut Values<'_, '_, '_>,
    size: Size,
    target: &'f Place,
    [row, channel]: [&Affine; 2],
) -> impl FnMut(&mut Values<'_, '_, '_>, usize, Vec<Var>) -> Result<(), LowerError> + 'f {
    let operand = values.emitter.nest.operand(target.buffer, "points", DType::F32, true);
    let first = element(0, &target.layout.strides[1..], &[row.clone(), channel.clone()]);
    move |values, line, points| {
        for (column, point) in points.into_iter().enumerate() {
            let number = (line * size.points() + column) as i64;
            let index = first.clone().offset(number * target.layout.strides[0]);
            values.emitter.nest.store(operand, index, point);
        }
        Ok(())
    }
}

/// The input's tiles at the points, from a view of `[image, channel, height, width]`: a kernel for every range of
/// rows of tiles.
pub(super) fn input_at_points(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    view: &View,
    plan: &Plan,
    division: Option<&Sequence>,
    target: &Place,
    name: &str,
) -> Result<(), LowerError> {
    for (down, suffix) in plan.ranges(0).into_iter().zip(["", "_inner", "_last"]) {
        let from = lowering.place(view.base)?.buffer;
        let mut emitter = Emitter::new(lowering, None);
        let mut position = Position::in_space(&mut emitter, plan, down.len(), division).0;
        position.tile[0] = position.tile[0].clone().offset(down.start as i64);
        let from = emitter.nest.operand(from, &operand_name(lowering, view.base), DType::F32, false);
        for across in plan.ranges(1) {
            let open = emitter.nest.open_loops();
            position.tile[1] = match across.len() {
                1 => number(across.start),
                count => {
                    let column = emitter.nest.open_over(Dim::Fixed(count), false);
                    Affine::var(column).offset(across.start as i64)
                }
            };
            let channel = Affine::var(emitter.nest.open_over(Dim::Fixed(plan.channels[0]), true));
            let load = |values: &mut Values<'_, '_, '_>, row: usize, column: usize| {
                if plan.is_padding(0, &down, row) || plan.is_padding(1, &across, column) {
                    return Ok(values.zero());
                }
                let [row, column] = [(0, row), (1, column)].map(|(axis, number)| {
                    position.coordinate(plan, axis, number).offset(-plan.padding[axis])
                });
                let at = [position.image.clone(), channel.clone(), row, column];
                Ok(values.emitter.nest.load(from, element(view.offset, &view.strides, &at), None))
            };
            let row = position.row(plan);
            let mut values = Values::new(&mut emitter);
            let store = store_points(&mut values, plan.size, target, [&row, &channel]);
            plan.size.tile(&mut values, plan.size.points(), Size::input, load, store)?;
            while emitter.nest.open_loops() > open {
                emitter.nest.close(&[], None);
            }
        }
        let (kernel, arguments) = emitter.nest.finish(format!("{name}{suffix}"));
        lowering.launch(id, kernel, arguments);
    }
    Ok(())
}

/// One product per point, over channels.
fn product_at_points(
    plan: &Plan,
    division: Option<&Sequence>,
    [weights, tiles, products]: [&Place; 3],
) -> Product {
    let strides = |axis: usize| [weights, tiles, products].map(|place: &Place| place.layout.strides[axis]);
    let [of_weights, of_tiles, of_products] = strides(1);
    let count = tiles_of_an_image(plan, division);
    let mut axes = vec![
        Axis::kept("point", Dim::Fixed(plan.points()), strides(0), (0, 1)),
        Axis::kept("o", Dim::Fixed(plan.channels[1]), [1, 0, 1], (2, 1)),
        Axis::summed("c", Dim::Fixed(plan.channels[0]), [of_weights, 1, 0]),
    ];
    match plan.images.times(Dim::Fixed(count)).filter(|_| count < ROWS_OF_A_PRODUCT) {
        Some(rows) => axes.push(Axis::kept("tile", rows, [0, of_tiles, of_products], (1, 1))),
        None => {
            let apart = [0, of_tiles * count as i64, of_products * count as i64];
            axes.push(Axis::kept("n", plan.images, apart, (1, count as i64)));
            axes.push(Axis::kept("tile", Dim::Fixed(count), [0, of_tiles, of_products], (1, 1)));
        }
    }
    Product {
        axes,
        offsets: [0, 0, 0],
        taps: vec![Tap { lanes: 0, rows: 0 }],
        operands: [weights.buffer, tiles.buffer],
        start: Vec::new(),
        may_split: false,
        target: Some(products.clone()),
        adds: false,
    }
}

/// Results from products at the points, and all that is fused to them.
fn results(
    lowering: &mut Lowering<'_>,
    fusion: &Fusion,
    plan: &Plan,
    division: Option<&Sequence>,
    (products, strip): (&Place, &Strip),
    name: String,
) -> Result<Partials, LowerError> {
    let mut extents = vec![plan.images];
    extents.extend(plan.dilation.into_iter().filter(|&length| length > 1).map(Dim::Fixed));
    extents.extend([strip.count, plan.channels[1]].map(Dim::Fixed));
    let shape = Shape(extents);
    let order: Vec<usize> = (0..shape.rank()).collect();
    let mut places = Vec::new();
    for _ in &fusion.sums {
        places.push(temporary(lowering, &format!("{name}.sums"), DType::F32, &shape, order.clone())?);
    }
    let mut emitter = Emitter::new(lowering, Some(fusion.root));
    emitter.recompute(&fusion.expressions(lowering), &[fusion.source]);
    let (mut position, mut piece) = Position::in_space(&mut emitter, plan, strip.count, division);
    position.tile[0] = position.tile[0].clone().offset(strip.first as i64);
    let channel = Affine::var(emitter.nest.open_over(Dim::Fixed(plan.channels[1]), true));
    piece.push(channel.clone());
    let zero = emitter.nest.number(DType::F32, 0.0);
    let mut sums = vec![zero; places.len()];
    let (whole, rest) = (plan.outputs[1] / plan.size.outputs(), plan.outputs[1] % plan.size.outputs());
    let (height, width) = (strip.height, plan.size.outputs());
    let mut tile = TileOfResults { fusion, plan, products, position, channel, height, width };
    if whole > 0 {
        let end = Affine::constant(whole as i64);
        let (across, current) = emitter.nest.open(Affine::constant(0), end, false, &sums);
        tile.position.tile[1] = Affine::var(across);
        let next = tile.emit(&mut emitter, &current)?;
        sums = emitter.nest.close(&next, None);
    }
    if rest > 0 {
        (tile.position.tile[1], tile.width) = (number(whole), rest);
        sums = tile.emit(&mut emitter, &sums)?;
    }
    for (place, sum) in places.iter().zip(sums) {
        let index = element(0, &place.layout.strides, &piece);
        let operand = emitter.nest.operand(place.buffer, "sums", DType::F32, true);
        emitter.nest.store(operand, index, sum);
    }
    let (kernel, arguments) = emitter.nest.finish(name);
    lowering.launch(fusion.source, kernel, arguments);
    Ok(Partials { shape, places, kept: 1 })
}

/// The results of one tile.
struct TileOfResults<'f> {
    fusion: &'f Fusion,
    plan: &'f Plan,
    products: &'f Place,
    position: Position,
    channel: Affine,
    height: usize,
    width: usize,
}

impl TileOfResults<'_> {
    /// Computes and stores the tile's results; adds to sums what is summed of them.
    fn emit(&self, emitter: &mut Emitter<'_, '_>, sums: &[Var]) -> Result<Vec<Var>, LowerError> {
        let size = self.plan.size;
        let strides = &self.products.layout.strides;
        let row = self.position.row(self.plan);
        let first = element(0, &strides[1..], &[row, self.channel.clone()]);
        let from = emitter.nest.operand(self.products.buffer, "products", DType::F32, false);
        let load = |values: &mut Values<'_, '_, '_>, row: usize, column: usize| {
            let number = (row * size.points() + column) as i64;
            Ok(values.emitter.nest.load(from, first.clone().offset(number * strides[0]), None))
        };
        let mut totals: Vec<Var> = sums.to_vec();
        let store = |values: &mut Values<'_, '_, '_>, row: usize, results: Vec<Var>| {
            if row >= self.height {
                return Ok(());
            }
            for (column, result) in results.into_iter().take(self.width).enumerate() {
                let [row, column] = [(0, row), (1, column)]
                    .map(|(axis, number)| self.position.coordinate(self.plan, axis, number));
                let at = [self.position.image.clone(), self.channel.clone(), row, column];
                values.emitter.know(self.fusion.source, &at, result);
                let summed = fuse::emit(values.emitter, self.fusion, &at)?;
                for (total, value) in totals.iter_mut().zip(summed) {
                    let add = ScalarOp::Binary(Binary::Add);
                    *total = values.emitter.nest.op(DType::F32, add, &[*total, value]);
                }
            }
            Ok(())
        };
        size.tile(&mut Values::new(emitter), size.points(), Size::output, load, store)?;
        Ok(totals)
    }
}
