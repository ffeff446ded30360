//! The operations of the kernel IR on registers; those of integers alone stand in `integer`, conversions in
//! `cast`.

use crate::PtxError;
use crate::cast::kind;
use crate::emitter::Emitter;
use crate::float::Float;
use crate::register::{Class, Value};
use dlc_kernel::approximation::{self, Arithmetic, Condition};
use dlc_kernel::{Affine, Binary, Comparison, ScalarOp, Unary, Var};
use dlc_types::DType;

pub(crate) fn unsupported(op: &ScalarOp, dtype: DType) -> PtxError {
    PtxError::UnsupportedOp { op: op.name().to_owned(), dtype }
}

impl Emitter<'_> {
    /// A scalar operation of a body.
    pub(crate) fn compute(
        &mut self,
        result: Var,
        dtype: DType,
        op: &ScalarOp,
        args: &[Var],
    ) -> Result<(), PtxError> {
        let mut values = Vec::with_capacity(args.len());
        let mut from = dtype;
        for &arg in args {
            let (of_type, value) = self.var(arg)?;
            from = of_type;
            values.push(value);
        }
        let value = match op {
            ScalarOp::Constant(number) => self.number(dtype, *number),
            ScalarOp::Integer(number) if dtype.size() == 8 && dtype.is_integer() => Value::Integer(*number),
            ScalarOp::Integer(number) => self.number(dtype, *number as f64),
            ScalarOp::Extent(dim) => {
                let size = self.form(&Affine::extent(*dim))?;
                self.index_to_scalar(dtype, size)?
            }
            ScalarOp::Index(index) => {
                let index = self.index(*index)?;
                self.index_to_scalar(dtype, index)?
            }
            _ => self.operate(op, dtype, from, &values)?,
        };
        self.define(result, dtype, value);
        Ok(())
    }

    fn operate(
        &mut self,
        op: &ScalarOp,
        dtype: DType,
        from: DType,
        args: &[Value],
    ) -> Result<Value, PtxError> {
        let narrow = dtype.is_narrow() || from.is_narrow();
        if narrow && !matches!(op, ScalarOp::Select | ScalarOp::Cast | ScalarOp::Bitcast) {
            return Err(unsupported(op, from));
        }
        match (op, args) {
            (ScalarOp::Unary(unary), &[a]) => self.unary(*unary, dtype, a),
            (ScalarOp::Binary(binary), &[a, b]) => self.binary(*binary, dtype, a, b),
            (ScalarOp::FusedMultiplyAdd, &[a, b, c]) if dtype.is_float() => {
                Ok(self.float(dtype == DType::F64).mul_add(a, b, c))
            }
            (ScalarOp::Compare(comparison), &[a, b]) => Ok(self.compare(*comparison, from, a, b)),
            (ScalarOp::Select, &[condition, a, b]) => Ok(self.select(dtype, condition, a, b)),
            (ScalarOp::Cast, &[a]) => Ok(self.cast(from, dtype, a)),
            (ScalarOp::Bitcast, &[a]) => self.bitcast(from, dtype, a),
            (ScalarOp::Random { stream }, &[seed, step, index]) => {
                Ok(self.random(*stream, seed, step, index))
            }
            _ => Err(unsupported(op, dtype)),
        }
    }

    /// `a` where the condition holds, else `b`.
    pub(crate) fn select(&mut self, dtype: DType, condition: Value, a: Value, b: Value) -> Value {
        if dtype == DType::Bool {
            let taken = self.ins(Class::Predicate, "and.pred", &[condition, a]);
            let not = self.ins(Class::Predicate, "not.pred", &[condition]);
            let other = self.ins(Class::Predicate, "and.pred", &[not, b]);
            return self.ins(Class::Predicate, "or.pred", &[taken, other]);
        }
        self.ins(Class::of(dtype), &format!("selp.{}", kind(dtype.computed_in())), &[a, b, condition])
    }

    fn compare(&mut self, comparison: Comparison, from: DType, a: Value, b: Value) -> Value {
        if from == DType::Bool {
            let [a, b] = [a, b].map(|value| self.cast(DType::Bool, DType::I32, value));
            return self.compare(comparison, DType::I32, a, b);
        }
        let name = match comparison {
            Comparison::Equal => "eq",
            Comparison::NotEqual if from.is_float() => "neu",
            Comparison::NotEqual => "ne",
            Comparison::Less => "lt",
            Comparison::LessEqual => "le",
            Comparison::Greater => "gt",
            Comparison::GreaterEqual => "ge",
        };
        self.ins(Class::Predicate, &format!("setp.{name}.{}", kind(from)), &[a, b])
    }

    fn unary(&mut self, op: Unary, dtype: DType, a: Value) -> Result<Value, PtxError> {
        if dtype == DType::Bool {
            return match op {
                Unary::Not => Ok(self.ins(Class::Predicate, "not.pred", &[a])),
                _ => Err(unsupported(&ScalarOp::Unary(op), dtype)),
            };
        }
        if !dtype.is_float() {
            return self.integer_unary(op, dtype, a);
        }
        let mut float = self.float(dtype == DType::F64);
        Ok(match op {
            Unary::Negate => float.neg(a),
            Unary::Abs => float.abs(a),
            Unary::Sign => sign(&mut float, a),
            Unary::Exp => approximation::exp(&mut float, a),
            Unary::Log => approximation::log(&mut float, a),
            Unary::LogOnePlus => approximation::log_one_plus(&mut float, a),
            Unary::Sqrt => float.sqrt(a),
            Unary::ReciprocalSqrt => {
                let root = float.sqrt(a);
                let one = float.constant(1.0);
                float.div(one, root)
            }
            Unary::Tanh => approximation::tanh(&mut float, a),
            Unary::Sigmoid => approximation::sigmoid(&mut float, a),
            Unary::Erf => approximation::erf(&mut float, a),
            Unary::Relu => float.relu(a),
            Unary::Floor => float.floor(a),
            Unary::Ceil => float.rounded("rpi", a),
            Unary::Round => float.rounded("rni", a),
            Unary::Cos => approximation::cos(&mut float, a),
            Unary::Sin => approximation::sin(&mut float, a),
            Unary::Not => return Err(unsupported(&ScalarOp::Unary(op), dtype)),
        })
    }

    /// A binary operation.
    pub(crate) fn binary(&mut self, op: Binary, dtype: DType, a: Value, b: Value) -> Result<Value, PtxError> {
        if dtype == DType::Bool {
            let name = match op {
                Binary::And | Binary::Min | Binary::Multiply => "and.pred",
                Binary::Or | Binary::Max | Binary::Add => "or.pred",
                Binary::Xor => "xor.pred",
                _ => return Err(unsupported(&ScalarOp::Binary(op), dtype)),
            };
            return Ok(self.ins(Class::Predicate, name, &[a, b]));
        }
        if !dtype.is_float() {
            return self.integer_binary(op, dtype, a, b);
        }
        let mut float = self.float(dtype == DType::F64);
        Ok(match op {
            Binary::Add => float.add(a, b),
            Binary::Subtract => float.sub(a, b),
            Binary::Multiply => float.mul(a, b),
            Binary::Divide => float.div(a, b),
            Binary::Max => float.maximum(a, b),
            Binary::Min => float.minimum(a, b),
            Binary::Power => approximation::power(&mut float, a, b),
            Binary::Remainder => return Ok(self.float_remainder(dtype, a, b)),
            Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => {
                return Err(unsupported(&ScalarOp::Binary(op), dtype));
            }
        })
    }
}

fn sign(float: &mut Float<'_, '_>, a: Value) -> Value {
    let [zero, one, minus_one] = [0.0, 1.0, -1.0].map(|number| float.constant(number));
    let positive = float.holds(Condition::Greater, a, zero);
    let negative = float.holds(Condition::Less, a, zero);
    let result = float.select(negative, minus_one, a);
    float.select(positive, one, result)
}
