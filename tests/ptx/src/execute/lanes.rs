//! Operations that each lane does alone on its registers.

use super::stop::{Stop, Trouble};
use super::warp::{Lanes, Warp, lanes};
use crate::program::{Condition, Logic, Operation, Slot, Verdict};
use crate::value::convert::Conversion;
use crate::value::float::Style;
use crate::value::{One, Three, Two, bits, integer};

impl Warp {
    /// Fills a register for the lanes that execute.
    fn fill(&mut self, d: Slot, exec: u32, value: impl Fn(usize) -> u64) {
        let register = &mut self.registers[d as usize];
        if exec == u32::MAX {
            for (lane, to) in register.iter_mut().enumerate() {
                *to = value(lane);
            }
        } else {
            lanes(exec).for_each(|lane| register[lane as usize] = value(lane as usize));
        }
    }

    fn one(&mut self, exec: u32, d: Slot, a: Slot, f: impl Fn(u64) -> u64) {
        let a = *self.get(a);
        self.fill(d, exec, |lane| f(a[lane]));
    }

    fn two(&mut self, exec: u32, d: Slot, [a, b]: [Slot; 2], f: impl Fn(u64, u64) -> u64) {
        let (a, b) = (*self.get(a), *self.get(b));
        self.fill(d, exec, |lane| f(a[lane], b[lane]));
    }

    fn three(&mut self, exec: u32, d: Slot, [a, b, c]: [Slot; 3], f: impl Fn(u64, u64, u64) -> u64) {
        let (a, b, c) = (*self.get(a), *self.get(b), *self.get(c));
        self.fill(d, exec, |lane| f(a[lane], b[lane], c[lane]));
    }

    fn single_one(&mut self, exec: u32, d: Slot, a: Slot, style: Style, f: fn(f32) -> f32) {
        self.one(exec, d, a, |a| style.result(f(style.source(a))));
    }

    fn single_two(&mut self, exec: u32, d: Slot, ab: [Slot; 2], style: Style, f: fn(f32, f32) -> f32) {
        self.two(exec, d, ab, |a, b| style.result(f(style.source(a), style.source(b))));
    }

    fn single_three(
        &mut self,
        exec: u32,
        d: Slot,
        abc: [Slot; 3],
        style: Style,
        f: fn(f32, f32, f32) -> f32,
    ) {
        let source = |bits| style.source(bits);
        self.three(exec, d, abc, |a, b, c| style.result(f(source(a), source(b), source(c))));
    }

    /// Lanes in which a condition holds.
    pub(super) fn holds(&self, condition: Condition) -> u32 {
        let mask = self.predicates[condition.slot as usize];
        if condition.negated { !mask } else { mask }
    }

    fn truth(&self, exec: u32, a: Slot, b: Slot, truth: fn(u64, u64) -> bool) -> u32 {
        let (a, b) = (self.get(a), self.get(b));
        lanes(exec).fold(0, |mask, lane| mask | u32::from(truth(a[lane as usize], b[lane as usize])) << lane)
    }

    fn combined(&self, truth: u32, combine: Option<(Logic, Condition)>) -> u32 {
        combine.map_or(truth, |(logic, condition)| apply(logic, truth, self.holds(condition)))
    }

    fn verdict(&mut self, exec: u32, truth: u32, verdict: &Verdict) {
        let (p, q) = (self.combined(truth, verdict.combine), self.combined(!truth, verdict.combine));
        self.set_predicate(verdict.p, exec, p);
        if let Some(slot) = verdict.q {
            self.set_predicate(slot, exec, q);
        }
    }

    fn divide(&mut self, exec: u32, f: Two, d: Slot, ab: [Slot; 2]) -> Result<(), Stop> {
        let divisor = self.get(ab[1]);
        if let Some(lane) = lanes(exec).find(|lane| divisor[*lane as usize] == 0) {
            return Err(Stop::new(lane, Trouble::DivisionByZero));
        }
        // Lanes that do not execute keep out of the division.
        let (a, b) = (*self.get(ab[0]), *self.get(ab[1]));
        lanes(exec).for_each(|lane| self.set(d, lane, f(a[lane as usize], b[lane as usize])));
        Ok(())
    }

    fn insert(&mut self, exec: u32, width: u64, d: Slot, sources: [Slot; 4]) {
        let [a, b, position, length]: [Lanes; 4] = sources.map(|slot| *self.get(slot));
        self.fill(d, exec, |lane| bits::insert(a[lane], b[lane], position[lane], length[lane], width));
    }

