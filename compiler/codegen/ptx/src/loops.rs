//! Loops: one iteration after the other, or strided over the threads of a team.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::hazards::Accesses;
use crate::register::{Class, Value};
use dlc_kernel::{Carry, Combine, Loop};
use dlc_types::DType;

impl Emitter<'_> {
    /// A loop that every thread runs whole.
    pub(crate) fn sequential_loop(&mut self, inner: &Loop) -> Result<(), PtxError> {
        let start = self.form(&inner.start)?;
        let end = self.form(&inner.end)?;
        if !self.in_lanes {
            // A round meets what the one before has touched.
            for statement in &inner.body {
                self.hazards.add(&Accesses::of(statement, false));
            }
        }
        let carried = self.for_each_neighbour(&mut |emitter| {
            let initial = |carry: &Carry| Ok((carry.dtype, emitter.var(carry.initial)?.1));
            let initial = inner.carries.iter().map(initial).collect::<Result<Vec<_>, PtxError>>()?;
            Ok(initial.into_iter().map(|(dtype, value)| emitter.copy(Class::of(dtype), value)).collect())
        })?;
        self.rounds(inner, start, end, (Value::Integer(1), 1), &carried)?;
        self.results(inner, carried)
    }

    /// Defines what a loop leaves, for every neighbour.
    fn results(&mut self, inner: &Loop, carried: Vec<Vec<Value>>) -> Result<(), PtxError> {
        let mut carried = carried.into_iter();
        self.for_each_neighbour(&mut |emitter| {
            for (carry, register) in inner.carries.iter().zip(carried.next().unwrap_or_default()) {
                emitter.define(carry.result, carry.dtype, register);
            }
            Ok(())
        })
        .map(drop)
    }

    /// A loop whose iterations the threads of the team share: each takes every so-many-th, and what they carry is
    /// combined at the end.
    pub(crate) fn lanes_loop(&mut self, inner: &Loop) -> Result<(), PtxError> {
        let start = self.form(&inner.start)?;
        let end = self.form(&inner.end)?;
        let mut carried = Vec::with_capacity(inner.carries.len());
        for carry in &inner.carries {
            carried.push(self.first_partial(carry)?);
        }
        let width = self.widths.get(&inner.var).copied().unwrap_or(1);
        let by = Value::Integer(width as i64);
        let (rank, stride) =
            (self.index_product(self.team.rank, by), self.index_product(self.team.stride, by));
        let first = self.index_sum(start, rank);
        self.in_lanes = true;
        let carried = [carried];
        let done = self.rounds(inner, first, end, (stride, width), &carried);
        self.in_lanes = false;
        done?;
        let results = self.combined(&inner.carries, &carried[0])?;
        self.results(inner, vec![results])
    }

    /// What a thread's share of a carry begins with: the initial value where it is there once or does not count
    /// twice, else what changes nothing.
    fn first_partial(&mut self, carry: &Carry) -> Result<Value, PtxError> {
        let (_, initial) = self.var(carry.initial)?;
        let class = Class::of(carry.dtype);
        let neutral = match carry.combine {
            Some(Combine::Sum) => self.neutral_sum(carry.dtype),
            Some(Combine::Product) => self.number(carry.dtype, 1.0),
            _ => return Ok(self.copy(class, initial)),
        };
        match self.team.first {
            Some(_) if initial == neutral => Ok(self.copy(class, neutral)),
            Some(first) => Ok(self.ins(class, &format!("selp.{}", class.kind()), &[initial, neutral, first])),
            None => Ok(self.copy(class, initial)),
        }
    }

    fn neutral_sum(&mut self, dtype: DType) -> Value {
        self.number(dtype, 0.0)
    }

    /// The rounds of a loop, which change the registers of what it carries, those of each neighbour. A round takes so many
    /// neighbours of the loop's own.
    fn rounds(
        &mut self,
        inner: &Loop,
        start: Value,
        end: Value,
        (step, width): (Value, usize),
        carried: &[Vec<Value>],
    ) -> Result<(), PtxError> {
        if let (Value::Integer(first), Value::Integer(last), Value::Integer(1)) = (start, end, step) {
            if first >= last {
                return Ok(());
            }
            if first + 1 == last {
                return self.round(inner, (start, width), carried);
            }
        }
        let index = self.copy(self.index_class(), start);
        let (again, done) = (self.label(), self.label());
        let runs = matches!((start, end), (Value::Integer(first), Value::Integer(last)) if first < last);
        if !runs {
            let none = self.index_test("ge.s", index, end);
            self.branch(none, true, &done);
        }
        self.place(&again);
        self.round(inner, (index, width), carried)?;
        let name = if self.wide { "add.s64" } else { "add.s32" };
        self.assign(index, name, &[index, step]);
        let more = self.index_test("lt.s", index, end);
        self.branch(more, true, &again);
        self.place(&done);
        Ok(())
    }

    fn round(
        &mut self,
        inner: &Loop,
        (index, width): (Value, usize),
        carried: &[Vec<Value>],
    ) -> Result<(), PtxError> {
        if width > 1 {
            let mut body = |emitter: &mut Self| emitter.statements(&inner.body);
            return self.with_neighbours(inner.var, index, width, &mut body);
        }
        let mut registers = carried.iter();
        self.for_each_neighbour(&mut |emitter| {
            emitter.define_index(inner.var, index);
            for (carry, &register) in inner.carries.iter().zip(registers.next().into_iter().flatten()) {
                emitter.define(carry.current, carry.dtype, register);
            }
            Ok(())
        })?;
        self.statements(&inner.body)?;
        let mut registers = carried.iter();
        self.for_each_neighbour(&mut |emitter| {
            emitter.carry_on(&inner.carries, registers.next().map_or(&[], Vec::as_slice))
        })
        .map(drop)
    }

    /// Writes what goes on to the next round into the registers of what is carried.
    fn carry_on(&mut self, carries: &[Carry], carried: &[Value]) -> Result<(), PtxError> {
        let mut next = Vec::with_capacity(carried.len());
        for carry in carries {
            let (dtype, value) = self.var(carry.next)?;
            // What another carry's register holds is read before that is written.
            let moves = carried.contains(&value);
            next.push(if moves { self.copy(Class::of(dtype), value) } else { value });
        }
        for (&register, value) in carried.iter().zip(next) {
            self.set(register, value);
        }
        Ok(())
    }
}
