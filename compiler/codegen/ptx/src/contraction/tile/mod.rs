//! Tiles: a block computes a rectangle of the result, of which each thread has a part in registers. Both factors are
//! read into shared memory a few steps of the reduction at a time, in two halves: one is filled while the other is
//! multiplied.
//!
//! The rows of a tile run over all kept dimensions that do not move the lanes operand, in one count: an image's height
//! and width and the batch together. Dimensions that do move it, and pieces of reduced ones, have tiles of their own.
//! Where an epilogue sums over the elements of a point, a block takes all rows of the point, one tile after the
//! other, and rows run over the point's dimensions alone.
//!
//! Every sum is taken in the order that the kernel IR tells, but where tensor cores multiply, which round factors to
//! `tf32` and have an order of their own (`warps`). Factors of 32 bits have this form: `f32`, and words of
//! small integers; what does not fit takes a thread per element (`super::element`).

mod finish;
mod odometer;
mod place;
mod shape;
mod sides;
mod stage;
mod sums;
mod warps;

use super::plan::Plan;
use crate::PtxError;
use crate::emitter::Emitter;
use crate::kernel::Layout;
use crate::register::{Class, Value};
use dlc_kernel::{Epilogue, Role};
use dlc_types::DType;
use odometer::Odometer;
use place::Place;
use shape::{Shape, Work, places};
use stage::Side;

/// Which dimension is what in tiles.
pub(crate) struct Tiling {
    shape: Shape,
    /// Dimensions that rows run over, outermost first.
    rows: Vec<usize>,
    /// The lanes dimension.
    lanes: usize,
    /// Pieces of reduced dimensions, then kept ones with tiles of their own.
    batch: Vec<usize>,
    /// Whether a block takes all rows.
    walks: bool,
}

