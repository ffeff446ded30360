//! The way of a factor's elements into shared memory: from global memory into registers while the step before is
//! multiplied, then, once that is done, into the half of shared memory that it did not use.
//!
//! Threads take elements so that neighbours read neighbours: along the reduction where the factor is contiguous there,
//! else along the tile.

use super::odometer::Odometer;
use super::shape::Shape;
use crate::emitter::Emitter;
use crate::register::{Class, Value};

/// One factor's part of a tile.
pub(super) struct Side {
    /// Number of the operand.
    operand: usize,
    /// The class of its elements' registers.
    class: Class,
    /// What each of this thread's elements is.
    elements: Vec<Element>,
    /// Offset and existence of the places along the tile that this thread reads.
    places: Vec<(Value, Option<Value>)>,
    /// The first of this thread's steps within the depth.
    depth: Value,
    /// Address in shared memory of the element of place and depth 0 of this thread, in the first half.
    shared: Value,
    /// Bytes between the halves.
    half: u32,
    /// Elements between steps of the reduction.
    pitch: u32,
    /// Whether elements are rounded to what tensor cores multiply.
    rounds: bool,
}

/// An element that a thread moves in each step.
#[derive(Clone, Copy)]
struct Element {
    place: usize,
    /// Steps behind the thread's first.
    depth: u32,
    /// Bytes behind the thread's address in shared memory.
    bytes: u32,
    register: Value,
}

/// Which elements of a side a thread has: those of `place + number * place_step`, `depth + number * depth_step`.
pub(super) struct Share {
    /// Elements of a thread.
    count: u32,
    /// Whether neighbouring threads go along the reduction.
    along_depth: bool,
    length: u32,
    threads: u32,
    depth: u32,
    pitch: u32,
    rounds: bool,
}

impl Share {
    pub(super) fn new(shape: Shape, length: u32, along_depth: bool) -> Share {
        let (threads, depth) = (shape.threads(), shape.depth);
        let pitch = length + shape.padding();
        let count = length * depth / threads;
        Share { count, along_depth, length, threads, depth, pitch, rounds: shape.tensor }
    }

    /// The place and the depth of an element beyond the thread's first.
    fn step(&self, number: u32) -> (u32, u32) {
        if self.along_depth {
            (number * (self.threads / self.depth), 0)
        } else if self.threads >= self.length {
            (0, number * (self.threads / self.length))
        } else {
            let rounds = self.length / self.threads;
            (number % rounds * self.threads, number / rounds)
        }
    }

