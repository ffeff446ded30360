//! Bodies and statements.

use super::{Parsed, Parser};
use crate::ast::{Expr, ExprKind, If, Statement};
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// `{ statements }`
    pub(super) fn body(&mut self) -> Parsed<Vec<Statement>> {
        self.nested(|parser| {
            parser.expect("{")?;
            let mut statements = Vec::new();
            loop {
                parser.skip_newlines();
                if parser.eat("}") {
                    return Ok(statements);
                }
                if *parser.kind() == TokenKind::End {
                    return parser.expected("`}` at the end of the body");
                }
                match parser.statement() {
                    Ok(statement) => statements.push(statement),
                    Err(_) => parser.recover(),
                }
            }
        })
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.span();
        let statement = if self.eat_word("for") {
            let mut names = vec![self.ident("the loop's variable")?];
            while self.eat(",") {
                names.push(self.ident("the loop's variable")?);
            }
            self.expect_word("in")?;
            let items = self.expression()?;
            let span = start.to(items.span);
            let body = self.body()?;
            Statement::For { names, items, body, span }
        } else if self.eat_word("return") {
            let mut values = vec![self.expression()?];
            while self.eat(",") {
                values.push(self.expression()?);
            }
            let span = start.to(self.previous());
            Statement::Return { values, span }
        } else if self.starts_binding() {
            let mut names = vec![self.ident("a name")?];
            while self.eat(",") {
                names.push(self.ident("a name")?);
            }
            self.expect("=")?;
            self.skip_newlines();
            Statement::Bind { names, value: self.expression()? }
        } else {
            Statement::Expr(self.expression()?)
        };
        self.end_of_statement()?;
        Ok(statement)
    }

    /// Whether `name, name… =` stands here.
    fn starts_binding(&self) -> bool {
        let mut distance = 0;
        loop {
            if !matches!(self.ahead(distance), TokenKind::Name(_)) {
                return false;
            }
            match self.ahead(distance + 1) {
                TokenKind::Symbol("=") => return true,
                TokenKind::Symbol(",") => distance += 2,
                _ => return false,
            }
        }
    }

    /// After `if`.
    pub(super) fn if_expression(&mut self) -> Parsed<Expr> {
        let start = self.previous();
        let condition = self.expression()?;
        let then = self.body()?;
        let mut distance = 0;
        while *self.ahead(distance) == TokenKind::Newline {
            distance += 1;
        }
        let mut otherwise = None;
        if matches!(self.ahead(distance), TokenKind::Name(word) if word == "else") {
            self.skip_newlines();
            self.advance();
            otherwise = Some(if self.eat_word("if") {
                vec![Statement::Expr(self.nested(Self::if_expression)?)]
            } else {
                self.body()?
            });
        }
        let span = start.to(self.previous());
        Ok(Expr { kind: ExprKind::If(Box::new(If { condition, then, otherwise })), span })
    }
}