    fn convert_pair(&mut self, exec: u32, d: Slot, ab: [Slot; 2], conversion: &Conversion) {
        self.two(exec, d, ab, |upper, lower| conversion.apply(upper) << 16 | conversion.apply(lower));
    }

    fn pack(&mut self, exec: u32, d: Slot, parts: &[Slot], bits: u32) {
        let parts: Vec<Lanes> = parts.iter().map(|slot| *self.get(*slot)).collect();
        let low = u64::MAX >> (64 - bits);
        self.fill(d, exec, |lane| {
            parts.iter().rev().fold(0, |whole, part| whole << bits | (part[lane] & low))
        });
    }

    fn unpack(&mut self, exec: u32, parts: &[Slot], bits: u32, a: Slot) {
        let whole = *self.get(a);
        let low = u64::MAX >> (64 - bits);
        for (at, slot) in parts.iter().enumerate() {
            self.fill(*slot, exec, |lane| whole[lane] >> (bits * at as u32) & low);
        }
    }

    /// Executes an operation that touches registers alone; false for any other.
    pub(super) fn registers_only(&mut self, exec: u32, operation: &Operation) -> Result<bool, Stop> {
        match operation {
            Operation::One { f, d, a } => self.one(exec, *d, *a, f as &One),
            Operation::Two { f, d, a, b } => self.two(exec, *d, [*a, *b], f as &Two),
            Operation::Three { f, d, a, b, c } => self.three(exec, *d, [*a, *b, *c], f as &Three),
            Operation::SingleOne { f, style, d, a } => self.single_one(exec, *d, *a, *style, *f),
            Operation::SingleTwo { f, style, d, a, b } => self.single_two(exec, *d, [*a, *b], *style, *f),
            Operation::SingleThree { f, style, d, a, b, c } => {
                self.single_three(exec, *d, [*a, *b, *c], *style, *f);
            }
            Operation::Divide { f, d, a, b } => self.divide(exec, *f, *d, [*a, *b])?,
            Operation::Dot { style, d, a, b, c } => {
                self.three(exec, *d, [*a, *b, *c], |a, b, c| integer::dot(*style, a, b, c));
            }
            Operation::Lookup { table, d, a, b, c } => {
                self.three(exec, *d, [*a, *b, *c], |a, b, c| bits::lookup(*table, a, b, c));
            }
            Operation::Insert { width, d, a, b, position, length } => {
                self.insert(exec, *width, *d, [*a, *b, *position, *length]);
            }
            Operation::Convert { conversion, d, a } => self.one(exec, *d, *a, |a| conversion.apply(a)),
            Operation::ConvertPair { conversion, d, upper, lower } => {
                self.convert_pair(exec, *d, [*upper, *lower], conversion);
            }
            Operation::Pack { d, parts, count, bits } => self.pack(exec, *d, &parts[..*count], *bits),
            Operation::Unpack { parts, count, bits, a } => self.unpack(exec, &parts[..*count], *bits, *a),
            Operation::Compare { truth, verdict, a, b } => {
                let truth = self.truth(exec, *a, *b, *truth);
                self.verdict(exec, truth, verdict);
            }
            Operation::Set { truth, yes, combine, d, a, b } => {
                let truth = self.combined(self.truth(exec, *a, *b, *truth), *combine);
                self.fill(*d, exec, |lane| if truth >> lane & 1 == 1 { *yes } else { 0 });
            }
            Operation::Property { f, d, a } => {
                let a = *self.get(*a);
                let truth = lanes(exec).fold(0, |mask, lane| mask | u32::from(f(a[lane as usize])) << lane);
                self.set_predicate(*d, exec, truth);
            }
            Operation::Select { d, a, b, condition } => {
                let truth = self.holds(*condition);
                let (a, b) = (*self.get(*a), *self.get(*b));
                self.fill(*d, exec, |lane| if truth >> lane & 1 == 1 { a[lane] } else { b[lane] });
            }
            Operation::PredicateLogic { logic, d, a, b } => {
                let [a, b] = [a, b].map(|slot| self.predicates[*slot as usize]);
                self.set_predicate(*d, exec, apply(*logic, a, b));
            }
            Operation::PredicateMove { d, a } => self.set_predicate(*d, exec, self.holds(*a)),
            Operation::PredicateConstant { d, value } => {
                self.set_predicate(*d, exec, if *value { u32::MAX } else { 0 });
            }
            Operation::ActiveMask { d } => self.fill(*d, exec, |_| u64::from(exec)),
            Operation::Fence => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn apply(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}
