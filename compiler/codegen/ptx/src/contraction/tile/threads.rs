//! Products that every thread takes by itself, in the order of the kernel IR.
//!
//! Of a factor that lies along the tile a thread reads its places of one step, of one that lies along the reduction
//! some steps of each place at once: an access is of 16 bytes either way, but where both lie along the reduction and
//! registers would run out.

use super::layout::{Along, Reader};
use super::pipeline::Pipeline;
use crate::emitter::Emitter;
use crate::register::{Class, Value, list};

/// What a thread has read of a factor: for each of its places a register per step.
type Fragment = Vec<Vec<Value>>;

impl Emitter<'_> {
    /// All products of one stage.
    pub(super) fn products_of_threads(&mut self, pipeline: &Pipeline<'_>, stage: Value) {
        let tiling = pipeline.tiling;
        let along = tiling.readings.map(|reading| reading.along);
        let steps = if along == [Along::Depth; 2] { 2 } else { 4 };
        let spreads = [tiling.lane_spread(), tiling.row_spread()];
        let class = Class::of(pipeline.plan.dtype);
        let mut readers =
            [0, 1].map(|side| self.reader(pipeline.sides[side].layout, pipeline.own[side], stage));
        for first in (0..tiling.shape.depth).step_by(steps) {
            let mut fragments: [Fragment; 2] = [Vec::new(), Vec::new()];
            for side in [0, 1] {
                if along[side] == Along::Depth {
                    let places = &spreads[side].places;
                    fragments[side] = places
                        .iter()
                        .map(|&place| self.read(&mut readers[side], class, (place, first), steps as u32))
                        .collect();
                }
            }
            for step in 0..steps {
                let mut factors: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
                for side in [0, 1] {
                    factors[side] = match along[side] {
                        Along::Depth => fragments[side].iter().map(|steps| steps[step]).collect(),
                        Along::Tile => {
                            let runs = spreads[side].places.iter().step_by(spreads[side].run as usize);
                            let at = first + step as u32;
                            let reads = runs.map(|&place| {
                                self.read(&mut readers[side], class, (place, at), spreads[side].run)
                            });
                            reads.collect::<Vec<_>>().concat()
                        }
                    };
                }
                let [lanes, rows] = factors;
                for (&row, sums) in rows.iter().zip(pipeline.sums.chunks(lanes.len())) {
                    let row = self.turned(pipeline.plan.parts, row);
                    for (&lane, &sum) in lanes.iter().zip(sums) {
                        self.multiply_add(pipeline.plan, lane, row, sum);
                    }
                }
            }
        }
    }

    /// Reads neighbours on a line, from a place and a step on.
    fn read(&mut self, reader: &mut Reader, class: Class, at: (u32, u32), count: u32) -> Vec<Value> {
        let place = self.reach(reader, at.0, at.1);
        let registers: Vec<Value> = (0..count).map(|_| self.fresh(class)).collect();
        let (vector, names) = list(&registers);
        self.put(format!("ld.shared{vector}.{} {names}, {place};", class.kind()));
        registers
    }
}
