//! Index arithmetic, in 32 bits where every index of the kernel fits ([`crate::ranges`]), else in 64.

use crate::PtxError;
use crate::cast::kind;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use dlc_kernel::{Affine, IndexExpr, IndexVar};
use dlc_types::DType;

impl Emitter<'_> {
    pub(crate) fn index_class(&self) -> Class {
        if self.wide { Class::Long } else { Class::Word }
    }

    /// An instruction on indices: `name` with the type behind it.
    pub(crate) fn index_ins(&mut self, name: &str, args: &[Value]) -> Value {
        let name = format!("{name}{}", if self.wide { 64 } else { 32 });
        self.ins(self.index_class(), &name, args)
    }

    /// A comparison of indices.
    pub(crate) fn index_test(&mut self, name: &str, a: Value, b: Value) -> Value {
        let name = format!("setp.{name}{}", if self.wide { 64 } else { 32 });
        self.ins(Class::Predicate, &name, &[a, b])
    }

    /// `a + b`
    pub(crate) fn index_sum(&mut self, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_add(b)),
            (Value::Integer(0), other) | (other, Value::Integer(0)) => other,
            (Value::Integer(_), _) => self.index_ins("add.s", &[b, a]),
            _ => self.index_ins("add.s", &[a, b]),
        }
    }

    /// `a - b`
    pub(crate) fn index_difference(&mut self, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_sub(b)),
            (_, Value::Integer(0)) => a,
            _ => self.index_ins("sub.s", &[a, b]),
        }
    }

    /// `a * b`
    pub(crate) fn index_product(&mut self, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_mul(b)),
            (Value::Integer(0), _) | (_, Value::Integer(0)) => Value::Integer(0),
            (Value::Integer(1), other) | (other, Value::Integer(1)) => other,
            (Value::Integer(_), _) => self.index_ins("mul.lo.s", &[b, a]),
            _ => self.index_ins("mul.lo.s", &[a, b]),
        }
    }

    /// `a * factor + b`
    pub(crate) fn index_mad(&mut self, a: Value, factor: i64, b: Value) -> Value {
        match (a, b) {
            (Value::Register(..), Value::Register(..)) if factor != 0 && factor != 1 => {
                self.index_ins("mad.lo.s", &[a, Value::Integer(factor), b])
            }
            _ => {
                let product = self.index_product(a, Value::Integer(factor));
                self.index_sum(product, b)
            }
        }
    }

    /// A non-negative number by one of at least 1.
    pub(crate) fn index_quotient(&mut self, a: Value, b: Value) -> Value {
        match (a, b) {
            (Value::Integer(a), Value::Integer(b)) => Value::Integer(a / b.max(1)),
            (_, Value::Integer(1)) => a,
            (_, Value::Integer(b)) if b > 0 && b.count_ones() == 1 => {
                self.index_ins("shr.u", &[a, Value::Integer(i64::from(b.trailing_zeros()))])
            }
            _ => self.index_ins("div.u", &[a, b]),
        }
    }

    /// The remainder of a division with this quotient.
    pub(crate) fn index_remainder(&mut self, a: Value, b: Value, quotient: Value) -> Value {
        let whole = self.index_product(quotient, b);
        self.index_difference(a, whole)
    }

    /// The value of a form.
    pub(crate) fn form(&mut self, form: &Affine) -> Result<Value, PtxError> {
        let (moving, constant) = self.form_parts(form)?;
        Ok(self.index_sum(moving, Value::Integer(constant)))
    }

    /// The value of a form without its constant part, and that.
    pub(crate) fn form_parts(&mut self, form: &Affine) -> Result<(Value, i64), PtxError> {
        let mut constant = form.constant;
        let mut sum = Value::Integer(0);
        if form.batch != 0 {
            sum = self.index_product(self.batch, Value::Integer(form.batch));
        }
        for &(var, coefficient) in &form.terms {
            match self.index(var)? {
                Value::Integer(number) => constant = constant.wrapping_add(number.wrapping_mul(coefficient)),
                value => sum = self.index_mad(value, coefficient, sum),
            }
        }
        if let Value::Integer(number) = sum {
            constant = constant.wrapping_add(number);
            sum = Value::Integer(0);
        }
        Ok((sum, constant))
    }

    /// An index as a scalar of the type.
    pub(crate) fn index_to_scalar(&mut self, dtype: DType, index: Value) -> Result<Value, PtxError> {
        if dtype.is_narrow() {
            return Err(PtxError::UnsupportedType(dtype));
        }
        if let Value::Integer(number) = index {
            return Ok(self.number(dtype, number as f64)).map(|value| match value {
                Value::Integer(_) if dtype.size() == 8 => Value::Integer(number),
                other => other,
            });
        }
        let from = if self.wide { DType::I64 } else { DType::I32 };
        Ok(self.cast(from, dtype, index))
    }

    /// An index that a body computes.
    pub(crate) fn index_statement(&mut self, result: IndexVar, expr: &IndexExpr) -> Result<(), PtxError> {
        let value = match expr {
            IndexExpr::Form(form) => self.form(form)?,
            IndexExpr::Quotient(form, divisor) => {
                let dividend = self.form(form)?;
                self.index_quotient(dividend, Value::Integer(*divisor))
            }
            IndexExpr::Remainder(form, divisor) => {
                let dividend = self.form(form)?;
                let quotient = self.index_quotient(dividend, Value::Integer(*divisor));
                self.index_remainder(dividend, Value::Integer(*divisor), quotient)
            }
            IndexExpr::ChunkStart { form, chunk, chunks } => {
                let (form, chunk) = (self.form(form)?, self.form(chunk)?);
                let product = self.index_product(form, chunk);
                self.index_quotient(product, Value::Integer(*chunks))
            }
            IndexExpr::Clamped(value, form) => {
                let end = self.form(form)?;
                let last = self.index_sum(end, Value::Integer(-1));
                let (dtype, number) = self.var(*value)?;
                self.clamped(dtype, number, last)
            }
        };
        self.define_index(result, value);
        Ok(())
    }

    /// A value brought into `0..=last`, compared in its own type or the index's, whichever is wider.
    fn clamped(&mut self, dtype: DType, number: Value, last: Value) -> Value {
        let compared = if self.wide { DType::I64 } else { dtype };
        let number = self.cast(dtype, compared, number);
        let index = if self.wide { DType::I64 } else { DType::I32 };
        let last = if last.known().is_some() { last } else { self.cast(index, compared, last) };
        let class = Class::of(compared);
        let low = self.ins(class, &format!("min.{}", kind(compared)), &[number, last]);
        let clamped = self.ins(class, &format!("max.{}", kind(compared)), &[low, Value::Integer(0)]);
        self.cast(compared, index, clamped)
    }
}
