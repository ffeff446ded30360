//! What lies at the points: its places, and values of kernels as numbers of a transform.

use super::Plan;
use super::transform::Arithmetic;
use crate::lower::error::LowerError;
use crate::lower::expression::Emitter;
use crate::lower::layout::Layout;
use crate::lower::storage::add_buffer;
use crate::lower::{Lowering, Place};
use dlc_kernel::{Affine, Binary, ScalarOp, Sequence, Storage, Var};
use dlc_types::{DType, Dim};
use std::collections::BTreeMap;

/// Elements of a cache line of `f32`.
const LINE: usize = 16;
/// Elements by which points lie further apart than they need: the streams of all points, at multiples of a large
/// power of two, would compete for one set of a cache.
const GAP: usize = 3 * LINE;

/// A place for values at points: `[point, row, channel]`.
pub(super) fn at_points(
    lowering: &mut Lowering<'_>,
    plan: &Plan,
    [rows, channels]: [usize; 2],
    name: &str,
) -> Result<Place, LowerError> {
    place_at_points(lowering, plan, [rows, channels], (0, Storage::Arena(usize::MAX)), name)
}

/// A place for values of a part at points, which lie apart from one another.
pub(super) fn of_a_part(
    lowering: &mut Lowering<'_>,
    plan: &Plan,
    division: Option<&Sequence>,
    channels: usize,
    name: &str,
) -> Result<Place, LowerError> {
    let rows = rows_of(lowering, plan, division);
    let storage = match division {
        Some(division) if division.is_alone() => Storage::Thread(usize::MAX),
        _ => Storage::Arena(usize::MAX),
    };
    place_at_points(lowering, plan, [rows, channels], (GAP, storage), name)
}

/// A place for values at points, `gap` elements further apart than they need.
fn place_at_points(
    lowering: &mut Lowering<'_>,
    plan: &Plan,
    [rows, channels]: [usize; 2],
    (gap, storage): (usize, Storage),
    name: &str,
) -> Result<Place, LowerError> {
    let too_large = || LowerError::TooLarge(name.to_owned());
    let packed = rows.checked_mul(channels).ok_or_else(too_large)?;
    let apart = if gap == 0 { packed } else { packed.next_multiple_of(LINE) + gap };
    let elements = apart.checked_mul(plan.points()).ok_or_else(too_large)?;
    let layout = Layout {
        order: vec![0, 1, 2],
        halo: vec![(0, 0); 3],
        strides: vec![apart as i64, channels as i64, 1],
        origin: 0,
        elements,
        border: None,
    };
    let buffer = add_buffer(lowering, name, DType::F32, &layout, storage)?;
    Ok(Place { buffer, layout })
}

/// Tiles of the images of a part, or of all.
pub(super) fn rows_of(lowering: &Lowering<'_>, plan: &Plan, division: Option<&Sequence>) -> usize {
    let images = match division {
        Some(division) => division.images,
        None => plan.images.at(lowering.options.batch_max),
    };
    images * tiles_of_an_image(plan, division)
}

/// Tiles of an image that belong to one part.
pub(super) fn tiles_of_an_image(plan: &Plan, division: Option<&Sequence>) -> usize {
    plan.tiles_per_image() / division.map_or(1, |division| division.strips)
}

/// Rows of tiles that have the same number of results above one another.
pub(super) struct Strip {
    pub(super) first: usize,
    /// How many rows of tiles.
    pub(super) count: usize,
    /// Results of a tile.
    pub(super) height: usize,
}

/// The strips of an image, the higher one first.
pub(super) fn strips(plan: &Plan) -> Vec<Strip> {
    let step = plan.size.outputs();
    let (whole, rest) = (plan.outputs[0] / step, plan.outputs[0] % step);
    let strips =
        [Strip { first: 0, count: whole, height: step }, Strip { first: whole, count: 1, height: rest }];
    strips.into_iter().filter(|strip| strip.count > 0 && strip.height > 0).collect()
}

/// Where a tile lies.
#[derive(Clone)]
pub(super) struct Position {
    pub(super) image: Affine,
    /// Of the results along both axes, below the distance of taps.
    pub(super) phase: [Affine; 2],
    /// Number of the tile along both axes.
    pub(super) tile: [Affine; 2],
}

