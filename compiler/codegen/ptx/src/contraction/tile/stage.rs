//! The way of a factor's elements into shared memory: by asynchronous copies, or through registers.
//!
//! A thread moves pieces of up to 16 bytes along a line ([`super::layout`]), so that neighbours read and write neighbours.
//! Copies (`cp.async`, sm_80 and later) pass the registers by; what does not exist they fill with zeros, since they
//! are told how many bytes to read. Elements that change on the way, and all on sm_75, are read into registers while
//! the step before is multiplied, and stored once that is done.

use super::layout::Layout;
use super::odometer::Odometer;
use crate::emitter::Emitter;
use crate::register::{Class, Value, list};

/// One factor's part of a tile.
pub(super) struct Side {
    /// Number of the operand.
    pub(super) operand: usize,
    /// The class of its elements' registers.
    pub(super) class: Class,
    pub(super) layout: Layout,
    pub(super) moves: Vec<Move>,
    /// Places along the tile at which this thread reads.
    pub(super) places: Vec<Read>,
    /// The first of this thread's steps within the depth.
    pub(super) depth: Value,
    /// Address in the first stage of this thread's first piece.
    pub(super) shared: Value,
    /// Whether this thread moves anything; nothing where all do.
    pub(super) works: Option<Value>,
    /// Steps of the reduction that an access covers where it goes along the reduction, else 1.
    pub(super) steps: u32,
    /// Whether every access is wholly inside or outside of the reduction.
    pub(super) whole: bool,
    /// Whether no access is outside of it.
    pub(super) inside: bool,
    /// Whether elements are rounded to `bf16` on the way.
    pub(super) rounds: bool,
    /// Whether other steps read elements again.
    pub(super) again: bool,
}

/// Places along the tile that one access reads.
#[derive(Clone, Copy)]
pub(super) struct Read {
    /// Element offset of the first.
    pub(super) offset: Value,
    pub(super) exists: Presence,
}

/// How much there is of what an access reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    All,
    /// All where the predicate holds, else nothing.
    Where(Value),
    /// So many bytes.
    Bytes(Value),
}

/// A piece of a line that a thread moves in each step.
pub(super) struct Move {
    /// Place and step of its first element, beyond the thread's first.
    pub(super) place: u32,
    pub(super) depth: u32,
    /// Accesses of global memory.
    pub(super) accesses: Vec<Access>,
}

/// An access of global memory.
pub(super) struct Access {
    /// Number of the place in [`Side::places`].
    pub(super) place: usize,
    /// Steps behind the thread's first.
    pub(super) depth: u32,
    /// A register for each element.
    pub(super) registers: Vec<Value>,
}

/// The addresses of one step, as far as they are known.
struct Step<'s> {
    side: &'s Side,
    /// The step of the reduction that the thread's first element is of.
    at: Value,
    /// Element offset of that step.
    offset: Value,
    stride: i64,
    end: Value,
    bases: Vec<Option<Value>>,
    inside: Vec<(u32, Presence)>,
}

