//! The formatter: one way to lay out a file.
//!
//! It works on the tokens, so comments and line breaks stay where the author put them. It sets spaces,
//! indents by two, aligns the comments behind neighbouring lines and the `=` of neighbouring bindings (in
//! `data` and `train` always, elsewhere where one of them is set off by more than a space), and keeps at
//! most one blank line. Formatting twice changes nothing more.

use crate::lexer::{self, Token, TokenKind};
use crate::{parser, sections};
use dlc_types::{Diagnostics, SourceMap};

/// Lays out a file.
///
/// # Errors
/// The diagnostics of a text that cannot be parsed.
pub fn format(text: &str, name: &str) -> Result<String, (SourceMap, Diagnostics)> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add(name, text);
    parser::parse(&sources, file, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err((sources, diagnostics));
    }
    let tokens = lexer::lex(text, 0..text.len(), file, &mut diagnostics);
    let mut lines = layout(&tokens, &sources);
    align_bindings(&mut lines);
    align_comments(&mut lines);
    Ok(join(&lines))
}

/// Lays out a file after it has been made to say itself what settings say, as `--set` gives them.
///
/// # Errors
/// The diagnostics of a text that cannot be parsed, or of a setting that has no place in it.
pub fn format_with(
    text: &str,
    name: &str,
    settings: &[(String, String)],
) -> Result<String, (SourceMap, Diagnostics)> {
    let mut text = text.to_owned();
    for setting in settings {
        let (mut sources, mut diagnostics) = (SourceMap::default(), Diagnostics::default());
        let main = sources.add(name, text);
        match sections::write_setting(&mut sources, main, setting, &mut diagnostics) {
            Some(written) if !diagnostics.has_errors() => text = written,
            _ => return Err((sources, diagnostics)),
        }
    }
    format(&text, name)
}

/// One line of the result.
#[derive(Debug, Default)]
struct Line {
    indent: usize,
    code: String,
    comment: Option<String>,
    binding: Option<Binding>,
}

/// The left side of `names = …`.
#[derive(Clone, Copy, Debug)]
struct Binding {
    /// Length of the names.
    width: usize,
    /// Whether the author, or the section, asks for aligned `=`.
    aligned: bool,
}

impl Line {
    fn is_blank(&self) -> bool {
        self.code.is_empty() && self.comment.is_none()
    }
}

/// Cuts the tokens into lines with their indents.
fn layout(tokens: &[Token], sources: &SourceMap) -> Vec<Line> {
    let mut lines = Vec::new();
    // For each open bracket the indent of the line that opened it.
    let mut open: Vec<usize> = Vec::new();
    let mut in_entries = false;
    for line in tokens.split(|token| token.kind == TokenKind::Newline) {
        let code: Vec<&Token> =
            line.iter().filter(|token| !matches!(token.kind, TokenKind::Comment | TokenKind::End)).collect();
        let comment = line.iter().find(|token| token.kind == TokenKind::Comment);
        let closers = code.iter().take_while(|token| is_symbol(token, &[")", "]", "}"])).count();
        let inside = open.last().map_or(0, |indent| indent + 2);
        let mut indent = match closers {
            0 => inside,
            _ => open.get(open.len().saturating_sub(closers)).copied().unwrap_or(0),
        };
        if code.first().is_some_and(|token| is_symbol(token, &["|>"])) {
            indent += 2;
        }
        if let (true, Some(TokenKind::Name(word))) = (open.is_empty(), code.first().map(|token| &token.kind))
        {
            in_entries = word == "data" || word == "train";
        }
        for token in &code {
            if is_symbol(token, &["(", "[", "{"]) {
                open.push(indent);
            } else if is_symbol(token, &[")", "]", "}"]) {
                open.pop();
            }
        }
        lines.push(Line {
            indent,
            code: spaced(&code, sources),
            comment: comment.map(|token| sources.slice(token.span).trim_end().to_owned()),
            binding: None,
        });
        if let Some(line) = lines.last_mut() {
            line.binding = binding(&code, sources, in_entries).filter(|_| !open.is_empty());
        }
    }
    lines
}

fn is_symbol(token: &Token, symbols: &[&str]) -> bool {
    matches!(token.kind, TokenKind::Symbol(symbol) if symbols.contains(&symbol))
}

/// The left side of a line that binds names inside of a section.
fn binding(code: &[&Token], sources: &SourceMap, in_entries: bool) -> Option<Binding> {
    let equals = code.iter().position(|token| is_symbol(token, &["="]))?;
    let names = &code[..equals];
    let plain =
        names.iter().all(|token| matches!(token.kind, TokenKind::Name(_)) || is_symbol(token, &[","]));
    let gap = code[equals].span.start.saturating_sub(names.last()?.span.end);
    plain.then(|| Binding { width: spaced(names, sources).chars().count(), aligned: in_entries || gap > 1 })
}

