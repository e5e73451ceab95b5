//! A JSON message as a row, with every number exact.
//!
//! `serde_json` reads `0.10` as a float; money never goes through one. So the text itself is
//! walked: numbers keep their digits, nested values are kept as their text. A money text (`"199.00
//! CNY"`) stays the text that it is: rules read it with `money(…)`.
//! Not covered: numbers with an exponent are kept as text.

use std::str::FromStr;

use serde::de::IgnoredAny;

use crate::dcheck::event::{Row, Value};

/// Why a message is no row.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    #[error("message is no JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("message is no UTF-8: {0}")]
    Text(#[from] std::str::Utf8Error),
    #[error("message is JSON, but not one object: {0}")]
    NoObject(String),
}

impl JsonError {
    /// One word for it, for counters and headers.
    pub fn reason(&self) -> &'static str {
        match self {
            JsonError::Syntax(_) => "no-json",
            JsonError::Text(_) => "no-utf8",
            JsonError::NoObject(_) => "no-object",
        }
    }
}

/// The row of one JSON object.
pub fn row_from_json(bytes: &[u8]) -> Result<Row, JsonError> {
    let text = std::str::from_utf8(bytes)?;
    // The grammar is checked here, so that the walk below may trust it.
    serde_json::from_str::<IgnoredAny>(text)?;
    let text = text.trim();
    if !text.starts_with('{') {
        return Err(JsonError::NoObject(text.chars().take(40).collect()));
    }
    let mut row = Row::new();
    let mut rest = text[1..].trim_start();
    while rest.starts_with('"') {
        let (name, after) = string(rest)?;
        rest = after.trim_start().strip_prefix(':').unwrap_or(after).trim_start();
        let raw = &rest[..value_len(rest)];
        rest = rest[raw.len()..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        put(&mut row, name, raw)?;
    }
    Ok(row)
}

fn put(row: &mut Row, name: String, raw: &str) -> Result<(), JsonError> {
    let value = match raw.as_bytes().first() {
        Some(b'"') => {
            let (text, _) = string(raw)?;
            Value::Text(text)
        }
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        Some(b'{' | b'[') => Value::Text(raw.trim_end().to_owned()),
        _ => number(raw.trim_end()),
    };
    row.insert(name, value);
    Ok(())
}

fn number(raw: &str) -> Value {
    match i128::from_str(raw) {
        Ok(int) => Value::Int(int),
        Err(_) => Value::decimal(raw).unwrap_or_else(|| Value::Text(raw.to_owned())),
    }
}

/// One JSON string at the head of `rest`, and what follows it.
fn string(rest: &str) -> Result<(String, &str), JsonError> {
    let end = string_end(rest.as_bytes());
    Ok((serde_json::from_str(&rest[..end])?, &rest[end..]))
}

fn string_end(bytes: &[u8]) -> usize {
    let mut index = 1;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            b'"' => return index + 1,
            _ => index += 1,
        }
    }
    bytes.len()
}

/// Length of the value at the head of `rest`, whose grammar was checked.
fn value_len(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut index, mut depth) = (0, 0_usize);
    while index < bytes.len() {
        match bytes[index] {
            b'"' => {
                index += string_end(&bytes[index..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b',' | b'}' | b']' if depth == 0 => return index,
            _ => {}
        }
        index += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: &[(&str, Value)]) {
        let row = row_from_json(json.as_bytes()).unwrap();
        let expect: Row = expect.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        assert_eq!(row, expect, "{json}");
    }

    #[test]
    fn numbers_keep_their_digits() {
        let dec = |text: &str| Value::decimal(text).unwrap();
        check(
            r#" {"a": 0.10, "b":-7, "c":18446744073709551615, "d": 1e3, "e": 0.10000000000000001 } "#,
            &[
                ("a", dec("0.10")),
                ("b", Value::Int(-7)),
                ("c", Value::Int(u64::MAX.into())),
                ("d", "1e3".into()),
                ("e", dec("0.10000000000000001")),
            ],
        );
    }

    #[test]
    fn money_stays_exact_text() {
        check(
            r#"{"amount":"4999.00 CNY","order":"O-1","note":"1,99.00 CNY","x":null,"ok":true}"#,
            &[
                ("amount", "4999.00 CNY".into()),
                ("order", "O-1".into()),
                ("note", "1,99.00 CNY".into()),
                ("x", Value::Null),
                ("ok", Value::Bool(true)),
            ],
        );
    }

    #[test]
    fn nested_values_stay_text_and_strings_may_hold_anything() {
        check(
            r#"{"deep":{"a":[1,"}\"",{}]},"text":"a\"b,}\\","空":"\u5143"}"#,
            &[
                ("deep", r#"{"a":[1,"}\"",{}]}"#.into()),
                ("text", "a\"b,}\\".into()),
                ("空", "元".into()),
            ],
        );
        check("{}", &[]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in ["", "[1]", "{\"a\":}", "{\"a\":1", "\"x\"", "{\"a\":1} x", "\u{1}"] {
            assert!(row_from_json(json.as_bytes()).is_err(), "{json}");
        }
        assert!(row_from_json(&[0xff, 0xfe]).is_err());
    }
}
