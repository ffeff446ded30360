//! Neighbouring iterations of a lanes loop in one thread, so that an access of memory takes several elements.
//!
//! A thread takes two or four neighbours where every access moves along with the lanes by single elements that lie
//! together at a multiple of the access's size ([`Multiples`]), stays where it is, or jumps further than a sector of
//! memory is long. Anything else would touch more sectors than single elements side by side do. Statements are emitted
//! once for each neighbour, but for accesses, of up to 16 bytes. What each element comes to does not change; loops that
//! carry sums keep single elements, since the order of a sum would.

use crate::PtxError;
use crate::alignment::Multiples;
use crate::emitter::Emitter;
use crate::register::{Value, list};
use crate::stored::access;
use dlc_kernel::{Affine, Guard, IndexExpr, IndexVar, Loop, Statement, Var};
use dlc_types::DType;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a sector of global memory.
const SECTOR: i64 = 32;
/// Bytes of the widest access.
const WIDEST: usize = 16;
/// Statements of all neighbours, at most: registers hold what each has computed.
const MOST_STATEMENTS: usize = 128;

/// The neighbours that statements are emitted for.
#[derive(Clone, Debug)]
pub(crate) struct Neighbours {
    /// The index that tells them apart.
    index: IndexVar,
    /// The one whose statement is emitted.
    now: usize,
    /// What each has defined.
    vars: Vec<BTreeMap<Var, (DType, Value)>>,
    indices: Vec<BTreeMap<IndexVar, Value>>,
}

/// Elements of one access, of so many neighbours.
fn piece(dtype: DType, neighbours: usize) -> usize {
    (WIDEST / dtype.size()).min(neighbours)
}

/// What the statements of neighbours may touch.
struct Survey<'s> {
    /// The index that tells neighbours apart.
    lane: IndexVar,
    neighbours: usize,
    /// Types of the operands and bytes that divide where they begin.
    operands: &'s [(DType, i64)],
    multiples: Multiples,
    /// Other indices that differ between neighbours.
    moving: BTreeSet<IndexVar>,
    /// Whether any access takes several elements.
    any: bool,
    statements: usize,
}

impl Survey<'_> {
    fn moves(&self, form: &Affine) -> bool {
        form.terms.iter().any(|(index, _)| *index == self.lane || self.moving.contains(index))
    }

    fn guarded_alike(&self, guard: Option<&Guard>) -> bool {
        guard.is_none_or(|guard| guard.ranges.iter().all(|(form, ..)| !self.moves(form)))
    }

    /// Whether neighbours may have statements together.
    fn admits(&mut self, statements: &[Statement]) -> bool {
        statements.iter().all(|statement| self.admits_one(statement))
    }

    fn admits_one(&mut self, statement: &Statement) -> bool {
        self.statements += 1;
        match statement {
            Statement::Let { .. } => true,
            Statement::Load { operand, index, guard, .. } => {
                self.access(*operand, index, guard.as_ref(), true)
            }
            Statement::Store { operand, index, .. } => self.access(*operand, index, None, false),
            Statement::Index { result, expr } => {
                let moves = match expr {
                    IndexExpr::Form(form) | IndexExpr::Quotient(form, _) | IndexExpr::Remainder(form, _) => {
                        self.moves(form)
                    }
                    IndexExpr::ChunkStart { form, chunk, .. } => self.moves(form) || self.moves(chunk),
                    IndexExpr::Clamped(..) => true,
                };
                if moves {
                    self.moving.insert(*result);
                } else {
                    self.multiples.set(*result, self.multiples.expression(expr));
                }
                true
            }
            Statement::For(inner) => {
                !self.moves(&inner.start) && !self.moves(&inner.end) && self.admits(&inner.body)
            }
        }
    }

    fn access(&mut self, operand: usize, index: &Affine, guard: Option<&Guard>, loads: bool) -> bool {
        let Some(&(dtype, alignment)) = self.operands.get(operand) else { return false };
        if index.terms.iter().any(|(index, _)| self.moving.contains(index)) {
            return false;
        }
        let size = dtype.size() as i64;
        match index.coefficient(self.lane) {
            0 => loads,
            1 => {
                let piece = piece(dtype, self.neighbours) as i64;
                self.any = true;
                self.guarded_alike(guard)
                    && alignment / size % piece == 0
                    && self.multiples.form_without(index, Some(self.lane)) % piece == 0
            }
            far => far.saturating_abs().saturating_mul(size) >= SECTOR,
        }
    }
}

/// How many neighbours a thread takes of statements with an index that runs over multiples of that number.
pub(crate) fn neighbours(
    lane: IndexVar,
    statements: &[Statement],
    operands: &[(DType, i64)],
    multiples: &Multiples,
    run: i64,
) -> usize {
    let admitted = |&neighbours: &usize| {
        let mut survey = Survey {
            lane,
            neighbours,
            operands,
            multiples: multiples.clone(),
            moving: BTreeSet::new(),
            any: false,
            statements: 0,
        };
        run % neighbours as i64 == 0
            && survey.admits(statements)
            && survey.any
            && survey.statements * neighbours <= MOST_STATEMENTS
    };
    [4, 2].into_iter().find(admitted).unwrap_or(1)
}

/// The same of a lanes loop.
pub(crate) fn of_loop(inner: &Loop, operands: &[(DType, i64)], multiples: &Multiples) -> usize {
    if !inner.carries.is_empty() {
        return 1;
    }
    let run = multiples.form(&inner.start).min(multiples.form(&inner.end));
    neighbours(inner.var, &inner.body, operands, multiples, run)
}

