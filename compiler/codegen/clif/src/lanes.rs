//! Lanes loops: iterations side by side in vectors.
//!
//! The loop becomes up to three in a row: several vectors per iteration (as many as the registers bear),
//! single vectors, single elements. Carries start from the identity of their combination in every lane of
//! every vector, which gives independent chains; vectors, then lanes, are combined by halves, then the
//! initial value is put in front, and the single elements follow one by one. The order depends on the
//! extent alone.

use crate::ClifError;
use crate::emitter::{Emitter, Form, IndexForm, LaneContext, scalar_type, vector_type};
use cranelift_codegen::ir::{Type, Value};
use dlc_kernel::{Binary, Carry, Combine, Loop, Statement};
use dlc_types::DType;
use std::collections::BTreeSet;

/// Running state: the next index and every carry's registers.
struct Phase {
    index: Value,
    /// The index, if it is known.
    known: Option<i64>,
    carried: Vec<Vec<Value>>,
}

impl<'e, 'f> Emitter<'e, 'f> {
    /// A lanes loop, if its element types and extent allow for vectors; otherwise emits nothing.
    pub(crate) fn lanes_nest(&mut self, nest: &Loop, known: Option<(i64, i64)>) -> Result<bool, ClifError> {
        let Some(width) = self.lane_width(nest) else { return Ok(false) };
        let Some(combines) = nest.carries.iter().map(|carry| carry.combine).collect::<Option<Vec<_>>>()
        else {
            return Ok(false);
        };
        let narrow = nest.carries.iter().any(|carry| vector_type(carry.dtype, width).is_none());
        if narrow || known.is_some_and(|(_, trip)| trip < width as i64) {
            return Ok(false);
        }
        let mut vectors = self.unroll(nest, width);
        if let Some((_, trip)) = known {
            while (vectors * width) as i64 > trip {
                vectors /= 2;
            }
        }
        let outer = self.open();
        self.prepare(&nest.body)?;
        self.splat_early(&nest.body, width)?;
        let start = self.uniform_sum(&nest.start)?;
        let end = self.uniform_sum(&nest.end)?;
        let end_known = known.map(|(start, trip)| start + trip);
        let mut carried = Vec::with_capacity(nest.carries.len());
        for (carry, &combine) in nest.carries.iter().zip(&combines) {
            let ty = vector_type(carry.dtype, width).ok_or(ClifError::UnsupportedType(carry.dtype))?;
            let identity = self.identity(combine, carry.dtype)?;
            carried.push(vec![self.constant_vector(carry.dtype, ty, identity); vectors]);
        }
        let mut phase = Phase { index: start, known: known.map(|(start, _)| start), carried };
        self.vector_phase(nest, width, vectors, &mut phase, (end, end_known))?;
        for (registers, (carry, &combine)) in phase.carried.iter_mut().zip(nest.carries.iter().zip(&combines))
        {
            *registers = vec![self.combine_vectors(carry, combine, width, registers)?];
        }
        if vectors > 1 {
            self.vector_phase(nest, width, 1, &mut phase, (end, end_known))?;
        }
        let mut scalars = Vec::with_capacity(nest.carries.len());
        for (registers, (carry, &combine)) in phase.carried.iter().zip(nest.carries.iter().zip(&combines)) {
            scalars.push(self.combine_lanes(carry, combine, width, registers)?);
        }
        let scalars = self.scalar_phase(nest, &phase, (end, end_known), scalars)?;
        self.close(outer);
        for (carry, value) in nest.carries.iter().zip(scalars) {
            self.define(carry.result, carry.dtype, Form::Uniform(value));
        }
        Ok(true)
    }

    /// Whole groups of vectors.
    fn vector_phase(
        &mut self,
        nest: &Loop,
        width: usize,
        vectors: usize,
        phase: &mut Phase,
        (end, end_known): (Value, Option<i64>),
    ) -> Result<(), ClifError> {
        let step = (width * vectors) as i64;
        let context = LaneContext { var: nest.var, width, vectors };
        let known = phase.known.zip(end_known).map(|(index, end)| (index, (end - index).max(0) / step));
        match known {
            Some((_, 0)) => return Ok(()),
            Some((index, 1)) => {
                let scope = self.open();
                self.define_index(nest.var, IndexForm::Constant(index));
                phase.carried = self.vector_iteration(nest, context, &phase.carried)?;
                self.close(scope);
                phase.known = Some(index + step);
                phase.index = self.int(index + step);
                return Ok(());
            }
            _ => {}
        }
        let counts: Vec<usize> = phase.carried.iter().map(Vec::len).collect();
        let mut initial: Vec<Value> = phase.carried.concat();
        initial.push(phase.index);
        let limit = self.plus(end, 1 - step);
        let results = self.counted(
            phase.index,
            limit,
            step,
            known.is_some(),
            initial,
            &mut |emitter, index, carried| {
                emitter.define_index(nest.var, IndexForm::Uniform(index));
                let carried = split(carried, &counts);
                let mut next = emitter.vector_iteration(nest, context, &carried)?.concat();
                next.push(emitter.plus(index, step));
                Ok(next)
            },
        )?;
        phase.carried = split(&results, &counts);
        phase.known = known.map(|(index, groups)| index + groups * step);
        phase.index = match (phase.known, results.last()) {
            (Some(index), _) => self.int(index),
            (None, Some(&index)) => index,
            (None, None) => return Err(self.malformed("a lanes loop lost its index")),
        };
        Ok(())
    }

