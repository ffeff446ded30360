//! Elements of images at computed coordinates: what GridSample, RoiAlign and DeformConv share.
//!
//! An [`Image`] is a table with one row per element of all images and one column per channel. A sample is a sum of
//! rows, each with a weight; places outside of the image are drawn to its ends, turned back at them, or count as 0.

use super::{Context, Stop};
use dlc_ir::{Binary, Comparison, NodeId, Op, Unary};
use dlc_types::{DType, Dim, Shape};

/// Images of one size.
pub(super) struct Image {
    rows: NodeId,
    /// Spatial extents.
    pub sizes: Vec<usize>,
    /// Elements of one image.
    pub volume: usize,
}

/// What a place outside of the image counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    Zero,
    End,
    /// Turned back at -0.5 and size - 0.5, or at 0 and size - 1.
    Turned {
        at_centers: bool,
    },
}

/// How many neighbours are weighted along each axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interpolation {
    Nearest,
    Linear,
    Cubic,
}

impl Image {
    /// Of `[images, channels, spatial…]`.
    pub(super) fn new(context: &mut Context<'_, '_>, x: NodeId) -> Result<Image, Stop> {
        context.need_rank(x, 3)?;
        let shape = context.shape(x);
        let sizes = context.sizes_from(x, 2)?;
        let volume: usize = sizes.iter().product();
        let rows = shape[0].times(Dim::Fixed(volume));
        let count = rows.and_then(|rows| rows.fixed()).unwrap_or(volume);
        let rows = rows.filter(|_| volume > 0 && i32::try_from(count).is_ok());
        let rows = rows.ok_or_else(|| context.not_done(format!("samples of {}", context.ty(x))))?;
        let builder = context.builder();
        let flat = builder.reshape(x, Shape(vec![shape[0], shape[1], Dim::Fixed(volume)]))?;
        let last = builder.transpose(flat, &[0, 2, 1])?;
        let rows = builder.reshape(last, Shape(vec![rows, shape[1]]))?;
        Ok(Image { rows, sizes, volume })
    }

    /// The rows whose sum is the sample at the coordinates, one tensor of them per axis: `[places…, channels]`, with
    /// weights. `first` is the number (`i32`) of the row where each place's image begins.
    pub(super) fn terms(
        &self,
        context: &mut Context<'_, '_>,
        first: NodeId,
        coordinates: &[NodeId],
        interpolation: Interpolation,
        outside: Outside,
    ) -> Result<Vec<NodeId>, Stop> {
        // Rows, weights and conditions so far; each axis multiplies them.
        let mut taps = vec![Tap { row: first, weight: None, inside: None }];
        let mut stride = self.volume;
        for (&size, &coordinate) in self.sizes.iter().zip(coordinates) {
            stride /= size;
            let along = neighbours(context, coordinate, size, interpolation, outside)?;
            let mut next = Vec::with_capacity(taps.len() * along.len());
            for tap in &taps {
                for one in &along {
                    next.push(tap.joined(context, one, stride)?);
                }
            }
            taps = next;
        }
        taps.iter().map(|tap| tap.value(context, self.rows)).collect()
    }
}

/// A row (or the place along one axis), its weight, and whether it counts.
#[derive(Clone, Copy)]
struct Tap {
    row: NodeId,
    weight: Option<NodeId>,
    inside: Option<NodeId>,
}

impl Tap {
    fn joined(&self, context: &mut Context<'_, '_>, along: &Tap, stride: usize) -> Result<Tap, Stop> {
        let builder = context.builder();
        let offset = builder.scale(along.row, stride as f64)?;
        let row = builder.add(self.row, offset)?;
        let mut both = |a: Option<NodeId>, b: Option<NodeId>, function| match (a, b) {
            (Some(a), Some(b)) => builder.binary(function, a, b).map(Some),
            (one, other) => Ok(one.or(other)),
        };
        let weight = both(self.weight, along.weight, Binary::Multiply)?;
        let inside = both(self.inside, along.inside, Binary::And)?;
        Ok(Tap { row, weight, inside })
    }

    fn value(&self, context: &mut Context<'_, '_>, rows: NodeId) -> Result<NodeId, Stop> {
        let builder = context.builder();
        let mut value = builder.add_node(Op::Gather { axis: 0 }, &[rows, self.row])?;
        let shape = builder.shape(value).clone();
        let dtype = builder.ty(value).dtype;
        let places: Vec<usize> = (0..shape.rank() - 1).collect();
        if let Some(weight) = self.weight {
            let weight = builder.cast(weight, dtype)?;
            let weight = builder.broadcast(weight, shape.clone(), &places)?;
            value = builder.mul(value, weight)?;
        }
        if let Some(inside) = self.inside {
            let inside = builder.broadcast(inside, shape, &places)?;
            let zero = builder.splat_like(value, 0.0)?;
            value = builder.select(inside, value, zero)?;
        }
        Ok(value)
    }
}

