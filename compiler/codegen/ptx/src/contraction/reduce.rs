//! The reduction of one element of the result, by one thread.

use super::plan::Plan;
use super::taps::grid_levels;
use crate::PtxError;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::Parts;
use dlc_types::{DType, Dim};

/// A loop of a reduction.
#[derive(Clone, Debug)]
pub(super) enum Level {
    /// A dimension, or taps in a row: with the element strides of the factors.
    Span { start: Value, end: Value, strides: [i64; 2] },
    /// Taps from a table.
    Table { name: String, count: i64 },
}

/// Loops of which one goes on where the one inside of it ends are one longer loop: taps along a row of pixels and their
/// channels, say. The order of steps stays.
fn joined(levels: Vec<Level>) -> Vec<Level> {
    let mut all: Vec<Level> = Vec::with_capacity(levels.len());
    for level in levels {
        let whole = match (all.last(), &level) {
            (Some(outer), inner) => outer.around(inner),
            (None, _) => None,
        };
        match whole {
            Some(whole) => {
                all.pop();
                all.push(whole);
            }
            None => all.push(level),
        }
    }
    all
}

impl Level {
    /// One loop for this one and the one inside of it, where that is the same.
    fn around(&self, inner: &Level) -> Option<Level> {
        let whole = |level: &Level| match level {
            Level::Span { start: Value::Integer(0), end: Value::Integer(count), strides } => {
                Some((*count, *strides))
            }
            _ => None,
        };
        let ((count, outer), (length, strides)) = (whole(self)?, whole(inner)?);
        let goes_on = [0, 1].iter().all(|&factor| strides[factor].checked_mul(length) == Some(outer[factor]));
        let end = count.checked_mul(length).filter(|_| goes_on)?;
        Some(Level::Span { start: Value::Integer(0), end: Value::Integer(end), strides })
    }
}

/// Steps of the innermost loop of a reduction, of all of its pieces.
pub(super) fn innermost(plan: &Plan<'_>) -> Dim {
    let dim = |&number: &usize| match (plan.dim(number).extent, plan.pieces(number)) {
        (Dim::Fixed(size), 1) => {
            let [lanes, rows, _] = plan.dim(number).strides;
            let (start, end) = (Value::Integer(0), Value::Integer(size as i64));
            Level::Span { start, end, strides: [lanes, rows] }
        }
        // What is known while a kernel runs joins nothing.
        _ => Level::Table { name: String::new(), count: 0 },
    };
    let mut levels: Vec<Level> = plan.reduced.iter().map(dim).collect();
    let taps = grid_levels(&plan.contraction.taps);
    let taps = taps.unwrap_or_else(|| vec![Level::Table { name: String::new(), count: 0 }]);
    let last = levels.len().saturating_sub(1);
    levels.splice(last..last, taps);
    match (joined(levels).last(), plan.reduced.last()) {
        (Some(Level::Span { end: Value::Integer(steps), .. }), _) => Dim::Fixed(*steps as usize),
        (_, Some(&number)) => plan.dim(number).extent,
        (_, None) => Dim::Fixed(0),
    }
}

impl Emitter<'_> {
    /// The loops of a reduction in the order that sums are taken in, and the offsets in front of them.
    pub(super) fn levels(&mut self, plan: &Plan<'_>, chunks: &[Value]) -> (Vec<Level>, [i64; 2]) {
        let mut levels = Vec::new();
        for &number in &plan.reduced {
            let (start, end) = self.span(plan.dim(number), chunks[number]);
            let strides = plan.dim(number).strides;
            levels.push(Level::Span { start, end, strides: [strides[0], strides[1]] });
        }
        let (taps, origin) = self.tap_levels(&plan.contraction.taps);
        // The last dimension runs inside the taps.
        let last = levels.len().saturating_sub(1);
        levels.splice(last..last, taps);
        (joined(levels), origin)
    }

    /// Adds all products of one element to a register.
    pub(super) fn reduce(
        &mut self,
        plan: &Plan<'_>,
        levels: &[Level],
        places: [Value; 2],
        sum: Value,
    ) -> Result<(), PtxError> {
        let Some((level, rest)) = levels.split_first() else {
            return self.add_product(plan, places, sum);
        };
        match level {
            Level::Span { start, end, strides } => self.counted(*start, *end, &mut |emitter, index| {
                let inner = [0, 1].map(|factor| emitter.index_mad(index, strides[factor], places[factor]));
                emitter.reduce(plan, rest, inner, sum)
            }),
            Level::Table { name, count } => {
                self.counted(Value::Integer(0), Value::Integer(*count), &mut |emitter, index| {
                    let found = emitter.table_entry(name, index);
                    let inner = [0, 1].map(|factor| emitter.index_sum(places[factor], found[factor]));
                    emitter.reduce(plan, rest, inner, sum)
                })
            }
        }
    }

    /// A loop over `start..end` in steps of one.
    pub(super) fn counted(
        &mut self,
        start: Value,
        end: Value,
        body: &mut dyn FnMut(&mut Self, Value) -> Result<(), PtxError>,
    ) -> Result<(), PtxError> {
        if let (Value::Integer(first), Value::Integer(last)) = (start, end) {
            match last - first {
                ..=0 => return Ok(()),
                1 => return body(self, start),
                _ => {}
            }
        }
        let index = self.copy(self.index_class(), start);
        let (again, done) = (self.label(), self.label());
        if !matches!((start, end), (Value::Integer(_), Value::Integer(_))) {
            let none = self.index_test("ge.s", index, end);
            self.branch(none, true, &done);
        }
        self.place(&again);
        body(self, index)?;
        let name = if self.wide { "add.s64" } else { "add.s32" };
        self.assign(index, name, &[index, Value::Integer(1)]);
        let more = self.index_test("lt.s", index, end);
        self.branch(more, true, &again);
        self.place(&done);
        Ok(())
    }

    fn add_product(&mut self, plan: &Plan<'_>, places: [Value; 2], sum: Value) -> Result<(), PtxError> {
        let class = Class::of(plan.dtype);
        let mut factors = [Value::Integer(0); 2];
        for (number, factor) in factors.iter_mut().enumerate() {
            let place = self.element(self.pointers[number], places[number], plan.size);
            *factor = self.fresh(class);
            self.put(format!("ld.global.{} {factor}, [{place}];", class.kind()));
        }
        let [lanes, rows] = factors;
        let rows = self.turned(plan.parts, rows);
        self.multiply_add(plan, lanes, rows, sum);
        Ok(())
    }

    /// Adds the product of two factors to a register.
    pub(super) fn multiply_add(&mut self, plan: &Plan<'_>, lanes: Value, rows: Value, sum: Value) {
        if plan.parts == Parts::Float {
            let name = if plan.dtype == DType::F64 { "fma.rn.f64" } else { "fma.rn.f32" };
            self.assign(sum, name, &[lanes, rows, sum]);
        } else {
            self.add_words(plan.parts, rows, lanes, sum);
        }
    }
}
