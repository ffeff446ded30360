//! Statements for several neighbours at once: for each of them in turn, but for accesses of memory that they have
//! together, of up to 16 bytes (`vector` says which).
//!
//! Each neighbour has values and indices of its own; what was defined before is shared.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::register::{Value, list};
use crate::stored::access;
use crate::vector::piece;
use dlc_kernel::{Affine, Guard, IndexVar, Var};
use dlc_types::DType;
use std::collections::BTreeMap;

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
