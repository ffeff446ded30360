//! From tokens to the syntax tree.
//!
//! The parser recovers: a fault in a statement costs that statement, and the rest of the file is still
//! read, so that all faults are told at once. Depth is bounded by [`MAX_DEPTH`], so no text can exhaust
//! the stack here or in the walks that follow.

mod expression;
mod item;
mod statement;
mod text;

use crate::ast::{File, Ident};
use crate::codes;
use crate::lexer::{self, Token, TokenKind};
use dlc_types::{Diagnostic, Diagnostics, FileId, SourceMap, Span};

/// How deeply expressions and bodies may nest.
pub(crate) const MAX_DEPTH: usize = 64;

/// Words that cannot be bound.
const RESERVED: [&str; 16] = [
    "if", "else", "for", "in", "return", "as", "layer", "and", "or", "not", "true", "false", "none", "block",
    "model", "import",
];

/// Whether a word means something in the language, so that nothing can be called so.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// The fault is reported; the caller recovers.
pub(crate) struct Fault;

pub(crate) type Parsed<T> = Result<T, Fault>;

pub(crate) struct Parser<'a> {
    source: &'a str,
    file: FileId,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    diagnostics: &'a mut Diagnostics,
}

/// Reads one file.
pub(crate) fn parse(sources: &SourceMap, file: FileId, diagnostics: &mut Diagnostics) -> File {
    let source = sources.files.get(file).map_or("", |file| file.text.as_str());
    Parser::new(source, 0..source.len(), file, 0, diagnostics).file()
}

/// Reads the right side of a `key = …` entry, as settings give it.
pub(crate) fn parse_entry(
    sources: &SourceMap,
    file: FileId,
    key: Ident,
    diagnostics: &mut Diagnostics,
) -> Option<crate::ast::Entry> {
    let source = sources.files.get(file).map_or("", |file| file.text.as_str());
    let start = source.find('=').map_or(0, |equals| equals + 1);
    let mut parser = Parser::new(source, start..source.len(), file, 0, diagnostics);
    let entry = parser.entry_value(key).ok()?;
    parser.end_of_statement().ok()?;
    Some(entry)
}

impl<'a> Parser<'a> {
    fn new(
        source: &'a str,
        range: std::ops::Range<usize>,
        file: FileId,
        depth: usize,
        diagnostics: &'a mut Diagnostics,
    ) -> Parser<'a> {
        let tokens = lexer::significant(&lexer::lex(source, range, file, diagnostics));
        Parser { source, file, tokens, at: 0, depth, diagnostics }
    }

    fn token(&self) -> &Token {
        // The last token is `End`, and `advance` never passes it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn kind(&self) -> &TokenKind {
        &self.token().kind
    }

    fn span(&self) -> Span {
        self.token().span
    }

    /// The span of the token before.
    fn previous(&self) -> Span {
        self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].span
    }

    fn ahead(&self, distance: usize) -> &TokenKind {
        &self.tokens[(self.at + distance).min(self.tokens.len() - 1)].kind
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self.kind(), TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(found) if found == word)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn skip_newlines(&mut self) {
        while *self.kind() == TokenKind::Newline {
            self.advance();
        }
    }

    /// What stands here, for messages.
    fn found(&self) -> String {
        match self.kind() {
            TokenKind::Name(name) => format!("`{name}`"),
            TokenKind::Int(value) => value.to_string(),
            TokenKind::Float(value) => value.to_string(),
            TokenKind::Text => "a string".to_owned(),
            TokenKind::Symbol(symbol) => format!("`{symbol}`"),
            TokenKind::Comment => "a comment".to_owned(),
            TokenKind::Newline => "the end of the line".to_owned(),
            TokenKind::End => "the end of the file".to_owned(),
        }
    }

    fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        self.expected_with(what, None)
    }

    fn expected_with<T>(&mut self, what: &str, help: Option<&str>) -> Parsed<T> {
        let message = format!("expected {what}, found {}", self.found());
        let mut diagnostic =
            Diagnostic::error(codes::SYNTAX, message).at(self.span(), format!("expected {what}"));
        diagnostic.help = help.map(str::to_owned);
        self.diagnostics.push(diagnostic);
        Err(Fault)
    }

    fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat(symbol) { Ok(()) } else { self.expected(&format!("`{symbol}`")) }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { self.expected(&format!("`{word}`")) }
    }

    /// A name that may be bound.
    fn ident(&mut self, what: &str) -> Parsed<Ident> {
        match self.kind().clone() {
            TokenKind::Name(text) if !RESERVED.contains(&text.as_str()) => {
                let span = self.span();
                self.advance();
                Ok(Ident { text, span })
            }
            TokenKind::Name(text) => self
                .expected_with(what, Some(&format!("`{text}` is a word of the language; use another name"))),
            _ => self.expected(what),
        }
    }

    /// Runs `read` one level deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return self.too_deep();
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn too_deep<T>(&mut self) -> Parsed<T> {
        self.diagnostics.push(
            Diagnostic::error(codes::NESTING, format!("nested more than {MAX_DEPTH} levels deep"))
                .at(self.span(), "too deep from here")
                .help("bind a part of it to a name"),
        );
        Err(Fault)
    }

    /// The end of a statement; does not eat the closing brace.
    fn end_of_statement(&mut self) -> Parsed<()> {
        match self.kind() {
            TokenKind::Newline => {
                self.advance();
                Ok(())
            }
            TokenKind::End | TokenKind::Symbol("}") => Ok(()),
            TokenKind::Symbol(";") => self
                .expected_with("the end of the line", Some("statements end with their line; drop the `;`")),
            TokenKind::Symbol(_) => {
                let help = "if an operator follows a pipeline, put the pipeline into parentheses";
                self.expected_with("the end of the line", Some(help))
            }
            _ => self.expected("the end of the line"),
        }
    }

    /// Skips the rest of a statement, with the bodies it opens.
    fn recover(&mut self) {
        let mut open = 0usize;
        loop {
            match self.kind() {
                TokenKind::End => return,
                TokenKind::Newline if open == 0 => return self.advance(),
                TokenKind::Symbol("{") => open += 1,
                TokenKind::Symbol("}") if open == 0 => return,
                TokenKind::Symbol("}") => open -= 1,
                _ => {}
            }
            self.advance();
        }
    }
}
