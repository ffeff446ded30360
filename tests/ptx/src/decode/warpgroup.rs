//! `wgmma`: products of warpgroups with their fences, commits and waits.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::{Literal, Operand};
use crate::program::{Accumulation, Element, Left, Matrix, Operation, WarpgroupMultiply};
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn warpgroup(
        &mut self,
        opcode: &mut Opcode,
        operands: &[Operand],
    ) -> Result<Operation, Fault> {
        let name = opcode.take_any(&["mma_async", "fence", "commit_group", "wait_group"]);
        if !(opcode.take("sync") && opcode.take("aligned")) {
            return Err(self.fault("wgmma is .sync.aligned"));
        }
        match name {
            Some("mma_async") => self.warpgroup_multiply(opcode, operands),
            Some("fence") => self.exactly::<0>(operands).map(|_| Operation::WarpgroupFence),
            Some("commit_group") => self.exactly::<0>(operands).map(|_| Operation::WarpgroupCommit),
            Some(_) => {
                let [pending] = self.exactly(operands)?;
                Ok(Operation::WarpgroupWait { pending: self.count(pending)? })
            }
            None => Err(self.fault("wgmma is .mma_async, .fence, .commit_group or .wait_group")),
        }
    }

    fn warpgroup_multiply(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let shape = opcode.first().unwrap_or_default();
        let extents = shape.strip_prefix("m64n").and_then(|rest| rest.split_once('k'));
        let extents = extents.and_then(|(n, k)| Some((n.parse().ok()?, k.parse().ok()?)));
        let Some((columns, depth)) = extents else {
            return Err(self.fault("wgmma is executed of shapes m64nNkK"));
        };
        let types = [opcode.ty(), opcode.ty(), opcode.ty()];
        let (element, known_depth) = match types {
            [Some(Type::F32), Some(Type::TF32), Some(Type::TF32)] => (Element::Tensor, 8),
            [Some(Type::F32), Some(Type::BF16), Some(Type::BF16)] => (Element::Brain, 16),
            [Some(Type::F32), Some(Type::F16), Some(Type::F16)] => (Element::Half, 16),
            _ => return Err(self.fault("wgmma is executed of .tf32, .bf16 and .f16 into .f32")),
        };
        if depth != known_depth || !(8..=256).contains(&columns) || columns % 8 != 0 {
            return Err(self.fault(format!("{shape} is no shape of that type")));
        }
        let [d, a, b, accumulation, rest @ ..] = operands else {
            return Err(self.fault("wgmma needs an accumulator, two factors and a scale of the accumulator"));
        };
        let registers = matches!(a, Operand::Vector(_));
        // Elements of 32 bits have no transposition, and registers none either.
        let transposable = usize::from(element != Element::Tensor) * (2 - usize::from(registers));
        let Some((signs, transposed)) = rest.split_at_checked(2).filter(|(_, t)| t.len() == transposable)
        else {
            return Err(self.fault(format!("two scales and {transposable} transpositions are needed")));
        };
        let signs = [self.sign(&signs[0])?, self.sign(&signs[1])?];
        let transposed =
            transposed.iter().map(|operand| self.flag(operand)).collect::<Result<Vec<_>, _>>()?;
        let b_transposed = transposed.last().copied().unwrap_or(false);
        let a = if registers {
            Left::Registers(self.fragment(a, 4, Type::B32, false)?)
        } else {
            let transposed = transposed.first().copied().unwrap_or(false);
            Left::Shared(Matrix { descriptor: self.source(a, Type::B64)?, transposed })
        };
        let b = Matrix { descriptor: self.source(b, Type::B64)?, transposed: b_transposed };
        let accumulation = match accumulation {
            Operand::Literal(_) => Accumulation::Known(self.flag(accumulation)?),
            other => Accumulation::Where(self.condition(other)?),
        };
        let d = self.vector(d, columns / 2)?;
        let d = d.iter().map(|register| self.destination(register, Type::F32)).collect::<Result<_, _>>()?;
        let multiply = WarpgroupMultiply { element, columns, depth, d, a, b, accumulation, signs };
        Ok(Operation::WarpgroupMultiply(Box::new(multiply)))
    }

    /// 1 or -1.
    fn sign(&self, operand: &Operand) -> Result<f64, Fault> {
        match operand {
            Operand::Literal(Literal::Integer(1)) => Ok(1.0),
            Operand::Literal(Literal::Integer(-1)) => Ok(-1.0),
            _ => Err(self.fault("a scale is 1 or -1")),
        }
    }

    /// 0 or 1.
    fn flag(&self, operand: &Operand) -> Result<bool, Fault> {
        match operand {
            Operand::Literal(Literal::Integer(0)) => Ok(false),
            Operand::Literal(Literal::Integer(1)) => Ok(true),
            _ => Err(self.fault("0 or 1 is needed")),
        }
    }
}