impl Emitter<'_> {
    /// Types of all operands, and bytes that divide where they begin.
    pub(crate) fn operand_places(&self) -> Vec<(DType, i64)> {
        let operands = self.kernel.operands.iter().enumerate();
        operands.map(|(number, operand)| (operand.dtype, self.operand_multiple(number, 1))).collect()
    }

    /// Emits statements for so many neighbours, from the first one's index on.
    pub(crate) fn with_neighbours(
        &mut self,
        index: IndexVar,
        first: Value,
        count: usize,
        emit: &mut dyn FnMut(&mut Self) -> Result<(), PtxError>,
    ) -> Result<(), PtxError> {
        if count == 1 {
            self.define_index(index, first);
            return emit(self);
        }
        let before = self.neighbours.take();
        let indices = (0..count as i64)
            .map(|number| BTreeMap::from([(index, self.index_sum(first, Value::Integer(number)))]))
            .collect();
        self.neighbours = Some(Neighbours { index, now: 0, vars: vec![BTreeMap::new(); count], indices });
        let done = emit(self);
        self.neighbours = before;
        done
    }

    /// Emits something for every neighbour, or once where there are none.
    pub(crate) fn for_each_neighbour<T>(
        &mut self,
        emit: &mut dyn FnMut(&mut Self) -> Result<T, PtxError>,
    ) -> Result<Vec<T>, PtxError> {
        let count = self.neighbours.as_ref().map_or(1, |neighbours| neighbours.vars.len());
        let mut results = Vec::with_capacity(count);
        for number in 0..count {
            self.turn_to(number);
            results.push(emit(self)?);
        }
        self.turn_to(0);
        Ok(results)
    }

    fn turn_to(&mut self, number: usize) {
        if let Some(neighbours) = &mut self.neighbours {
            neighbours.now = number;
        }
    }

    /// How many neighbours an access takes together: all, or none where it is one for each.
    fn together(&self, index: &Affine) -> Option<usize> {
        let neighbours = self.neighbours.as_ref()?;
        (index.coefficient(neighbours.index) == 1).then_some(neighbours.vars.len())
    }

    /// A load of all neighbours in as few accesses as there can be; `false` where each has its own.
    pub(crate) fn load_neighbours(
        &mut self,
        result: Var,
        operand: usize,
        index: &Affine,
        guard: Option<&Guard>,
    ) -> Result<bool, PtxError> {
        let Some(count) = self.together(index) else { return Ok(false) };
        let dtype = self.operand_type(operand)?;
        let holds = match guard {
            Some(guard) => self.guard(&guard.ranges)?,
            None => None,
        };
        let (base, displacement) = self.address(operand, index)?;
        let (suffix, class) = access(dtype);
        let raw: Vec<Value> = (0..count).map(|_| self.fresh(class)).collect();
        let size = piece(dtype, count);
        for (number, registers) in raw.chunks(size).enumerate() {
            let place = self.neighbours_place(base, displacement, number * size * dtype.size());
            let (vector, names) = list(registers);
            let mut only = String::new();
            if let Some(holds) = holds {
                let fill = self.memory_constant(dtype, guard.map_or(0.0, |guard| guard.fill));
                registers.iter().for_each(|&register| self.set(register, fill));
                only = format!("@{holds} ");
            }
            self.put(format!("{only}ld.global{vector}.{suffix} {names}, {place};"));
        }
        for (number, raw) in raw.into_iter().enumerate() {
            let value = self.meant(dtype, raw);
            self.turn_to(number);
            self.define(result, dtype, value);
        }
        self.turn_to(0);
        Ok(true)
    }

    /// A store of all neighbours, as [`load_neighbours`](Self::load_neighbours).
    pub(crate) fn store_neighbours(
        &mut self,
        operand: usize,
        index: &Affine,
        value: Var,
    ) -> Result<bool, PtxError> {
        if self.together(index).is_none() {
            return Ok(false);
        }
        let dtype = self.operand_type(operand)?;
        let values = self.for_each_neighbour(&mut |emitter| Ok(emitter.var(value)?.1))?;
        let (base, displacement) = self.address(operand, index)?;
        self.store_elements(dtype, &values, (base, displacement), None);
        Ok(true)
    }

    /// Writes elements that lie side by side in as few accesses as there can be, where the condition holds.
    pub(crate) fn store_elements(
        &mut self,
        dtype: DType,
        values: &[Value],
        (base, displacement): (Value, i64),
        only: Option<Value>,
    ) {
        let raw: Vec<Value> = values.iter().map(|&value| self.stored(dtype, value)).collect();
        let suffix = crate::memory::stored_suffix(dtype);
        let only = only.map_or_else(String::new, |only| format!("@{only} "));
        let size = piece(dtype, values.len());
        for (number, registers) in raw.chunks(size).enumerate() {
            let place = self.neighbours_place(base, displacement, number * size * dtype.size());
            let (vector, names) = list(registers);
            self.put(format!("{only}st.global{vector}.{suffix} {place}, {names};"));
        }
    }

    /// Bytes behind an address and its displacement.
    fn neighbours_place(&mut self, base: Value, displacement: i64, bytes: usize) -> String {
        let (base, displacement) = self.displaced(base, displacement.wrapping_add(bytes as i64));
        crate::memory::place(base, displacement)
    }
}

impl Neighbours {
    pub(crate) fn define(&mut self, var: Var, dtype: DType, value: Value) {
        self.vars[self.now].insert(var, (dtype, value));
    }

    pub(crate) fn var(&self, var: Var) -> Option<(DType, Value)> {
        self.vars[self.now].get(&var).copied()
    }

    pub(crate) fn define_index(&mut self, index: IndexVar, value: Value) {
        self.indices[self.now].insert(index, value);
    }

    pub(crate) fn index(&self, index: IndexVar) -> Option<Value> {
        self.indices[self.now].get(&index).copied()
    }
}
