//! The operations of kernel bodies on vectors: `f32` arithmetic, comparisons and choices.

use crate::arithmetic::Arithmetic;
use crate::code::Code;
use crate::constants::Constants;
use crate::loops::{Done, Stop};
use crate::points::Points;
use crate::registers::Registers;
use dlc_kernel::{Binary, Comparison, ScalarOp, Unary, Var};
use dlc_types::{DType, Dim};
use iced_x86::code_asm::registers::gpr64::rax;

/// What an operation is emitted with. `rax` may be overwritten.
pub(crate) struct Operations<'a> {
    pub(crate) code: &'a mut Code,
    pub(crate) registers: &'a mut Registers,
    pub(crate) constants: &'a mut Constants,
    pub(crate) points: &'a Points,
}

impl Operations<'_> {
    fn number(&mut self, vector: usize, number: f32) -> Done {
        let label = self.constants.label(self.code, number.to_bits());
        Ok(self.code.broadcast_constant(vector, label)?)
    }

    /// One scalar operation on all lanes.
    pub(crate) fn operation(&mut self, result: Var, dtype: DType, op: ScalarOp, args: &[Var]) -> Done {
        let mut from = Vec::with_capacity(args.len());
        for &arg in args {
            from.push(self.registers.of(arg)?);
        }
        let to = self.registers.define(result)?;
        if dtype == DType::Bool {
            let (ScalarOp::Compare(comparison), &[a, b]) = (op, from.as_slice()) else {
                return Err(Stop::Unsupported);
            };
            let predicate = match comparison {
                Comparison::Equal => 0,
                Comparison::NotEqual => 4,
                Comparison::Less => 17,
                Comparison::LessEqual => 18,
                Comparison::Greater => 30,
                Comparison::GreaterEqual => 29,
            };
            return Ok(self.code.compare(to, a, b, predicate)?);
        }
        if dtype != DType::F32 {
            return Err(Stop::Unsupported);
        }
        match (op, from.as_slice()) {
            (ScalarOp::Constant(number), []) => self.number(to, number as f32)?,
            (ScalarOp::Extent(dim), []) => match dim {
                Dim::Fixed(extent) => self.number(to, extent as f32)?,
                Dim::Batch(_) => {
                    self.points.load_extent(self.code, rax, dim)?;
                    self.code.broadcast_integer(to, rax)?;
                }
            },
            (ScalarOp::Unary(Unary::Negate), &[a]) => self.code.negate(to, a)?,
            (ScalarOp::Unary(Unary::Relu), &[a]) => {
                self.code.zero(to)?;
                self.code.arithmetic(Arithmetic::Max, to, to, a)?;
            }
            (ScalarOp::Unary(Unary::Sqrt), &[a]) => self.code.square_root(to, a)?,
            (ScalarOp::Unary(Unary::ReciprocalSqrt), &[a]) => {
                let spare = self.registers.spare()?;
                self.code.square_root(spare, a)?;
                self.number(to, 1.0)?;
                self.code.arithmetic(Arithmetic::Divide, to, to, spare)?;
            }
            (ScalarOp::Binary(op), &[a, b]) => {
                let op = match op {
                    Binary::Add => Arithmetic::Add,
                    Binary::Subtract => Arithmetic::Subtract,
                    Binary::Multiply => Arithmetic::Multiply,
                    Binary::Divide => Arithmetic::Divide,
                    Binary::Max => {
                        return Ok(self.code.extreme(Arithmetic::Max, to, a, b, self.registers.spare()?)?);
                    }
                    Binary::Min => {
                        return Ok(self.code.extreme(Arithmetic::Min, to, a, b, self.registers.spare()?)?);
                    }
                    _ => return Err(Stop::Unsupported),
                };
                self.code.arithmetic(op, to, a, b)?;
            }
            (ScalarOp::FusedMultiplyAdd, &[a, b, c]) => {
                self.code.copy(to, c)?;
                self.code.multiply_add(to, a, b)?;
            }
            (ScalarOp::Select, &[condition, a, b]) => self.code.select(to, condition, a, b)?,
            _ => return Err(Stop::Unsupported),
        }
        Ok(())
    }
}