impl Position {
    /// The first tile of a row of tiles that is a point of the parallel space, with the point's coordinates:
    /// image, phases where there are several, row; the second of them within a strip where images are divided.
    pub(super) fn in_space(
        emitter: &mut Emitter<'_, '_>,
        plan: &Plan,
        rows: usize,
        division: Option<&Sequence>,
    ) -> (Position, Vec<Affine>) {
        let image = Affine::var(emitter.nest.coordinate(plan.images));
        let mut coordinates = vec![image.clone()];
        let mut strips = division.map_or(1, |division| division.strips);
        let mut add = |length: usize| {
            let length = length / std::mem::replace(&mut strips, 1);
            let coordinate = Affine::var(emitter.nest.coordinate(Dim::Fixed(length)));
            coordinates.push(coordinate.clone());
            coordinate
        };
        let phase = plan.dilation.map(|length| if length > 1 { add(length) } else { Affine::constant(0) });
        let down = add(rows);
        let position = Position { image, phase, tile: [down, Affine::constant(0)] };
        (position, coordinates)
    }

    /// The coordinate along an axis of a result of the tile, or of an element that it reads, but for padding.
    pub(super) fn coordinate(&self, plan: &Plan, axis: usize, number: usize) -> Affine {
        let first = self.tile[axis].times(plan.size.outputs() as i64).offset(number as i64);
        first.times(plan.dilation[axis] as i64).plus(&self.phase[axis])
    }

    /// The number of the tile.
    pub(super) fn row(&self, plan: &Plan) -> Affine {
        let steps = [
            (&self.phase[0], plan.dilation[0]),
            (&self.phase[1], plan.dilation[1]),
            (&self.tile[0], plan.tiles[0]),
            (&self.tile[1], plan.tiles[1]),
        ];
        steps.iter().fold(self.image.clone(), |sum, &(form, length)| sum.times(length as i64).plus(form))
    }
}

/// Values of a kernel under construction as numbers. What is known to be zero takes no part in sums.
pub(super) struct Values<'e, 'a, 'b> {
    pub(super) emitter: &'e mut Emitter<'a, 'b>,
    factors: BTreeMap<u64, Var>,
}

impl<'e, 'a, 'b> Values<'e, 'a, 'b> {
    pub(super) fn new(emitter: &'e mut Emitter<'a, 'b>) -> Self {
        Values { emitter, factors: BTreeMap::new() }
    }

    /// A value that is known to be zero.
    pub(super) fn zero(&mut self) -> Var {
        self.factor(0.0)
    }

    fn is_zero(&self, value: Var) -> bool {
        self.factors.get(&0_f64.to_bits()) == Some(&value)
    }

    fn binary(&mut self, op: Binary, a: Var, b: Var) -> Var {
        self.emitter.nest.op(DType::F32, ScalarOp::Binary(op), &[a, b])
    }

    fn factor(&mut self, factor: f64) -> Var {
        let nest = &mut self.emitter.nest;
        *self.factors.entry(factor.to_bits()).or_insert_with(|| nest.number(DType::F32, factor))
    }
}

impl Arithmetic for Values<'_, '_, '_> {
    type Value = Var;

    fn add(&mut self, a: Var, b: Var) -> Var {
        match (self.is_zero(a), self.is_zero(b)) {
            (true, _) => b,
            (_, true) => a,
            _ => self.binary(Binary::Add, a, b),
        }
    }

    fn subtract(&mut self, a: Var, b: Var) -> Var {
        match (self.is_zero(a), self.is_zero(b)) {
            (_, true) => a,
            (true, _) => self.multiply(-1.0, b),
            _ => self.binary(Binary::Subtract, a, b),
        }
    }

    fn multiply(&mut self, factor: f64, a: Var) -> Var {
        if self.is_zero(a) {
            return a;
        }
        let factor = self.factor(factor);
        self.binary(Binary::Multiply, a, factor)
    }

    fn multiply_add(&mut self, factor: f64, a: Var, b: Var) -> Var {
        match (self.is_zero(a), self.is_zero(b)) {
            (true, _) => b,
            (_, true) => self.multiply(factor, a),
            _ => {
                let factor = self.factor(factor);
                self.emitter.nest.op(DType::F32, ScalarOp::FusedMultiplyAdd, &[a, factor, b])
            }
        }
    }
}
