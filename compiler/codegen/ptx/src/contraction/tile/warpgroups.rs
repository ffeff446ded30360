//! Products by warpgroups (`wgmma`, sm_90a): four warps multiply 64 places of one factor, their *left* one, with all
//! places of the other at once, and go on while tensor cores work.
//!
//! The right factor is read from shared memory, as a descriptor tells (`descriptor`), and so is the left one of `bf16`.
//! The left one of `tf32` comes from registers, into which it is read and rounded as for warps (`warps`): it may lie
//! either way, and shared memory moves less than if both were rounded there. The right one of `tf32` has to lie along
//! the reduction, since words are not transposed; the threads that copied it round it in place, for the instruction
//! itself would drop bits. Where it lies along the tile in global memory its elements are copied one by one
//! (`Reading::along_depth`); many lanes are rather made the left factor, if rows lie along the reduction ([`Left::of`]).
//! Factors are rounded as for `warps`, and so the bounds are the same.
//!
//! A thread begins its products and waits for them (`wgmma.wait_group`) just before the next round's barrier, behind
//! which what they read is overwritten; in between it makes the next stage ready. What threads write into shared memory
//! is fenced (`fence.proxy.async`) before that barrier, since products read by another proxy; registers are fenced
//! (`wgmma.fence`) before products have them. `ptxas` tells where it had to wait or to put products one after the other,
//! which the tests refuse.
//!
//! A thread with the number `4 g + t` in its warp has the places `g` and `g + 8` of its warp's 16 of the left factor,
//! and `2 t` and `2 t + 1` of every eight of the right one. Copies of whole boxes of a tensor (`cp.async.bulk.tensor`)
//! are not used.

use super::Tiling;
use super::descriptor::Matrix;
use super::layout::Along;
use super::pipeline::Pipeline;
use super::shape::{Products, Shape};
use super::stage::Side;
use super::warps::by_matrices;
use crate::emitter::Emitter;
use crate::register::{Class, Value, braces};

/// Threads of a warpgroup, and places of the left factor that it multiplies.
pub(super) const GROUP: u32 = 128;
pub(super) const PLACES: u32 = 64;

/// The factor that warpgroups have 64 places of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The lanes.
    Lanes,
    /// The rows.
    Rows,
}

impl Left {
    /// Which factor is the left one of warpgroups, by how the lanes and the rows lie and how many lanes there are.
    pub(super) fn of(products: Products, along: [Along; 2], lanes: u128) -> Option<Left> {
        let many = lanes >= u128::from(PLACES);
        match (products, along) {
            (Products::Scalars, _) => None,
            (Products::Tf32, [Along::Tile, Along::Depth]) if many => Some(Left::Lanes),
            (Products::Tf32 | Products::Bf16, _) => Some(Left::Rows),
        }
    }

    /// The number of the left factor and of the right one.
    pub(super) fn sides(self) -> [usize; 2] {
        match self {
            Left::Lanes => [0, 1],
            Left::Rows => [1, 0],
        }
    }
}

impl Shape {
    /// Places of the left factor and of the right one.
    pub(super) fn left_and_right(self, left: Left) -> [u32; 2] {
        left.sides().map(|side| [self.lanes, self.rows][side])
    }

    /// Names of a thread's sums, in the order of an accumulator: for every eight places of the right factor a pair at
    /// the first place of the left one, then a pair at the second.
    fn accumulator(self, left: Left, sums: &[Value]) -> String {
        let [_, right] = self.left_and_right(left);
        let width = self.thread_lanes as usize;
        let at = |left_place: usize, right_place: usize| match left {
            Left::Rows => left_place * width + right_place,
            Left::Lanes => right_place * width + left_place,
        };
        let pairs = (0..right as usize / 8).flat_map(|pair| [0, 1].map(|second| (pair, second)));
        let numbers = pairs.flat_map(|(pair, second)| [0, 1].map(|one| at(second, 2 * pair + one)));
        braces(&numbers.map(|number| sums[number]).collect::<Vec<Value>>())
    }
}

