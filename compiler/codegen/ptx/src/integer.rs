//! Operations on integers. Division by zero gives 0, `MIN / -1` gives `MIN`, and shifts by more than there are
//! bits leave what so many shifts leave: PTX clamps the distance.

use crate::PtxError;
use crate::cast::kind;
use crate::emitter::Emitter;
use crate::register::{Class, Value};
use crate::scalar::unsupported;
use dlc_kernel::{Binary, ScalarOp, Unary};
use dlc_types::DType;

impl Emitter<'_> {
    pub(crate) fn integer_unary(&mut self, op: Unary, dtype: DType, a: Value) -> Result<Value, PtxError> {
        let class = Class::of(dtype);
        let bits = 8 * dtype.size();
        Ok(match op {
            Unary::Negate => self.ins(class, &format!("neg.s{bits}"), &[a]),
            Unary::Not => self.ins(class, &format!("not.b{bits}"), &[a]),
            Unary::Abs | Unary::Relu if dtype.is_unsigned() => a,
            Unary::Sign if dtype.is_unsigned() => {
                self.ins(class, &format!("min.u{bits}"), &[a, Value::Integer(1)])
            }
            Unary::Abs => {
                let negative = self.ins(class, &format!("neg.s{bits}"), &[a]);
                self.ins(class, &format!("max.s{bits}"), &[a, negative])
            }
            Unary::Sign => {
                let low = self.ins(class, &format!("min.s{bits}"), &[a, Value::Integer(1)]);
                self.ins(class, &format!("max.s{bits}"), &[low, Value::Integer(-1)])
            }
            Unary::Relu => self.ins(class, &format!("max.s{bits}"), &[a, Value::Integer(0)]),
            Unary::Floor | Unary::Ceil | Unary::Round => a,
            _ => return Err(unsupported(&ScalarOp::Unary(op), dtype)),
        })
    }

    pub(crate) fn integer_binary(
        &mut self,
        op: Binary,
        dtype: DType,
        a: Value,
        b: Value,
    ) -> Result<Value, PtxError> {
        let (class, kind, bits) = (Class::of(dtype), kind(dtype), 8 * dtype.size());
        let name = match op {
            Binary::Add => format!("add.{kind}"),
            Binary::Subtract => format!("sub.{kind}"),
            Binary::Multiply => format!("mul.lo.{kind}"),
            Binary::Max => format!("max.{kind}"),
            Binary::Min => format!("min.{kind}"),
            Binary::And => format!("and.b{bits}"),
            Binary::Or => format!("or.b{bits}"),
            Binary::Xor => format!("xor.b{bits}"),
            Binary::Divide => return Ok(self.integer_divide(dtype, a, b)),
            Binary::Remainder => {
                // By the 1 that stands for 0 and -1, nothing is left.
                let (divisor, _) = self.safe_divisor(dtype, b);
                return Ok(self.ins(class, &format!("rem.{kind}"), &[a, divisor]));
            }
            Binary::ShiftLeft | Binary::ShiftRight => {
                let distance = if bits == 64 {
                    let clamped = self.ins(Class::Long, "min.u64", &[b, Value::Integer(64)]);
                    self.ins(Class::Word, "cvt.u32.u64", &[clamped])
                } else {
                    b
                };
                let name =
                    if op == Binary::ShiftLeft { format!("shl.b{bits}") } else { format!("shr.{kind}") };
                return Ok(self.ins(class, &name, &[a, distance]));
            }
            Binary::Power => return Ok(self.integer_power(dtype, a, b)),
        };
        Ok(self.ins(class, &name, &[a, b]))
    }

    /// The divisor, or 1 where there is no quotient, and whether it is zero.
    fn safe_divisor(&mut self, dtype: DType, b: Value) -> (Value, Value) {
        let kind = kind(dtype);
        let zero = self.ins(Class::Predicate, &format!("setp.eq.{kind}"), &[b, Value::Integer(0)]);
        let mut special = zero;
        if !dtype.is_unsigned() {
            let minus = self.ins(Class::Predicate, &format!("setp.eq.{kind}"), &[b, Value::Integer(-1)]);
            special = self.ins(Class::Predicate, "or.pred", &[zero, minus]);
        }
        let one = Value::Integer(1);
        (self.ins(Class::of(dtype), &format!("selp.{kind}"), &[one, b, special]), zero)
    }

    fn integer_divide(&mut self, dtype: DType, a: Value, b: Value) -> Value {
        let (class, kind) = (Class::of(dtype), kind(dtype));
        let (divisor, by_zero) = self.safe_divisor(dtype, b);
        let mut quotient = self.ins(class, &format!("div.{kind}"), &[a, divisor]);
        if !dtype.is_unsigned() {
            let minus = self.ins(Class::Predicate, &format!("setp.eq.{kind}"), &[b, Value::Integer(-1)]);
            let negative = self.ins(class, &format!("neg.{kind}"), &[a]);
            quotient = self.ins(class, &format!("selp.{kind}"), &[negative, quotient, minus]);
        }
        self.ins(class, &format!("selp.{kind}"), &[Value::Integer(0), quotient, by_zero])
    }
}
