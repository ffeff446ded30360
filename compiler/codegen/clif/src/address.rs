//! Index sums, addresses and guards.
//!
//! A sum's terms are added in the order in which their variables were defined, outermost first, and every
//! partial sum is kept for the rest of its scope: the part of an address that a loop does not change is
//! computed in front of the loop ([`Emitter::prepare_access`]), and accesses that differ by a constant
//! share one address with different displacements.

use crate::ClifError;
use crate::emitter::{Emitter, IndexForm, Known};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use dlc_kernel::{Affine, Guard, IndexVar};

/// An index sum, taken apart by how it varies.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// Constant part, with known indices folded in.
    pub(crate) constant: i64,
    /// Coefficient of the batch.
    pub(crate) batch: i64,
    /// Terms with one value for all lanes (the lane variable by its first lane), outermost first.
    pub(crate) uniform: Vec<(IndexVar, i64)>,
    /// Terms with a value per lane.
    pub(crate) scattered: Vec<(IndexVar, i64)>,
    /// Coefficient of the lane variable.
    pub(crate) step: i64,
}

impl Parts {
    /// Whether all lanes have the same sum.
    pub(crate) fn is_uniform(&self) -> bool {
        self.step == 0 && self.scattered.is_empty()
    }
}

impl<'f> Emitter<'_, 'f> {
    /// Takes a sum apart.
    pub(crate) fn parts(&self, form: &Affine) -> Result<Parts, ClifError> {
        let mut parts = Parts {
            constant: form.constant,
            batch: form.batch,
            uniform: Vec::new(),
            scattered: Vec::new(),
            step: self.lane.map_or(0, |lane| form.coefficient(lane.var)),
        };
        for &(var, coefficient) in &form.terms {
            match self.index(var)? {
                IndexForm::Constant(number) => {
                    parts.constant = parts.constant.wrapping_add(number.wrapping_mul(coefficient))
                }
                IndexForm::Uniform(_) => parts.uniform.push((var, coefficient)),
                IndexForm::Lanes(_) => parts.scattered.push((var, coefficient)),
            }
        }
        parts.uniform.sort_by_key(|&(var, _)| self.index_depth(var));
        Ok(parts)
    }

    /// The pointer of an operand, or nothing, plus `batch * n` and terms in units of `unit`.
    fn sum(
        &mut self,
        base: Option<usize>,
        batch: i64,
        terms: &[(IndexVar, i64)],
    ) -> Result<Option<Value>, ClifError> {
        let Some((&(var, coefficient), rest)) = terms.split_last() else {
            let pointer = match base {
                None => None,
                Some(operand) => Some(
                    *self
                        .pointers
                        .get(operand)
                        .ok_or_else(|| self.malformed(format!("there is no operand {operand}")))?,
                ),
            };
            if batch == 0 {
                return Ok(pointer);
            }
            let key = Known::Sum { base, batch, terms: Vec::new() };
            if let Some(value) = self.recall(&key) {
                return Ok(Some(value));
            }
            let n = self.batch;
            let scaled = self.scaled(n, batch);
            let value = match pointer {
                Some(pointer) => self.builder.ins().iadd(pointer, scaled),
                None => scaled,
            };
            self.remember(key, value);
            return Ok(Some(value));
        };
        let key = Known::Sum { base, batch, terms: terms.to_vec() };
        if let Some(value) = self.recall(&key) {
            return Ok(Some(value));
        }
        let prefix = self.sum(base, batch, rest)?;
        let IndexForm::Uniform(index) = *self.index(var)? else {
            return Err(self.malformed(format!("{var} varies by lane where it must not")));
        };
        let term = self.scaled(index, coefficient);
        let value = match prefix {
            Some(prefix) => self.builder.ins().iadd(prefix, term),
            None => term,
        };
        self.remember(key, value);
        Ok(Some(value))
    }

    /// `value * factor`, by a shift where that does.
    pub(crate) fn scaled(&mut self, value: Value, factor: i64) -> Value {
        if factor == 1 {
            value
        } else if factor > 0 && factor.count_ones() == 1 {
            self.builder.ins().ishl_imm_s(value, i64::from(factor.trailing_zeros()))
        } else {
            self.builder.ins().imul_imm_s(value, factor)
        }
    }

    /// `value + number`
    pub(crate) fn plus(&mut self, value: Value, number: i64) -> Value {
        if number == 0 { value } else { self.builder.ins().iadd_imm_s(value, number) }
    }

    /// The value of a sum that all lanes share, or of its first lane.
    pub(crate) fn first_lane(&mut self, parts: &Parts) -> Result<Value, ClifError> {
        Ok(match self.sum(None, parts.batch, &parts.uniform)? {
            Some(value) => self.plus(value, parts.constant),
            None => self.int(parts.constant),
        })
    }

    /// The value of a sum that all lanes share.
    pub(crate) fn uniform_sum(&mut self, form: &Affine) -> Result<Value, ClifError> {
        let parts = self.parts(form)?;
        if !parts.is_uniform() {
            return Err(self.malformed("a loop bound varies by lane"));
        }
        self.first_lane(&parts)
    }

    /// The value of a sum, if it is known now.
    pub(crate) fn known_sum(&self, form: &Affine) -> Option<i64> {
        let parts = self.parts(form).ok()?;
        (parts.is_uniform() && parts.batch == 0 && parts.uniform.is_empty()).then_some(parts.constant)
    }

    /// A sum in one lane.
    pub(crate) fn lane_sum(&mut self, parts: &Parts, lane: usize) -> Result<Value, ClifError> {
        let first = self.first_lane(parts)?;
        let mut value = self.plus(first, parts.step.wrapping_mul(lane as i64));
        for &(var, coefficient) in &parts.scattered {
            let IndexForm::Lanes(lanes) = self.index(var)? else { continue };
            let Some(&index) = lanes.get(lane) else {
                return Err(self.malformed("an index has too few lanes"));
            };
            let term = self.scaled(index, coefficient);
            value = self.builder.ins().iadd(value, term);
        }
        Ok(value)
    }

    /// Address and displacement of an operand's element, in one lane.
    pub(crate) fn address(
        &mut self,
        operand: usize,
        parts: &Parts,
        lane: usize,
    ) -> Result<(Value, i32), ClifError> {
        let size = self.element_size(operand)?;
        let terms: Vec<_> =
            parts.uniform.iter().map(|&(var, coefficient)| (var, coefficient.wrapping_mul(size))).collect();
        let pointer = self.sum(Some(operand), parts.batch.wrapping_mul(size), &terms)?;
        let mut address = pointer.ok_or_else(|| self.malformed("an operand has no pointer"))?;
        for &(var, coefficient) in &parts.scattered {
            let IndexForm::Lanes(lanes) = self.index(var)? else { continue };
            let Some(&index) = lanes.get(lane) else {
                return Err(self.malformed("an index has too few lanes"));
            };
            let term = self.scaled(index, coefficient.wrapping_mul(size));
            address = self.builder.ins().iadd(address, term);
        }
        let element = parts.constant.wrapping_add(parts.step.wrapping_mul(lane as i64));
        let displacement = element.wrapping_mul(size);
        Ok(match i32::try_from(displacement) {
            Ok(displacement) => (address, displacement),
            Err(_) => (self.plus(address, displacement), 0),
        })
    }

    fn element_size(&self, operand: usize) -> Result<i64, ClifError> {
        self.kernel
            .operands
            .get(operand)
            .map(|operand| operand.dtype.size() as i64)
            .ok_or_else(|| self.malformed(format!("there is no operand {operand}")))
    }

    /// Computes the part of an address whose indices are known by now.
    pub(crate) fn prepare_access(&mut self, operand: usize, form: &Affine) -> Result<(), ClifError> {
        let size = self.element_size(operand)?;
        let (terms, batch) = self.settled_terms(form, size);
        self.sum(Some(operand), batch, &terms)?;
        Ok(())
    }

    /// Computes the conditions of a guard whose indices are all known by now, and parts of the others.
    pub(crate) fn prepare_guard(&mut self, guard: &Guard) -> Result<(), ClifError> {
        for (form, low, high) in &guard.ranges {
            let settled = form.terms.iter().all(|&(var, _)| self.find_index(var).is_some());
            let (terms, batch) = self.settled_terms(form, 1);
            self.sum(None, batch, &terms)?;
            if settled {
                let parts = self.parts(form)?;
                if parts.is_uniform() {
                    self.range(&parts, *low, *high, 0)?;
                }
            }
        }
        Ok(())
    }

    /// Terms of indices that are defined now, in units of `unit`, outermost first.
    fn settled_terms(&self, form: &Affine, unit: i64) -> (Vec<(IndexVar, i64)>, i64) {
        let mut terms: Vec<_> = form
            .terms
            .iter()
            .filter(|(var, _)| matches!(self.find_index(*var), Some(IndexForm::Uniform(_))))
            .map(|&(var, coefficient)| (var, coefficient.wrapping_mul(unit)))
            .collect();
        terms.sort_by_key(|&(var, _)| self.index_depth(var));
        (terms, form.batch.wrapping_mul(unit))
    }

    /// Whether a sum is in a range, in one lane; `None` where it always is.
    pub(crate) fn range(
        &mut self,
        parts: &Parts,
        low: i64,
        high: i64,
        lane: usize,
    ) -> Result<Option<Value>, ClifError> {
        let shift = parts.constant.wrapping_add(parts.step.wrapping_mul(lane as i64));
        if high <= low {
            return Ok(Some(self.builder.ins().iconst(types::I8, 0)));
        }
        if parts.batch == 0 && parts.uniform.is_empty() && parts.scattered.is_empty() {
            let holds = (low..high).contains(&shift);
            return Ok(if holds { None } else { Some(self.builder.ins().iconst(types::I8, 0)) });
        }
        let key = Known::Range {
            batch: parts.batch,
            terms: parts.uniform.clone(),
            low: low.wrapping_sub(shift),
            high: high.wrapping_sub(shift),
        };
        if parts.scattered.is_empty()
            && let Some(value) = self.recall(&key)
        {
            return Ok(Some(value));
        }
        let value = self.lane_sum(parts, lane)?;
        let above = self.plus(value, low.wrapping_neg());
        let span = self.int(high.wrapping_sub(low));
        let holds = self.builder.ins().icmp(IntCC::UnsignedLessThan, above, span);
        if parts.scattered.is_empty() {
            self.remember(key, holds);
        }
        Ok(Some(holds))
    }

    /// The condition of a guard in one lane; `None` where it always holds.
    pub(crate) fn guard(
        &mut self,
        ranges: &[(Parts, i64, i64)],
        lane: usize,
    ) -> Result<Option<Value>, ClifError> {
        let mut all = None;
        for (parts, low, high) in ranges {
            let Some(holds) = self.range(parts, *low, *high, lane)? else { continue };
            all = Some(match all {
                None => holds,
                Some(all) => self.builder.ins().band(all, holds),
            });
        }
        Ok(all)
    }
}