impl Emitter<'_> {
    /// What tells where the factors are: descriptors, but of a left factor in registers the address that a thread reads
    /// first.
    pub(super) fn warpgroup_spots(
        &mut self,
        tiling: &Tiling,
        left: Left,
        sides: [&Side; 2],
        bases: [Value; 2],
    ) -> [Value; 2] {
        let mut own = [0, 1].map(|side| bases[side]);
        let [left_side, right_side] = left.sides();
        own[right_side] = self.descriptor(Matrix::new(sides[right_side].layout), bases[right_side]);
        own[left_side] = if tiling.shape.products == Products::Tf32 {
            self.left_spot(tiling, left, sides[left_side], bases[left_side])
        } else {
            let matrix = Matrix::new(sides[left_side].layout);
            let first = self.descriptor(matrix, bases[left_side]);
            self.group_part(tiling, matrix, first)
        };
        own
    }

    /// The descriptor of the places that the thread's warpgroup has, from that of the first places.
    fn group_part(&mut self, tiling: &Tiling, matrix: Matrix, first: Value) -> Value {
        if tiling.shape.threads() == GROUP {
            return first;
        }
        let thread = self.fresh(Class::Word);
        self.put(format!("mov.u32 {thread}, %tid.x;"));
        let shift = Value::Integer(i64::from(GROUP.trailing_zeros()));
        let group = self.ins(Class::Word, "shr.u32", &[thread, shift]);
        let units = Value::Integer(i64::from(matrix.places(PLACES)));
        let far = self.ins(Class::Long, "mul.wide.u32", &[group, units]);
        self.ins(Class::Long, "add.s64", &[first, far])
    }

    /// Where a thread reads the left factor first.
    fn left_spot(&mut self, tiling: &Tiling, left: Left, side: &Side, base: Value) -> Value {
        let [row, column, warp_row, warp_column] = self.thread_place(tiling.shape);
        let (group, in_group, warp) = match left {
            Left::Rows => (row, column, warp_row),
            Left::Lanes => (column, row, warp_column),
        };
        let (place, depth) =
            if by_matrices(side.layout) { self.matrix_place(side) } else { (group, in_group) };
        let place = self.index_mad(warp, i64::from(PLACES / 4), place);
        let [place, depth] = [place, depth].map(|value| self.narrowed_index(value));
        self.spot(side.layout, base, place, depth)
    }

    /// Begins all products of one stage.
    pub(super) fn products_of_warpgroups(&mut self, pipeline: &Pipeline<'_>, left: Left, stage: Value) {
        let shape = pipeline.tiling.shape;
        let [left_side, right_side] = left.sides();
        let [_, right_places] = shape.left_and_right(left);
        let (steps, element) = if shape.products == Products::Bf16 { (16, "bf16") } else { (8, "tf32") };
        let matrices = pipeline.sides.map(|side| Matrix::new(side.layout));
        let depths = (0..shape.depth).step_by(steps);
        let right = self.staged(pipeline.own[right_side], stage);
        let lefts: Vec<String> = if shape.products == Products::Tf32 {
            let mut reader = self.reader(pipeline.sides[left_side].layout, pipeline.own[left_side], stage);
            let places = |depth| [(0, depth), (8, depth), (0, depth + 4), (8, depth + 4)];
            depths.clone().map(|depth| braces(&self.matrices(&mut reader, places(depth)))).collect()
        } else {
            let first = self.staged(pipeline.own[left_side], stage);
            depths.clone().map(|depth| self.further(first, matrices[left_side].steps(depth))).collect()
        };
        let rights: Vec<String> =
            depths.map(|depth| self.further(right, matrices[right_side].steps(depth))).collect();
        let mut scales = "1, 1, 1".to_owned();
        if shape.products == Products::Bf16 {
            for side in [left_side, right_side] {
                scales += if matrices[side].transposed() { ", 1" } else { ", 0" };
            }
        }
        let sums = shape.accumulator(left, pipeline.sums);
        self.put("wgmma.fence.sync.aligned;");
        for (left, right) in lefts.iter().zip(&rights) {
            let product = format!("m{PLACES}n{right_places}k{steps}.f32.{element}.{element}");
            self.put(format!("wgmma.mma_async.sync.aligned.{product} {sums}, {left}, {right}, {scales};"));
        }
        self.put("wgmma.commit_group.sync.aligned;");
    }

    /// Rounds what the thread has copied into a stage, and makes it and the stage that comes free ready.
    pub(super) fn copies_ready(&mut self, pipeline: &Pipeline<'_>, stage: Value) {
        if let Some(left) = pipeline.tiling.shape.left {
            let [_, right] = left.sides();
            self.round_in_place(pipeline.sides[right], stage);
            self.fence_for_products(pipeline);
        }
    }

    /// Waits for the products that were begun, and lets later ones see what the thread has written into shared memory:
    /// in that order, for `ptxas` (12.9) may crash at the other one.
    pub(super) fn fence_for_products(&mut self, pipeline: &Pipeline<'_>) {
        self.await_products(pipeline);
        if pipeline.tiling.shape.left.is_some() {
            self.put("fence.proxy.async.shared::cta;");
        }
    }

    /// Waits for all products that were begun.
    pub(super) fn await_products(&mut self, pipeline: &Pipeline<'_>) {
        if pipeline.tiling.shape.left.is_some() {
            self.put("wgmma.wait_group.sync.aligned 0;");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forward, the gradient of data, the gradient of weights, and both factors along the reduction.
    #[test]
    fn many_lanes_along_the_tile_are_the_left_factor() {
        use Along::{Depth, Tile};
        let all = [[Tile, Depth], [Depth, Depth], [Tile, Tile], [Depth, Tile]];
        let of = |products, lanes| all.map(|along| Left::of(products, along, lanes));
        let (lanes, rows) = (Some(Left::Lanes), Some(Left::Rows));
        assert_eq!(of(Products::Tf32, 64), [lanes, rows, rows, rows]);
        assert_eq!(of(Products::Tf32, 63), [rows; 4]);
        assert_eq!(of(Products::Bf16, 64), [rows; 4]);
        assert_eq!(of(Products::Scalars, 64), [None; 4]);
    }
}
