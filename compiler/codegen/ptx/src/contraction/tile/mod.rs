//! Tiles: a block computes a rectangle of the result, of which each thread has a part in registers. Both factors are
//! read into shared memory a few steps of the reduction at a time, in stages: some are filled while another is
//! multiplied (`pipeline`).
//!
//! The rows of a tile run over all kept dimensions that do not move the lanes operand, in one count: an image's height
//! and width and the batch together. Dimensions that do move it, and pieces of reduced ones, have tiles of their own.
//! Where an epilogue sums over the elements of a point, a block takes all rows of the point, one tile after the
//! other, and rows run over the point's dimensions alone.
//!
//! Every sum is taken in the order that the kernel IR tells, but where tensor cores multiply, which round factors and have
//! an order of their own (`warps`, `warpgroups`). Factors of 32 bits have this form: `f32`, and words of
//! small integers; what does not fit takes a thread per element (`super::element`).

mod descriptor;
mod finish;
mod layout;
mod odometer;
mod pipeline;
mod place;
mod shape;
mod sides;
mod spread;
mod stage;
mod sums;
mod threads;
mod warpgroups;
mod warps;
mod work;

use super::plan::Plan;
use super::reduce::innermost;
use crate::emitter::Emitter;
use crate::kernel;
use crate::register::{Class, Value};
use crate::{Architecture, Math, PtxError};
use dlc_kernel::{Epilogue, Role};
use dlc_types::DType;
use layout::Layout;
use odometer::Odometer;
use pipeline::Pipeline;
use place::Place;
use shape::{Products, Shape};
use sides::Reading;
use warpgroups::Left;
use work::Work;

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
    /// How the lanes and the rows are read.
    readings: [Reading; 2],
    /// Whether copies fill tiles, past registers.
    copies: bool,
}

impl Tiling {
    /// How the lanes or the rows lie in shared memory.
    fn layout(&self, side: usize) -> Layout {
        let length = if side == 0 { self.shape.lanes } else { self.shape.rows };
        Layout::new(self.shape, length, self.readings[side].along)
    }
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
        let steps = self.ranges.extent(innermost(plan)).max(0).unsigned_abs();
        let depth = steps / plan.pieces(last) as u128;
        let (count, along) = (product(&batch), product(&rows));
        let products = self.products(plan);
        let (lanes_count, copies) = (size(lanes), self.copies());
        let mut readings = [self.reading(plan, 0, &[lanes]), self.reading(plan, 1, &rows)];
        let hopper = self.options.architecture == Architecture::Sm90a;
        let ways = readings.map(|reading| reading.along);
        let left = Left::of(products, ways, lanes_count).filter(|_| hopper);
        let work = Work {
            rows: along,
            lanes: lanes_count,
            depth,
            count,
            walks_rows: sums,
            statements,
            products,
            left,
            copies,
        };
        let shape = Shape::of(work)?;
        let copies = copies && shape.products != Products::Bf16;
        if let (Some(left), Products::Tf32) = (shape.left, shape.products) {
            let [_, right] = left.sides();
            readings[right] = readings[right].along_depth();
        }
        Some(Tiling { shape, rows, lanes, batch, walks: sums, readings, copies })
    }

    /// Whether threads need not wait for copies into shared memory.
    fn copies(&self) -> bool {
        self.options.architecture != Architecture::Sm75
    }

    /// What may multiply a contraction's factors.
    fn products(&self, plan: &Plan<'_>) -> Products {
        match self.options.math {
            _ if plan.dtype != DType::F32 || self.options.architecture == Architecture::Sm75 => {
                Products::Scalars
            }
            Math::F32 => Products::Scalars,
            Math::Tf32 => Products::Tf32,
            Math::Bf16 => Products::Bf16,
        }
    }

    pub(super) fn by_tiles(&mut self, plan: &Plan<'_>, tiling: &Tiling) -> Result<kernel::Layout, PtxError> {
        let shape = tiling.shape;
        let (place, grid) = self.tile_place(plan, tiling)?;
        if shape.left.is_some() {
            self.shared_alignment = descriptor::PATTERN;
        }
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
        Ok(kernel::Layout { threads: shape.threads(), shared_bytes, grid })
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
        let sums = self.first_sums(plan, tiling, place)?;
        let lanes_side = self.lanes_side(plan, tiling, place, base)?;
        let lanes_bytes = Value::Integer(i64::from(tiling.layout(0).bytes()));
        let rows_base = self.ins(Class::Word, "add.u32", &[base, lanes_bytes]);
        let rows_side = self.rows_side(plan, tiling, place, rows_base)?;
        let (sides, bases) = ([&lanes_side, &rows_side], [base, rows_base]);
        let own = if let Some(left) = tiling.shape.left {
            self.warpgroup_spots(tiling, left, sides, bases)
        } else if tiling.shape.tensor() {
            self.warp_spots(tiling, sides, bases)
        } else {
            let places = [place.own_lane, place.own_row].map(|value| self.narrowed_index(value));
            [0, 1].map(|side| self.spot(tiling.layout(side), bases[side], places[side], Value::Integer(0)))
        };
        self.all_steps(&Pipeline { plan, tiling, sides, odometer, own, sums: &sums });
        Ok(sums)
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
