//! Statements of a loop body other than loops: operations, loads, stores, indices.

use crate::ClifError;
use crate::address::Parts;
use crate::emitter::{Emitter, Form, IndexForm, scalar_type, vector_type};
use crate::scalar_op::{Typing, fits_lanes};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use dlc_kernel::{Affine, Guard, IndexExpr, IndexVar, ScalarOp, Statement, Var};
use dlc_types::DType;

/// Flags of every access: memory is there, and no more than an element's alignment is promised.
pub(crate) fn access() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl Emitter<'_, '_> {
    /// Statements in order.
    pub(crate) fn statements(&mut self, statements: &[Statement]) -> Result<(), ClifError> {
        for statement in statements {
            match statement {
                Statement::Let { result, dtype, op, args } => {
                    // What was already computed in front of the loop is not computed again.
                    if !self.has_scalar(*result) {
                        self.compute(*result, *dtype, op, args)?;
                    }
                }
                Statement::Load { result, operand, index, guard } => {
                    self.load(*result, *operand, index, guard.as_ref())?;
                }
                Statement::Store { operand, index, value } => self.store(*operand, index, *value)?,
                Statement::Index { result, expr } => self.index_statement(*result, expr)?,
                Statement::For(nest) => self.nest(nest)?,
            }
        }
        Ok(())
    }

    /// A scalar operation, uniform if its operands are.
    pub(crate) fn compute(
        &mut self,
        result: Var,
        dtype: DType,
        op: &ScalarOp,
        args: &[Var],
    ) -> Result<(), ClifError> {
        scalar_type(dtype)?;
        let form = match op {
            ScalarOp::Constant(number) => Form::Constant(*number),
            ScalarOp::Integer(number) if dtype == DType::I64 => Form::Uniform(self.int(*number)),
            ScalarOp::Integer(number) => Form::Constant(*number as f64),
            ScalarOp::Extent(dim) => {
                let size = self.uniform_sum(&Affine::extent(*dim))?;
                Form::Uniform(self.from_index(dtype, size)?)
            }
            ScalarOp::Index(index) => self.index_as_scalar(dtype, *index)?,
            _ => self.operation(dtype, op, args)?,
        };
        self.define(result, dtype, form);
        Ok(())
    }

    fn operation(&mut self, dtype: DType, op: &ScalarOp, args: &[Var]) -> Result<Form, ClifError> {
        let mut types = Vec::with_capacity(args.len());
        let mut uniform = Vec::with_capacity(args.len());
        for &arg in args {
            types.push(self.scalar(arg)?.dtype);
            uniform.extend(self.uniform_form(arg)?);
        }
        let from = types.last().copied().unwrap_or(dtype);
        if uniform.len() == args.len() {
            let values = args.iter().map(|&arg| self.expect_uniform(arg)).collect::<Result<Vec<_>, _>>()?;
            return Ok(Form::Uniform(self.operate(op, &Typing { dtype, from, width: 1 }, &values)?));
        }
        let Some(lane) = self.lane else { return Err(self.malformed("a value varies outside of lanes")) };
        if fits_lanes(op, dtype, &types, lane.width) {
            let typing = Typing { dtype, from, width: lane.width };
            let mut columns = Vec::with_capacity(args.len());
            for &arg in args {
                columns.push(self.vectors(arg)?.unwrap_or_default());
            }
            let results = self.columns(op, &typing, &columns, lane.vectors)?;
            return Ok(Form::Vectors(results));
        }
        let typing = Typing { dtype, from, width: 1 };
        let columns = args.iter().map(|&arg| self.lanes(arg)).collect::<Result<Vec<_>, _>>()?;
        Ok(Form::Lanes(self.columns(op, &typing, &columns, lane.lanes())?))
    }

    /// Whether an operand is uniform, without making a constant.
    fn uniform_form(&self, arg: Var) -> Result<Option<()>, ClifError> {
        Ok(match self.scalar(arg)?.form {
            Form::Constant(_) | Form::Uniform(_) => Some(()),
            Form::Vectors(_) | Form::Lanes(_) => None,
        })
    }

    fn columns(
        &mut self,
        op: &ScalarOp,
        typing: &Typing,
        columns: &[Vec<Value>],
        count: usize,
    ) -> Result<Vec<Value>, ClifError> {
        let mut results = Vec::with_capacity(count);
        for position in 0..count {
            let args: Vec<Value> =
                columns.iter().filter_map(|column| column.get(position).copied()).collect();
            results.push(self.operate(op, typing, &args)?);
        }
        Ok(results)
    }

    fn from_index(&mut self, dtype: DType, index: Value) -> Result<Value, ClifError> {
        let ty = scalar_type(dtype)?;
        Ok(match dtype {
            DType::I64 => index,
            DType::I32 => self.builder.ins().ireduce(ty, index),
            DType::Bool => self.builder.ins().icmp_imm_s(IntCC::NotEqual, index, 0),
            _ => self.builder.ins().fcvt_from_sint(ty, index),
        })
    }

    fn index_as_scalar(&mut self, dtype: DType, index: IndexVar) -> Result<Form, ClifError> {
        let parts = self.parts(&Affine::var(index))?;
        if parts.is_uniform() {
            let value = self.first_lane(&parts)?;
            return Ok(Form::Uniform(self.from_index(dtype, value)?));
        }
        let Some(lane) = self.lane else { return Err(self.malformed("an index varies outside of lanes")) };
        if parts.scattered.is_empty() && lane.width == 4 && matches!(dtype, DType::F32 | DType::I32) {
            return self.counting_vectors(dtype, &parts, lane.vectors);
        }
        let mut lanes = Vec::with_capacity(lane.lanes());
        for position in 0..lane.lanes() {
            let value = self.lane_sum(&parts, position)?;
            lanes.push(self.from_index(dtype, value)?);
        }
        Ok(Form::Lanes(lanes))
    }

    /// The lane variable itself in vectors.
    fn counting_vectors(&mut self, dtype: DType, parts: &Parts, vectors: usize) -> Result<Form, ClifError> {
        let first = self.first_lane(parts)?;
        let first = self.builder.ins().ireduce(types::I32, first);
        let first = self.builder.ins().splat(types::I32X4, first);
        let mut values = Vec::with_capacity(vectors);
        for vector in 0..vectors {
            let bytes: Vec<u8> = (0..4)
                .flat_map(|lane| ((vector * 4 + lane) as i32 * parts.step as i32).to_le_bytes())
                .collect();
            let offsets = crate::float::vector_constant(self.builder, types::I32X4, bytes);
            let sum = self.builder.ins().iadd(first, offsets);
            values.push(if dtype == DType::F32 {
                self.builder.ins().fcvt_from_sint(types::F32X4, sum)
            } else {
                sum
            });
        }
        Ok(Form::Vectors(values))
    }

    fn operand_type(&self, operand: usize) -> Result<DType, ClifError> {
        self.kernel
            .operands
            .get(operand)
            .map(|operand| operand.dtype)
            .ok_or_else(|| self.malformed(format!("there is no operand {operand}")))
    }

    fn load(
        &mut self,
        result: Var,
        operand: usize,
        index: &Affine,
        guard: Option<&Guard>,
    ) -> Result<(), ClifError> {
        let dtype = self.operand_type(operand)?;
        let ty = scalar_type(dtype)?;
        let parts = self.parts(index)?;
        let mut ranges = Vec::new();
        let fill = guard.map_or(0.0, |guard| guard.fill);
        for (form, low, high) in guard.iter().flat_map(|guard| &guard.ranges) {
            ranges.push((self.parts(form)?, *low, *high));
        }
        let same_guard = ranges.iter().all(|(parts, _, _)| parts.is_uniform());
        let Some(lane) = self.lane.filter(|_| !(same_guard && parts.is_uniform())) else {
            let (address, displacement) = self.guarded(operand, &parts, &ranges, fill, 0)?;
            let value = self.builder.ins().load(ty, access(), address, displacement);
            self.define(result, dtype, Form::Uniform(value));
            return Ok(());
        };
        let vector = vector_type(dtype, lane.width);
        if let (Some(vector), true, true) =
            (vector, same_guard && parts.scattered.is_empty(), parts.step == 1)
        {
            let mut values = Vec::with_capacity(lane.vectors);
            let (address, displacement) = self.guarded(operand, &parts, &ranges, fill, 0)?;
            for number in 0..lane.vectors {
                let offset = (number * lane.width * dtype.size()) as i32;
                values.push(self.load_vector(dtype, vector, lane.width, address, displacement + offset));
            }
            self.define(result, dtype, Form::Vectors(values));
            return Ok(());
        }
        let mut values = Vec::with_capacity(lane.lanes());
        for position in 0..lane.lanes() {
            let (address, displacement) = self.guarded(operand, &parts, &ranges, fill, position)?;
            values.push(self.builder.ins().load(ty, access(), address, displacement));
        }
        let form = match vector {
            Some(vector) => Form::Vectors(
                values.chunks(lane.width).map(|lanes| self.pack(dtype, vector, lanes)).collect(),
            ),
            None => Form::Lanes(values),
        };
        self.define(result, dtype, form);
        Ok(())
    }

    fn load_vector(
        &mut self,
        dtype: DType,
        ty: Type,
        width: usize,
        address: Value,
        displacement: i32,
    ) -> Value {
        if dtype == DType::Bool {
            let word = if width == 2 { types::I16 } else { types::I32 };
            let bytes = self.builder.ins().load(word, access(), address, displacement);
            let bytes = if width == 2 { self.builder.ins().uextend(types::I32, bytes) } else { bytes };
            return self.mask_from_bytes(bytes, ty, width);
        }
        self.builder.ins().load(ty, access(), address, displacement)
    }

    /// Where to read: the element, or memory that holds the guard's fill.
    fn guarded(
        &mut self,
        operand: usize,
        parts: &Parts,
        ranges: &[(Parts, i64, i64)],
        fill: f64,
        lane: usize,
    ) -> Result<(Value, i32), ClifError> {
        let condition = self.guard(ranges, lane)?;
        let (address, displacement) = self.address(operand, parts, lane)?;
        let Some(condition) = condition else { return Ok((address, displacement)) };
        let dtype = self.operand_type(operand)?;
        let Some(&slot) = self.fills.get(&(dtype, fill.to_bits())) else {
            return Err(self.malformed("a guard was not foreseen"));
        };
        let address = self.plus(address, i64::from(displacement));
        let elsewhere = self.builder.ins().stack_addr(types::I64, slot, 0);
        Ok((self.builder.ins().select(condition, address, elsewhere), 0))
    }

    fn store(&mut self, operand: usize, index: &Affine, value: Var) -> Result<(), ClifError> {
        let dtype = self.operand_type(operand)?;
        let parts = self.parts(index)?;
        let Some(lane) = self.lane else {
            let value = self.expect_uniform(value)?;
            let (address, displacement) = self.address(operand, &parts, 0)?;
            self.builder.ins().store(access(), value, address, displacement);
            return Ok(());
        };
        let fits = vector_type(dtype, lane.width).is_some();
        if fits && parts.step == 1 && parts.scattered.is_empty() {
            let vectors = self.vectors(value)?.unwrap_or_default();
            let (address, displacement) = self.address(operand, &parts, 0)?;
            for (number, vector) in vectors.into_iter().enumerate() {
                let offset = displacement + (number * lane.width * dtype.size()) as i32;
                let stored = if dtype == DType::Bool { self.mask_bytes(vector, lane.width) } else { vector };
                self.builder.ins().store(access(), stored, address, offset);
            }
            return Ok(());
        }
        let lanes = self.lanes(value)?;
        // Where all lanes write one element, the last one's value stays.
        let skipped = if parts.is_uniform() { lanes.len().saturating_sub(1) } else { 0 };
        for (position, value) in lanes.into_iter().enumerate().skip(skipped) {
            let (address, displacement) = self.address(operand, &parts, position)?;
            self.builder.ins().store(access(), value, address, displacement);
        }
        Ok(())
    }

    fn index_statement(&mut self, result: IndexVar, expr: &IndexExpr) -> Result<(), ClifError> {
        let varies = match expr {
            IndexExpr::Form(form) | IndexExpr::Quotient(form, _) | IndexExpr::Remainder(form, _) => {
                !self.parts(form)?.is_uniform()
            }
            IndexExpr::ChunkStart { form, chunk, .. } => {
                !(self.parts(form)?.is_uniform() && self.parts(chunk)?.is_uniform())
            }
            IndexExpr::Clamped(value, form) => {
                self.uniform_form(*value)?.is_none() || !self.parts(form)?.is_uniform()
            }
        };
        let form = match self.lane {
            Some(lane) if varies => {
                let values = (0..lane.lanes())
                    .map(|position| self.index_in_lane(expr, position))
                    .collect::<Result<_, _>>()?;
                IndexForm::Lanes(values)
            }
            _ => match self.known_index(expr) {
                Some(number) => IndexForm::Constant(number),
                None => IndexForm::Uniform(self.index_in_lane(expr, 0)?),
            },
        };
        self.define_index(result, form);
        Ok(())
    }

    /// An index that follows from known numbers.
    fn known_index(&self, expr: &IndexExpr) -> Option<i64> {
        match expr {
            IndexExpr::Form(form) => self.known_sum(form),
            IndexExpr::Quotient(form, divisor) => self.known_sum(form)?.checked_div(*divisor),
            IndexExpr::Remainder(form, divisor) => self.known_sum(form)?.checked_rem(*divisor),
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                self.known_sum(form)?.checked_mul(self.known_sum(chunk)?)?.checked_div(*chunks)
            }
            IndexExpr::Clamped(..) => None,
        }
    }

    fn index_in_lane(&mut self, expr: &IndexExpr, lane: usize) -> Result<Value, ClifError> {
        Ok(match expr {
            IndexExpr::Form(form) => {
                let parts = self.parts(form)?;
                self.lane_sum(&parts, lane)?
            }
            IndexExpr::Quotient(form, divisor) => {
                let parts = self.parts(form)?;
                let dividend = self.lane_sum(&parts, lane)?;
                self.divided(dividend, *divisor)
            }
            IndexExpr::Remainder(form, divisor) => {
                let parts = self.parts(form)?;
                let dividend = self.lane_sum(&parts, lane)?;
                let quotient = self.divided(dividend, *divisor);
                let whole = self.scaled(quotient, *divisor);
                self.builder.ins().isub(dividend, whole)
            }
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                let (form, chunk) = (self.parts(form)?, self.parts(chunk)?);
                let form = self.lane_sum(&form, lane)?;
                let chunk = self.lane_sum(&chunk, lane)?;
                let product = self.builder.ins().imul(form, chunk);
                self.divided(product, *chunks)
            }
            IndexExpr::Clamped(value, form) => {
                let parts = self.parts(form)?;
                let end = self.lane_sum(&parts, lane)?;
                let last = self.plus(end, -1);
                let dtype = self.scalar(*value)?.dtype;
                let number = if self.uniform_form(*value)?.is_some() {
                    self.expect_uniform(*value)?
                } else {
                    let lanes = self.lanes(*value)?;
                    *lanes.get(lane).ok_or_else(|| self.malformed("a value has too few lanes"))?
                };
                let number = match dtype {
                    DType::I64 => number,
                    DType::I32 => self.builder.ins().sextend(types::I64, number),
                    other => return Err(ClifError::UnsupportedType(other)),
                };
                let zero = self.int(0);
                let number = self.builder.ins().smin(number, last);
                self.builder.ins().smax(number, zero)
            }
        })
    }

    /// A non-negative number by a constant of at least one.
    pub(crate) fn divided(&mut self, value: Value, divisor: i64) -> Value {
        let divisor = divisor.max(1);
        if divisor.count_ones() == 1 {
            return self.builder.ins().ushr_imm_s(value, i64::from(divisor.trailing_zeros()));
        }
        if let Some((multiplier, shift)) = reciprocal(divisor) {
            let multiplier = self.int(multiplier as i64);
            let high = self.builder.ins().umulhi(value, multiplier);
            return self.builder.ins().ushr_imm_s(high, shift);
        }
        let divisor = self.int(divisor);
        self.builder.ins().udiv(value, divisor)
    }
}

/// `m` and `s` with `x / d = (x * m) >> (64 + s)` for all `x < 2^63`: with `2^l >= d`, `m` is the ceiling of
/// `2^(63 + l) / d`, whose error `m d - 2^(63 + l) < d <= 2^l` is small enough (Granlund, Montgomery,
/// "Division by Invariant Integers using Multiplication", PLDI 1994, theorem 4.2 with N = 63).
fn reciprocal(divisor: i64) -> Option<(u64, i64)> {
    let divisor = u128::try_from(divisor).ok().filter(|&divisor| divisor > 1)?;
    let log = 128 - (divisor - 1).leading_zeros();
    let multiplier = (1_u128 << (63 + log)).div_ceil(divisor);
    Some((u64::try_from(multiplier).ok()?, i64::from(log) - 1))
}
