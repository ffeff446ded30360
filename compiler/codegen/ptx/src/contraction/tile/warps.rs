//! Products by tensor cores: a warp multiplies pieces of 16 rows, 8 lanes and 8 steps of the reduction at once
//! (`mma.sync.m16n8k8`), of factors that are rounded to `tf32` on their way into shared memory, and sums in `f32`.
//!
//! In a piece a thread with the number `4 g + t` in its warp has the rows `g` and `g + 8` of the lanes `2 t` and `2 t + 1`;
//! of the factors, rows `g` and `g + 8` and lane `g` at the steps `t` and `t + 4`.

use super::Place;
use super::shape::Shape;
use super::stage::Side;
use crate::emitter::Emitter;
use crate::register::{Class, Value};

impl Emitter<'_> {
    /// The thread's number along the rows, and its first row and lane in a tile.
    pub(super) fn warp_place(&mut self, shape: Shape) -> [Value; 3] {
        let number = |length: u32| Value::Integer(i64::from(length));
        let thread = self.special("%tid.x");
        let warp = self.index_quotient(thread, number(32));
        let in_warp = self.index_remainder(thread, number(32), warp);
        let across = number(shape.columns() / 4);
        let warp_group = self.index_quotient(warp, across);
        let warp_column = self.index_remainder(warp, across, warp_group);
        let in_group = self.index_quotient(in_warp, number(4));
        let in_column = self.index_remainder(in_warp, number(4), in_group);
        let group = self.index_mad(warp_group, 8, in_group);
        let row = self.index_mad(warp_group, i64::from(8 * shape.thread_rows), in_group);
        let lane = self.index_product(in_column, number(2));
        let lane = self.index_mad(warp_column, i64::from(4 * shape.thread_lanes), lane);
        [group, row, lane]
    }

    /// Addresses of the thread's first elements of both factors.
    pub(super) fn warp_addresses(
        &mut self,
        shape: Shape,
        sides: &[&Side; 2],
        place: &Place,
        bases: [Value; 2],
    ) -> [Value; 2] {
        let [row, lane] = [place.own_row, place.own_lane].map(|value| self.narrowed_index(value));
        let thread = self.fresh(Class::Word);
        self.put(format!("mov.u32 {thread}, %tid.x;"));
        let step = self.ins(Class::Word, "and.b32", &[thread, Value::Integer(3)]);
        let in_group = self.ins(Class::Word, "bfe.u32", &[thread, Value::Integer(2), Value::Integer(3)]);
        // The warp's first lane is the thread's less those of its column.
        let span = i64::from(4 * shape.thread_lanes);
        let first = self.ins(Class::Word, "and.b32", &[lane, Value::Integer(-span)]);
        let lane = self.ins(Class::Word, "add.s32", &[first, in_group]);
        let mut own = bases;
        for (number, place) in [lane, row].into_iter().enumerate() {
            let at = self.word_mad(step, Self::step_bytes(sides[number], 1), bases[number]);
            own[number] = self.word_mad(place, 4, at);
        }
        own
    }

    /// All products of one half of shared memory.
    pub(super) fn multiply_by_warps(
        &mut self,
        shape: Shape,
        sides: &[&Side; 2],
        own: [Value; 2],
        half: u32,
        sums: &[Value],
    ) {
        let width = shape.thread_lanes as usize;
        for depth in (0..shape.depth).step_by(8) {
            let lanes: Vec<Vec<Value>> = (0..shape.thread_lanes / 2)
                .map(|piece| {
                    self.words_at(sides[0], own[0], half, &[(depth, 8 * piece), (depth + 4, 8 * piece)])
                })
                .collect();
            for piece in 0..shape.thread_rows / 2 {
                let row = 16 * piece;
                let at = [(depth, row), (depth, row + 8), (depth + 4, row), (depth + 4, row + 8)];
                let rows = list(&self.words_at(sides[1], own[1], half, &at));
                let first = 2 * piece as usize * width;
                for (number, lanes) in lanes.iter().enumerate() {
                    let at = first + 2 * number;
                    let result = list(&[sums[at], sums[at + 1], sums[at + width], sums[at + width + 1]]);
                    let lanes = list(lanes);
                    self.put(format!(
                        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {result}, {rows}, {lanes}, {result};"
                    ));
                }
            }
        }
    }
}

/// Registers in braces.
fn list(registers: &[Value]) -> String {
    let names: Vec<String> = registers.iter().map(Value::to_string).collect();
    format!("{{{}}}", names.join(", "))
}
