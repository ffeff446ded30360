//! Loops: counted loops with carries, small ones unrolled, and what is computed in front of them.

use crate::ClifError;
use crate::emitter::{Emitter, Form, IndexForm, Known, scalar_type, vector_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Type, Value, types};
use dlc_kernel::{Loop, ScalarOp, Statement, Var};
use dlc_types::DType;

/// A loop with at most this many iterations, and
const UNROLLED_ITERATIONS: i64 = 9;
/// a body that unrolls to at most this many statements, is unrolled.
const UNROLLED_STATEMENTS: usize = 72;
/// Invariant scalars that are repeated over a vector in front of a lanes loop, at most.
const EARLY_SPLATS: usize = 6;

/// Number of statements, nested ones included.
pub(crate) fn statement_count(statements: &[Statement]) -> usize {
    statements
        .iter()
        .map(|statement| match statement {
            Statement::For(nest) => 1 + statement_count(&nest.body),
            _ => 1,
        })
        .sum()
}

/// Values as arguments of a jump.
pub(crate) fn arguments(values: impl IntoIterator<Item = Value>) -> Vec<BlockArg> {
    values.into_iter().map(BlockArg::from).collect()
}

/// What a counted loop's body is given: the emitter, the counter, and the carried values.
pub(crate) type Body<'b, 'e, 'f> =
    &'b mut dyn FnMut(&mut Emitter<'e, 'f>, Value, &[Value]) -> Result<Vec<Value>, ClifError>;

impl<'e, 'f> Emitter<'e, 'f> {
    /// A loop of the kernel IR.
    pub(crate) fn nest(&mut self, nest: &Loop) -> Result<(), ClifError> {
        let bounds = (self.known_sum(&nest.start), self.known_sum(&nest.end));
        let known = match bounds {
            (Some(start), Some(end)) => Some((start, end.saturating_sub(start).max(0))),
            _ => None,
        };
        if nest.lanes && self.lane.is_none() && self.lanes_nest(nest, known)? {
            return Ok(());
        }
        if let Some((start, trip)) = known {
            let statements = statement_count(&nest.body).max(1);
            if trip <= UNROLLED_ITERATIONS && statements.saturating_mul(trip as usize) <= UNROLLED_STATEMENTS
            {
                return self.unrolled(nest, start, trip);
            }
        }
        self.rolled(nest, known.is_some_and(|(_, trip)| trip > 0))
    }

    fn unrolled(&mut self, nest: &Loop, start: i64, trip: i64) -> Result<(), ClifError> {
        let mut carried = Vec::with_capacity(nest.carries.len());
        for carry in &nest.carries {
            carried.push(self.scalar(carry.initial)?.form.clone());
        }
        for number in start..start + trip {
            let scope = self.open();
            self.define_index(nest.var, IndexForm::Constant(number));
            for (carry, form) in nest.carries.iter().zip(&carried) {
                self.define(carry.current, carry.dtype, form.clone());
            }
            self.statements(&nest.body)?;
            for (carry, form) in nest.carries.iter().zip(&mut carried) {
                *form = self.scalar(carry.next)?.form.clone();
            }
            self.close(scope);
        }
        for (carry, form) in nest.carries.iter().zip(carried) {
            self.define(carry.result, carry.dtype, form);
        }
        Ok(())
    }

    fn rolled(&mut self, nest: &Loop, runs: bool) -> Result<(), ClifError> {
        let start = self.uniform_sum(&nest.start)?;
        let end = self.uniform_sum(&nest.end)?;
        let outer = self.open();
        self.prepare(&nest.body)?;
        let mut initial = Vec::new();
        for carry in &nest.carries {
            initial.extend(self.registers(carry.initial)?);
        }
        let results = self.counted(start, end, 1, runs, initial, &mut |emitter, index, carried| {
            emitter.iteration(nest, index, carried)
        })?;
        self.close(outer);
        self.bind(nest.carries.iter().map(|carry| (carry.result, carry.dtype)), &results)
    }

    /// The body once, from carried registers to carried registers.
    pub(crate) fn iteration(
        &mut self,
        nest: &Loop,
        index: Value,
        carried: &[Value],
    ) -> Result<Vec<Value>, ClifError> {
        let scope = self.open();
        self.define_index(nest.var, IndexForm::Uniform(index));
        self.bind(nest.carries.iter().map(|carry| (carry.current, carry.dtype)), carried)?;
        self.statements(&nest.body)?;
        let mut next = Vec::with_capacity(carried.len());
        for carry in &nest.carries {
            next.extend(self.registers(carry.next)?);
        }
        self.close(scope);
        Ok(next)
    }

    /// A scalar in the registers that carry it round a loop.
    fn registers(&mut self, var: Var) -> Result<Vec<Value>, ClifError> {
        if self.lane.is_none() {
            return Ok(vec![self.expect_uniform(var)?]);
        }
        match self.vectors(var)? {
            Some(vectors) => Ok(vectors),
            None => self.lanes(var),
        }
    }

