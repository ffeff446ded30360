//! How many bytes a launch moves: an estimate from addresses alone.
//!
//! Counted are distinct elements, per operand: what a kernel reads twice is taken to be in a cache the
//! second time, and what two accesses share is counted once. An access addresses as many elements as
//! its index has values: the product of the extents of the variables that occur in it, at most the number
//! of times that it runs and at most the distance between its least and greatest index. Accesses of one
//! operand are added up as far as the span of all of them reaches. Nothing counts beyond the end of
//! the buffer. Whole cache lines, and lines that are read before they are written, are left to whoever
//! turns bytes into time.

use crate::verify::interval::{Interval, Ranges, extent};
use crate::{Affine, Body, Contraction, IndexExpr, IndexVar, Kernel, Launch, Program, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that one operand moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperandTraffic {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}

/// Bytes that one launch moves, per operand of its kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// In the order of the operands.
    pub operands: Vec<OperandTraffic>,
}

impl Traffic {
    /// Bytes read by all operands.
    pub fn read(&self) -> u64 {
        self.operands.iter().fold(0, |sum: u64, operand| sum.saturating_add(operand.read))
    }

    /// Bytes written by all operands.
    pub fn written(&self) -> u64 {
        self.operands.iter().fold(0, |sum: u64, operand| sum.saturating_add(operand.written))
    }

    /// Bytes moved in all.
    pub fn total(&self) -> u64 {
        self.read().saturating_add(self.written())
    }
}

/// The bytes that a launch of a verified program moves for a batch of `batch`.
pub fn launch_traffic(program: &Program, launch: &Launch, batch: usize) -> Traffic {
    let Some(kernel) = program.kernels.get(launch.kernel) else { return Traffic::default() };
    let mut sum = Traffic { operands: vec![OperandTraffic::default(); kernel.operands.len()] };
    for (images, parts) in program.batches(launch, batch) {
        let one = kernel_traffic(program, launch, kernel, images);
        for (sum, one) in sum.operands.iter_mut().zip(one.operands) {
            sum.read = sum.read.saturating_add(one.read.saturating_mul(parts));
            sum.written = sum.written.saturating_add(one.written.saturating_mul(parts));
        }
    }
    sum
}

/// The bytes that a kernel moves for one batch or part of it.
fn kernel_traffic(program: &Program, launch: &Launch, kernel: &Kernel, batch: usize) -> Traffic {
    let mut accesses = Accesses::new(kernel, batch);
    match &kernel.body {
        Body::Loop(body) => {
            for (&coordinate, &dim) in body.coordinates.iter().zip(&kernel.space) {
                accesses.variable(coordinate, Interval::below(extent(dim, batch)));
            }
            accesses.block(&body.statements);
        }
        Body::Contraction(contraction) => accesses.contraction(contraction),
    }
    let parts = match &kernel.body {
        Body::Contraction(_) => Contraction::factors(&kernel.operands).map_or(1, |factors| factors.parts),
        Body::Loop(_) => 1,
    };
    let sizes =
        kernel.operands.iter().zip(&launch.arguments).enumerate().map(|(number, (operand, &argument))| {
            let element = (operand.dtype.size() * if number < 2 { parts } else { 1 }) as u64;
            let bytes = program.buffers.get(argument).map_or(0, |buffer| buffer.bytes as u64);
            (element, bytes / element.max(1))
        });
    let operands = sizes.zip(&accesses.operands).map(|((element, limit), of_operand)| {
        let bytes = |touched: &Touched| touched.elements(limit).saturating_mul(element);
        OperandTraffic { read: bytes(&of_operand[0]), written: bytes(&of_operand[1]) }
    });
    Traffic { operands: operands.collect() }
}

/// An index but for the names of its variables: the constant parts, and of each variable the coefficient
/// and the number of values.
type IndexShape = (i64, i64, Vec<(i64, i128)>);

/// What all accesses of one kind to one operand touch.
#[derive(Clone, Debug, Default)]
struct Touched {
    /// Distinct elements by the shape of the index; equal shapes touch the same.
    by_shape: BTreeMap<IndexShape, i128>,
    span: Option<Interval>,
}

impl Touched {
    fn add(&mut self, shape: IndexShape, elements: i128, span: Interval) {
        let known = self.by_shape.entry(shape).or_insert(0);
        *known = elements.max(*known);
        self.span = Some(match self.span {
            Some(all) => Interval { low: all.low.min(span.low), high: all.high.max(span.high) },
            None => span,
        });
    }

