//! Operands into slots, with the check that a register fits the type that the instruction names.

use super::names::{Binding, Decoder};
use crate::fault::Fault;
use crate::parse::syntax::{Literal, Operand, Space as Variables};
use crate::program::{Address, Condition, Slot, Space, Special};
use crate::types::Type;

/// Where results go that `_` drops.
const SINK: Slot = 0;

/// The bits of a literal as a type; `None` where it does not fit.
pub(crate) fn literal_bits(literal: Literal, ty: Type) -> Option<u64> {
    let bits = ty.bits();
    match literal {
        Literal::Integer(value) if !ty.is_float() => {
            let fits = value < 1i128 << bits && value >= -(1i128 << (bits - 1));
            fits.then_some(value as u64 & (u64::MAX >> (64 - bits)))
        }
        Literal::Single(value) if matches!(ty, Type::F32 | Type::B32) => Some(u64::from(value.to_bits())),
        Literal::Double(value) if ty == Type::F32 => Some(u64::from((value as f32).to_bits())),
        Literal::Double(value) if matches!(ty, Type::F64 | Type::B64) => Some(value.to_bits()),
        _ => None,
    }
}

fn special(name: &str) -> Option<Special> {
    let axis = |name: &str| ["x", "y", "z"].iter().position(|axis| *axis == name);
    if let Some((register, rest)) = name.split_once('.') {
        return match register {
            "%tid" => axis(rest).map(Special::Thread),
            "%ntid" => axis(rest).map(Special::Threads),
            "%ctaid" => axis(rest).map(Special::Block),
            "%nctaid" => axis(rest).map(Special::Blocks),
            _ => None,
        };
    }
    Some(match name {
        "%laneid" => Special::Lane,
        "%warpid" => Special::Warp,
        "%nwarpid" => Special::Warps,
        "%lanemask_eq" => Special::LanesEqual,
        "%lanemask_lt" => Special::LanesBelow,
        "%lanemask_le" => Special::LanesUpTo,
        "%lanemask_gt" => Special::LanesAbove,
        "%lanemask_ge" => Special::LanesFrom,
        "%dynamic_smem_size" => Special::DynamicShared,
        _ => return None,
    })
}