/// The tokens of a line with their spaces.
fn spaced(code: &[&Token], sources: &SourceMap) -> String {
    let mut text = String::new();
    // The brackets that are open on this line: a `:` within `[…]` belongs to a slice.
    let mut open: Vec<bool> = Vec::new();
    for (position, token) in code.iter().enumerate() {
        if position > 0 && space_between(code, position, open.last() == Some(&true)) {
            text.push(' ');
        }
        text.push_str(sources.slice(token.span));
        if is_symbol(token, &["(", "[", "{"]) {
            open.push(is_symbol(token, &["["]));
        } else if is_symbol(token, &[")", "]", "}"]) {
            open.pop();
        }
    }
    text
}

/// Whether a space stands before the token at that position.
fn space_between(code: &[&Token], position: usize, in_subscript: bool) -> bool {
    let (before, token) = (code[position - 1], code[position]);
    let word_before = matches!(&before.kind, TokenKind::Name(word) if is_operator_word(word));
    if is_symbol(before, &["-"]) && is_prefix(code, position - 1) {
        return false;
    }
    if is_symbol(token, &["..", "^", ".", ",", ")", "]", ":", ";"]) {
        return false;
    }
    if is_symbol(before, &["..", "^", ".", "(", "["]) {
        return false;
    }
    if is_symbol(before, &[":"]) {
        return !in_subscript;
    }
    if is_symbol(token, &["(", "["]) {
        let after_value = matches!(before.kind, TokenKind::Name(_)) && !word_before;
        return !(after_value || is_symbol(before, &[")", "]"]));
    }
    true
}

/// Words after which a value starts.
fn is_operator_word(word: &str) -> bool {
    matches!(word, "if" | "else" | "for" | "in" | "return" | "as" | "layer" | "and" | "or" | "not" | "on")
}

/// Whether the `-` at that position is a sign.
fn is_prefix(code: &[&Token], position: usize) -> bool {
    let Some(before) = position.checked_sub(1).map(|before| code[before]) else { return true };
    match &before.kind {
        TokenKind::Symbol(symbol) => !matches!(*symbol, ")" | "]" | "}"),
        TokenKind::Name(word) => is_operator_word(word),
        _ => false,
    }
}

/// Pads the names of neighbouring bindings to one width, in runs where alignment is asked for.
fn align_bindings(lines: &mut [Line]) {
    let mut start = 0;
    while start < lines.len() {
        let indent = lines[start].indent;
        let run =
            lines[start..].iter().take_while(|line| line.binding.is_some() && line.indent == indent).count();
        let bindings = || lines[start..start + run].iter().filter_map(|line| line.binding);
        let width = bindings().map(|binding| binding.width).max().unwrap_or(0);
        let aligned = bindings().any(|binding| binding.aligned);
        for line in lines[start..start + run].iter_mut().filter(|_| aligned) {
            let Some(own) = line.binding.map(|binding| binding.width) else { continue };
            let Some((byte, _)) = line.code.char_indices().nth(own) else { continue };
            line.code.insert_str(byte, &" ".repeat(width - own));
        }
        start += run.max(1);
    }
}

/// Sets the comments behind neighbouring lines under one another.
fn align_comments(lines: &mut [Line]) {
    let trails = |line: &Line| !line.code.is_empty() && line.comment.is_some();
    let length = |line: &Line| line.indent + line.code.chars().count();
    let mut start = 0;
    while start < lines.len() {
        let run = lines[start..].iter().take_while(|line| trails(line)).count();
        let width = lines[start..start + run].iter().map(length).max().unwrap_or(0);
        for line in &mut lines[start..start + run] {
            let padding = width - length(line) + 1;
            line.code.push_str(&" ".repeat(padding));
        }
        start += run.max(1);
    }
}

fn join(lines: &[Line]) -> String {
    let mut text = String::new();
    let mut blank = true;
    for line in lines {
        if line.is_blank() {
            if !blank {
                text.push('\n');
            }
            blank = true;
            continue;
        }
        blank = false;
        text.push_str(&" ".repeat(line.indent));
        text.push_str(&line.code);
        if let Some(comment) = &line.comment {
            if !line.code.is_empty() {
                text.push(' ');
            }
            text.push_str(comment);
        }
        text.push('\n');
    }
    let length = text.trim_end().len();
    text.truncate(length);
    text.push('\n');
    text
}
