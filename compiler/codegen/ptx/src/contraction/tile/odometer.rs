//! The steps of a tile's reduction as one loop: a counter per level, which count up like the wheels of an odometer. The
//! innermost one goes by the depth of the tile.

use super::super::reduce::Level;
use crate::emitter::Emitter;
use crate::register::{Class, Value};

/// The counters.
pub(super) struct Odometer {
    levels: Vec<Level>,
    counters: Vec<Value>,
    /// The innermost counter and its end.
    pub(super) inner: Value,
    pub(super) end: Value,
    start: Value,
    /// Element strides of the innermost level.
    pub(super) strides: [i64; 2],
    step: i64,
    /// Whether there is a step left.
    pub(super) alive: Value,
    /// Element offsets of both factors, without the innermost level.
    origin: [Value; 2],
}

impl Emitter<'_> {
    /// The counters at the first step; nothing where no level can be the innermost.
    pub(super) fn odometer(&mut self, levels: &[Level], origin: [Value; 2], step: u32) -> Option<Odometer> {
        let (Level::Span { start, end, strides }, outer) = levels.split_last()? else { return None };
        let alive = self.copy_alive(levels);
        let counters = outer.iter().map(|level| self.first_counter(level)).collect();
        let inner = self.copy(self.index_class(), *start);
        Some(Odometer {
            levels: outer.to_vec(),
            counters,
            inner,
            end: *end,
            start: *start,
            strides: *strides,
            step: i64::from(step),
            alive,
            origin,
        })
    }

    /// Sets the counters to the first step again.
    pub(super) fn rewind(&mut self, odometer: &Odometer) {
        let mut all = odometer.levels.clone();
        all.push(Level::Span { start: odometer.start, end: odometer.end, strides: odometer.strides });
        let alive = self.copy_alive(&all);
        self.set(odometer.alive, alive);
        for (level, &counter) in odometer.levels.iter().zip(&odometer.counters) {
            let start = match level {
                Level::Span { start, .. } => *start,
                Level::Table { .. } => Value::Integer(0),
            };
            self.set(counter, start);
        }
        self.set(odometer.inner, odometer.start);
    }

    fn copy_alive(&mut self, levels: &[Level]) -> Value {
        let known = [Value::Integer(1), Value::Integer(0)];
        let mut alive = self.ins(Class::Predicate, "setp.ne.s32", &known);
        for level in levels {
            let Level::Span { start, end, .. } = level else { continue };
            if let (Value::Integer(first), Value::Integer(last)) = (start, end)
                && first < last
            {
                continue;
            }
            let any = match (start, end) {
                (Value::Integer(_), Value::Integer(_)) => {
                    self.index_test("ne.s", Value::Integer(0), Value::Integer(0))
                }
                _ => self.index_test("lt.s", *start, *end),
            };
            alive = self.ins(Class::Predicate, "and.pred", &[alive, any]);
        }
        alive
    }

    fn first_counter(&mut self, level: &Level) -> Value {
        match level {
            Level::Span { start: Value::Integer(first), end: Value::Integer(last), .. }
                if last - first <= 1 =>
            {
                Value::Integer(*first)
            }
            Level::Span { start, .. } => self.copy(self.index_class(), *start),
            Level::Table { .. } => self.copy(self.index_class(), Value::Integer(0)),
        }
    }

    /// Element offsets of both factors at the counters, without the innermost level.
    pub(super) fn offsets(&mut self, odometer: &Odometer) -> [Value; 2] {
        let mut offsets = odometer.origin;
        for (level, &counter) in odometer.levels.iter().zip(&odometer.counters) {
            match level {
                Level::Span { strides, .. } => {
                    offsets = [0, 1].map(|factor| self.index_mad(counter, strides[factor], offsets[factor]));
                }
                Level::Table { name, .. } => {
                    let found = self.table_entry(name, counter);
                    offsets = [0, 1].map(|factor| self.index_sum(offsets[factor], found[factor]));
                }
            }
        }
        offsets
    }

    /// Goes to the next step.
    pub(super) fn advance(&mut self, odometer: &Odometer) {
        let (add, select) = if self.wide { ("add.s64", "selp.b64") } else { ("add.s32", "selp.b32") };
        self.assign(odometer.inner, add, &[odometer.inner, Value::Integer(odometer.step)]);
        let mut turns = self.index_test("ge.s", odometer.inner, odometer.end);
        self.assign(odometer.inner, select, &[odometer.start, odometer.inner, turns]);
        for (level, &counter) in odometer.levels.iter().zip(&odometer.counters).rev() {
            if counter.known().is_some() {
                continue;
            }
            let (start, end) = match level {
                Level::Span { start, end, .. } => (*start, *end),
                Level::Table { count, .. } => (Value::Integer(0), Value::Integer(*count)),
            };
            let one = self.ins(self.index_class(), select, &[Value::Integer(1), Value::Integer(0), turns]);
            self.assign(counter, add, &[counter, one]);
            let full = self.index_test("ge.s", counter, end);
            self.assign(counter, select, &[start, counter, full]);
            turns = full;
        }
        let goes_on = self.ins(Class::Predicate, "not.pred", &[turns]);
        self.assign(odometer.alive, "and.pred", &[odometer.alive, goes_on]);
    }
}
