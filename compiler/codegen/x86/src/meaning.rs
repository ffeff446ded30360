//! What the operations of the kernel IR mean in steps on lanes of 32 bits; conditions are all bits or none.

use crate::Level;
use crate::formula::{EQUAL, Formula, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, NOT_EQUAL};
use crate::loops::Stop;
use crate::primitives::{One, Primitive, Two};
use dlc_kernel::{Binary, Comparison, ScalarOp, Unary, Var};
use dlc_types::{DType, Dim};

/// The predicate of a comparison of floats.
fn predicate(comparison: Comparison) -> u32 {
    match comparison {
        Comparison::Equal => EQUAL,
        Comparison::NotEqual => NOT_EQUAL,
        Comparison::Less => LESS,
        Comparison::LessEqual => LESS_EQUAL,
        Comparison::Greater => GREATER,
        Comparison::GreaterEqual => GREATER_EQUAL,
    }
}

impl Formula<'_> {
    /// An operation of the kernel IR.
    pub(crate) fn operation(
        &mut self,
        op: ScalarOp,
        dtype: DType,
        from: DType,
        args: &[Var],
    ) -> Result<Var, Stop> {
        match (op, args) {
            (ScalarOp::Constant(number), []) => self.constant(dtype, number),
            (ScalarOp::Integer(number), []) => self.constant(dtype, number as f64),
            (ScalarOp::Extent(Dim::Fixed(extent)), []) => self.constant(dtype, extent as f64),
            (ScalarOp::Compare(comparison), &[a, b]) => match from {
                DType::F32 => Ok(self.compare(predicate(comparison), a, b)),
                DType::I32 => Ok(self.compare_integers(comparison, a, b)),
                // True is -1.
                DType::Bool => Ok(self.compare_integers(comparison, b, a)),
                _ => Err(Stop::Unsupported),
            },
            (ScalarOp::Select, &[condition, a, b]) => match dtype {
                DType::F32 | DType::I32 | DType::Bool | DType::I8 | DType::U8 | DType::I16 => {
                    Ok(self.select(condition, a, b))
                }
                _ => Err(Stop::Unsupported),
            },
            (ScalarOp::Cast, &[a]) => self.cast(from, dtype, a),
            (ScalarOp::FusedMultiplyAdd, &[a, b, c]) if dtype == DType::F32 => Ok(self.mul_add(a, b, c)),
            (ScalarOp::Unary(op), &[a]) => match dtype {
                DType::F32 => self.float_unary(op, a),
                DType::I32 => self.integer_unary(op, a),
                DType::Bool if op == Unary::Not => Ok(self.not(a)),
                _ => Err(Stop::Unsupported),
            },
            (ScalarOp::Binary(op), &[a, b]) => match dtype {
                DType::F32 => self.float_binary(op, a, b),
                DType::I32 => self.integer_binary(op, a, b),
                DType::Bool => self.bool_binary(op, a, b),
                _ => Err(Stop::Unsupported),
            },
            _ => Err(Stop::Unsupported),
        }
    }

    fn constant(&mut self, dtype: DType, number: f64) -> Result<Var, Stop> {
        Ok(match dtype {
            DType::F32 => self.number(number),
            DType::I32 | DType::I8 | DType::U8 | DType::I16 => self.bits(number as i32 as u32),
            DType::Bool => self.bits(if number != 0.0 { u32::MAX } else { 0 }),
            _ => return Err(Stop::Unsupported),
        })
    }

    fn not(&mut self, a: Var) -> Var {
        let all = self.bits(u32::MAX);
        self.two(Two::Xor, a, all)
    }

    fn compare_integers(&mut self, comparison: Comparison, a: Var, b: Var) -> Var {
        if self.level == Level::Avx512 {
            let predicate = match comparison {
                Comparison::Equal => 0,
                Comparison::Less => 1,
                Comparison::LessEqual => 2,
                Comparison::NotEqual => 4,
                Comparison::GreaterEqual => 5,
                Comparison::Greater => 6,
            };
            return self.step(Primitive::CompareIntegers(predicate), &[a, b]);
        }
        let (predicate, a, b, negated) = match comparison {
            Comparison::Equal => (0, a, b, false),
            Comparison::NotEqual => (0, a, b, true),
            Comparison::Greater => (6, a, b, false),
            Comparison::LessEqual => (6, a, b, true),
            Comparison::Less => (6, b, a, false),
            Comparison::GreaterEqual => (6, b, a, true),
        };
        let condition = self.step(Primitive::CompareIntegers(predicate), &[a, b]);
        if negated { self.not(condition) } else { condition }
    }

    fn cast(&mut self, from: DType, to: DType, a: Var) -> Result<Var, Stop> {
        Ok(match (from, to) {
            _ if from == to => a,
            (DType::F32, DType::I8 | DType::U8 | DType::I16) => {
                // Between its ends every number has an integer; NaN, which stays, has one whose lowest bits are zeros.
                let (least, greatest) = to.integer_range();
                let most = self.at_most(a, greatest as f64);
                let within = self.at_least(most, least as f64);
                let number = self.one(One::ToInteger, within);
                self.lowest(to, number)
            }
            (DType::I32 | DType::I8 | DType::U8 | DType::I16, DType::I8 | DType::U8 | DType::I16) => {
                let ((least, greatest), (from, to_greatest)) = (to.integer_range(), from.integer_range());
                if least <= from && to_greatest <= greatest { a } else { self.lowest(to, a) }
            }
            (DType::I8 | DType::U8 | DType::I16, DType::I32) => a,
            (DType::I32 | DType::I8 | DType::U8 | DType::I16, DType::F32) => self.one(One::ToFloat, a),
            (DType::F32, DType::I32) => self.truncated(a),
            (DType::Bool, DType::F32) => {
                let one = self.number(1.0);
                self.two(Two::And, a, one)
            }
            (DType::Bool, DType::I32) => {
                let one = self.bits(1);
                self.two(Two::And, a, one)
            }
            (DType::F32, DType::Bool) => {
                let zero = self.number(0.0);
                self.compare(NOT_EQUAL, a, zero)
            }
            (DType::I32, DType::Bool) => {
                let zero = self.bits(0);
                self.compare_integers(Comparison::NotEqual, a, zero)
            }
            _ => return Err(Stop::Unsupported),
        })
    }

    /// The number that the lowest bits of an integer are in a narrow type.
    fn lowest(&mut self, to: DType, a: Var) -> Var {
        let spare = 32 - 8 * to.size() as u32;
        if to.is_unsigned() {
            let bits = self.bits(u32::MAX >> spare);
            return self.two(Two::And, a, bits);
        }
        let upper = self.one(One::ShiftLeft(spare), a);
        self.one(One::ShiftRightSigned(spare), upper)
    }

    fn float_unary(&mut self, op: Unary, a: Var) -> Result<Var, Stop> {
        Ok(match op {
            Unary::Negate => self.negate(a),
            Unary::Abs => self.abs(a),
            Unary::Sign => self.sign(a),
            Unary::Exp => self.exp(a),
            Unary::Log => self.log(a),
            Unary::LogOnePlus => self.log_one_plus(a),
            Unary::Sqrt => self.one(One::SquareRoot, a),
            Unary::ReciprocalSqrt => {
                let root = self.one(One::SquareRoot, a);
                let one = self.number(1.0);
                self.div(one, root)
            }
            Unary::Tanh => self.tanh(a),
            Unary::Sigmoid => self.sigmoid(a),
            Unary::Erf => self.erf(a),
            Unary::Relu => {
                let zero = self.number(0.0);
                self.two(Two::Max, zero, a)
            }
            Unary::Round => self.one(One::Round(8), a),
            Unary::Floor => self.one(One::Round(9), a),
            Unary::Ceil => self.one(One::Round(10), a),
            Unary::Cos => self.shifted_sine(a, 1),
            Unary::Sin => self.shifted_sine(a, 0),
            Unary::Not => return Err(Stop::Unsupported),
        })
    }

    fn float_binary(&mut self, op: Binary, a: Var, b: Var) -> Result<Var, Stop> {
        Ok(match op {
            Binary::Add => self.add(a, b),
            Binary::Subtract => self.sub(a, b),
            Binary::Multiply => self.mul(a, b),
            Binary::Divide => self.div(a, b),
            Binary::Max => self.extreme(Two::Max, a, b),
            Binary::Min => self.extreme(Two::Min, a, b),
            _ => return Err(Stop::Unsupported),
        })
    }

    fn integer_unary(&mut self, op: Unary, a: Var) -> Result<Var, Stop> {
        let zero = self.bits(0);
        Ok(match op {
            Unary::Negate => self.two(Two::SubtractIntegers, zero, a),
            Unary::Abs => {
                let negative = self.two(Two::SubtractIntegers, zero, a);
                self.two(Two::MaxIntegers, a, negative)
            }
            Unary::Sign => {
                let one = self.bits(1);
                let low = self.two(Two::MinIntegers, a, one);
                let minus_one = self.bits(u32::MAX);
                self.two(Two::MaxIntegers, low, minus_one)
            }
            Unary::Relu => self.two(Two::MaxIntegers, a, zero),
            Unary::Floor | Unary::Ceil | Unary::Round => a,
            _ => return Err(Stop::Unsupported),
        })
    }

    fn integer_binary(&mut self, op: Binary, a: Var, b: Var) -> Result<Var, Stop> {
        let op = match op {
            Binary::Add => Two::AddIntegers,
            Binary::Subtract => Two::SubtractIntegers,
            Binary::Multiply => Two::MultiplyIntegers,
            Binary::Max => Two::MaxIntegers,
            Binary::Min => Two::MinIntegers,
            _ => return Err(Stop::Unsupported),
        };
        Ok(self.two(op, a, b))
    }

    fn bool_binary(&mut self, op: Binary, a: Var, b: Var) -> Result<Var, Stop> {
        let op = match op {
            Binary::And | Binary::Min | Binary::Multiply => Two::And,
            Binary::Or | Binary::Max | Binary::Add => Two::Or,
            Binary::Xor => Two::Xor,
            _ => return Err(Stop::Unsupported),
        };
        Ok(self.two(op, a, b))
    }
}
