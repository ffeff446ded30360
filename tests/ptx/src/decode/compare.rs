//! Comparisons and selections.

use super::Opcode;
use super::logic::logic;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::Operand;
use crate::program::{Condition, Logic, Operation, Verdict};
use crate::types::Type;
use crate::value::Truth;
use crate::value::compare::{property, truth};

/// A comparison with the logic that a further predicate needs.
struct Comparison {
    truth: Truth,
    logic: Option<Logic>,
    /// Type of the result, of `set`.
    result: Type,
    ty: Type,
}

impl Decoder<'_> {
    pub(super) fn compare(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        match opcode.base.as_str() {
            "setp" => self.set_predicate(opcode, operands),
            "set" => self.set(opcode, operands),
            "testp" => {
                let name = opcode.first().unwrap_or_default();
                let ty = self.needed(opcode.ty())?;
                let f = property(&name, ty)
                    .ok_or_else(|| self.fault(format!("`testp.{name}` is not executed at {ty}")))?;
                let [d, a] = self.exactly(operands)?;
                Ok(Operation::Property { f, d: self.predicate(d)?, a: self.source(a, ty)? })
            }
            "selp" => {
                let ty = self.needed(opcode.ty())?;
                let [d, a, b, c] = self.exactly(operands)?;
                let (d, a, b) = (self.destination(d, ty)?, self.source(a, ty)?, self.source(b, ty)?);
                let condition = Condition { slot: self.predicate(c)?, negated: false };
                Ok(Operation::Select { d, a, b, condition })
            }
            _ => self.select_by_sign(opcode, operands),
        }
    }

    fn needed(&self, ty: Option<Type>) -> Result<Type, Fault> {
        ty.ok_or_else(|| self.fault("the instruction needs a type"))
    }

    /// `.lt.and.ftz.f32`, with a type of the result before it for `set`.
    fn comparison(&mut self, opcode: &mut Opcode, set: bool) -> Result<Comparison, Fault> {
        let name = opcode.first().unwrap_or_default();
        let logic = opcode.take_any(&["and", "or", "xor"]).and_then(logic);
        let ftz = opcode.take("ftz");
        let result = if set { self.needed(opcode.ty())? } else { Type::Predicate };
        let ty = self.needed(opcode.ty())?;
        if ftz && ty != Type::F32 {
            return Err(self.fault(".ftz is for .f32"));
        }
        let truth =
            truth(&name, ty, ftz).ok_or_else(|| self.fault(format!("`.{name}` is no comparison of {ty}")))?;
        Ok(Comparison { truth, logic, result, ty })
    }

    /// The operands after the destination: `a, b` and, with a logic, `c` or `!c`.
    fn combined(
        &mut self,
        logic: Option<Logic>,
        rest: &[Operand],
    ) -> Result<Option<(Logic, Condition)>, Fault> {
        match (logic, rest) {
            (None, []) => Ok(None),
            (Some(logic), [c]) => Ok(Some((logic, self.condition(c)?))),
            _ => Err(self.fault("a further predicate stands with .and, .or or .xor, and only with these")),
        }
    }

    fn set_predicate(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let Comparison { truth, logic, ty, .. } = self.comparison(opcode, false)?;
        let [d, a, b, rest @ ..] = operands else { return Err(self.fault("setp needs p, a, b")) };
        let combine = self.combined(logic, rest)?;
        let (p, q) = match d {
            Operand::Pair(p, q) => {
                (self.condition_of(p, false)?.slot, Some(self.condition_of(q, false)?.slot))
            }
            _ => (self.predicate(d)?, None),
        };
        let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
        Ok(Operation::Compare { truth, verdict: Verdict { p, q, combine }, a, b })
    }

    fn set(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let Comparison { truth, logic, result, ty } = self.comparison(opcode, true)?;
        let yes = match result {
            Type::U32 | Type::S32 => 0xffff_ffff,
            Type::F32 => u64::from(1f32.to_bits()),
            _ => return Err(self.fault("the result of set is .u32, .s32 or .f32")),
        };
        let [d, a, b, rest @ ..] = operands else { return Err(self.fault("set needs d, a, b")) };
        let combine = self.combined(logic, rest)?;
        let d = self.destination(d, result)?;
        let (a, b) = (self.source(a, ty)?, self.source(b, ty)?);
        Ok(Operation::Set { truth, yes, combine, d, a, b })
    }

    /// `slct.type.s32` and `slct.type.f32`: `a` where `c` is at least zero.
    fn select_by_sign(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let ftz = opcode.take("ftz");
        let (ty, by) = (self.needed(opcode.ty())?, self.needed(opcode.ty())?);
        let f = match (by, ftz) {
            (Type::S32, false) => |a, b, c| if c as i32 >= 0 { a } else { b },
            (Type::F32, false) => |a, b, c| if f32::from_bits(c as u32) >= 0.0 { a } else { b },
            (Type::F32, true) => |a, b, c| {
                let c = crate::value::float::flush(f32::from_bits(c as u32));
                if c >= 0.0 { a } else { b }
            },
            _ => return Err(self.fault("slct selects by .s32 or .f32")),
        };
        let [d, a, b, c] = self.exactly(operands)?;
        let d = self.destination(d, ty)?;
        let (a, b, c) = (self.source(a, ty)?, self.source(b, ty)?, self.source(c, by)?);
        Ok(Operation::Three { f, d, a, b, c })
    }
}
