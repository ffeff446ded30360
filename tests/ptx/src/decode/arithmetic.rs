//! Integer and float arithmetic.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::Operand;
use crate::program::Operation;
use crate::types::Type;
use crate::value::float::{self, Style};
use crate::value::integer::{self, Dot};

impl Decoder<'_> {
    pub(super) fn arithmetic(
        &mut self,
        opcode: &mut Opcode,
        operands: &[Operand],
    ) -> Result<Operation, Fault> {
        let base = opcode.base.clone();
        if base.starts_with("dp") {
            return self.dot(opcode, operands);
        }
        let ty = opcode.ty().ok_or_else(|| self.fault("the instruction needs a type"))?;
        match ty {
            Type::F32 => self.single(opcode, operands),
            Type::F64 => self.double(opcode, operands),
            _ => self.integer(&base, opcode, ty, operands),
        }
    }

    fn integer(
        &mut self,
        base: &str,
        opcode: &mut Opcode,
        ty: Type,
        operands: &[Operand],
    ) -> Result<Operation, Fault> {
        let part = opcode.take_any(&["lo", "hi", "wide", "sat"]);
        let name = part.map_or(base.to_owned(), |part| format!("{base}.{part}"));
        let result = match (part, ty) {
            (Some("wide"), Type::S16) => Type::S32,
            (Some("wide"), Type::U16) => Type::U32,
            (Some("wide"), Type::S32) => Type::S64,
            (Some("wide"), Type::U32) => Type::U64,
            _ => ty,
        };
        if let Some(f) = integer::one(&name, ty) {
            let [d, a] = self.exactly(operands)?;
            return Ok(Operation::One { f, d: self.destination(d, result)?, a: self.source(a, ty)? });
        }
        let quotient = integer::quotient(&name, ty);
        if let Some(f) = quotient.or(integer::two(&name, ty)) {
            let [d, a, b] = self.exactly(operands)?;
            let (d, a, b) = (self.destination(d, result)?, self.source(a, ty)?, self.source(b, ty)?);
            return Ok(match quotient {
                Some(_) => Operation::Divide { f, d, a, b },
                None => Operation::Two { f, d, a, b },
            });
        }
        let f = integer::three(&name, ty)
            .ok_or_else(|| self.fault(format!("`{name}` is not executed at {ty}")))?;
        let [d, a, b, c] = self.exactly(operands)?;
        let d = self.destination(d, result)?;
        let (a, b, c) = (self.source(a, ty)?, self.source(b, ty)?, self.source(c, result)?);
        Ok(Operation::Three { f, d, a, b, c })
    }

    /// The name with its rounding, as the tables of `value::float` have it.
    fn rounded(&self, opcode: &mut Opcode) -> String {
        let base = opcode.base.clone();
        match opcode.take_any(&["rn", "approx", "full", "NaN"]) {
            Some(rounding) => format!("{base}.{rounding}"),
            None => base,
        }
    }

    fn single(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let ty = Type::F32;
        let name = self.rounded(opcode);
        let style = Style {
            ftz: opcode.take("ftz"),
            sat: matches!(opcode.base.as_str(), "add" | "sub" | "mul" | "fma" | "mad") && opcode.take("sat"),
        };
        if let Some(f) = float::one(&name) {
            let [d, a] = self.exactly(operands)?;
            return Ok(Operation::SingleOne {
                f,
                style,
                d: self.destination(d, ty)?,
                a: self.source(a, ty)?,
            });
        }
        if let Some(f) = float::two(&name) {
            let [d, a, b] = self.exactly(operands)?;
            let (d, a, b) = (self.destination(d, ty)?, self.source(a, ty)?, self.source(b, ty)?);
            return Ok(Operation::SingleTwo { f, style, d, a, b });
        }
        let f = float::three(&name).ok_or_else(|| self.fault(format!("`{name}` is not executed at .f32")))?;
        let [d, a, b, c] = self.exactly(operands)?;
        let d = self.destination(d, ty)?;
        let (a, b, c) = (self.source(a, ty)?, self.source(b, ty)?, self.source(c, ty)?);
        Ok(Operation::SingleThree { f, style, d, a, b, c })
    }

    fn double(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let ty = Type::F64;
        let name = self.rounded(opcode);
        if let Some(f) = float::one_double(&name) {
            let [d, a] = self.exactly(operands)?;
            return Ok(Operation::One { f, d: self.destination(d, ty)?, a: self.source(a, ty)? });
        }
        if let Some(f) = float::two_double(&name) {
            let [d, a, b] = self.exactly(operands)?;
            let (d, a, b) = (self.destination(d, ty)?, self.source(a, ty)?, self.source(b, ty)?);
            return Ok(Operation::Two { f, d, a, b });
        }
        let f = float::three_double(&name)
            .ok_or_else(|| self.fault(format!("`{name}` is not executed at .f64")))?;
        let [d, a, b, c] = self.exactly(operands)?;
        let d = self.destination(d, ty)?;
        let (a, b, c) = (self.source(a, ty)?, self.source(b, ty)?, self.source(c, ty)?);
        Ok(Operation::Three { f, d, a, b, c })
    }

    /// `dp4a.atype.btype`, `dp2a.mode.atype.btype`.
    fn dot(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let high_half = match opcode.base.as_str() {
            "dp4a" => None,
            _ => {
                let half = opcode.take_any(&["lo", "hi"]);
                Some(half.ok_or_else(|| self.fault("dp2a needs .lo or .hi"))? == "hi")
            }
        };
        let mut types = [Type::S32; 2];
        for ty in &mut types {
            *ty = opcode
                .ty()
                .filter(|ty| matches!(ty, Type::S32 | Type::U32))
                .ok_or_else(|| self.fault("the types of a dot product are .s32 or .u32"))?;
        }
        let style = Dot { signed_a: types[0].is_signed(), signed_b: types[1].is_signed(), high_half };
        let [d, a, b, c] = self.exactly(operands)?;
        let d = self.destination(d, Type::B32)?;
        let (a, b) = (self.source(a, types[0])?, self.source(b, types[1])?);
        Ok(Operation::Dot { style, d, a, b, c: self.source(c, Type::B32)? })
    }
}
