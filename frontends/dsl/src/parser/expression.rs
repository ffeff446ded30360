//! Expressions, by precedence climbing.
//!
//! From loosest to tightest: `|>`; `or`; `and`; `not`; comparisons; `..`; `+ -`; `* / % @`; unary `-`;
//! `^` (right-associative); calls, `.name`, `[…]`.

use super::{MAX_DEPTH, Parsed, Parser};
use crate::ast::{
    Argument, BinaryOperator, Call, Expr, ExprKind, Ident, Piece, Slice, Subscript, UnaryOperator,
};
use crate::lexer::TokenKind;
use dlc_types::{DType, Span};

const RANGE: u8 = 5;
const NOT: u8 = 3;
const NEGATE: u8 = 8;
const POWER: u8 = 9;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            let head = parser.operation(0)?;
            if !parser.is("|>") {
                return Ok(head);
            }
            let mut stages = Vec::new();
            while parser.eat("|>") {
                parser.skip_newlines();
                stages.push(parser.stage()?);
            }
            let span = head.span.to(parser.previous());
            Ok(Expr { kind: ExprKind::Pipe(Box::new(head), stages), span })
        })
    }

    fn stage(&mut self) -> Parsed<Call> {
        let callee = self.ident("a layer, block or function")?;
        if !self.is("(") {
            let help = format!("write `{}()`", callee.text);
            return self.expected_with("`(`", Some(&help));
        }
        self.call(callee)
    }

    fn operator(&self) -> Option<(BinaryOperator, u8)> {
        match self.kind() {
            TokenKind::Symbol(symbol) => BinaryOperator::from_text(symbol),
            TokenKind::Name(word) if word == "and" || word == "or" => BinaryOperator::from_text(word),
            _ => None,
        }
    }

    /// Operators that bind at least as tightly as `least`.
    fn operation(&mut self, least: u8) -> Parsed<Expr> {
        let mut left = self.prefix()?;
        let mut height = 0;
        loop {
            height += 1;
            if height > MAX_DEPTH {
                return self.too_deep();
            }
            if self.is("..") && RANGE >= least {
                self.advance();
                let right = self.nested(|parser| parser.operation(RANGE + 1))?;
                let span = left.span.to(right.span);
                left = Expr { kind: ExprKind::Range(Box::new(left), Box::new(right)), span };
                continue;
            }
            let Some((operator, strength)) = self.operator() else { return Ok(left) };
            if strength < least {
                return Ok(left);
            }
            self.advance();
            self.skip_newlines();
            let tighter = if strength == POWER { NEGATE } else { strength + 1 };
            let right = self.nested(|parser| parser.operation(tighter))?;
            let span = left.span.to(right.span);
            left = Expr { kind: ExprKind::Binary(operator, Box::new(left), Box::new(right)), span };
        }
    }

    fn prefix(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let (operator, strength) = if self.eat("-") {
            (UnaryOperator::Negate, NEGATE)
        } else if self.eat_word("not") {
            (UnaryOperator::Not, NOT)
        } else {
            return self.postfix();
        };
        let operand = self.nested(|parser| parser.operation(strength))?;
        let span = start.to(operand.span);
        Ok(Expr { kind: ExprKind::Unary(operator, Box::new(operand)), span })
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut value = self.primary()?;
        for _ in 0..MAX_DEPTH {
            if self.eat(".") {
                let name = self.ident("an attribute's name")?;
                let span = value.span.to(name.span);
                value = Expr { kind: ExprKind::Attribute(Box::new(value), name), span };
            } else if self.is("[") {
                let subscripts = self.subscripts()?;
                let span = value.span.to(self.previous());
                value = Expr { kind: ExprKind::Index(Box::new(value), subscripts), span };
            } else {
                return Ok(value);
            }
        }
        self.too_deep()
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let span = self.span();
        let kind = match self.kind().clone() {
            TokenKind::Int(value) => {
                self.advance();
                ExprKind::Int(value)
            }
            TokenKind::Float(value) => {
                self.advance();
                ExprKind::Float(value)
            }
            TokenKind::Text => ExprKind::Text(self.text()?),
            TokenKind::Symbol("(") => return self.parenthesised(),
            TokenKind::Symbol("[") => {
                self.advance();
                ExprKind::List(self.items("]", Vec::new())?)
            }
            TokenKind::Name(word) => return self.word(&word, span),
            _ => return self.expected("a value"),
        };
        Ok(Expr { kind, span: span.to(self.previous()) })
    }

    /// `(value)` or `(value, value)`.
    fn parenthesised(&mut self) -> Parsed<Expr> {
        let span = self.span();
        self.advance();
        let first = self.expression()?;
        if self.eat(")") {
            return Ok(Expr { kind: first.kind, span: span.to(self.previous()) });
        }
        if !self.eat(",") {
            return self.expected("`)`");
        }
        let items = self.items(")", vec![first])?;
        Ok(Expr { kind: ExprKind::List(items), span: span.to(self.previous()) })
    }

    fn items(&mut self, close: &str, mut items: Vec<Expr>) -> Parsed<Vec<Expr>> {
        while !self.is(close) {
            items.push(self.expression()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(close)?;
        Ok(items)
    }

    fn word(&mut self, word: &str, span: Span) -> Parsed<Expr> {
        let plain = |kind| Ok(Expr { kind, span });
        match word {
            "true" | "false" => {
                self.advance();
                return plain(ExprKind::Bool(word == "true"));
            }
            "none" => {
                self.advance();
                return plain(ExprKind::None);
            }
            "if" => {
                self.advance();
                return self.nested(Self::if_expression);
            }
            "layer" => {
                self.advance();
                let call = self.stage()?;
                let span = span.to(call.span);
                return Ok(Expr { kind: ExprKind::Layer(call), span });
            }
            _ => {}
        }
        let name = self.ident("a value")?;
        if let (Ok(dtype), true) = (word.parse::<DType>(), self.is("[")) {
            self.advance();
            let dims = self.items("]", Vec::new())?;
            return Ok(Expr { kind: ExprKind::Type(dtype, dims), span: span.to(self.previous()) });
        }
        if self.is("(") {
            let call = self.call(name)?;
            let span = call.span;
            return Ok(Expr { kind: ExprKind::Call(call), span });
        }
        plain(ExprKind::Name(name.text))
    }

    /// `(arguments) as alias`, after the callee.
    fn call(&mut self, callee: Ident) -> Parsed<Call> {
        self.expect("(")?;
        let opening = self.previous();
        let mut arguments = Vec::new();
        while !self.is(")") {
            let named = matches!(self.kind(), TokenKind::Name(_)) && *self.ahead(1) == TokenKind::Symbol("=");
            let name = if named {
                let name = self.ident("a key")?;
                self.expect("=")?;
                Some(name)
            } else {
                None
            };
            arguments.push(Argument { name, value: self.expression()? });
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        let span = callee.span.to(self.previous());
        let alias = if self.eat_word("as") { Some(Box::new(self.alias()?)) } else { None };
        Ok(Call { callee, opening, arguments, alias, span })
    }

    fn alias(&mut self) -> Parsed<Expr> {
        let span = self.span();
        if *self.kind() == TokenKind::Text {
            let kind = ExprKind::Text(self.text()?);
            return Ok(Expr { kind, span });
        }
        let name = self.ident("a path: a name or a string")?;
        Ok(Expr { kind: ExprKind::Text(vec![Piece::Literal(name.text)]), span })
    }

    fn subscripts(&mut self) -> Parsed<Vec<Subscript>> {
        self.expect("[")?;
        let mut subscripts = Vec::new();
        while !self.is("]") {
            subscripts.push(self.subscript()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect("]")?;
        Ok(subscripts)
    }

    fn subscript(&mut self) -> Parsed<Subscript> {
        let span = self.span();
        let ends = |parser: &Self| parser.is(":") || parser.is(",") || parser.is("]");
        let start = if ends(self) { None } else { Some(self.expression()?) };
        if !self.eat(":") {
            return match start {
                Some(index) => Ok(Subscript::At(index)),
                None => self.expected("an index or a slice"),
            };
        }
        let limit = if ends(self) { None } else { Some(self.expression()?) };
        let step = if self.eat(":") && !ends(self) { Some(self.expression()?) } else { None };
        let span = span.to(self.previous());
        Ok(Subscript::Slice(Box::new(Slice { start, limit, step, span })))
    }
}
