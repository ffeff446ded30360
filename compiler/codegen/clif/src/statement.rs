//! Statements of a loop body other than loops and indices: operations, loads, stores.

use crate::ClifError;
use crate::address::Parts;
use crate::emitter::{Emitter, Form, scalar_type, vector_type};
use crate::scalar_op::{Typing, fits_lanes};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use dlc_kernel::{Affine, Guard, ScalarOp, Statement, Var};
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
            ScalarOp::Integer(number) if matches!(dtype, DType::I64 | DType::U64) => {
                Form::Uniform(self.int(*number))
            }
            ScalarOp::Integer(number) => Form::Constant(*number as f64),
            ScalarOp::Extent(dim) => {
                let size = self.uniform_sum(&Affine::extent(*dim))?;
                Form::Uniform(self.index_to_scalar(dtype, size)?)
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
        if let (ScalarOp::Random { stream }, &[seed, step, index]) = (op, args)
            && lane.width == 4
            && let (Some(seed), Some(step)) = (self.uniform(seed)?, self.uniform(step)?)
        {
            let index = self.lanes(index)?;
            let draws = index.chunks(4).map(|index| self.random_vector(*stream, seed, step, index)).collect();
            return Ok(Form::Vectors(draws));
        }
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
    pub(crate) fn uniform_form(&self, arg: Var) -> Result<Option<()>, ClifError> {
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
        let parts = self.parts(index)?;
        let mut ranges = Vec::new();
        let fill = guard.map_or(0.0, |guard| guard.fill);
        for (form, low, high) in guard.iter().flat_map(|guard| &guard.ranges) {
            ranges.push((self.parts(form)?, *low, *high));
        }
        let same_guard = ranges.iter().all(|(parts, _, _)| parts.is_uniform());
        let Some(lane) = self.lane.filter(|_| !(same_guard && parts.is_uniform())) else {
            let (address, displacement) = self.guarded(operand, &parts, &ranges, fill, 0)?;
            let value = self.load_element(dtype, address, displacement)?;
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
            values.push(self.load_element(dtype, address, displacement)?);
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
            self.store_element(dtype, value, address, displacement);
            return Ok(());
        };
        let fits = vector_type(dtype, lane.width).is_some();
        if fits && parts.step == 1 && parts.scattered.is_empty() {
            let vectors = self.vectors(value)?.unwrap_or_default();
            let (address, displacement) = self.address(operand, &parts, 0)?;
            for (number, vector) in vectors.into_iter().enumerate() {
                let offset = displacement + (number * lane.width * dtype.size()) as i32;
                self.store_vector(dtype, lane.width, vector, address, offset);
            }
            return Ok(());
        }
        let lanes = self.lanes(value)?;
        // Where all lanes write one element, the last one's value stays.
        let skipped = if parts.is_uniform() { lanes.len().saturating_sub(1) } else { 0 };
        for (position, value) in lanes.into_iter().enumerate().skip(skipped) {
            let (address, displacement) = self.address(operand, &parts, position)?;
            self.store_element(dtype, value, address, displacement);
        }
        Ok(())
    }
}