    /// Defines scalars from carried registers.
    fn bind(
        &mut self,
        scalars: impl Iterator<Item = (Var, DType)>,
        registers: &[Value],
    ) -> Result<(), ClifError> {
        let mut rest = registers;
        for (var, dtype) in scalars {
            let (_, count, vectors) = self.varying_type(dtype)?;
            let Some((mine, others)) = rest.split_at_checked(count) else {
                return Err(self.malformed("a loop carries too few registers"));
            };
            rest = others;
            let form = match (self.lane, mine) {
                (None, &[value]) => Form::Uniform(value),
                _ if vectors => Form::Vectors(mine.to_vec()),
                _ => Form::Lanes(mine.to_vec()),
            };
            self.define(var, dtype, form);
        }
        Ok(())
    }

    /// `for (i = start; i < end; i += step)` with carried registers. `runs` promises that it runs once.
    pub(crate) fn counted(
        &mut self,
        start: Value,
        end: Value,
        step: i64,
        runs: bool,
        initial: Vec<Value>,
        body: Body<'_, 'e, 'f>,
    ) -> Result<Vec<Value>, ClifError> {
        let head = self.builder.create_block();
        let exit = self.builder.create_block();
        let carried_types: Vec<Type> =
            initial.iter().map(|&value| self.builder.func.dfg.value_type(value)).collect();
        let index = self.builder.append_block_param(head, types::I64);
        let carried: Vec<Value> =
            carried_types.iter().map(|&ty| self.builder.append_block_param(head, ty)).collect();
        let results: Vec<Value> =
            carried_types.iter().map(|&ty| self.builder.append_block_param(exit, ty)).collect();
        let enter = arguments(std::iter::once(start).chain(initial.iter().copied()));
        if runs {
            self.builder.ins().jump(head, &enter);
        } else {
            let any = self.builder.ins().icmp(IntCC::SignedLessThan, start, end);
            self.builder.ins().brif(any, head, &enter, exit, &arguments(initial));
        }
        self.builder.switch_to_block(head);
        let scope = self.open();
        let next = body(self, index, &carried)?;
        self.close(scope);
        let following = self.builder.ins().iadd_imm_s(index, step);
        let more = self.builder.ins().icmp(IntCC::SignedLessThan, following, end);
        let again = arguments(std::iter::once(following).chain(next.iter().copied()));
        self.builder.ins().brif(more, head, &again, exit, &arguments(next));
        self.builder.switch_to_block(exit);
        Ok(results)
    }

    /// Computes in front of a loop what its body needs and the loop does not change: parts of addresses,
    /// conditions, and operations on what is known by now.
    pub(crate) fn prepare(&mut self, body: &[Statement]) -> Result<(), ClifError> {
        for statement in body {
            match statement {
                Statement::Let { result, dtype, op, args } => {
                    if !self.has_scalar(*result) && self.is_settled(op, args) {
                        self.compute(*result, *dtype, op, args)?;
                    }
                }
                Statement::Load { operand, index, guard, .. } => {
                    self.prepare_access(*operand, index)?;
                    if let Some(guard) = guard {
                        self.prepare_guard(guard)?;
                    }
                }
                Statement::Store { operand, index, .. } => self.prepare_access(*operand, index)?,
                Statement::Index { .. } => {}
                Statement::For(inner) => self.prepare(&inner.body)?,
            }
        }
        Ok(())
    }

    fn is_settled(&self, op: &ScalarOp, args: &[Var]) -> bool {
        match op {
            ScalarOp::Index(index) => self.find_index(*index).is_some(),
            _ => args.iter().all(|&arg| self.has_scalar(arg)),
        }
    }

    /// Repeats invariant scalars over vectors in front of a lanes loop.
    pub(crate) fn splat_early(&mut self, body: &[Statement], width: usize) -> Result<(), ClifError> {
        let mut splats = 0;
        for var in operands_of(body) {
            if splats == EARLY_SPLATS || !self.has_scalar(var) {
                continue;
            }
            let scalar = self.scalar(var)?.clone();
            let (Some(ty), Form::Uniform(value)) = (vector_type(scalar.dtype, width), &scalar.form) else {
                continue;
            };
            if self.recall(&Known::Splat(var)).is_none() {
                self.splat(var, scalar.dtype, ty, *value);
                splats += 1;
            }
        }
        Ok(())
    }

    /// The identity of a combination, as a number.
    pub(crate) fn identity(&self, combine: dlc_kernel::Combine, dtype: DType) -> Result<f64, ClifError> {
        use dlc_kernel::Combine;
        scalar_type(dtype)?;
        let (least, greatest) = dtype.extremes();
        Ok(match combine {
            Combine::Sum => 0.0,
            Combine::Product => 1.0,
            Combine::Max => least,
            Combine::Min => greatest,
        })
    }
}

/// Scalars that statements use as operands of operations and as stored values, in order.
fn operands_of(body: &[Statement]) -> Vec<Var> {
    let mut used = Vec::new();
    for statement in body {
        match statement {
            Statement::Let { args, .. } => used.extend(args.iter().copied()),
            Statement::Store { value, .. } => used.push(*value),
            Statement::For(inner) => used.extend(operands_of(&inner.body)),
            Statement::Load { .. } | Statement::Index { .. } => {}
        }
    }
    used
}