impl Decoder<'_> {
    /// The operands, if there are as many as that.
    pub(super) fn exactly<'o, const N: usize>(
        &self,
        operands: &'o [Operand],
    ) -> Result<&'o [Operand; N], Fault> {
        operands
            .try_into()
            .map_err(|_| self.fault(format!("{N} operands are needed, {} are given", operands.len())))
    }

    pub(super) fn source(&mut self, operand: &Operand, ty: Type) -> Result<Slot, Fault> {
        self.read(operand, ty, Type::accepts)
    }

    /// A source whose register may be wider than the type.
    pub(super) fn wide_source(&mut self, operand: &Operand, ty: Type) -> Result<Slot, Fault> {
        self.read(operand, ty, Type::accepts_wider)
    }

    fn read(&mut self, operand: &Operand, ty: Type, fits: fn(Type, Type) -> bool) -> Result<Slot, Fault> {
        match operand {
            Operand::Literal(literal) => {
                let bits = literal_bits(*literal, ty)
                    .ok_or_else(|| self.fault(format!("the immediate does not fit {ty}")))?;
                Ok(self.constant(bits))
            }
            Operand::Name(name) => match self.binding(name) {
                Some(Binding::Register { slot, ty: register }) if fits(ty, register) => {
                    self.touched.push(slot);
                    Ok(slot)
                }
                Some(Binding::Register { ty: register, .. }) => {
                    Err(self.fault(format!("{name} is a {register} register where {ty} is needed")))
                }
                Some(Binding::Symbol { address, .. } | Binding::Parameter { offset: address })
                    if !ty.is_float() && ty.bits() >= 32 =>
                {
                    Ok(self.constant(address))
                }
                Some(_) => Err(self.fault(format!("{name} is no register"))),
                None if name == "WARP_SZ" => Ok(self.constant(32)),
                None => match special(name) {
                    Some(special) if fits(ty, Type::U32) || ty == Type::B32 => Ok(self.special(special)),
                    Some(_) => Err(self.fault(format!("{name} is a .u32 register"))),
                    None => Err(self.fault(format!("{name} is not declared"))),
                },
            },
            _ => Err(self.fault("a register or a number is needed")),
        }
    }

    pub(super) fn destination(&mut self, operand: &Operand, ty: Type) -> Result<Slot, Fault> {
        self.write(operand, ty, Type::accepts).map(|found| found.0)
    }

    /// A destination whose register may be wider, and its bits.
    pub(super) fn wide_destination(&mut self, operand: &Operand, ty: Type) -> Result<(Slot, u32), Fault> {
        self.write(operand, ty, Type::accepts_wider)
    }

    fn write(
        &mut self,
        operand: &Operand,
        ty: Type,
        fits: fn(Type, Type) -> bool,
    ) -> Result<(Slot, u32), Fault> {
        let Operand::Name(name) = operand else { return Err(self.fault("a register is needed")) };
        match self.binding(name) {
            Some(Binding::Register { slot, ty: register }) if fits(ty, register) => {
                self.touched.push(slot);
                Ok((slot, register.bits()))
            }
            Some(Binding::Register { ty: register, .. }) => {
                Err(self.fault(format!("{name} is a {register} register where {ty} is needed")))
            }
            Some(_) => Err(self.fault(format!("{name} is no register that an instruction writes"))),
            None if name == "_" => Ok((SINK, ty.bits())),
            None => Err(self.fault(format!("{name} is not declared"))),
        }
    }

    pub(super) fn predicate(&self, operand: &Operand) -> Result<Slot, Fault> {
        match operand {
            Operand::Name(name) => Ok(self.condition_of(name, false)?.slot),
            _ => Err(self.fault("a predicate is needed")),
        }
    }

    /// `p` or `!p`.
    pub(super) fn condition(&self, operand: &Operand) -> Result<Condition, Fault> {
        match operand {
            Operand::Name(name) => self.condition_of(name, false),
            Operand::Not(name) => self.condition_of(name, true),
            _ => Err(self.fault("a predicate is needed")),
        }
    }

    pub(super) fn condition_of(&self, name: &str, negated: bool) -> Result<Condition, Fault> {
        match self.binding(name) {
            Some(Binding::Predicate { slot }) => Ok(Condition { slot, negated }),
            Some(_) => Err(self.fault(format!("{name} is no predicate"))),
            None => Err(self.fault(format!("{name} is not declared"))),
        }
    }

    /// Registers between braces, or one register.
    pub(super) fn vector<'o>(&self, operand: &'o Operand, count: usize) -> Result<&'o [Operand], Fault> {
        let elements = match operand {
            Operand::Vector(elements) => elements.as_slice(),
            _ => std::slice::from_ref(operand),
        };
        match elements.len() == count {
            true => Ok(elements),
            false => Err(self.fault(format!("{count} registers are needed, {} are given", elements.len()))),
        }
    }

    /// `N` sources between braces.
    pub(super) fn fragment<const N: usize>(
        &mut self,
        operand: &Operand,
        count: usize,
        ty: Type,
        write: bool,
    ) -> Result<[Slot; N], Fault> {
        let mut slots = [SINK; N];
        for (slot, element) in slots.iter_mut().zip(self.vector(operand, count)?) {
            *slot = if write { self.destination(element, ty)? } else { self.source(element, ty)? };
        }
        Ok(slots)
    }

    /// An address in a space. A variable or parameter stands only where its space is named.
    pub(super) fn address(&mut self, operand: &Operand, space: Space) -> Result<Address, Fault> {
        let Operand::Address { base, offset } = operand else {
            return Err(self.fault("an address between brackets is needed"));
        };
        let Some(name) = base else {
            return match space {
                Space::Local => Ok(Address { base: self.constant(0), offset: *offset }),
                _ => Err(self.fault("only .local addresses may be numbers")),
            };
        };
        let base = match self.binding(name) {
            Some(Binding::Register { slot, ty }) if !ty.is_float() && ty.bits() == 64 => slot,
            Some(Binding::Register { slot, ty })
                if !ty.is_float()
                    && ty.bits() == 32
                    && matches!(space, Space::Shared | Space::Constant | Space::Local) =>
            {
                slot
            }
            Some(Binding::Register { ty, .. }) => {
                return Err(self.fault(format!("{name} of {ty} holds no address of that space")));
            }
            Some(Binding::Parameter { offset }) if space == Space::Parameter => self.constant(offset),
            Some(Binding::Symbol { address, space: of }) => {
                let meets = matches!(
                    (of, space),
                    (Variables::Shared, Space::Shared)
                        | (Variables::Constant, Space::Constant)
                        | (Variables::Local, Space::Local)
                );
                if !meets {
                    return Err(self.fault(format!("{name} lies in another space")));
                }
                self.constant(address)
            }
            Some(_) => return Err(self.fault(format!("{name} holds no address of that space"))),
            None => return Err(self.fault(format!("{name} is not declared"))),
        };
        Ok(Address { base, offset: *offset })
    }
}
