//! Text -> tokens, each with its place.

use super::{Number, ParseError};

/// Milliseconds of the units that a number may carry: `7 d` is `604800000`.
const UNITS: [(&str, i64); 5] =
    [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Num(Number),
    Text(String),
    /// A name or a word of the language.
    Word(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

impl Token {
    pub(super) fn shown(&self) -> String {
        match self {
            Token::Num(number) => format!("`{number}`"),
            Token::Text(text) => format!("\"{text}\""),
            Token::Word(word) => format!("`{word}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end".to_owned(),
        }
    }
}

/// A token and the bytes that it covers.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

/// Longest first, so that `<=` is not read as `<`.
const SIGNS: [&str; 14] =
    ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "(", ")", "[", "]", ","];

/// What people write by habit from other languages, and what it is here.
const HABITS: [(&str, &str); 6] = [
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("!", "write `not`"),
    ("=", "write `==` to compare"),
    ("/", "there is no division, which is seldom exact: multiply the other side"),
    ("'", "texts stand in double quotes"),
];

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, ParseError> {
    let mut placed = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c.is_ascii_digit() {
            number(text, at)?
        } else if c == '"' {
            quoted(text, at)?
        } else if c.is_ascii_alphabetic() || c == '_' {
            let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            (Token::Word(rest[..length].to_owned()), length)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let habit = HABITS.iter().find(|(sign, _)| rest.starts_with(sign));
            let advice = habit.map_or("this has no meaning here", |(_, advice)| advice);
            return Err(ParseError::new(text, at, format!("unexpected `{c}`: {advice}")));
        };
        placed.push(Placed { token, start: at, end: at + length });
        at += length;
    }
    placed.push(Placed { token: Token::End, start: text.len(), end: text.len() });
    Ok(placed)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// A number, with a unit of time or without.
fn number(text: &str, at: usize) -> Result<(Token, usize), ParseError> {
    let rest = &text[at..];
    let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let exact = Number::parse(&rest[..digits])
        .filter(|_| !rest[..digits].ends_with('.'))
        .ok_or_else(|| {
            let message =
                format!("`{}` is not an exact number of up to 130 digits", &rest[..digits]);
            ParseError::new(text, at, message)
        })?;
    let gap = rest[digits..].len() - rest[digits..].trim_start().len();
    let word = &rest[digits + gap..];
    let word = &word[..word.find(|c: char| !is_name(c)).unwrap_or(word.len())];
    let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_word || matches!(word, "and" | "or" | "in" | "not") {
        return Ok((Token::Num(exact), digits));
    }
    let unit = UNITS.iter().find(|(name, _)| *name == word);
    let scaled = unit.and_then(|(_, ms)| exact.mul(&Number::from(*ms)));
    match scaled {
        Some(ms) => Ok((Token::Num(ms), digits + gap + word.len())),
        None => {
            let message = format!("`{word}` is no unit of time: known are ms, s, min, h, d");
            Err(ParseError::new(text, at + digits + gap, message))
        }
    }
}

/// A text in double quotes; `\"` and `\\` are the only escapes.
fn quoted(text: &str, at: usize) -> Result<(Token, usize), ParseError> {
    let mut value = String::new();
    let mut chars = text[at..].char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(value), offset + 1)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => {
                    let message = "only `\\\"` and `\\\\` are escapes".to_owned();
                    return Err(ParseError::new(text, at + offset, message));
                }
            },
            plain => value.push(plain),
        }
    }
    Err(ParseError::new(text, at, "this text is never closed".to_owned()))
}
