//! A place in a list of tokens, and the small things that are read there: names, numbers, forms.

use super::ParseError;
use super::tokens::{Token, tokens};
use crate::{Affine, IndexVar, Operand, Var};
use dlc_types::index::EntityIndex;
use dlc_types::{DType, Dim};
use std::fmt::Display;
use std::str::FromStr;

pub(super) type Parsed<T> = Result<T, ParseError>;

pub(super) struct Cursor<'t> {
    tokens: Vec<(Token<'t>, usize)>,
    position: usize,
    /// Operands of the kernel that is being read.
    pub(super) operands: Vec<Operand>,
    /// Loops around this place.
    pub(super) depth: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Parsed<Self> {
        Ok(Cursor { tokens: tokens(text)?, position: 0, operands: Vec::new(), depth: 0 })
    }

    /// An error at this place.
    pub(super) fn error<T>(&self, message: impl Display) -> Parsed<T> {
        let here = self.tokens.get(self.position).or(self.tokens.last());
        Err(ParseError { line: here.map_or(1, |&(_, line)| line), message: message.to_string() })
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        match self.peek() {
            Some(Token::Word(text) | Token::Number(text)) => {
                self.error(format_args!("expected {what}, found `{text}`"))
            }
            Some(Token::Symbol(text)) => self.error(format_args!("expected {what}, found `{text}`")),
            Some(Token::Name(text)) => self.error(format_args!("expected {what}, found {text:?}")),
            None => self.error(format_args!("expected {what}, found the end")),
        }
    }

    fn peek(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.position).map(|(token, _)| token)
    }

    pub(super) fn peek_word(&self) -> Option<&'t str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether the next token stands on the line of the last one.
    pub(super) fn on_same_line(&self) -> bool {
        let line = |position: usize| self.tokens.get(position).map(|&(_, line)| line);
        self.position.checked_sub(1).and_then(line) == line(self.position)
    }

    pub(super) fn end(&self) -> Parsed<()> {
        if self.peek().is_some() { self.expected("the end") } else { Ok(()) }
    }

    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(text)) if *text == symbol);
        self.position += usize::from(found);
        found
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        self.position += usize::from(found);
        found
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat(symbol) { Ok(()) } else { self.expected(&format!("`{symbol}`")) }
    }

    pub(super) fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { self.expected(&format!("`{word}`")) }
    }

    /// A word that `read` knows.
    pub(super) fn word<T>(&mut self, what: &str, read: impl Fn(&str) -> Option<T>) -> Parsed<T> {
        match self.peek_word().and_then(read) {
            Some(value) => {
                self.position += 1;
                Ok(value)
            }
            None => self.expected(what),
        }
    }

    /// A word or a quoted name.
    pub(super) fn name(&mut self) -> Parsed<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => (*word).to_owned(),
            Some(Token::Name(name)) => name.clone(),
            _ => return self.expected("a name"),
        };
        self.position += 1;
        Ok(name)
    }

    pub(super) fn quoted(&mut self) -> Parsed<String> {
        if matches!(self.peek(), Some(Token::Name(_))) { self.name() } else { self.expected("a quoted name") }
    }

    pub(super) fn dtype(&mut self) -> Parsed<DType> {
        self.word("an element type", |word| word.parse().ok())
    }

    pub(super) fn var(&mut self) -> Parsed<Var> {
        self.word("a value", |word| entity(word, "v"))
    }

    pub(super) fn index_var(&mut self) -> Parsed<IndexVar> {
        self.word("an index", index_var)
    }

    /// A number without a sign.
    pub(super) fn number<T: FromStr>(&mut self) -> Parsed<T> {
        let number = match self.peek() {
            Some(Token::Number(text)) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => {
                self.position += 1;
                Ok(number)
            }
            None => self.expected("a number in range"),
        }
    }

    pub(super) fn integer(&mut self) -> Parsed<i64> {
        let negative = self.eat("-");
        self.signed(negative)
    }

    fn signed(&mut self, negative: bool) -> Parsed<i64> {
        let magnitude = i128::from(self.number::<u64>()?);
        match i64::try_from(if negative { -magnitude } else { magnitude }) {
            Ok(number) => Ok(number),
            Err(_) => self.error("a number that does not fit 64 bits"),
        }
    }

    pub(super) fn float(&mut self) -> Parsed<f64> {
        let negative = self.eat("-");
        let magnitude = match self.peek_word() {
            Some("inf") => Some(f64::INFINITY),
            Some("nan") => Some(f64::NAN),
            _ => None,
        };
        let magnitude = match magnitude {
            Some(magnitude) => {
                self.position += 1;
                magnitude
            }
            None => self.number()?,
        };
        Ok(if negative { -magnitude } else { magnitude })
    }

    pub(super) fn dim(&mut self) -> Parsed<Dim> {
        if self.eat_word("N") {
            return Ok(Dim::N);
        }
        let size = self.number()?;
        Ok(if self.on_same_line() && self.eat_word("N") { Dim::Batch(size) } else { Dim::Fixed(size) })
    }

    /// Items with commas, up to a closing symbol.
    pub(super) fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.symbol(open)?;
        let mut items = Vec::new();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(close) {
                return Ok(items);
            }
            if !self.eat(",") {
                return self.expected(&format!("`,` or `{close}`"));
            }
        }
    }

    /// Three numbers in brackets.
    pub(super) fn triple(&mut self) -> Parsed<[i64; 3]> {
        let numbers = self.list("[", "]", Self::integer)?;
        match numbers.as_slice().try_into() {
            Ok(numbers) => Ok(numbers),
            Err(_) => self.error("three numbers belong here"),
        }
    }

    /// An index form.
    pub(super) fn form(&mut self) -> Parsed<Affine> {
        let mut form = Affine::default();
        let mut negative = self.eat("-");
        loop {
            let term = self.term(negative)?;
            match form.plus_checked(&term, 1) {
                Some(sum) => form = sum,
                None => return self.error("a form that does not fit 64 bits"),
            }
            negative = self.eat("-");
            if !negative && !self.eat("+") {
                return Ok(form);
            }
        }
    }

    fn term(&mut self, negative: bool) -> Parsed<Affine> {
        let sign = if negative { -1 } else { 1 };
        if self.peek_word().is_some() {
            return self.factor(sign);
        }
        let number = self.signed(negative)?;
        if self.eat("*") { self.factor(number) } else { Ok(Affine::constant(number)) }
    }

    fn factor(&mut self, coefficient: i64) -> Parsed<Affine> {
        if self.eat_word("N") {
            return Ok(Affine { batch: coefficient, ..Affine::default() });
        }
        let mut form = Affine::default();
        form.add_term(self.index_var()?, coefficient);
        Ok(form)
    }
}

fn index_var(word: &str) -> Option<IndexVar> {
    entity(word, "i")
}

/// The entity that a prefix and a number name.
pub(super) fn entity<T: EntityIndex>(word: &str, prefix: &str) -> Option<T> {
    let digits = word.strip_prefix(prefix)?;
    let number: u32 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(T::from_usize(number as usize))
}