    fn elements(&self, limit: u64) -> u64 {
        let Some(span) = self.span else { return 0 };
        let sum = self.by_shape.values().fold(0_i128, |sum, &elements| sum.saturating_add(elements));
        let most = sum.min(length(span)).min(i128::from(limit));
        u64::try_from(most.max(0)).unwrap_or(limit)
    }
}

fn length(interval: Interval) -> i128 {
    interval.high.saturating_sub(interval.low).saturating_add(1).max(0)
}

/// The walk through a kernel.
struct Accesses {
    ranges: Ranges,
    /// For every variable, how many values it has.
    values: BTreeMap<IndexVar, i128>,
    /// How often the current place runs.
    runs: i128,
    /// Per operand what is read and what is written.
    operands: Vec<[Touched; 2]>,
}

impl Accesses {
    fn new(kernel: &Kernel, batch: usize) -> Accesses {
        Accesses {
            ranges: Ranges::new(batch),
            values: BTreeMap::new(),
            runs: 1,
            operands: vec![<[Touched; 2]>::default(); kernel.operands.len()],
        }
    }

    /// A variable that takes every value of a range.
    fn variable(&mut self, var: IndexVar, range: Interval) {
        self.ranges.set(var, range);
        self.values.insert(var, length(range));
        self.runs = self.runs.saturating_mul(length(range));
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { .. } => {}
                Statement::Load { operand, index, guard, .. } => {
                    let guards = guard.as_ref().map_or(&[][..], |guard| &guard.ranges);
                    let span = self.ranges.guarded(index, guards);
                    self.touch(*operand, 0, index, span);
                }
                Statement::Store { operand, index, .. } => {
                    let span = self.ranges.of(index);
                    self.touch(*operand, 1, index, span);
                }
                Statement::Index { result, expr } => self.index(*result, expr),
                Statement::For(inner) => {
                    let (start, end) = (self.ranges.of(&inner.start), self.ranges.of(&inner.end));
                    let range = Interval { low: start.low, high: end.high.saturating_sub(1) };
                    if !range.is_empty() {
                        let outside = self.runs;
                        self.variable(inner.var, range);
                        self.block(&inner.body);
                        self.runs = outside;
                    }
                }
            }
        }
    }

    fn index(&mut self, result: IndexVar, expr: &IndexExpr) {
        let (form, range) = match expr {
            IndexExpr::Form(form) => (form, self.ranges.of(form)),
            IndexExpr::Quotient(form, divisor) => {
                let (range, divisor) = (self.ranges.of(form), i128::from(*divisor).max(1));
                let range =
                    Interval { low: range.low.div_euclid(divisor), high: range.high.div_euclid(divisor) };
                (form, range)
            }
            IndexExpr::Remainder(form, divisor) => {
                let (range, divisor) = (self.ranges.of(form), i128::from(*divisor).max(1));
                (form, if range.high < divisor { range } else { Interval::below(divisor) })
            }
            IndexExpr::ChunkStart { form, chunk, .. } => {
                let range = Interval { low: 0, high: self.ranges.of(form).high };
                (chunk, range)
            }
            IndexExpr::Clamped(_, form) => {
                let range = Interval::below(self.ranges.of(form).high);
                // Which elements a value names is known when the kernel runs: as many as it is asked.
                self.values.insert(result, length(range).min(self.runs));
                self.ranges.set_part(result, range, expr);
                return;
            }
        };
        let values = self.combinations(form).min(length(range));
        self.values.insert(result, values);
        self.ranges.set_part(result, range, expr);
    }

    /// How many combinations of values the variables of a form take.
    fn combinations(&self, form: &Affine) -> i128 {
        form.terms.iter().fold(1_i128, |product, (var, _)| {
            product.saturating_mul(self.values.get(var).copied().unwrap_or(i128::MAX))
        })
    }

    fn touch(&mut self, operand: usize, kind: usize, index: &Affine, span: Interval) {
        if span.is_empty() || self.runs == 0 {
            return;
        }
        let elements = self.combinations(index).min(self.runs).min(length(span));
        let values = |var: &IndexVar| self.values.get(var).copied().unwrap_or(i128::MAX);
        let mut terms: Vec<(i64, i128)> =
            index.terms.iter().map(|(var, coefficient)| (*coefficient, values(var))).collect();
        terms.sort_unstable();
        if let Some(of_operand) = self.operands.get_mut(operand) {
            of_operand[kind].add((index.constant, index.batch, terms), elements, span);
        }
    }

    fn contraction(&mut self, contraction: &Contraction) {
        let taps = |of: usize| -> BTreeSet<i64> {
            contraction.taps.iter().map(|tap| if of == 0 { tap.lanes } else { tap.rows }).collect()
        };
        let (lanes, rows) = (taps(0), taps(1));
        self.strided(contraction, 0, 0, &lanes);
        self.strided(contraction, 1, 0, &rows);
        let own = BTreeSet::from([0]);
        let Some(epilogue) = &contraction.epilogue else {
            self.strided(contraction, 2, 1, &own);
            if contraction.accumulate {
                self.strided(contraction, 2, 0, &own);
            }
            return;
        };
        for (&coordinate, dim) in epilogue.coordinates.iter().zip(&contraction.dims) {
            // A reduced coordinate stands still while the epilogue runs.
            let whole = extent(dim.extent, self.ranges.batch);
            self.variable(coordinate, Interval::below(if dim.is_reduced() { 1 } else { whole }));
        }
        self.block(&epilogue.statements);
        for sum in &epilogue.sums {
            let span = self.ranges.of(&sum.index);
            self.touch(sum.operand, 1, &sum.index, span);
        }
    }

    /// An operand that is addressed by all dimensions with a stride in it, once for every offset.
    fn strided(&mut self, contraction: &Contraction, operand: usize, kind: usize, taps: &BTreeSet<i64>) {
        let start = i128::from(contraction.offsets[operand]);
        let mut span = Interval { low: start, high: start };
        let mut elements = 1_i128;
        for dim in &contraction.dims {
            let whole = extent(dim.extent, self.ranges.batch);
            let pieces = dim
                .split
                .filter(|_| operand == 2)
                .map_or((0, 1), |split| (i128::from(split.result_stride), split.chunks as i128));
            for (stride, count) in [(i128::from(dim.strides[operand]), whole), pieces] {
                if count == 0 {
                    return;
                }
                if stride != 0 {
                    elements = elements.saturating_mul(count);
                    span = span.plus(Interval::below(count).times(stride));
                }
            }
        }
        for &tap in taps {
            let tap_span = span.plus(Interval { low: i128::from(tap), high: i128::from(tap) });
            if let Some(of_operand) = self.operands.get_mut(operand) {
                of_operand[kind].add((tap, 0, Vec::new()), elements.min(length(tap_span)), tap_span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::launch_traffic;

    /// (read, written) per operand of the only launch of a program.
    fn traffic(kernel: &str, buffers: &[(&str, usize)], batch: usize) -> Vec<(u64, u64)> {
        let mut text = "program \"p\" arena 0 {\n".to_owned();
        for (number, (dtype, bytes)) in buffers.iter().enumerate() {
            text += &format!("  buffer b{number} \"x{number}\" {dtype} {bytes} bytes binding {number}\n");
        }
        let arguments: Vec<String> = (0..buffers.len()).map(|number| format!("b{number}")).collect();
        text += &format!("{kernel}\n  launch k0 ({})\n}}\n", arguments.join(", "));
        let program = crate::parse_program(&text).unwrap();
        let traffic = launch_traffic(&program, &program.launches[0], batch);
        assert_eq!(traffic.total(), traffic.read() + traffic.written());
        traffic.operands.iter().map(|operand| (operand.read, operand.written)).collect()
    }

    #[test]
    fn elementwise_reads_and_writes_each_element_once() {
        let kernel = "kernel \"add\" (x: f32 read, bias: f32 read, y: f32 write) space [N] {
            at (i0)
            lanes for i1 in 0 .. 12 {
              v0 = load x[12*i0 + i1]
              v1 = load bias[i1]
              v2: f32 = add v0, v1
              store y[12*i0 + i1] = v2
            }
          }";
        let buffers = [("f32", 480), ("f32", 48), ("f32", 480)];
        assert_eq!(traffic(kernel, &buffers, 10), [(480, 0), (48, 0), (0, 480)]);
        // Buffers are sized for the greatest batch, launches move what the batch has.
        assert_eq!(traffic(kernel, &buffers, 5), [(240, 0), (48, 0), (0, 240)]);
        assert_eq!(traffic(kernel, &buffers, 0), [(0, 0), (0, 0), (0, 0)]);
    }

    #[test]
    fn phases_and_neighbours_share_elements() {
        let kernel = "kernel \"smooth\" (x: f32 read, y: f32 write) space [4] {
            at (i0)
            for i1 in 0 .. 8 {
              v0 = load x[10*i0 + i1]
              v1 = load x[10*i0 + i1 + 2]
              v2: f32 = add v0, v1
              store y[8*i0 + i1] = v2
            }
            for i2 in 0 .. 8 {
              v3 = load x[10*i0 + i2]
              store y[8*i0 + i2] = v3
            }
          }";
        assert_eq!(traffic(kernel, &[("f32", 160), ("f32", 128)], 1), [(160, 0), (0, 128)]);
    }

    #[test]
    fn gathered_rows_are_as_many_as_are_asked_for() {
        let kernel = "kernel \"gather\" (table: f32 read, index: i32 read, y: f32 write) space [N] {
            at (i0)
            v0 = load index[i0]
            i1 = clamp v0 below 1000
            lanes for i2 in 0 .. 4 {
              v1 = load table[4*i1 + i2]
              store y[4*i0 + i2] = v1
            }
          }";
        let found = traffic(kernel, &[("f32", 16000), ("i32", 32), ("f32", 128)], 8);
        assert_eq!(found, [(8 * 16, 0), (32, 0), (0, 128)]);
    }

    #[test]
    fn indices_taken_apart_address_what_the_whole_does() {
        let kernel = "kernel \"copy\" (x: f32 read, y: f32 write) space [6] {
            at (i0)
            i1 = (i0) / 3
            i2 = (i0) % 3
            v0 = load x[i1 + 2*i2]
            store y[i0] = v0
          }";
        assert_eq!(traffic(kernel, &[("f32", 24), ("f32", 24)], 1), [(24, 0), (0, 24)]);
    }

    #[test]
    fn contractions_read_by_dimensions_and_taps() {
        let kernel =
            "kernel \"conv\" (lanes: f32 read, rows: f32 read, result: f32 write) space [N, 8] contraction {
            dim n N parallel strides [0, 400, 512]
            dim p 8 parallel strides [0, 40, 64]
            dim o 8 lanes strides [1, 0, 1]
            dim q 8 rows strides [0, 4, 8]
            dim c 4 reduce strides [8, 1, 0]
            offsets [0, 0, 0]
            taps [(0, 0), (32, 4), (64, 8), (96, 40), (128, 44), (160, 48), (192, 80), (224, 84), (256, 88)]
            tile 1 x 8
          }";
        let buffers = [("f32", 1152), ("f32", 3200), ("f32", 4096)];
        assert_eq!(traffic(kernel, &buffers, 2), [(1152, 0), (3200, 0), (0, 4096)]);
        assert_eq!(traffic(kernel, &buffers, 1), [(1152, 0), (1600, 0), (0, 2048)]);
    }

    #[test]
    fn pieces_of_a_divided_sum_are_all_written() {
        let kernel =
            "kernel \"dw\" (lanes: f32 read, rows: f32 read, result: f32 write) space [4] contraction {
            dim o 8 lanes strides [1, 0, 1]
            dim i 3 rows strides [0, 1, 8]
            dim n N reduce strides [8, 3, 0] split 4 align 1 result 24
            offsets [0, 0, 0]
            taps [(0, 0)]
            tile 1 x 3
          }";
        let buffers = [("f32", 256), ("f32", 96), ("f32", 384)];
        assert_eq!(traffic(kernel, &buffers, 8), [(256, 0), (96, 0), (0, 384)]);
    }

    #[test]
    fn an_epilogue_moves_what_it_loads_and_stores() {
        let kernel = "kernel \"dense\" (lanes: f32 read, rows: f32 read, result: f32, bias: f32 read, y: f32 write) space [8] contraction {
            dim o 12 lanes strides [1, 0, 1]
            dim m N rows strides [0, 20, 12] split 8 align 16 result 0
            dim k 20 reduce strides [12, 1, 0]
            offsets [0, 0, 0]
            taps [(0, 0)]
            tile 2 x 4
            epilogue (i0, i1, i2) v0 {
              v1 = load bias[i0]
              v2: f32 = add v0, v1
              store y[i0 + 12*i1] = v2
            }
          }";
        let buffers = [("f32", 960), ("f32", 320), ("f32", 192), ("f32", 48), ("f32", 192)];
        assert_eq!(traffic(kernel, &buffers, 4), [(960, 0), (320, 0), (0, 0), (48, 0), (0, 192)]);
    }
}
