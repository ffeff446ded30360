//! `mov` with its packing forms, `cvt` and `cvta`.

use super::Opcode;
use super::names::Decoder;
use crate::fault::Fault;
use crate::parse::syntax::{Literal, Operand};
use crate::program::{CONSTANT_WINDOW, LOCAL_WINDOW, Operation, SHARED_WINDOW, Slot};
use crate::types::Type;
use crate::value::convert::Conversion;
use crate::value::narrow::Round;

impl Decoder<'_> {
    pub(super) fn moves(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        match opcode.base.as_str() {
            "mov" => self.mov(opcode, operands),
            "cvt" => self.convert(opcode, operands),
            _ => self.generic_address(opcode, operands),
        }
    }

    fn mov(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let ty = opcode.ty().ok_or_else(|| self.fault("mov needs a type"))?;
        let [d, a] = self.exactly(operands)?;
        match (d, a) {
            _ if ty == Type::Predicate => {
                let d = self.predicate(d)?;
                match a {
                    Operand::Literal(Literal::Integer(value)) => {
                        Ok(Operation::PredicateConstant { d, value: *value != 0 })
                    }
                    _ => Ok(Operation::PredicateMove { d, a: self.condition(a)? }),
                }
            }
            (d, Operand::Vector(parts)) => {
                let (parts, count, bits) = self.parts(ty, parts, false)?;
                Ok(Operation::Pack { d: self.destination(d, ty)?, parts, count, bits })
            }
            (Operand::Vector(parts), a) => {
                let (parts, count, bits) = self.parts(ty, parts, true)?;
                Ok(Operation::Unpack { parts, count, bits, a: self.source(a, ty)? })
            }
            _ if matches!(ty, Type::TF32 | Type::F16 | Type::BF16 | Type::F16x2 | Type::BF16x2)
                || ty.bits() < 16 =>
            {
                Err(self.fault(format!("mov does not move {ty}")))
            }
            _ => Ok(Operation::One { f: |a| a, d: self.destination(d, ty)?, a: self.source(a, ty)? }),
        }
    }

    fn parts(&mut self, ty: Type, parts: &[Operand], write: bool) -> Result<([Slot; 4], usize, u32), Fault> {
        let part = match (ty, parts.len()) {
            (Type::B32, 2) | (Type::B64, 4) => Type::B16,
            (Type::B64, 2) => Type::B32,
            (Type::B32, 4) => Type::B8,
            _ => return Err(self.fault(format!("{ty} does not pack {} registers", parts.len()))),
        };
        let mut slots = [0; 4];
        for (slot, operand) in slots.iter_mut().zip(parts) {
            *slot = if write { self.destination(operand, part)? } else { self.source(operand, part)? };
        }
        Ok((slots, parts.len(), part.bits()))
    }

    fn convert(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let rounding = opcode.take_any(&["rni", "rzi", "rmi", "rpi", "rna", "rn", "rz", "rm", "rp"]);
        let (ftz, sat, relu) = (opcode.take("ftz"), opcode.take("sat"), opcode.take("relu"));
        let (Some(to), Some(from)) = (opcode.ty(), opcode.ty()) else {
            return Err(self.fault("cvt needs two types"));
        };
        self.check_rounding(rounding, to, from)?;
        let round = match rounding.map(|name| name.trim_end_matches('i')) {
            Some("rna") => Round::Away,
            Some("rz") => Round::Zero,
            Some("rm") => Round::Down,
            Some("rp") => Round::Up,
            _ => Round::Nearest,
        };
        let integral = rounding.is_some_and(|name| name.ends_with('i'));
        let pair = match to {
            Type::F16x2 => Some(Type::F16),
            Type::BF16x2 => Some(Type::BF16),
            _ => None,
        };
        let mut conversion =
            Conversion { from, to: pair.unwrap_or(to), round, integral, sat, ftz, relu, register: 16 };
        if pair.is_some() {
            let [d, upper, lower] = self.exactly(operands)?;
            let d = self.destination(d, to)?;
            let (upper, lower) = (self.source(upper, from)?, self.source(lower, from)?);
            return Ok(Operation::ConvertPair { conversion, d, upper, lower });
        }
        let [d, a] = self.exactly(operands)?;
        let (d, register) = self.wide_destination(d, to)?;
        conversion.register = register;
        Ok(Operation::Convert { conversion, d, a: self.wide_source(a, from)? })
    }

    /// Integer roundings stand where a float becomes integral, float roundings where a float loses bits.
    fn check_rounding(&self, rounding: Option<&str>, to: Type, from: Type) -> Result<(), Fault> {
        let paired = matches!(to, Type::F16x2 | Type::BF16x2 | Type::TF32 | Type::BF16);
        let narrows = to.is_float() && (!from.is_float() || to.bits() < from.bits() || paired);
        let fits = match rounding {
            None => !narrows && (!from.is_float() || to.is_float()),
            Some("rna") => to == Type::TF32,
            Some("rni" | "rzi" | "rmi" | "rpi") => {
                from.is_float() && (!to.is_float() || to.bits() == from.bits())
            }
            // From integers of 64 bits, directed rounding to a double is not executed.
            Some(name) => narrows && (to != Type::F64 || name == "rn" || from.bits() < 64),
        };
        let known = match (to, from) {
            (Type::F16x2 | Type::BF16x2 | Type::TF32, _) => from == Type::F32,
            (Type::BF16, _) => from == Type::F32,
            (_, Type::BF16) => to == Type::F32,
            (_, Type::TF32 | Type::F16x2 | Type::BF16x2) => false,
            _ => !to.is_bits() && !from.is_bits() && to != Type::Predicate && from != Type::Predicate,
        };
        match (known, fits) {
            (false, _) => Err(self.fault(format!("cvt from {from} to {to} is not executed"))),
            (_, false) => Err(self.fault(format!("that rounding does not go from {from} to {to}"))),
            _ => Ok(()),
        }
    }

    /// `cvta` and `cvta.to`: each space but the global one is a window of the generic addresses.
    fn generic_address(&mut self, opcode: &mut Opcode, operands: &[Operand]) -> Result<Operation, Fault> {
        let to = opcode.take("to");
        let start = match opcode.take_any(&["global", "shared", "shared::cta", "local", "const"]) {
            Some("global") => 0,
            Some("shared" | "shared::cta") => SHARED_WINDOW,
            Some("local") => LOCAL_WINDOW,
            Some(_) => CONSTANT_WINDOW,
            None => return Err(self.fault("cvta needs a space")),
        };
        if opcode.ty() != Some(Type::U64) {
            return Err(self.fault("cvta is of .u64"));
        }
        let [d, a] = self.exactly(operands)?;
        let (d, a) = (self.destination(d, Type::U64)?, self.source(a, Type::U64)?);
        let b = self.constant(start);
        let f = if to { |a: u64, b: u64| a.wrapping_sub(b) } else { |a: u64, b: u64| a.wrapping_add(b) };
        Ok(Operation::Two { f, d, a, b })
    }
}
