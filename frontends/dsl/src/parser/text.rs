//! Strings: escapes and `{interpolation}`.

use super::{Fault, Parsed, Parser};
use crate::ast::Piece;
use crate::codes;
use crate::lexer::TokenKind;
use dlc_types::{Diagnostic, Span};

impl Parser<'_> {
    /// A string without interpolation.
    pub(super) fn plain_text(&mut self, what: &str) -> Parsed<String> {
        if *self.kind() != TokenKind::Text {
            return self.expected(what);
        }
        let span = self.span();
        let pieces = self.text()?;
        match pieces.as_slice() {
            [] => Ok(String::new()),
            [Piece::Literal(text)] => Ok(text.clone()),
            _ => self.text_fault(span, "no value can be inserted here"),
        }
    }

    fn text_fault<T>(&mut self, span: Span, message: &str) -> Parsed<T> {
        self.diagnostics.push(
            Diagnostic::error(codes::STRING, message.to_owned())
                .at(span, "in this string")
                .help("escapes are \\\" \\\\ \\n \\t \\{ \\}; `{name}` inserts a value"),
        );
        Err(Fault)
    }

    /// The pieces of the string at hand.
    pub(super) fn text(&mut self) -> Parsed<Vec<Piece>> {
        let span = self.span();
        self.advance();
        let (start, end) = (span.start as usize, span.end as usize);
        let inner_end = if end > start + 1 && self.source[start..end].ends_with('"') { end - 1 } else { end };
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut at = start + 1;
        while let Some(c) = self.source.get(at..inner_end).and_then(|rest| rest.chars().next()) {
            match c {
                '\\' => {
                    let escape = self.source[at + 1..inner_end].chars().next();
                    literal.push(match escape {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some(plain @ ('"' | '\\' | '{' | '}')) => plain,
                        _ => return self.text_fault(span, "this string has an unknown escape"),
                    });
                    at += 2;
                }
                '{' => {
                    let Some(length) = self.source[at..inner_end].find('}') else {
                        return self.text_fault(span, "an inserted value has no closing `}`");
                    };
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(self.inserted(at + 1, at + length, span)?);
                    at += length + 1;
                }
                _ => {
                    literal.push(c);
                    at += c.len_utf8();
                }
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(pieces)
    }

    fn inserted(&mut self, start: usize, end: usize, span: Span) -> Parsed<Piece> {
        if self.source[start..end].contains(['"', '{']) {
            return self.text_fault(span, "an inserted value cannot contain a string");
        }
        let (source, file, depth) = (self.source, self.file, self.depth);
        let mut inner = Parser::new(source, start..end, file, depth, self.diagnostics);
        let value = inner.expression()?;
        if *inner.kind() != TokenKind::End {
            return inner.expected("`}`");
        }
        Ok(Piece::Value(value))
    }
}
