//! Products by tensor cores: a warp multiplies pieces of 16 rows and 8 lanes at once (`mma.sync`), and sums in `f32`.
//!
//! *`tf32`* (`m16n8k8`): factors lie in shared memory as they are and are rounded on their way into registers
//! (`cvt.rna.tf32`, to nearest, ties away from zero), where CUTLASS converts, too (`gemm/warp/mma_tensor_op.h`, `transform`): the
//! instruction itself drops the low 13 bits, which is twice as inexact and has a bias towards 0. A factor is off by at most
//! 2^-11 of itself, a product by 2^-10 + 2^-22.
//! *`bf16`* (`m16n8k16`): factors are rounded to nearest even on their way into shared memory, whence `ldmatrix` reads
//! four matrices of eight by eight at once, transposed where lines run along the tile; it reads `tf32`, too, where lines run
//! along the reduction, as matrices of eight by four. A factor is off by at most 2^-8 of
//! itself, a product by 2^-7 + 2^-16.
//!
//! Products are exact beyond that; sums of `n` of them are off by at most `n * 2^-23` of the sum of magnitudes (tensor
//! cores align addends to the greatest and truncate: Fasi, Higham, Mikaitis and Pranesh, *Numerical behavior of NVIDIA
//! tensor cores*, PeerJ Computer Science 7, 2021). Subnormal factors of `tf32` and `bf16` are kept.
//!
//! A warp has up to 64 rows and 64 lanes: with fewer, shared memory is read more often than it can be. In a piece
//! a thread with the number `4 g + t` in its warp has the rows `g` and `g + 8` of the lanes `2 t` and `2 t + 1`; of factors
//! of `tf32`, rows `g` and `g + 8` and lane `g` at the steps `t` and `t + 4`.

use super::Tiling;
use super::layout::{Along, Layout, Reader};
use super::pipeline::Pipeline;
use super::shape::Products;
use super::stage::Side;
use crate::emitter::Emitter;
use crate::register::{Class, Value, braces};

impl Emitter<'_> {
    /// Where a thread reads first of both factors.
    pub(super) fn warp_spots(&mut self, tiling: &Tiling, sides: [&Side; 2], bases: [Value; 2]) -> [Value; 2] {
        let shape = tiling.shape;
        let [rows, columns] = shape.warp();
        let [group, in_group, warp_row, warp_column] = self.thread_place(shape);
        let firsts = [
            self.index_product(warp_column, Value::Integer(i64::from(columns * shape.thread_lanes))),
            self.index_product(warp_row, Value::Integer(i64::from(rows * shape.thread_rows))),
        ];
        [0, 1].map(|side| {
            let (place, depth) = match by_matrices(sides[side].layout) {
                true => self.matrix_place(sides[side]),
                false => (group, in_group),
            };
            let place = self.index_sum(firsts[side], place);
            let [place, depth] = [place, depth].map(|value| self.narrowed_index(value));
            self.spot(sides[side].layout, bases[side], place, depth)
        })
    }

    /// The place and the step that a lane gives `ldmatrix` the address of. Of the four matrices of eight places and as many
    /// steps as 16 bytes have, the rows' second has the next places and their third the next steps; the lanes' are the other
    /// way round.
    pub(super) fn matrix_place(&mut self, side: &Side) -> (Value, Value) {
        let thread = self.special("%tid.x");
        let bits = |emitter: &mut Self, first: i64, count: i64| {
            let shifted = emitter.index_quotient(thread, Value::Integer(1 << first));
            let name = if emitter.wide { "and.b64" } else { "and.b32" };
            emitter.ins(emitter.index_class(), name, &[shifted, Value::Integer((1 << count) - 1)])
        };
        let [line, second, third] = [(0, 3), (3, 1), (4, 1)].map(|(first, count)| bits(self, first, count));
        let (next_places, next_steps) = if side.operand == 1 { (second, third) } else { (third, second) };
        match side.layout.along {
            Along::Depth => {
                let steps = Value::Integer(i64::from(16 / side.layout.element));
                (self.index_mad(next_places, 8, line), self.index_product(next_steps, steps))
            }
            Along::Tile => {
                let places = self.index_product(next_places, Value::Integer(8));
                (places, self.index_mad(next_steps, 8, line))
            }
        }
    }

    /// All products of one stage.
    pub(super) fn products_of_warps(&mut self, pipeline: &Pipeline<'_>, stage: Value) {
        let shape = pipeline.tiling.shape;
        let (steps, kind) = match shape.products {
            Products::Bf16 => (16, "m16n8k16.row.col.f32.bf16.bf16.f32"),
            _ => (8, "m16n8k8.row.col.f32.tf32.tf32.f32"),
        };
        let width = shape.thread_lanes as usize;
        let mut readers =
            [0, 1].map(|side| self.reader(pipeline.sides[side].layout, pipeline.own[side], stage));
        for depth in (0..shape.depth).step_by(steps) {
            let mut lanes: Vec<String> = Vec::new();
            for lane in (0..shape.thread_lanes * 4).step_by(16) {
                let at = [(lane, depth), (lane, depth + 4), (lane + 8, depth), (lane + 8, depth + 4)];
                let found = self.matrices(&mut readers[0], at);
                lanes.extend(found.chunks(2).map(braces));
            }
            for piece in 0..shape.thread_rows / 2 {
                let row = 16 * piece;
                let at = [(row, depth), (row + 8, depth), (row, depth + 4), (row + 8, depth + 4)];
                let rows = braces(&self.matrices(&mut readers[1], at));
                let first = 2 * piece as usize * width;
                for (number, lanes) in lanes.iter().enumerate() {
                    let at = first + 2 * number;
                    let sums = pipeline.sums;
                    let result = braces(&[sums[at], sums[at + 1], sums[at + width], sums[at + width + 1]]);
                    self.put(format!("mma.sync.aligned.{kind} {result}, {rows}, {lanes}, {result};"));
                }
            }
        }
    }

    /// Four registers of a factor, at four places and steps. Where matrices are read, the first one's tells all.
    pub(super) fn matrices(&mut self, reader: &mut Reader, at: [(u32, u32); 4]) -> [Value; 4] {
        let layout = reader.layout;
        let found = if by_matrices(layout) {
            let found = [(); 4].map(|()| self.fresh(Class::Word));
            let address = self.reach(reader, at[0].0, at[0].1);
            let transposed = if layout.along == Along::Tile { ".trans" } else { "" };
            let names = braces(&found);
            self.put(format!("ldmatrix.sync.aligned.m8n8.x4{transposed}.shared.b16 {names}, {address};"));
            found
        } else {
            at.map(|(place, depth)| {
                let address = self.reach(reader, place, depth);
                let word = self.fresh(Class::Word);
                self.put(format!("ld.shared.b32 {word}, {address};"));
                word
            })
        };
        if layout.element == 2 {
            return found;
        }
        found.map(|word| self.ins(Class::Word, "cvt.rna.tf32.f32", &[word]))
    }
}

/// Whether `ldmatrix` reads fragments: it moves pieces of a line, and transposes elements of two bytes alone.
pub(super) fn by_matrices(layout: Layout) -> bool {
    layout.element == 2 || layout.along == Along::Depth
}
