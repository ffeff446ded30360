//! Which elements of the factors a thread moves for a tile, and which rows and lanes of the result there are.

use super::layout::{Along, Layout};
use super::shape::Products;
use super::stage::{Access, Move, Presence, Read, Side};
use super::{Place, Tiling, divides};
use crate::PtxError;
use crate::alignment::{power_of, power_of_extent};
use crate::contraction::plan::Plan;
use crate::contraction::reduce::innermost;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_types::Dim;

/// Elements of the widest access.
const WIDEST: i64 = 4;
/// Elements of 32 bytes, what global memory is read by.
const SECTOR: u32 = 8;

/// Where an access is, from a thread's first place, places beyond it, the access's elements, and the places that it covers.
type ReadAt<'a, E> = dyn FnMut(&mut E, Value, u32, (u32, u32)) -> Result<Read, PtxError> + 'a;

/// How a factor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How it lies in shared memory.
    pub(super) along: Along,
    /// Whether it lies along the tile in global memory nevertheless.
    turned: bool,
    /// Elements of an access of global memory, all of which lie side by side at a multiple of its size.
    width: u32,
    /// What divides the first and the last step of the innermost reduction.
    steps: i64,
}

impl Reading {
    /// The same with lines along the reduction, into which elements go one by one where they lie along the tile.
    pub(super) fn along_depth(self) -> Reading {
        match self.along {
            Along::Depth => self,
            Along::Tile => Reading { along: Along::Depth, turned: true, width: 1, steps: self.steps },
        }
    }
}

/// Pieces of lines, divided among a block's threads: neighbours along a line, or, where elements are turned, sectors of
/// global memory ([`SECTOR`] places) of four steps for each warp, which are in different banks of shared memory.
struct Share {
    layout: Layout,
    /// Elements of a piece.
    piece: u32,
    threads: u32,
    turned: bool,
}

impl Share {
    /// Pieces of a line.
    fn across(&self) -> u32 {
        self.layout.line / self.piece
    }

    fn pieces(&self) -> u32 {
        self.across() * self.layout.lines
    }

    /// Line and first element of a thread's piece beyond its first one.
    fn step(&self, number: u32) -> (u32, u32) {
        if self.turned && self.threads < SECTOR * self.across() {
            let rounds = SECTOR * self.across() / self.threads;
            return (number / rounds * SECTOR, number % rounds * (self.threads / SECTOR));
        }
        if self.threads >= self.across() {
            return (number * (self.threads / self.across()), 0);
        }
        let rounds = self.across() / self.threads;
        (number / rounds, number % rounds * self.threads * self.piece)
    }
}

