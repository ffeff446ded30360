//! Loads and stores of elements in global memory.
//!
//! An address is an operand's pointer plus the bytes of the moving part of an index; what is constant stands in the
//! instruction. A guarded load is predicated: where the guard does not hold, memory is not touched.

use crate::PtxError;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use crate::stored::access;
use dlc_kernel::{Affine, Guard, Var};
use dlc_types::DType;

impl Emitter<'_> {
    /// The address of an element: a register and a displacement.
    pub(crate) fn address(&mut self, operand: usize, index: &Affine) -> Result<(Value, i64), PtxError> {
        let size = self.operand_type(operand)?.size() as i64;
        let (moving, constant) = self.form_parts(index)?;
        let Some(&pointer) = self.pointers.get(operand) else {
            return Err(self.malformed(format!("there is no operand {operand}")));
        };
        let base = self.element(pointer, moving, size);
        Ok(self.displaced(base, constant.wrapping_mul(size)))
    }

    /// The address `index * size` bytes behind a pointer.
    pub(crate) fn element(&mut self, pointer: Value, index: Value, size: i64) -> Value {
        match index {
            Value::Integer(0) => pointer,
            Value::Integer(number) => {
                self.ins(Class::Long, "add.s64", &[pointer, Value::Integer(number.wrapping_mul(size))])
            }
            _ => {
                let name = if self.wide { "mad.lo.s64" } else { "mad.wide.s32" };
                self.ins(Class::Long, name, &[index, Value::Integer(size), pointer])
            }
        }
    }

    /// A base and a displacement that fits into an instruction.
    pub(crate) fn displaced(&mut self, base: Value, bytes: i64) -> (Value, i64) {
        if i32::try_from(bytes).is_ok() {
            return (base, bytes);
        }
        (self.ins(Class::Long, "add.s64", &[base, Value::Integer(bytes)]), 0)
    }

    pub(crate) fn load(
        &mut self,
        result: Var,
        operand: usize,
        index: &Affine,
        guard: Option<&Guard>,
    ) -> Result<(), PtxError> {
        if self.load_neighbours(result, operand, index, guard)? {
            return Ok(());
        }
        self.for_each_neighbour(&mut |emitter| emitter.load_one(result, operand, index, guard)).map(drop)
    }

    fn load_one(
        &mut self,
        result: Var,
        operand: usize,
        index: &Affine,
        guard: Option<&Guard>,
    ) -> Result<(), PtxError> {
        let dtype = self.operand_type(operand)?;
        let holds = match guard {
            Some(guard) => self.guard(&guard.ranges)?,
            None => None,
        };
        let (base, displacement) = self.address(operand, index)?;
        let fill = holds.map(|holds| (holds, guard.map_or(0.0, |guard| guard.fill)));
        let value = self.load_element(dtype, base, displacement, fill);
        self.define(result, dtype, value);
        Ok(())
    }

    /// Reads one element, or takes a number where a condition does not hold.
    pub(crate) fn load_element(
        &mut self,
        dtype: DType,
        base: Value,
        displacement: i64,
        fill: Option<(Value, f64)>,
    ) -> Value {
        let (suffix, class) = access(dtype);
        let place = place(base, displacement);
        let raw = match fill {
            None => {
                let raw = self.fresh(class);
                self.put(format!("ld.global.{suffix} {raw}, {place};"));
                raw
            }
            Some((holds, fill)) => {
                let fill = self.memory_constant(dtype, fill);
                let raw = self.copy(class, fill);
                self.put(format!("@{holds} ld.global.{suffix} {raw}, {place};"));
                raw
            }
        };
        self.meant(dtype, raw)
    }

    /// The conjunction of ranges; nothing where there are none.
    pub(crate) fn guard(&mut self, ranges: &[(Affine, i64, i64)]) -> Result<Option<Value>, PtxError> {
        let mut all = None;
        for (form, low, high) in ranges {
            let above = self.form(&form.clone().offset(low.wrapping_neg()))?;
            let length = high.saturating_sub(*low).max(0);
            // What is below the range is above it as a number without sign.
            let holds = self.index_test("lt.u", above, Value::Integer(length));
            all = Some(match all {
                None => holds,
                Some(all) => self.ins(Class::Predicate, "and.pred", &[all, holds]),
            });
        }
        Ok(all)
    }

    pub(crate) fn store(&mut self, operand: usize, index: &Affine, value: Var) -> Result<(), PtxError> {
        if self.store_neighbours(operand, index, value)? {
            return Ok(());
        }
        self.for_each_neighbour(&mut |emitter| emitter.store_one(operand, index, value)).map(drop)
    }

    fn store_one(&mut self, operand: usize, index: &Affine, value: Var) -> Result<(), PtxError> {
        let dtype = self.operand_type(operand)?;
        let (_, value) = self.var(value)?;
        let (base, displacement) = self.address(operand, index)?;
        // What all threads of a team have computed alike, its first one stores.
        let only = if self.in_lanes { None } else { self.team.first };
        self.store_element(dtype, value, base, displacement, only);
        Ok(())
    }

    /// Writes one element, where the condition holds.
    pub(crate) fn store_element(
        &mut self,
        dtype: DType,
        value: Value,
        base: Value,
        displacement: i64,
        only: Option<Value>,
    ) {
        let raw = self.stored(dtype, value);
        let suffix = stored_suffix(dtype);
        let only = only.map_or_else(String::new, |only| format!("@{only} "));
        self.put(format!("{only}st.global.{suffix} {}, {raw};", place(base, displacement)));
    }
}

/// The suffix of `st` for an element.
pub(crate) fn stored_suffix(dtype: DType) -> &'static str {
    match access(dtype).0 {
        "s8" => "u8",
        "s16" => "u16",
        other => other,
    }
}

/// An address as instructions write it.
pub(crate) fn place(base: Value, displacement: i64) -> String {
    match displacement {
        0 => format!("[{base}]"),
        below if below < 0 => format!("[{base}+{below}]"),
        above => format!("[{base}+{above}]"),
    }
}
