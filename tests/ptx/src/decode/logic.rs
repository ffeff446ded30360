//! Logic on bits and on predicates, shifts, bit fields.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::{Literal, Operand};
use crate::program::{Condition, Logic, Operation};
use crate::types::Type;
use crate::value::bits;

impl Decoder<'_> {
    pub(super) fn logic(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let base = opcode.base.clone();
        let mut name = base.clone();
        if base == "shf" {
            for choices in [["l", "r"], ["clamp", "wrap"]] {
                let part = opcode
                    .take_any(&choices)
                    .ok_or_else(|| self.fault("shf needs .l or .r, .clamp or .wrap"))?;
                name = format!("{name}.{part}");
            }
        }
        let ty = opcode.ty().ok_or_else(|| self.fault("the instruction needs a type"))?;
        match (base.as_str(), ty) {
            (_, Type::Predicate) => return self.predicate_logic(&base, operands),
            ("lop3", Type::B32) => return self.lookup(operands),
            ("bfi", Type::B32 | Type::B64) => return self.insert(ty, operands),
            _ => {}
        }
        if let Some(f) = bits::one(&name, ty) {
            let [d, a] = self.exactly(operands)?;
            // Counts are 32 bits wide whatever they count in.
            let result = if matches!(base.as_str(), "popc" | "clz") { Type::U32 } else { ty };
            return Ok(Operation::One { f, d: self.destination(d, result)?, a: self.source(a, ty)? });
        }
        if let Some(f) = bits::two(&name, ty) {
            let [d, a, b] = self.exactly(operands)?;
            let second = if base.starts_with("sh") { Type::U32 } else { ty };
            let (d, a, b) = (self.destination(d, ty)?, self.source(a, ty)?, self.source(b, second)?);
            return Ok(Operation::Two { f, d, a, b });
        }
        let f =
            bits::three(&name, ty).ok_or_else(|| self.fault(format!("`{name}` is not executed at {ty}")))?;
        let [d, a, b, c] = self.exactly(operands)?;
        let fields = if base == "bfe" { Type::U32 } else { ty };
        let (d, a) = (self.destination(d, ty)?, self.source(a, ty)?);
        let (b, c) = (self.source(b, fields)?, self.source(c, Type::U32)?);
        Ok(Operation::Three { f, d, a, b, c })
    }

    fn predicate_logic(&mut self, base: &str, operands: &[Operand]) -> Result<Operation, Fault> {
        if base == "not" {
            let [d, a] = self.exactly(operands)?;
            let a = Condition { slot: self.predicate(a)?, negated: true };
            return Ok(Operation::PredicateMove { d: self.predicate(d)?, a });
        }
        let logic = logic(base).ok_or_else(|| self.fault(format!("`{base}` does not take predicates")))?;
        let [d, a, b] = self.exactly(operands)?;
        let (d, a, b) = (self.predicate(d)?, self.predicate(a)?, self.predicate(b)?);
        Ok(Operation::PredicateLogic { logic, d, a, b })
    }

    fn lookup(&mut self, operands: &[Operand]) -> Result<Operation, Fault> {
        let [d, a, b, c, table] = self.exactly(operands)?;
        let table = match table {
            Operand::Literal(Literal::Integer(value)) => u8::try_from(*value).ok(),
            _ => None,
        };
        let table = table.ok_or_else(|| self.fault("the table of lop3 is a number up to 0xff"))?;
        let ty = Type::B32;
        let d = self.destination(d, ty)?;
        let (a, b, c) = (self.source(a, ty)?, self.source(b, ty)?, self.source(c, ty)?);
        Ok(Operation::Lookup { table, d, a, b, c })
    }

    fn insert(&mut self, ty: Type, operands: &[Operand]) -> Result<Operation, Fault> {
        let [d, a, b, position, length] = self.exactly(operands)?;
        let (d, a, b) = (self.destination(d, ty)?, self.source(a, ty)?, self.source(b, ty)?);
        let (position, length) = (self.source(position, Type::U32)?, self.source(length, Type::U32)?);
        Ok(Operation::Insert { width: u64::from(ty.bits()), d, a, b, position, length })
    }
}

pub(super) fn logic(name: &str) -> Option<Logic> {
    Some(match name {
        "and" => Logic::And,
        "or" => Logic::Or,
        "xor" => Logic::Xor,
        _ => return None,
    })
}