impl Emitter<'_> {
    /// How a factor is read whose places along the tile run over some dimensions, the nearest one last.
    pub(super) fn reading(&self, plan: &Plan<'_>, factor: usize, places: &[usize]) -> Reading {
        let contraction = plan.contraction;
        let stride = |number: usize| plan.dim(number).strides[factor];
        let last = plan.reduced.last().copied();
        let near = places.iter().rev().copied().find(|&number| plan.dim(number).extent != Dim::Fixed(1));
        let [deep, near_stride] = [last, near].map(|number| number.map_or(0, stride));
        let along = if deep.abs() == 1 && near_stride.abs() != 1 { Along::Depth } else { Along::Tile };
        let (contiguous, run) = if along == Along::Depth { (deep, last) } else { (near_stride, near) };
        let splits = |number: usize| plan.dim(number).split.filter(|split| split.chunks > 1);
        let steps = last.map_or(1, |last| {
            let border = splits(last).map_or(i64::MAX, |split| power_of(split.align as i64));
            border.min(power_of_extent(innermost(plan)))
        });
        // Every number that is added to an offset but the one that runs along an access.
        let others = (0..contraction.dims.len()).filter(|&number| Some(number) != run);
        let strides = others.filter(|&number| plan.dim(number).extent != Dim::Fixed(1)).map(stride);
        let taps = contraction.taps.iter().map(|tap| if factor == 0 { tap.lanes } else { tap.rows });
        let all = strides.chain(taps).chain([contraction.offsets[factor]]);
        let mut width = all.fold(self.operand_multiple(factor, 4), |all, number| all.min(power_of(number)));
        let extent = run.map_or(1, |number| power_of_extent(plan.dim(number).extent));
        match along {
            // Where a piece of the reduction begins in the middle, so do accesses.
            Along::Depth if run.is_some_and(|number| splits(number).is_some()) => width = width.min(steps),
            // A row beyond the nearest dimension's last lies elsewhere.
            Along::Tile if places.len() > 1 => width = width.min(extent),
            _ => {}
        }
        if !self.copies() || self.products(plan) == Products::Bf16 {
            // Registers take all of an access or nothing.
            width = width.min(if along == Along::Depth { steps } else { extent });
        }
        let width = if contiguous == 1 { width.clamp(1, WIDEST) as u32 } else { 1 };
        Reading { along, turned: false, width, steps }
    }

    pub(super) fn lanes_side(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        base: Value,
    ) -> Result<Side, PtxError> {
        let layout = tiling.layout(0);
        let whole = divides(place.lanes, tiling.shape.lanes);
        let multiple = power_of_extent(plan.dim(tiling.lanes).extent);
        let stride = plan.dim(tiling.lanes).strides[0];
        self.side(plan, tiling, (0, layout, base), &mut |emitter, first, step, size| {
            let start = emitter.index_sum(place.lane, first);
            let lane = emitter.index_sum(start, Value::Integer(i64::from(step)));
            let exists = if whole {
                Presence::All
            } else {
                emitter.presence(tiling, (lane, place.lanes), size, multiple)
            };
            Ok(Read { offset: emitter.index_product(lane, Value::Integer(stride)), exists })
        })
    }

    pub(super) fn rows_side(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        place: &Place,
        base: Value,
    ) -> Result<Side, PtxError> {
        let layout = tiling.layout(1);
        let whole = divides(place.rows, tiling.shape.rows);
        let extents = tiling.rows.iter().map(|&number| power_of_extent(plan.dim(number).extent));
        let multiple = extents.fold(1_i64, i64::saturating_mul);
        self.side(plan, tiling, (1, layout, base), &mut |emitter, first, step, size| {
            let start = emitter.index_sum(place.row, first);
            let row = emitter.index_sum(start, Value::Integer(i64::from(step)));
            let exists = if whole {
                Presence::All
            } else {
                emitter.presence(tiling, (row, place.rows), size, multiple)
            };
            let found = emitter.row_coordinates(plan, tiling, row)?;
            let mut offset = Value::Integer(0);
            for (&number, &value) in tiling.rows.iter().zip(&found) {
                offset = emitter.index_mad(value, plan.dim(number).strides[1], offset);
            }
            Ok(Read { offset, exists })
        })
    }

    /// How much there is of an access at a place, of a count of places that is a multiple of some number. For copies it
    /// is worked out in bytes: there are few predicates.
    fn presence(
        &mut self,
        tiling: &Tiling,
        (place, count): (Value, Value),
        (width, covered): (u32, u32),
        multiple: i64,
    ) -> Presence {
        if multiple % i64::from(covered) != 0 {
            let left = self.index_difference(count, place);
            return Presence::Bytes(self.present_bytes(left, covered));
        }
        let exists = self.index_test("lt.s", place, count);
        if !tiling.copies {
            return Presence::Where(exists);
        }
        let bytes = Value::Integer(4 * i64::from(width));
        Presence::Bytes(self.ins(Class::Word, "selp.b32", &[bytes, Value::Integer(0), exists]))
    }

    /// What a thread moves of a factor, by where it reads.
    fn side(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        (operand, layout, base): (usize, Layout, Value),
        read: &mut ReadAt<'_, Self>,
    ) -> Result<Side, PtxError> {
        let Reading { along, turned, width, steps } = tiling.readings[operand];
        let rounds = layout.element == 2;
        let width = width.min(layout.line);
        // Two of `bf16` are one register.
        let piece = if rounds { width.max(2) } else { width };
        let share = Share { layout, piece, threads: tiling.shape.threads(), turned };
        let class = Class::of(plan.dtype);
        let (first_place, first_depth, works) = self.first_of_share(&share);
        let covered = if along == Along::Depth { (width, 1) } else { (1, width) };
        // Of each place along the tile where this thread reads, how far it is from the first, and what is there.
        let mut places: Vec<(u32, Read)> = Vec::new();
        let mut moves = Vec::new();
        for number in 0..(share.pieces() / share.threads).max(1) {
            let first = share.step(number);
            let mut accesses = Vec::new();
            for part in (0..piece).step_by(width as usize) {
                let (place, depth) = layout.placed(first.0, first.1 + part);
                let known = places.iter().position(|&(known, _)| known == place);
                if known.is_none() {
                    places.push((place, read(self, first_place, place, (width, covered.1))?));
                }
                let registers = (0..width).map(|_| self.fresh(class)).collect();
                accesses.push(Access { place: known.unwrap_or(places.len() - 1), depth, registers });
            }
            let (place, depth) = layout.placed(first.0, first.1);
            moves.push(Move { place, depth, accesses });
        }
        let [place, depth] = [first_place, first_depth].map(|value| self.narrowed_index(value));
        let shared = self.spot(layout, base, place, depth);
        Ok(Side {
            operand,
            class,
            layout,
            moves,
            places: places.into_iter().map(|(_, read)| read).collect(),
            depth: first_depth,
            shared,
            works,
            steps: covered.0,
            whole: steps % i64::from(covered.0) == 0,
            inside: steps % i64::from(tiling.shape.depth) == 0,
            rounds,
            again: operand == 1 && plan.contraction.taps.len() > 1,
        })
    }

    /// The thread's first place and step, and whether it moves anything at all.
    fn first_of_share(&mut self, share: &Share) -> (Value, Value, Option<Value>) {
        let thread = self.special("%tid.x");
        let number = |count: u32| Value::Integer(i64::from(count));
        let (line, at) = if share.turned {
            self.first_of_sectors(share, thread)
        } else if share.threads >= share.across() {
            let line = self.index_quotient(thread, number(share.across()));
            (line, self.index_remainder(thread, number(share.across()), line))
        } else {
            (Value::Integer(0), thread)
        };
        let at = self.index_product(at, number(share.piece));
        let works =
            (share.pieces() < share.threads).then(|| self.index_test("lt.s", thread, number(share.pieces())));
        let (place, depth) = self.placed_at(share.layout, line, at);
        (place, depth, works)
    }

    /// The place and the step of a thread whose elements are turned.
    fn first_of_sectors(&mut self, share: &Share, thread: Value) -> (Value, Value) {
        let [sector, steps] = [SECTOR, share.across()].map(|count| Value::Integer(i64::from(count)));
        let number = self.index_quotient(thread, sector);
        let place = self.index_remainder(thread, sector, number);
        if share.threads <= SECTOR * share.across() {
            return (place, number);
        }
        let further = self.index_quotient(number, steps);
        let step = self.index_remainder(number, steps, further);
        (self.index_mad(further, i64::from(SECTOR), place), step)
    }

    /// Whether a row is one of the result's; nothing where it always is.
    pub(super) fn row_exists(&mut self, tiling: &Tiling, place: &Place, row: Value) -> Option<Value> {
        if divides(place.rows, tiling.shape.rows) {
            return None;
        }
        Some(self.index_test("lt.s", row, place.rows))
    }

    /// The coordinates of a row along the dimensions that rows run over.
    pub(super) fn row_coordinates(
        &mut self,
        plan: &Plan<'_>,
        tiling: &Tiling,
        row: Value,
    ) -> Result<Vec<Value>, PtxError> {
        let dims: Vec<Dim> = tiling.rows.iter().map(|&number| plan.dim(number).extent).collect();
        let extents = self.extents(&dims)?;
        Ok(self.divided_up(row, &extents))
    }
}
