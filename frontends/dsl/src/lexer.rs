//! From text to tokens.
//!
//! Every byte of the text lies in one token or is blank, so the formatter can rebuild the file from
//! the tokens. Comments and newlines are tokens; [`significant`] leaves those that the grammar needs:
//! a newline ends a statement unless it stands inside `(…)` or `[…]` or the next line starts with `|>`.

use crate::codes;
use dlc_types::{Diagnostic, Diagnostics, FileId, Span};

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A name or keyword.
    Name(String),
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// A string with its quotes; the parser reads what is inside.
    Text,
    /// Punctuation.
    Symbol(&'static str),
    /// From `#` to the end of the line.
    Comment,
    /// The end of a line.
    Newline,
    /// The end of the file.
    End,
}

/// A token and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// Longer symbols stand before their prefixes.
const SYMBOLS: [&str; 27] = [
    "|>", "->", "..", "==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "^", "@", "(", ")",
    "[", "]", "{", "}", ",", ":", ".", ";",
];

/// Cuts `text[start..end]` into tokens. Faults are reported and skipped.
pub(crate) fn lex(
    text: &str,
    range: std::ops::Range<usize>,
    file: FileId,
    diagnostics: &mut Diagnostics,
) -> Vec<Token> {
    let mut lexer = Lexer { text, end: range.end.min(text.len()), at: range.start, file, diagnostics };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    let end = lexer.end;
    tokens.push(Token { kind: TokenKind::End, span: Span::new(file, end, end) });
    tokens
}

/// The tokens that the grammar knows.
pub(crate) fn significant(tokens: &[Token]) -> Vec<Token> {
    let mut result: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut lines_count = vec![true];
    for token in tokens {
        match &token.kind {
            TokenKind::Comment => continue,
            TokenKind::Newline if lines_count.last() == Some(&false) => continue,
            TokenKind::Newline if result.last().is_none_or(|last| last.kind == TokenKind::Newline) => {
                continue;
            }
            TokenKind::Symbol("(" | "[") => lines_count.push(false),
            TokenKind::Symbol("{") => lines_count.push(true),
            TokenKind::Symbol(")" | "]" | "}") if lines_count.len() > 1 => {
                lines_count.pop();
            }
            TokenKind::Symbol("|>") if result.last().is_some_and(|last| last.kind == TokenKind::Newline) => {
                result.pop();
            }
            _ => {}
        }
        result.push(token.clone());
    }
    result
}

struct Lexer<'a> {
    text: &'a str,
    end: usize,
    at: usize,
    file: FileId,
    diagnostics: &'a mut Diagnostics,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start, self.at)
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) {
        let length: usize = self.rest().chars().take_while(|&c| accept(c)).map(char::len_utf8).sum();
        self.at += length;
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            self.take_while(|c| c == ' ' || c == '\t' || c == '\r');
            let start = self.at;
            let first = self.rest().chars().next()?;
            let kind = if first == '\n' {
                self.at += 1;
                TokenKind::Newline
            } else if first == '#' {
                self.take_while(|c| c != '\n');
                TokenKind::Comment
            } else if first == '"' {
                self.string(start);
                TokenKind::Text
            } else if first.is_ascii_digit() {
                self.number(start)
            } else if first.is_alphabetic() || first == '_' {
                self.take_while(|c| c.is_alphanumeric() || c == '_');
                TokenKind::Name(self.text[start..self.at].to_owned())
            } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest().starts_with(symbol)) {
                self.at += symbol.len();
                TokenKind::Symbol(symbol)
            } else {
                self.at += first.len_utf8();
                let message = format!("the character `{}` has no meaning here", first.escape_debug());
                self.diagnostics
                    .push(Diagnostic::error(codes::CHARACTER, message).at(self.span(start), "unexpected"));
                continue;
            };
            return Some(Token { kind, span: self.span(start) });
        }
    }

    fn string(&mut self, start: usize) {
        let mut escaped = false;
        let mut closed = None;
        for (offset, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    closed = Some(offset + 1);
                    break;
                }
                _ => {}
            }
        }
        if let Some(length) = closed {
            self.at += length;
            return;
        }
        self.take_while(|c| c != '\n');
        self.diagnostics.push(
            Diagnostic::error(codes::STRING, "this string has no closing quote on its line")
                .at(self.span(start), "starts here")
                .help("close it with `\"`"),
        );
    }

    fn number(&mut self, start: usize) -> TokenKind {
        let digits = |c: char| c.is_ascii_digit() || c == '_';
        self.take_while(digits);
        let mut is_float = false;
        let mut following = self.rest().chars();
        if following.next() == Some('.') && following.next().is_some_and(|c| c.is_ascii_digit()) {
            is_float = true;
            self.at += 1;
            self.take_while(digits);
        }
        let mut following = self.rest().chars();
        if matches!(following.next(), Some('e' | 'E')) {
            let sign_or_digit = following.next();
            let signed = matches!(sign_or_digit, Some('+' | '-'));
            let digit = if signed { following.next() } else { sign_or_digit };
            if digit.is_some_and(|c| c.is_ascii_digit()) {
                is_float = true;
                self.at += 1 + usize::from(signed);
                self.take_while(digits);
            }
        }
        let text: String = self.text[start..self.at].chars().filter(|&c| c != '_').collect();
        let value = if is_float {
            text.parse().ok().filter(|value: &f64| value.is_finite()).map(TokenKind::Float)
        } else {
            text.parse().ok().map(TokenKind::Int)
        };
        value.unwrap_or_else(|| {
            let message = format!("the number {text} is too large");
            self.diagnostics
                .push(Diagnostic::error(codes::NUMBER, message).at(self.span(start), "does not fit 64 bits"));
            TokenKind::Int(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut sources = dlc_types::SourceMap::default();
        let file = sources.add("test", text);
        let mut diagnostics = Diagnostics::default();
        let tokens = lex(text, 0..text.len(), file, &mut diagnostics);
        significant(&tokens).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn ranges_are_not_floats() {
        use TokenKind::{End, Float, Int, Symbol};
        assert_eq!(kinds("0..3"), [Int(0), Symbol(".."), Int(3), End]);
        assert_eq!(kinds("0.5 1e-4 1_000"), [Float(0.5), Float(1e-4), Int(1000), End]);
    }

    #[test]
    fn a_line_that_starts_with_a_pipe_goes_on() {
        use TokenKind::{End, Name, Newline, Symbol};
        let name = |text: &str| Name(text.to_owned());
        assert_eq!(
            kinds("x # remark\n\n  # another\n  |> f\ny"),
            [name("x"), Symbol("|>"), name("f"), Newline, name("y"), End]
        );
        assert_eq!(kinds("(a\nb)"), [Symbol("("), name("a"), name("b"), Symbol(")"), End]);
    }
}