/// The places along one axis, with weights.
fn neighbours(
    context: &mut Context<'_, '_>,
    coordinate: NodeId,
    size: usize,
    interpolation: Interpolation,
    outside: Outside,
) -> Result<Vec<Tap>, Stop> {
    if interpolation == Interpolation::Nearest {
        let place = context.builder().unary(Unary::Round, coordinate)?;
        return Ok(vec![tap(context, place, None, size, outside)?]);
    }
    let builder = context.builder();
    let floor = builder.unary(Unary::Floor, coordinate)?;
    let ratio = builder.sub(coordinate, floor)?;
    let offsets: &[f64] =
        if interpolation == Interpolation::Linear { &[0.0, 1.0] } else { &[-1.0, 0.0, 1.0, 2.0] };
    let mut taps = Vec::with_capacity(offsets.len());
    for &offset in offsets {
        let builder = context.builder();
        let place = builder.shift(floor, offset)?;
        let distance = builder.shift(ratio, -offset)?;
        let distance = builder.unary(Unary::Abs, distance)?;
        let weight = if interpolation == Interpolation::Linear {
            let negative = builder.neg(distance)?;
            builder.shift(negative, 1.0)?
        } else {
            // The ratio is in 0 … 1, so that the two in the middle are near.
            cubic_weight(context, distance, offset == 0.0 || offset == 1.0)?
        };
        taps.push(tap(context, place, Some(weight), size, outside)?);
    }
    Ok(taps)
}

/// The inner piece (distance up to 1) or the outer one of the cubic of [`super::resample`], as a polynomial.
fn cubic_weight(context: &mut Context<'_, '_>, distance: NodeId, inner: bool) -> Result<NodeId, Stop> {
    const A: f64 = -0.75;
    let coefficients = if inner { [A + 2.0, -(A + 3.0), 0.0, 1.0] } else { [A, -5.0 * A, 8.0 * A, -4.0 * A] };
    let builder = context.builder();
    let mut result = builder.splat_like(distance, coefficients[0])?;
    for &coefficient in &coefficients[1..] {
        let product = builder.mul(result, distance)?;
        result = builder.shift(product, coefficient)?;
    }
    Ok(result)
}

/// One place as a number of the axis.
fn tap(
    context: &mut Context<'_, '_>,
    place: NodeId,
    weight: Option<NodeId>,
    size: usize,
    outside: Outside,
) -> Result<Tap, Stop> {
    let place = match outside {
        Outside::Turned { at_centers } => turned(context, place, size, at_centers)?,
        _ => place,
    };
    let last = size as f64 - 1.0;
    let held = clamped(context, place, 0.0, last)?;
    let builder = context.builder();
    let inside = match outside {
        Outside::Zero => Some(builder.compare(Comparison::Equal, held, place)?),
        _ => None,
    };
    let row = builder.cast(held, DType::I32)?;
    Ok(Tap { row, weight, inside })
}

pub(super) fn clamped(context: &mut Context<'_, '_>, x: NodeId, low: f64, high: f64) -> Result<NodeId, Stop> {
    let builder = context.builder();
    let (low, high) = (builder.splat_like(x, low)?, builder.splat_like(x, high)?);
    let above = builder.binary(Binary::Max, x, low)?;
    Ok(builder.binary(Binary::Min, above, high)?)
}

/// A coordinate that goes back and forth between the ends.
fn turned(context: &mut Context<'_, '_>, x: NodeId, size: usize, at_centers: bool) -> Result<NodeId, Stop> {
    let (low, high) = if at_centers { (0.0, size as f64 - 1.0) } else { (-0.5, size as f64 - 0.5) };
    if high == low {
        return Ok(context.builder().splat_like(x, low)?);
    }
    let builder = context.builder();
    let range = builder.splat_like(x, high - low)?;
    let two = builder.splat_like(x, 2.0)?;
    let distance = builder.shift(x, -low)?;
    let distance = builder.unary(Unary::Abs, distance)?;
    let turns = builder.div(distance, range)?;
    let turns = builder.unary(Unary::Floor, turns)?;
    let whole = builder.mul(turns, range)?;
    let rest = builder.sub(distance, whole)?;
    let pairs = builder.div(turns, two)?;
    let pairs = builder.unary(Unary::Floor, pairs)?;
    let even = builder.mul(pairs, two)?;
    let even = builder.compare(Comparison::Equal, even, turns)?;
    let forth = builder.shift(rest, low)?;
    let back = builder.neg(rest)?;
    let back = builder.shift(back, high)?;
    Ok(builder.select(even, forth, back)?)
}

/// The sum of all.
pub(super) fn total(context: &mut Context<'_, '_>, terms: &[NodeId]) -> Result<NodeId, Stop> {
    let Some((&first, rest)) = terms.split_first() else { return Err(context.invalid("nothing is sampled")) };
    rest.iter().try_fold(first, |sum, &term| Ok(context.builder().add(sum, term)?))
}
