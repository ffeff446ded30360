//! The body of an entry: scopes, declarations, labels and instructions with their operands.

use super::Parser;
use super::syntax::{Guard, Operand, RawInstruction, Statement};
use super::tokens::Token;
use crate::decode::is_not_executed;
use crate::fault::Fault;

impl Parser<'_> {
    /// After the opening brace, to the closing one.
    pub(super) fn body(&mut self) -> Result<Vec<Statement>, Fault> {
        let mut body = Vec::new();
        let mut depth = 0;
        loop {
            if self.takes('{') {
                depth += 1;
                body.push(Statement::Open);
            } else if self.takes('}') {
                if depth == 0 {
                    return Ok(body);
                }
                depth -= 1;
                body.push(Statement::Close);
            } else if self.sees('@') {
                body.push(self.guarded()?);
            } else {
                self.statement(&mut body)?;
            }
        }
    }

    fn guarded(&mut self) -> Result<Statement, Fault> {
        self.expect('@')?;
        let negated = self.takes('!');
        let name = self.name()?;
        let opcode = self.word()?;
        self.instruction(Some(Guard { name, negated }), opcode)
    }

    fn statement(&mut self, body: &mut Vec<Statement>) -> Result<(), Fault> {
        let word = self.word()?;
        match word.as_str() {
            ".reg" => {
                let ty = self.word()?;
                let ty = self.ty(&ty)?;
                let names = self.registers()?;
                body.push(Statement::Registers { ty, names });
            }
            ".shared" | ".const" | ".local" => {
                body.extend(self.variables(&word)?.into_iter().map(Statement::Variable));
            }
            ".pragma" => {
                self.advance()?;
                self.expect(';')?;
            }
            ".loc" => {
                for _ in 0..3 {
                    self.integer()?;
                }
            }
            _ if word.starts_with('.') => {
                return Err(self.fault(format!("`{word}` is no directive of the subset")));
            }
            _ if self.takes(':') => body.push(Statement::Label { name: word, line: self.line() }),
            _ => body.push(self.instruction(None, word)?),
        }
        Ok(())
    }

    fn registers(&mut self) -> Result<Vec<(String, Option<u32>)>, Fault> {
        let mut names = Vec::new();
        loop {
            let name = self.name()?;
            let count = match self.takes('<') {
                true => {
                    let count = self.small()?;
                    self.expect('>')?;
                    if count > 1 << 16 {
                        return Err(self.fault(format!("{count} registers are too many")));
                    }
                    Some(count)
                }
                false => None,
            };
            names.push((name, count));
            if !self.takes(',') {
                self.expect(';')?;
                return Ok(names);
            }
        }
    }

    fn instruction(&mut self, guard: Option<Guard>, opcode: String) -> Result<Statement, Fault> {
        let line = self.line();
        let mut operands = Vec::new();
        if is_not_executed(&opcode) {
            while !self.takes(';') {
                self.advance()?;
            }
        } else if !self.takes(';') {
            loop {
                operands.push(self.operand()?);
                if !self.takes(',') {
                    self.expect(';')?;
                    break;
                }
            }
        }
        Ok(Statement::Instruction(RawInstruction { line, guard, opcode, operands }))
    }

    pub(super) fn operand(&mut self) -> Result<Operand, Fault> {
        match self.peek() {
            Some(Token::Mark('{')) => {
                self.expect('{')?;
                let mut elements = vec![self.operand()?];
                while self.takes(',') {
                    elements.push(self.operand()?);
                }
                self.expect('}')?;
                Ok(Operand::Vector(elements))
            }
            Some(Token::Mark('[')) => self.address(),
            Some(Token::Mark('!')) => {
                self.expect('!')?;
                self.word().map(Operand::Not)
            }
            Some(Token::Word(_)) => {
                let name = self.word()?;
                match self.takes('|') {
                    true => Ok(Operand::Pair(name, self.word()?)),
                    false => Ok(Operand::Name(name)),
                }
            }
            _ => self.literal().map(Operand::Literal),
        }
    }

    fn address(&mut self) -> Result<Operand, Fault> {
        self.expect('[')?;
        let base = match self.peek() {
            Some(Token::Word(_)) => Some(self.word()?),
            _ => None,
        };
        let mut offset = 0i64;
        let mut first = base.is_none();
        while !self.takes(']') {
            let signed = self.takes('+');
            let negative = self.takes('-');
            if !(first || signed || negative) {
                return Err(self.fault("an address is [register + number]"));
            }
            first = false;
            let value = self.integer()?;
            let value = i64::try_from(value).map_err(|_| self.fault("the offset is too large"))?;
            offset = match negative {
                true => offset.checked_sub(value),
                false => offset.checked_add(value),
            }
            .ok_or_else(|| self.fault("the offset is too large"))?;
        }
        Ok(Operand::Address { base, offset })
    }
}
