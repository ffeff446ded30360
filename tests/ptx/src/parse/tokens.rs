//! Words, numbers and punctuation of PTX text, each with its line.
//!
//! A dotted name such as `ld.global.v4.f32` or `%tid.x` is one word; comments are dropped.

use crate::fault::Fault;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A name, directive or opcode with its dots.
    Word(String),
    /// An integer literal.
    Integer(u64),
    /// A float literal: bits of `0f…`.
    Single(u32),
    /// A float literal: `0d…`, or decimal.
    Double(f64),
    /// A quoted text.
    Quoted,
    Mark(char),
}

#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) token: Token,
    pub(crate) line: u32,
}

/// What is wrong in a line of the source.
pub(crate) fn malformed(source: &str, line: u32, message: impl Into<String>) -> Fault {
    let text = source.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default().trim().to_owned();
    Fault::Malformed { line, text, message: message.into() }
}

pub(crate) fn tokens(source: &str) -> Result<Vec<Spot>, Fault> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\n' => {
                line += 1;
                1
            }
            _ if first.is_whitespace() => first.len_utf8(),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => {
                let end = rest.find("*/").ok_or_else(|| malformed(source, line, "comment without end"))?;
                line += rest[..end].matches('\n').count() as u32;
                end + 2
            }
            '"' => {
                let end = rest[1..].find('"').ok_or_else(|| malformed(source, line, "text without end"))?;
                found.push(Spot { token: Token::Quoted, line });
                end + 2
            }
            '0'..='9' => {
                let length = number_length(rest);
                let token = number(&rest[..length])
                    .ok_or_else(|| malformed(source, line, format!("`{}` is no number", &rest[..length])))?;
                found.push(Spot { token, line });
                length
            }
            _ if is_word(first) => {
                let length = word_length(rest);
                found.push(Spot { token: Token::Word(rest[..length].to_owned()), line });
                length
            }
            ',' | ';' | ':' | '{' | '}' | '[' | ']' | '(' | ')' | '@' | '!' | '|' | '+' | '-' | '=' | '<'
            | '>' => {
                found.push(Spot { token: Token::Mark(first), line });
                1
            }
            _ => return Err(malformed(source, line, format!("`{first}` is no character of PTX"))),
        };
        rest = &rest[length..];
    }
    Ok(found)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$' | '%' | '.')
}

/// A word goes on over `::`, as in `.shared::cta`, and ends before a label's colon.
fn word_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if is_word(bytes[at] as char) {
            at += 1;
        } else if text[at..].starts_with("::") {
            at += 2;
        } else {
            break;
        }
    }
    at
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let decimal = !matches!(bytes.get(1), Some(b'x' | b'X' | b'f' | b'F' | b'd' | b'D' | b'b' | b'B'));
    let mut at = 0;
    while at < bytes.len() {
        let sign = decimal && matches!(bytes[at], b'+' | b'-') && matches!(bytes[at - 1], b'e' | b'E');
        if !(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' || sign) {
            break;
        }
        at += 1;
    }
    at
}

fn number(text: &str) -> Option<Token> {
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0f") {
        return (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok().map(Token::Single))?;
    }
    if let Some(digits) = lower.strip_prefix("0d") {
        let bits = (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())??;
        return Some(Token::Double(f64::from_bits(bits)));
    }
    let integer = lower.strip_suffix('u').unwrap_or(&lower);
    if let Some(digits) = integer.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Token::Integer);
    }
    if let Some(digits) = integer.strip_prefix("0b") {
        return u64::from_str_radix(digits, 2).ok().map(Token::Integer);
    }
    if lower.contains(['.', 'e']) {
        return lower.parse().ok().map(Token::Double);
    }
    // A leading zero makes a number octal, as in C.
    match integer.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok().map(Token::Integer),
        _ => integer.parse().ok().map(Token::Integer),
    }
}
