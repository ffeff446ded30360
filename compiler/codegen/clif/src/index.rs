//! Index statements, and indices as scalars.

use crate::ClifError;
use crate::address::Parts;
use crate::emitter::{Emitter, Form, IndexForm, scalar_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use dlc_kernel::{Affine, IndexExpr, IndexVar};
use dlc_types::DType;

impl Emitter<'_, '_> {
    pub(crate) fn index_to_scalar(&mut self, dtype: DType, index: Value) -> Result<Value, ClifError> {
        let ty = scalar_type(dtype)?;
        Ok(match dtype {
            _ if dtype.is_narrow() => return Err(ClifError::UnsupportedType(dtype)),
            DType::I64 | DType::U64 => index,
            DType::I32 | DType::U32 => self.builder.ins().ireduce(ty, index),
            DType::Bool => self.builder.ins().icmp_imm_s(IntCC::NotEqual, index, 0),
            _ => self.builder.ins().fcvt_from_sint(ty, index),
        })
    }

    pub(crate) fn index_as_scalar(&mut self, dtype: DType, index: IndexVar) -> Result<Form, ClifError> {
        let parts = self.parts(&Affine::var(index))?;
        if parts.is_uniform() {
            let value = self.first_lane(&parts)?;
            return Ok(Form::Uniform(self.index_to_scalar(dtype, value)?));
        }
        let Some(lane) = self.lane else { return Err(self.malformed("an index varies outside of lanes")) };
        if parts.scattered.is_empty()
            && lane.width == 4
            && matches!(dtype, DType::F32 | DType::I32 | DType::U32)
        {
            return self.counting_vectors(dtype, &parts, lane.vectors);
        }
        let mut lanes = Vec::with_capacity(lane.lanes());
        for position in 0..lane.lanes() {
            let value = self.lane_sum(&parts, position)?;
            lanes.push(self.index_to_scalar(dtype, value)?);
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

    pub(crate) fn index_statement(&mut self, result: IndexVar, expr: &IndexExpr) -> Result<(), ClifError> {
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
