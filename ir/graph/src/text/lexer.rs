//! Tokens of the text form: words (names and numbers alike), strings, punctuation.

use super::ParseError;

/// Characters of names and numbers.
pub(super) fn is_word_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '+' | '-')
}

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Text(String),
    Mark(char),
}

/// The tokens with their lines.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, ParseError> {
    let mut result = Vec::new();
    for (number, line) in text.lines().enumerate() {
        tokens_of_line(number + 1, line, &mut result)?;
    }
    Ok(result)
}

fn tokens_of_line<'a>(
    number: usize,
    line: &'a str,
    result: &mut Vec<(usize, Token<'a>)>,
) -> Result<(), ParseError> {
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let token = if first == '#' {
            break;
        } else if is_word_character(first) {
            let length = rest.find(|character| !is_word_character(character)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            rest = after;
            Token::Word(word)
        } else if first == '"' {
            let (text, after) = string(&rest[1..]).map_err(|message| ParseError { line: number, message })?;
            rest = after;
            Token::Text(text)
        } else if "%:=()[]{},@".contains(first) {
            rest = &rest[1..];
            Token::Mark(first)
        } else {
            return Err(ParseError { line: number, message: format!("unexpected character {first:?}") });
        };
        result.push((number, token));
        rest = rest.trim_start();
    }
    Ok(())
}

/// The string up to its closing quote, and what follows.
fn string(text: &str) -> Result<(String, &str), String> {
    let mut result = String::new();
    let mut characters = text.char_indices();
    while let Some((position, character)) = characters.next() {
        match character {
            '"' => return Ok((result, &text[position + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => result.push('\n'),
                Some((_, same @ ('"' | '\\'))) => result.push(same),
                Some((at, 'u')) => {
                    let (code, length) = code_point(&text[at + 1..])?;
                    result.push(code);
                    characters.nth(length - 1);
                }
                _ => return Err("unknown escape in a string".to_owned()),
            },
            other => result.push(other),
        }
    }
    Err("a string is not closed".to_owned())
}

/// The character of `{hex}` and the number of characters that it takes.
fn code_point(text: &str) -> Result<(char, usize), String> {
    let digits = text.strip_prefix('{').and_then(|text| text.split_once('}')).map(|(digits, _)| digits);
    digits
        .and_then(|digits| Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, digits.len() + 2)))
        .ok_or_else(|| "unknown escape in a string".to_owned())
}