impl Emitter<'_> {
    fn step<'s>(&mut self, side: &'s Side, odometer: &Odometer, offset: Value) -> Step<'s> {
        let stride = odometer.strides[side.operand];
        let at = self.index_sum(odometer.inner, side.depth);
        let offset = self.index_mad(at, stride, offset);
        let bases = vec![None; side.places.len()];
        Step { side, at, offset, stride, end: odometer.end, bases, inside: Vec::new() }
    }

    /// Where an access reads.
    fn source(&mut self, step: &mut Step<'_>, access: &Access) -> String {
        let base = match step.bases[access.place] {
            Some(base) => base,
            None => {
                let index = self.index_sum(step.side.places[access.place].offset, step.offset);
                let base = self.element(self.pointers[step.side.operand], index, 4);
                step.bases[access.place] = Some(base);
                base
            }
        };
        let bytes = i64::from(access.depth).wrapping_mul(step.stride).wrapping_mul(4);
        let (base, displacement) = self.displaced(base, bytes);
        crate::memory::place(base, displacement)
    }

    /// How much of an access is inside of the reduction.
    fn within(&mut self, step: &mut Step<'_>, access: &Access) -> Presence {
        if step.side.inside {
            return Presence::All;
        }
        if let Some(&(_, known)) = step.inside.iter().find(|(depth, _)| *depth == access.depth) {
            return known;
        }
        let depth = self.index_sum(step.at, Value::Integer(i64::from(access.depth)));
        let presence = if step.side.whole {
            Presence::Where(self.index_test("lt.s", depth, step.end))
        } else {
            let left = self.index_difference(step.end, depth);
            Presence::Bytes(self.present_bytes(left, step.side.steps))
        };
        step.inside.push((access.depth, presence));
        presence
    }

    /// Bytes of so many elements of 4 bytes, of which `left` are there.
    pub(super) fn present_bytes(&mut self, left: Value, most: u32) -> Value {
        let kind = if self.wide { "s64" } else { "s32" };
        let class = self.index_class();
        let left = self.copy(class, left);
        let some = self.ins(class, &format!("max.{kind}"), &[left, Value::Integer(0)]);
        let some = self.ins(class, &format!("min.{kind}"), &[some, Value::Integer(i64::from(most))]);
        let some = self.narrowed_index(some);
        self.ins(Class::Word, "shl.b32", &[some, Value::Integer(2)])
    }

    fn and(&mut self, one: Option<Value>, other: Option<Value>) -> Option<Value> {
        match (one, other) {
            (Some(one), Some(other)) => Some(self.ins(Class::Predicate, "and.pred", &[one, other])),
            (one, other) => one.or(other),
        }
    }

    /// Starts to copy this step's elements into a stage; those that do not exist become 0.
    pub(super) fn copy_side(&mut self, side: &Side, odometer: &Odometer, offset: Value, stage: Value) {
        let mut step = self.step(side, odometer, offset);
        let mut reader = self.reader(side.layout, side.shared, stage);
        let works = side.works.map_or_else(String::new, |works| format!("@{works} "));
        for piece in &side.moves {
            for access in &piece.accesses {
                let bytes = 4 * access.registers.len().max(1) as i64;
                let source = self.source(&mut step, access);
                let within = self.within(&mut step, access);
                let present = self.copied(within, side.places[access.place].exists, bytes);
                let to = self.reach(&mut reader, piece.place, piece.depth);
                // What is read once goes past the first cache, where copies of that size can.
                let cache = if bytes == 16 && !side.again { "cg" } else { "ca" };
                let present = present.map_or_else(String::new, |present| format!(", {present}"));
                self.put(format!("{works}cp.async.{cache}.shared.global {to}, {source}, {bytes}{present};"));
            }
        }
    }

    /// The bytes that a copy reads; nothing where it reads all.
    fn copied(&mut self, within: Presence, exists: Presence, bytes: i64) -> Option<Value> {
        let holds =
            |presence: Presence| if let Presence::Where(holds) = presence { Some(holds) } else { None };
        let both = self.and(holds(within), holds(exists));
        let some = match (within, exists) {
            (Presence::Bytes(one), Presence::Bytes(other)) => {
                Some(self.ins(Class::Word, "min.s32", &[one, other]))
            }
            (Presence::Bytes(some), _) | (_, Presence::Bytes(some)) => Some(some),
            _ => None,
        };
        let Some(both) = both else { return some };
        let some = some.unwrap_or(Value::Integer(bytes));
        Some(self.ins(Class::Word, "selp.b32", &[some, Value::Integer(0), both]))
    }

    /// Rounds what this thread has copied into a stage to `tf32`.
    pub(super) fn round_in_place(&mut self, side: &Side, stage: Value) {
        let mut reader = self.reader(side.layout, side.shared, stage);
        let works = side.works.map_or_else(String::new, |works| format!("@{works} "));
        for piece in &side.moves {
            let at = self.reach(&mut reader, piece.place, piece.depth);
            let count = piece.accesses.iter().map(|access| access.registers.len()).sum();
            let words: Vec<Value> = (0..count).map(|_| self.fresh(Class::Word)).collect();
            let (vector, names) = list(&words);
            self.put(format!("{works}ld.shared{vector}.b32 {names}, {at};"));
            for &word in &words {
                self.assign(word, "cvt.rna.tf32.f32", &[word]);
            }
            self.put(format!("{works}st.shared{vector}.b32 {at}, {names};"));
        }
    }

    /// Starts to read this step's elements into registers; those that do not exist are 0.
    pub(super) fn fetch(&mut self, side: &Side, odometer: &Odometer, offset: Value) {
        let mut step = self.step(side, odometer, offset);
        let zero = if side.class == Class::Single { Value::Single(0) } else { Value::Integer(0) };
        for access in side.moves.iter().flat_map(|piece| &piece.accesses) {
            let holds = |presence: Presence| match presence {
                Presence::Where(holds) => Some(holds),
                Presence::All | Presence::Bytes(_) => None,
            };
            let within = holds(self.within(&mut step, access));
            let exists = holds(side.places[access.place].exists);
            let reads = self.and(within, exists);
            let reads = self.and(reads, side.works);
            let source = self.source(&mut step, access);
            let only = reads.map_or_else(String::new, |reads| format!("@{reads} "));
            if reads.is_some() {
                access.registers.iter().for_each(|&register| self.set(register, zero));
            }
            let (vector, names) = list(&access.registers);
            self.put(format!("{only}ld.global{vector}.{} {names}, {source};", side.class.kind()));
        }
    }

    /// Puts what was read into a stage.
    pub(super) fn deposit(&mut self, side: &Side, stage: Value) {
        let mut reader = self.reader(side.layout, side.shared, stage);
        let works = side.works.map_or_else(String::new, |works| format!("@{works} "));
        for piece in &side.moves {
            let mut all: Vec<Value> =
                piece.accesses.iter().flat_map(|access| access.registers.iter().copied()).collect();
            let mut kind = side.class.kind();
            if side.rounds {
                // The first of two elements is the lower half.
                all = all
                    .chunks(2)
                    .map(|pair| self.ins(Class::Word, "cvt.rn.bf16x2.f32", &[pair[1], pair[0]]))
                    .collect();
                kind = "b32";
            }
            let to = self.reach(&mut reader, piece.place, piece.depth);
            let (vector, names) = list(&all);
            self.put(format!("{works}st.shared{vector}.{kind} {to}, {names};"));
        }
    }
}
