//! What lanes of a warp do together: shuffles, votes, reductions and matrix products.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::Operand;
use crate::program::{Combine, Element, Multiply, Operation, Shuffle, Vote};
use crate::types::Type;

impl Decoder<'_> {
    pub(super) fn collective(
        &mut self,
        opcode: &mut Opcode,
        operands: &[Operand],
    ) -> Result<Operation, Fault> {
        if opcode.base == "activemask" {
            let [d] = self.exactly(operands)?;
            opcode.take("b32");
            return Ok(Operation::ActiveMask { d: self.destination(d, Type::B32)? });
        }
        if !opcode.take("sync") {
            return Err(self.fault(format!("only {}.sync is executed", opcode.base)));
        }
        match opcode.base.as_str() {
            "shfl" => self.shuffle(opcode, operands),
            "vote" => self.vote(opcode, operands),
            "redux" => self.reduce(opcode, operands),
            _ => self.multiply(opcode, operands),
        }
    }

    fn shuffle(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let mode = match opcode.take_any(&["up", "down", "bfly", "idx"]) {
            Some("up") => Shuffle::Up,
            Some("down") => Shuffle::Down,
            Some("bfly") => Shuffle::Butterfly,
            Some(_) => Shuffle::Index,
            None => return Err(self.fault("shfl needs .up, .down, .bfly or .idx")),
        };
        if opcode.ty() != Some(Type::B32) {
            return Err(self.fault("shfl is of .b32"));
        }
        let [d, a, b, c, mask] = self.exactly(operands)?;
        let (d, p) = match d {
            Operand::Pair(d, p) => {
                let d = self.destination(&Operand::Name(d.clone()), Type::B32)?;
                (d, Some(self.condition_of(p, false)?.slot))
            }
            _ => (self.destination(d, Type::B32)?, None),
        };
        let (a, b) = (self.source(a, Type::B32)?, self.source(b, Type::B32)?);
        let (c, mask) = (self.source(c, Type::B32)?, self.source(mask, Type::B32)?);
        Ok(Operation::Shuffle { mode, d, p, a, b, c, mask })
    }

    fn vote(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let vote = match opcode.take_any(&["all", "any", "uni", "ballot"]) {
            Some("all") => Vote::All,
            Some("any") => Vote::Any,
            Some("uni") => Vote::Uniform,
            Some(_) => Vote::Ballot,
            None => return Err(self.fault("vote needs .all, .any, .uni or .ballot")),
        };
        let expected = if vote == Vote::Ballot { Type::B32 } else { Type::Predicate };
        if opcode.ty() != Some(expected) {
            return Err(self.fault(format!("that vote is of {expected}")));
        }
        let [d, a, mask] = self.exactly(operands)?;
        let d = match vote {
            Vote::Ballot => self.destination(d, Type::B32)?,
            _ => self.predicate(d)?,
        };
        Ok(Operation::Vote { vote, d, a: self.condition(a)?, mask: self.source(mask, Type::B32)? })
    }

    fn reduce(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let name = opcode.take_any(&["add", "min", "max", "and", "or", "xor"]).unwrap_or("");
        let ty = opcode.ty().ok_or_else(|| self.fault("redux needs a type"))?;
        let signed = ty.is_signed();
        let combine = match (name, ty) {
            ("add", Type::U32 | Type::S32) => Combine::Add,
            ("min", Type::U32 | Type::S32) => Combine::Least { signed },
            ("max", Type::U32 | Type::S32) => Combine::Most { signed },
            ("and", Type::B32) => Combine::And,
            ("or", Type::B32) => Combine::Or,
            ("xor", Type::B32) => Combine::Xor,
            _ => return Err(self.fault(format!("redux `{name}` is not executed at {ty}"))),
        };
        let [d, a, mask] = self.exactly(operands)?;
        let (d, a) = (self.destination(d, ty)?, self.source(a, ty)?);
        Ok(Operation::Reduce { combine, d, a, mask: self.source(mask, Type::B32)? })
    }

    fn multiply(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let shape = opcode.take_any(&["m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32"]);
        let depth = match shape {
            Some("m16n8k4") => 4,
            Some("m16n8k8") => 8,
            Some("m16n8k16") => 16,
            Some(_) => 32,
            None => return Err(self.fault("mma is executed of shapes m16n8k4 to m16n8k32")),
        };
        if !(opcode.take("aligned") && opcode.take("row") && opcode.take("col")) {
            return Err(self.fault("mma is .sync.aligned.…row.col"));
        }
        let saturate = opcode.take("satfinite");
        let types = [opcode.ty(), opcode.ty(), opcode.ty(), opcode.ty()];
        let element = |ty| match ty {
            Some(Type::F16) => Some(Element::Half),
            Some(Type::BF16) => Some(Element::Brain),
            Some(Type::TF32) => Some(Element::Tensor),
            Some(Type::S8) => Some(Element::Byte { signed: true }),
            Some(Type::U8) => Some(Element::Byte { signed: false }),
            _ => None,
        };
        let (Some(a_element), Some(b_element)) = (element(types[1]), element(types[2])) else {
            return Err(self.fault("mma multiplies .f16, .bf16, .tf32, .s8 or .u8"));
        };
        let (known, result, per_register) = match (a_element, b_element) {
            (Element::Half, Element::Half) | (Element::Brain, Element::Brain) => {
                (matches!(depth, 8 | 16), Type::F32, 2)
            }
            (Element::Tensor, Element::Tensor) => (matches!(depth, 4 | 8), Type::F32, 1),
            (Element::Byte { .. }, Element::Byte { .. }) => (matches!(depth, 16 | 32), Type::S32, 4),
            _ => (false, Type::F32, 1),
        };
        let integers = result == Type::S32;
        if !known || types[0] != Some(result) || types[3] != Some(result) || (saturate && !integers) {
            return Err(self.fault("that combination of shape and types is not executed"));
        }
        let [d, a, b, c] = self.exactly(operands)?;
        // Of 16·k elements of A and 8·k of B each lane holds a thirty-second part.
        let (a_count, b_count) = (depth / 2 / per_register, depth / 4 / per_register);
        Ok(Operation::Multiply(Box::new(Multiply {
            depth,
            a_element,
            b_element,
            saturate,
            d: self.fragment(d, 4, result, true)?,
            a: self.fragment(a, a_count, Type::B32, false)?,
            b: self.fragment(b, b_count, Type::B32, false)?,
            c: self.fragment(c, 4, result, false)?,
        })))
    }
}
