//! Exact values of columns and message fields.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Row;

/// A column's or a field's value. Numbers are exact: there is no float.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    Null,
    Bool(bool),
    /// Every integer type of MySQL, unsigned ones included.
    #[serde(serialize_with = "int_as_text", deserialize_with = "int_from_text")]
    Int(i128),
    Dec(Decimal),
    /// The plain digits of a decimal that is too wide for [`Value::Dec`], such as a full
    /// `DECIMAL(65,30)`.
    Wide(String),
    Text(String),
}

impl Value {
    /// A decimal from plain digits (`-12.50`); exact whatever its width. None where the text is no
    /// plain decimal.
    pub fn decimal(text: &str) -> Option<Value> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return None;
        }
        Some(match Decimal::from_str_exact(text) {
            Ok(exact) => Value::Dec(exact),
            Err(_) => Value::Wide(text.to_owned()),
        })
    }

    /// The row of a JSON object: integers and decimals exact, nested values as their text. None
    /// where it is no object.
    pub fn row_from_json(json: &serde_json::Value) -> Option<Row> {
        let object = json.as_object()?;
        Some(object.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).collect())
    }

    fn from_json(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Bool(*truth),
            serde_json::Value::Number(number) => {
                let text = number.to_string();
                match text.parse() {
                    Ok(int) => Value::Int(int),
                    Err(_) => Value::decimal(&text).unwrap_or(Value::Text(text)),
                }
            }
            serde_json::Value::String(text) => Value::Text(text.clone()),
            nested => Value::Text(nested.to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(int) => write!(f, "{int}"),
            Value::Dec(decimal) => write!(f, "{decimal}"),
            Value::Wide(text) | Value::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int.into())
    }
}

/// As text: JSON numbers beyond 64 bits do not survive every reader.
fn int_as_text<S: Serializer>(int: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(int)
}

fn int_from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_any_width_survive() {
        let wide = "12345678901234567890123456789012345.123456789012345678901234567890";
        for (text, expect) in [
            ("199.90", Some(Value::Dec(Decimal::new(19_990, 2)))),
            ("-0.01", Some(Value::Dec(Decimal::new(-1, 2)))),
            ("7", Some(Value::Dec(Decimal::new(7, 0)))),
            (wide, Some(Value::Wide(wide.to_owned()))),
            ("1e3", None),
            (".5", None),
            ("", None),
            ("1.2.3", None),
        ] {
            assert_eq!(Value::decimal(text), expect, "{text}");
            if let Some(value) = expect {
                assert_eq!(value.to_string(), text);
            }
        }
    }

    #[test]
    fn values_survive_json() {
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Int(u64::MAX.into()),
            Value::Int(i64::MIN.into()),
            Value::Dec(Decimal::new(10, 2)),
            Value::Wide("1".repeat(40)),
            Value::from("x"),
        ] {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value, "{json}");
        }
    }

    #[test]
    fn a_message_becomes_a_row() {
        let json = serde_json::json!({"order": "O-1", "n": 3, "none": null, "deep": {"a": 1}});
        let row = Value::row_from_json(&json).unwrap();
        assert_eq!(row["order"], Value::from("O-1"));
        assert_eq!(row["n"], Value::Int(3));
        assert_eq!(row["none"], Value::Null);
        assert_eq!(row["deep"], Value::from("{\"a\":1}"));
        assert!(!row.contains_key("absent"));
        assert_eq!(Value::row_from_json(&serde_json::json!([1])), None);
    }
}