    fn vector_iteration(
        &mut self,
        nest: &Loop,
        context: LaneContext,
        carried: &[Vec<Value>],
    ) -> Result<Vec<Vec<Value>>, ClifError> {
        self.lane = Some(context);
        for (carry, registers) in nest.carries.iter().zip(carried) {
            self.define(carry.current, carry.dtype, Form::Vectors(registers.clone()));
        }
        self.statements(&nest.body)?;
        let mut next = Vec::with_capacity(nest.carries.len());
        for carry in &nest.carries {
            let vectors = self.vectors(carry.next)?;
            next.push(vectors.ok_or_else(|| self.malformed("a lanes carry does not fit the lanes"))?);
        }
        self.lane = None;
        Ok(next)
    }

    fn scalar_phase(
        &mut self,
        nest: &Loop,
        phase: &Phase,
        (end, end_known): (Value, Option<i64>),
        scalars: Vec<Value>,
    ) -> Result<Vec<Value>, ClifError> {
        let known = phase.known.zip(end_known).map(|(index, end)| (end - index).max(0));
        if known == Some(0) {
            return Ok(scalars);
        }
        self.counted(phase.index, end, 1, known.is_some(), scalars, &mut |emitter, index, carried| {
            emitter.iteration(nest, index, carried)
        })
    }

    fn combined(
        &mut self,
        combine: Combine,
        dtype: DType,
        ty: Type,
        a: Value,
        b: Value,
    ) -> Result<Value, ClifError> {
        let op = match combine {
            Combine::Sum => Binary::Add,
            Combine::Product => Binary::Multiply,
            Combine::Max => Binary::Max,
            Combine::Min => Binary::Min,
        };
        self.binary(op, dtype, ty, a, b)
    }

    /// All vectors of a carry in one, by halves.
    fn combine_vectors(
        &mut self,
        carry: &Carry,
        combine: Combine,
        width: usize,
        registers: &[Value],
    ) -> Result<Value, ClifError> {
        let ty = vector_type(carry.dtype, width).ok_or(ClifError::UnsupportedType(carry.dtype))?;
        let mut values = registers.to_vec();
        while values.len() > 1 {
            let half = values.len() / 2;
            for position in 0..half {
                values[position] =
                    self.combined(combine, carry.dtype, ty, values[position], values[position + half])?;
            }
            values.truncate(half);
        }
        values.first().copied().ok_or_else(|| self.malformed("a lanes carry has no register"))
    }

    /// All lanes of a carry in one, by halves, with the initial value in front.
    fn combine_lanes(
        &mut self,
        carry: &Carry,
        combine: Combine,
        width: usize,
        registers: &[Value],
    ) -> Result<Value, ClifError> {
        let ty = scalar_type(carry.dtype)?;
        let Some(&vector) = registers.first() else {
            return Err(self.malformed("a lanes carry has no register"));
        };
        let mut lanes: Vec<Value> = (0..width).map(|lane| self.extract(carry.dtype, vector, lane)).collect();
        while lanes.len() > 1 {
            let half = lanes.len() / 2;
            for position in 0..half {
                lanes[position] =
                    self.combined(combine, carry.dtype, ty, lanes[position], lanes[position + half])?;
            }
            lanes.truncate(half);
        }
        let initial = self.expect_uniform(carry.initial)?;
        self.combined(combine, carry.dtype, ty, initial, lanes[0])
    }

    /// How many lanes suit the loop: those of its 32-bit values, or of its 64-bit values if all are.
    fn lane_width(&self, nest: &Loop) -> Option<usize> {
        if !self.target.vectors {
            return None;
        }
        let mut sizes = BTreeSet::new();
        self.collect_sizes(&nest.body, &mut sizes);
        sizes.extend(nest.carries.iter().map(|carry| carry.dtype.computed_in().size()));
        sizes.remove(&1);
        match sizes.first() {
            Some(8) => Some(2),
            Some(4) | None => Some(4),
            _ => None,
        }
    }

    fn collect_sizes(&self, body: &[Statement], sizes: &mut BTreeSet<usize>) {
        for statement in body {
            match statement {
                Statement::Let { dtype, .. } => {
                    sizes.insert(dtype.computed_in().size());
                }
                Statement::Load { operand, .. } => {
                    let operand = self.kernel.operands.get(*operand);
                    sizes.extend(operand.map(|operand| operand.dtype.computed_in().size()));
                }
                Statement::For(inner) => self.collect_sizes(&inner.body, sizes),
                Statement::Store { .. } | Statement::Index { .. } => {}
            }
        }
    }
}

/// Registers by carry.
fn split(registers: &[Value], counts: &[usize]) -> Vec<Vec<Value>> {
    let mut rest = registers;
    let mut groups = Vec::with_capacity(counts.len());
    for &count in counts {
        let (mine, others) = rest.split_at(count.min(rest.len()));
        groups.push(mine.to_vec());
        rest = others;
    }
    groups
}
