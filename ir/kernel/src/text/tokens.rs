//! Words, numbers, quoted names and symbols.

use super::ParseError;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    Number(&'t str),
    Name(String),
    Symbol(&'static str),
}

/// Longer symbols come before those that they begin with.
const SYMBOLS: [&str; 19] =
    ["..", "->", "<=", "<", "(", ")", "[", "]", "{", "}", ",", ":", "=", "+", "-", "*", "/", "%", "@"];

/// Whether the text is one word: letters, digits and `_`, not a digit first, and dots inside.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && word_length(text) == text.len()
}

fn word_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !bytes.first().is_some_and(|&byte| part(byte) && !byte.is_ascii_digit()) {
        return 0;
    }
    let mut length = 1;
    while length < bytes.len() {
        let dot = bytes[length] == b'.' && bytes.get(length + 1).is_some_and(|&byte| part(byte));
        if !part(bytes[length]) && !dot {
            break;
        }
        length += 1;
    }
    length
}

/// Digits, with a fraction and an exponent where there are any.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if bytes.get(length) == Some(&b'e') {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// Splits a text into tokens, each with its line.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, ParseError> {
    let mut found = Vec::new();
    for (position, content) in text.lines().enumerate() {
        let line = position + 1;
        let mut rest = content.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (token, length) =
                token(rest).map_err(|message| ParseError { line, message: message.to_owned() })?;
            found.push((token, line));
            rest = rest.get(length..).unwrap_or_default().trim_start();
        }
    }
    Ok(found)
}

fn token(text: &str) -> Result<(Token<'_>, usize), &'static str> {
    let word = word_length(text);
    if word > 0 {
        return Ok((Token::Word(&text[..word]), word));
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let length = number_length(text);
        return Ok((Token::Number(&text[..length]), length));
    }
    if let Some(body) = text.strip_prefix('"') {
        return quoted(body).map(|(name, length)| (Token::Name(name), length + 1));
    }
    let symbol = SYMBOLS.into_iter().find(|symbol| text.starts_with(symbol));
    symbol.map(|symbol| (Token::Symbol(symbol), symbol.len())).ok_or("unknown character")
}

/// A name behind its first quote, and the bytes up to and with its last.
fn quoted(text: &str) -> Result<(String, usize), &'static str> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Ok((name, position + 1)),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => name.push('\n'),
                Some(same @ ('"' | '\\')) => name.push(same),
                Some('u') => {
                    let digits: String = characters
                        .by_ref()
                        .map(|(_, digit)| digit)
                        .skip_while(|&digit| digit == '{')
                        .take_while(|&digit| digit != '}')
                        .collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    name.push(code.ok_or("a character code that is none")?);
                }
                _ => return Err("an escape that is none"),
            },
            character => name.push(character),
        }
    }
    Err("a name without its closing quote")
}
