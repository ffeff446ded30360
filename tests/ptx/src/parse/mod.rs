//! PTX text into a syntax tree. Names are not resolved here and opcodes not looked into; that is `decode`'s.

mod declarations;
mod statements;
pub(crate) mod syntax;
pub(crate) mod tokens;

use crate::fault::Fault;
use syntax::{RawEntry, RawModule};
use tokens::{Spot, Token, malformed, tokens};

/// Reads tokens from front to back.
pub(crate) struct Parser<'a> {
    source: &'a str,
    spots: Vec<Spot>,
    at: usize,
}

pub(crate) fn parse(source: &str) -> Result<RawModule, Fault> {
    let mut parser = Parser { source, spots: tokens(source)?, at: 0 };
    let mut module = RawModule { target: String::new(), variables: Vec::new(), entries: Vec::new() };
    let mut sizes = false;
    if parser.peek() != Some(&Token::Word(".version".to_owned())) {
        return Err(malformed(source, 1, "a module starts with .version, .target and .address_size 64"));
    }
    while let Some(word) = parser.next_word()? {
        match word.as_str() {
            ".version" => drop(parser.advance()?),
            ".target" => {
                module.target = parser.word()?;
                while parser.takes(',') {
                    parser.word()?;
                }
            }
            ".address_size" => {
                if parser.integer()? != 64 {
                    return Err(parser.fault("only .address_size 64 is executed"));
                }
                sizes = true;
            }
            ".visible" | ".weak" | ".extern" => {}
            ".entry" => {
                let entry = parser.entry()?;
                if module.entries.iter().any(|other: &RawEntry| other.name == entry.name) {
                    return Err(malformed(source, entry.line, format!("{} is defined twice", entry.name)));
                }
                module.entries.push(entry);
            }
            ".shared" | ".const" => {
                let variables = parser.variables(&word)?;
                module.variables.extend(variables);
            }
            ".file" => {
                parser.integer()?;
                parser.advance()?;
            }
            _ => return Err(parser.fault(format!("`{word}` is no directive of the subset"))),
        }
    }
    if module.target.is_empty() || !sizes {
        return Err(malformed(source, 1, "a module starts with .version, .target and .address_size 64"));
    }
    Ok(module)
}

impl Parser<'_> {
    fn line(&self) -> u32 {
        self.spots.get(self.at.saturating_sub(1)).map_or(1, |spot| spot.line)
    }

    /// A fault at the token read last.
    fn fault(&self, message: impl Into<String>) -> Fault {
        malformed(self.source, self.line(), message)
    }

    fn peek(&self) -> Option<&Token> {
        self.spots.get(self.at).map(|spot| &spot.token)
    }

    fn advance(&mut self) -> Result<Token, Fault> {
        let token = self.peek().cloned().ok_or_else(|| self.fault("the text ends here too early"))?;
        self.at += 1;
        Ok(token)
    }

    fn next_word(&mut self) -> Result<Option<String>, Fault> {
        match self.peek() {
            Some(_) => self.word().map(Some),
            None => Ok(None),
        }
    }

    fn word(&mut self) -> Result<String, Fault> {
        match self.advance()? {
            Token::Word(word) => Ok(word),
            _ => Err(self.fault("a name is missing")),
        }
    }

    /// A name, not a directive.
    fn name(&mut self) -> Result<String, Fault> {
        let word = self.word()?;
        match word.contains('.') {
            true => Err(self.fault(format!("`{word}` is no name"))),
            false => Ok(word),
        }
    }

    fn integer(&mut self) -> Result<u64, Fault> {
        match self.advance()? {
            Token::Integer(value) => Ok(value),
            _ => Err(self.fault("an integer is missing")),
        }
    }

    fn small(&mut self) -> Result<u32, Fault> {
        let value = self.integer()?;
        u32::try_from(value).map_err(|_| self.fault(format!("{value} is too large")))
    }

    fn sees(&self, mark: char) -> bool {
        self.peek() == Some(&Token::Mark(mark))
    }

    fn takes(&mut self, mark: char) -> bool {
        let seen = self.sees(mark);
        self.at += usize::from(seen);
        seen
    }

    fn expect(&mut self, mark: char) -> Result<(), Fault> {
        match self.advance()? {
            Token::Mark(found) if found == mark => Ok(()),
            _ => Err(self.fault(format!("`{mark}` is missing"))),
        }
    }
}
