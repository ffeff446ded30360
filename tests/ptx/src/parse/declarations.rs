//! Entries with their parameters and limits, and variables of state spaces.

use super::Parser;
use super::syntax::{Literal, Operand, Parameter, RawEntry, Space, Variable};
use super::tokens::Token;
use crate::fault::Fault;
use crate::types::Type;

impl Parser<'_> {
    /// After `.entry`.
    pub(super) fn entry(&mut self) -> Result<RawEntry, Fault> {
        let name = self.name()?;
        let line = self.line();
        let mut parameters = Vec::new();
        if self.takes('(') {
            while !self.takes(')') {
                parameters.push(self.parameter()?);
                if !self.sees(')') {
                    self.expect(',')?;
                }
            }
        }
        let (mut required, mut most) = (None, None);
        while !self.takes('{') {
            match self.word()?.as_str() {
                ".reqntid" => required = Some(self.extents()?),
                ".maxntid" => most = Some(self.extents()?),
                ".minnctapersm" | ".maxnreg" | ".maxnctapersm" => drop(self.integer()?),
                word => return Err(self.fault(format!("`{word}` is no limit of an entry in the subset"))),
            }
        }
        Ok(RawEntry { name, line, parameters, required, most, body: self.body()? })
    }

    fn extents(&mut self) -> Result<[u32; 3], Fault> {
        let mut extents = [1; 3];
        extents[0] = self.small()?;
        for extent in &mut extents[1..] {
            if self.takes(',') {
                *extent = self.small()?;
            }
        }
        Ok(extents)
    }

    /// `.param .u64 name`, `.param .u64 .ptr .global .align 16 name`, `.param .align 8 .b8 name[16]`.
    fn parameter(&mut self) -> Result<Parameter, Fault> {
        let mut align = None;
        let mut ty = None;
        if self.word()? != ".param" {
            return Err(self.fault("a parameter of an entry is of .param"));
        }
        loop {
            let word = self.word()?;
            match word.as_str() {
                ".ptr" | ".global" | ".shared" | ".const" | ".local" => {}
                // The alignment of a `.ptr` is that of what it points to.
                ".align" if ty.is_none() => align = Some(self.alignment()?),
                ".align" => drop(self.alignment()?),
                _ if word.starts_with('.') && ty.is_none() => ty = Some(self.ty(&word)?),
                _ if word.starts_with('.') => return Err(self.fault("a parameter has one type")),
                _ => {
                    let ty = ty.ok_or_else(|| self.fault("a parameter needs a type"))?;
                    let count = match self.takes('[') {
                        true => {
                            let count = self.small()? as usize;
                            self.expect(']')?;
                            count
                        }
                        false => 1,
                    };
                    if ty.bytes().saturating_mul(count) > 4096 {
                        return Err(self.fault("a parameter has at most 4096 bytes"));
                    }
                    let align = align.unwrap_or(ty.bytes());
                    return Ok(Parameter { name: word, ty, align, bytes: ty.bytes() * count });
                }
            }
        }
    }

    fn alignment(&mut self) -> Result<usize, Fault> {
        let align = self.small()? as usize;
        match align.is_power_of_two() && align <= 4096 {
            true => Ok(align),
            false => Err(self.fault("an alignment is a power of two, at most 4096")),
        }
    }

    pub(super) fn ty(&mut self, word: &str) -> Result<Type, Fault> {
        word.strip_prefix('.')
            .and_then(Type::parse)
            .ok_or_else(|| self.fault(format!("`{word}` is no type of the subset")))
    }

    /// After `.shared`, `.const` or `.local`: `.align 16 .b8 a[64], b[32];`.
    pub(super) fn variables(&mut self, space: &str) -> Result<Vec<Variable>, Fault> {
        let space = match space {
            ".shared" => Space::Shared,
            ".const" => Space::Constant,
            _ => Space::Local,
        };
        let mut align = None;
        let mut word = self.word()?;
        if word == ".align" {
            align = Some(self.alignment()?);
            word = self.word()?;
        }
        let ty = self.ty(&word)?;
        let mut found = Vec::new();
        loop {
            found.push(self.variable(space, align.unwrap_or(ty.bytes()), ty)?);
            if !self.takes(',') {
                self.expect(';')?;
                return Ok(found);
            }
        }
    }

    fn variable(&mut self, space: Space, align: usize, ty: Type) -> Result<Variable, Fault> {
        let name = self.name()?;
        let line = self.line();
        let (mut count, mut dynamic) = (1usize, false);
        while self.takes('[') {
            match self.takes(']') {
                true => dynamic = true,
                false => {
                    let extent = self.small()? as usize;
                    self.expect(']')?;
                    count = count
                        .checked_mul(extent)
                        .filter(|count| *count <= 1 << 16)
                        .ok_or_else(|| self.fault(format!("{name} is too large")))?;
                }
            }
        }
        let mut bytes = if dynamic { 0 } else { count * ty.bytes() };
        let mut initial = Vec::new();
        if self.takes('=') {
            self.initial(ty, &mut initial)?;
            if dynamic {
                (bytes, dynamic) = (initial.len(), false);
            }
            if initial.len() > bytes {
                return Err(self.fault(format!("{name} has more initial values than elements")));
            }
            if space != Space::Constant {
                return Err(self.fault("only .const variables have initial values"));
            }
        }
        if dynamic && space != Space::Shared {
            return Err(self.fault(format!("{name} needs a size")));
        }
        Ok(Variable { line, space, name, align, bytes, dynamic, initial })
    }

    /// `{a, b, {c}}` or one value, flattened.
    fn initial(&mut self, ty: Type, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        if self.takes('{') {
            while !self.takes('}') {
                self.initial(ty, bytes)?;
                if !self.sees('}') {
                    self.expect(',')?;
                }
            }
            return Ok(());
        }
        let Operand::Literal(literal) = self.operand()? else {
            return Err(self.fault("an initial value is a number"));
        };
        let bits = crate::decode::literal_bits(literal, ty)
            .ok_or_else(|| self.fault(format!("the value does not fit {ty}")))?;
        bytes.extend(&bits.to_le_bytes()[..ty.bytes()]);
        Ok(())
    }

    /// A number with its sign.
    pub(super) fn literal(&mut self) -> Result<Literal, Fault> {
        let negative = self.takes('-');
        Ok(match self.advance()? {
            Token::Integer(value) if negative => Literal::Integer(-i128::from(value)),
            Token::Integer(value) => Literal::Integer(i128::from(value)),
            Token::Single(bits) if !negative => Literal::Single(f32::from_bits(bits)),
            Token::Single(bits) => Literal::Single(-f32::from_bits(bits)),
            Token::Double(value) if negative => Literal::Double(-value),
            Token::Double(value) => Literal::Double(value),
            _ => return Err(self.fault("a number is missing")),
        })
    }
}