impl Emitter<'_> {
    /// The tiles of a contraction that has some.
    pub(super) fn tiling(&self, plan: &Plan<'_>) -> Option<Tiling> {
        let contraction = plan.contraction;
        let sums = contraction.epilogue.as_ref().is_some_and(|epilogue| !epilogue.sums.is_empty());
        let moves = |number: &usize| plan.dim(*number).strides[0] != 0;
        let role = |number: &usize| plan.dim(*number).role;
        let &lanes = plan.kept.iter().find(|number| role(number) == Role::Lanes)?;
        let others: Vec<usize> = plan.kept.iter().copied().filter(|&number| number != lanes).collect();
        let own = |number: &usize| moves(number) || (sums && role(number) == Role::Parallel);
        let (apart, mut rows): (Vec<usize>, Vec<usize>) = others.into_iter().partition(own);
        let point = |number: &usize| matches!(role(number), Role::Rows | Role::Sequential);
        let last = *plan.reduced.last()?;
        let fits = matches!(plan.dtype, DType::F32 | DType::I32)
            && plan.dim(lanes).strides[1] == 0
            && !apart.iter().any(|number| role(number) == Role::Rows || (sums && point(number)));
        if !fits {
            return None;
        }
        rows.sort_by_key(|&number| std::cmp::Reverse(plan.dim(number).strides[2].abs()));
        let pieces = plan.reduced.iter().copied().filter(|&number| plan.pieces(number) > 1);
        let batch: Vec<usize> = pieces.chain(apart).collect();
        let size = |number: usize| self.ranges.extent(plan.dim(number).extent).max(0).unsigned_abs();
        let product = |numbers: &[usize]| {
            let sizes = numbers.iter().map(|&number| match plan.dim(number).is_reduced() {
                true => plan.pieces(number) as u128,
                false => size(number),
            });
            sizes.fold(1_u128, |product, size| product.saturating_mul(size))
        };
        let statements = contraction.epilogue.as_ref().map_or(0, |epilogue| epilogue.statements.len());
        let depth = size(last) / plan.pieces(last) as u128;
        let (count, along) = (product(&batch), product(&rows));
        let tensor = self.tensor && plan.dtype == DType::F32;
        let work =
            Work { rows: along, lanes: size(lanes), depth, count, walks_rows: sums, statements, tensor };
        let shape = Shape::of(work)?;
        Some(Tiling { shape, rows, lanes, batch, walks: sums })
    }

    pub(super) fn by_tiles(&mut self, plan: &Plan<'_>, tiling: &Tiling) -> Result<Layout, PtxError> {
        let shape = tiling.shape;
        let (place, grid) = self.tile_place(plan, tiling)?;
        let base = self.fresh(Class::Word);
        self.put(format!("mov.u32 {base}, _shared;"));
        let (levels, origin) = self.levels(plan, &place.coordinates);
        let origin =
            [0, 1].map(|factor| self.index_sum(place.offsets[factor], Value::Integer(origin[factor])));
        let Some(odometer) = self.odometer(&levels, origin, shape.depth) else {
            return Err(self.malformed("a tile has nothing to reduce"));
        };
        self.in_lanes = true;
        let mut shared_bytes = shape.shared_bytes();
        match plan.contraction.epilogue.as_ref().filter(|_| tiling.walks) {
            None => {
                let sums = self.tile_sums(plan, tiling, &place, &odometer, base)?;
                self.finish(plan, tiling, &place, &sums, None)?;
            }
            Some(epilogue) => {
                shared_bytes = shared_bytes.max(self.totals_bytes(tiling, epilogue)?);
                self.walk_rows(plan, tiling, epilogue, place, &odometer, base)?;
            }
        }
        Ok(Layout { threads: shape.threads(), shared_bytes, grid })
    }

    /// The sums of a thread's part of a tile, row by row.
    fn tile_sums(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        odometer: &Odometer,
        base: Value,
    ) -> Result<Vec<Value>, PtxError> {
        let shape = tiling.shape;
        let sums = self.first_sums(plan, tiling, place)?;
        let lanes_half = shape.step_bytes(shape.lanes);
        let lanes_side = self.lanes_side(plan, tiling, place, (base, lanes_half))?;
        let rows_base = self.ins(Class::Word, "add.u32", &[base, Value::Integer(i64::from(2 * lanes_half))]);
        let rows_side = self.rows_side(plan, tiling, place, (rows_base, shape.step_bytes(shape.rows)))?;
        let sides = [&lanes_side, &rows_side];
        let own = if shape.tensor {
            self.warp_addresses(shape, &sides, place, [base, rows_base])
        } else {
            let [lane, row] = [place.own_lane, place.own_row].map(|value| self.narrowed_index(value));
            [self.word_mad(lane, 4, base), self.word_mad(row, 4, rows_base)]
        };

        let (again, done) = (self.label(), self.label());
        self.branch(odometer.alive, false, &done);
        self.fetch_both(&sides, odometer);
        sides.iter().for_each(|side| self.deposit(side, 0));
        self.advance(odometer);
        self.put("bar.sync 0;");
        self.place(&again);
        for half in [0, 1] {
            let last = self.label();
            self.branch(odometer.alive, false, &last);
            self.fetch_both(&sides, odometer);
            self.place(&last);
            self.multiply(plan, shape, &sides, own, half, &sums);
            self.branch(odometer.alive, false, &done);
            sides.iter().for_each(|side| self.deposit(side, 1 - half));
            self.advance(odometer);
            self.put("bar.sync 0;");
        }
        self.put(format!("bra {again};"));
        self.place(&done);
        Ok(sums)
    }

    fn fetch_both(&mut self, sides: &[&Side; 2], odometer: &Odometer) {
        let offsets = self.offsets(odometer);
        for (side, offset) in sides.iter().zip(offsets) {
            self.fetch(side, odometer, offset);
        }
    }

    /// All products of one half of shared memory.
    fn multiply(
        &mut self,
        plan: &Plan<'_>,
        shape: Shape,
        sides: &[&Side; 2],
        own: [Value; 2],
        half: u32,
        sums: &[Value],
    ) {
        if shape.tensor {
            return self.multiply_by_warps(shape, sides, own, half, sums);
        }
        let along_lanes = places(shape.lanes, shape.thread_lanes);
        let along_rows = places(shape.rows, shape.thread_rows);
        for depth in 0..shape.depth {
            let lanes = self.fragment(sides[0], own[0], half, depth, &along_lanes);
            let rows = self.fragment(sides[1], own[1], half, depth, &along_rows);
            for (&row, sums) in rows.iter().zip(sums.chunks(lanes.len())) {
                let row = self.turned(plan.factors, row);
                for (&lane, &sum) in lanes.iter().zip(sums) {
                    self.multiply_add(plan, lane, row, sum);
                }
            }
        }
    }
}

/// Whether a known count is a multiple of a tile's length.
fn divides(count: Value, length: u32) -> bool {
    count.known().is_some_and(|count| count % i64::from(length) == 0)
}

/// The coordinates of dimensions that an epilogue may use, defined as indices.
fn define_coordinates(
    emitter: &mut Emitter<'_>,
    plan: &Plan<'_>,
    epilogue: &Epilogue,
    coordinates: &[Value],
) -> Result<(), PtxError> {
    for (number, &value) in coordinates.iter().enumerate() {
        let hidden = plan.dim(number).is_reduced();
        let index = plan.coordinate(epilogue, number)?;
        emitter.define_index(index, if hidden { Value::Integer(0) } else { value });
    }
    Ok(())
}