    /// The distinct places beyond the thread's first, in order.
    pub(super) fn place_steps(&self) -> Vec<u32> {
        let mut steps: Vec<u32> = (0..self.count).map(|number| self.step(number).0).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

impl Emitter<'_> {
    /// The thread's first place and depth.
    pub(super) fn first_of_share(&mut self, share: &Share) -> [Value; 2] {
        let thread = self.special("%tid.x");
        let (part, swap) = if share.along_depth { (share.depth, true) } else { (share.length, false) };
        if !swap && share.threads <= share.length {
            return [thread, Value::Integer(0)];
        }
        let part = Value::Integer(i64::from(part));
        let quotient = self.index_quotient(thread, part);
        let remainder = self.index_remainder(thread, part, quotient);
        if swap { [quotient, remainder] } else { [remainder, quotient] }
    }

    /// A side whose places' offsets are known.
    pub(super) fn side(
        &mut self,
        operand: usize,
        class: Class,
        share: &Share,
        first: [Value; 2],
        places: Vec<(Value, Option<Value>)>,
        (base, half): (Value, u32),
    ) -> Side {
        let row = share.pitch;
        let steps = share.place_steps();
        let elements = (0..share.count)
            .map(|number| {
                let (place, depth) = share.step(number);
                let position = steps.iter().position(|&step| step == place).unwrap_or(0);
                let register = self.fresh(class);
                Element { place: position, depth, bytes: 4 * (depth * row + place), register }
            })
            .collect();
        let [place, depth] = first.map(|value| self.narrowed_index(value));
        let at = self.word_mad(depth, i64::from(row), place);
        let shared = self.word_mad(at, 4, base);
        Side {
            operand,
            class,
            elements,
            places,
            depth: first[1],
            shared,
            half,
            pitch: share.pitch,
            rounds: share.rounds,
        }
    }

    /// An index in a 32-bit register.
    pub(super) fn narrowed_index(&mut self, value: Value) -> Value {
        match value {
            Value::Register(Class::Long, _) => self.ins(Class::Word, "cvt.u32.u64", &[value]),
            other => other,
        }
    }

    /// `a * factor + b` in 32 bits.
    pub(super) fn word_mad(&mut self, a: Value, factor: i64, b: Value) -> Value {
        match (a, b) {
            (Value::Integer(0), _) => b,
            (Value::Register(..), Value::Integer(0)) => {
                self.ins(Class::Word, "mul.lo.s32", &[a, Value::Integer(factor)])
            }
            _ => self.ins(Class::Word, "mad.lo.s32", &[a, Value::Integer(factor), b]),
        }
    }

    /// Starts to read this step's elements; those that do not exist are 0.
    pub(super) fn fetch(&mut self, side: &Side, odometer: &Odometer, offset: Value) {
        let factor = side.operand;
        let stride = odometer.strides[factor];
        let at = self.index_sum(odometer.inner, side.depth);
        let offset = self.index_mad(at, stride, offset);
        let mut bases: Vec<Option<Value>> = vec![None; side.places.len()];
        let mut inside: Vec<(u32, Value)> = Vec::new();
        for element in &side.elements {
            let within = match inside.iter().find(|(depth, _)| *depth == element.depth) {
                Some(&(_, within)) => within,
                None => {
                    let depth = self.index_sum(at, Value::Integer(i64::from(element.depth)));
                    let within = self.index_test("lt.s", depth, odometer.end);
                    inside.push((element.depth, within));
                    within
                }
            };
            let (place, exists) = side.places[element.place];
            let base = match bases[element.place] {
                Some(base) => base,
                None => {
                    let index = self.index_sum(place, offset);
                    let base = self.element(self.pointers[factor], index, 4);
                    bases[element.place] = Some(base);
                    base
                }
            };
            let reads = match exists {
                None => within,
                Some(exists) => self.ins(Class::Predicate, "and.pred", &[within, exists]),
            };
            let bytes = i64::from(element.depth).wrapping_mul(stride).wrapping_mul(4);
            let (base, displacement) = self.displaced(base, bytes);
            let zero = if side.class == Class::Single { Value::Single(0) } else { Value::Integer(0) };
            self.set(element.register, zero);
            let (kind, place) = (side.class.kind(), crate::memory::place(base, displacement));
            self.put(format!("@{reads} ld.global.{kind} {}, {place};", element.register));
        }
    }

    /// Puts what was read into a half of shared memory.
    pub(super) fn deposit(&mut self, side: &Side, half: u32) {
        for element in &side.elements {
            let place = i64::from(element.bytes + half * side.half);
            let place = crate::memory::place(side.shared, place);
            if side.rounds {
                let rounded = self.ins(Class::Word, "cvt.rna.tf32.f32", &[element.register]);
                self.put(format!("st.shared.b32 {place}, {rounded};"));
            } else {
                self.put(format!("st.shared.{} {place}, {};", side.class.kind(), element.register));
            }
        }
    }

    /// Reads words of a half of shared memory at depths and places beyond an address.
    pub(super) fn words_at(&mut self, side: &Side, base: Value, half: u32, at: &[(u32, u32)]) -> Vec<Value> {
        let mut found = Vec::with_capacity(at.len());
        for &(depth, place) in at {
            let bytes = 4 * (depth * side.pitch + place) + half * side.half;
            let place = crate::memory::place(base, i64::from(bytes));
            let word = self.fresh(Class::Word);
            self.put(format!("ld.shared.b32 {word}, {place};"));
            found.push(word);
        }
        found
    }

    /// Bytes of so many steps of the reduction.
    pub(super) fn step_bytes(side: &Side, steps: i64) -> i64 {
        4 * steps * i64::from(side.pitch)
    }

    /// Reads a thread's elements of one step of the depth from a half of shared memory. `base` is the address of its
    /// first group.
    pub(super) fn fragment(
        &mut self,
        side: &Side,
        base: Value,
        half: u32,
        depth: u32,
        places: &[(u32, u32)],
    ) -> Vec<Value> {
        let row = 4 * depth * side.pitch + half * side.half;
        let group = places.iter().take_while(|&&(at, _)| at == places[0].0).count();
        let mut found = Vec::with_capacity(places.len());
        for places in places.chunks(group) {
            let registers: Vec<Value> = places.iter().map(|_| self.fresh(side.class)).collect();
            let names: Vec<String> = registers.iter().map(Value::to_string).collect();
            let place = crate::memory::place(base, i64::from(row + 4 * places[0].0));
            let kind = side.class.kind();
            match group {
                1 => self.put(format!("ld.shared.{kind} {}, {place};", names[0])),
                _ => self.put(format!("ld.shared.v{group}.{kind} {{{}}}, {place};", names.join(", "))),
            }
            found.extend(registers);
        }
        found
    }
}
