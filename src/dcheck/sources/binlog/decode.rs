//! Rows of the binlog as exact rows with column names.
//!
//! DECIMAL by its digits, unsigned as unsigned, ENUM and SET by their labels, JSON as its text,
//! NULL kept. Floats become the digits that they print as. Must not know connections.
//! Not covered: character sets other than UTF-8 (bytes that are no UTF-8 become hex), partial JSON
//! (refused).

use std::collections::HashMap;

use mysql_async::Value as Sql;
use mysql_async::binlog::events::{OptionalMetadataField, TableMapEvent};
use mysql_async::binlog::row::BinlogRow;
use mysql_async::binlog::value::BinlogValue;
use mysql_async::consts::ColumnType;

use crate::dcheck::event::{Row, Value};

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(
        "table {0}: no column names in the log; start the server with --binlog-row-metadata=FULL"
    )]
    NoNames(String),
    #[error("table {0}: a partial JSON update; set binlog_row_value_options to empty")]
    PartialJson(String),
    #[error("table {0}: JSON value: {1}")]
    Json(String, String),
    #[error("table {0}: {1}")]
    Malformed(String, std::io::Error),
}

/// What the log says of a table's columns.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub table: String,
    names: Vec<String>,
    types: Vec<ColumnType>,
    /// Labels of ENUM and SET columns, by column.
    labels: HashMap<usize, Vec<String>>,
}

impl Shape {
    pub fn of(map: &TableMapEvent<'_>) -> Result<Shape, DecodeError> {
        let table = map.table_name().into_owned();
        let bad = |error| DecodeError::Malformed(table.clone(), error);
        let count = usize::try_from(map.columns_count()).unwrap_or(0);
        let types: Vec<ColumnType> = (0..count)
            .map(|index| match map.get_column_type(index) {
                Ok(Some(kind)) => kind,
                _ => ColumnType::MYSQL_TYPE_NULL,
            })
            .collect();
        let mut shape = Shape { table: table.clone(), types, ..Shape::default() };
        let (mut enums, mut sets) = (Vec::new(), Vec::new());
        for field in map.iter_optional_meta() {
            match field.map_err(bad)? {
                OptionalMetadataField::ColumnName(names) => {
                    for name in names.iter_names() {
                        shape.names.push(name.map_err(bad)?.name().into_owned());
                    }
                }
                OptionalMetadataField::EnumStrValue(values) => {
                    for labels in values.iter_values() {
                        let labels = labels.map_err(bad)?;
                        enums.push(texts(labels.values().iter().map(|v| v.value())));
                    }
                }
                OptionalMetadataField::SetStrValue(values) => {
                    for labels in values.iter_values() {
                        let labels = labels.map_err(bad)?;
                        sets.push(texts(labels.values().iter().map(|v| v.value())));
                    }
                }
                _ => {}
            }
        }
        if shape.names.len() != count {
            return Err(DecodeError::NoNames(table));
        }
        shape.label(ColumnType::MYSQL_TYPE_ENUM, enums);
        shape.label(ColumnType::MYSQL_TYPE_SET, sets);
        Ok(shape)
    }

    fn label(&mut self, kind: ColumnType, lists: Vec<Vec<String>>) {
        let columns = self.types.iter().enumerate().filter(|(_, t)| **t == kind);
        self.labels.extend(columns.map(|(index, _)| index).zip(lists));
    }

    /// The row by column name. Columns that the image leaves out are missing, not NULL.
    pub fn row(&self, mut image: BinlogRow) -> Result<Row, DecodeError> {
        let columns = image.columns();
        let mut row = Row::new();
        for (index, column) in columns.iter().enumerate() {
            let name = column.name_str().into_owned();
            // The image leaves no column out where the server logs full rows, so that it stands at its own place.
            let is_here = self.names.get(index) == Some(&name);
            let at = match is_here {
                true => index,
                false => self.names.iter().position(|known| *known == name).unwrap_or(index),
            };
            let Some(value) = image.take(index) else { continue };
            row.insert(name, self.value(at, value)?);
        }
        Ok(row)
    }

    fn value(&self, index: usize, value: BinlogValue<'_>) -> Result<Value, DecodeError> {
        let kind = self.types.get(index).copied().unwrap_or(ColumnType::MYSQL_TYPE_NULL);
        match value {
            BinlogValue::Value(sql) => Ok(self.plain(index, kind, sql)),
            BinlogValue::Jsonb(json) => match serde_json::Value::try_from(json) {
                Ok(json) => Ok(Value::Text(json.to_string())),
                Err(error) => Err(DecodeError::Json(self.table.clone(), error.to_string())),
            },
            BinlogValue::JsonDiff(_) => Err(DecodeError::PartialJson(self.table.clone())),
        }
    }

    fn plain(&self, index: usize, kind: ColumnType, sql: Sql) -> Value {
        match (sql, kind) {
            (Sql::Int(number), ColumnType::MYSQL_TYPE_ENUM) => self.enum_label(index, number),
            (Sql::Bytes(bytes), ColumnType::MYSQL_TYPE_SET) => self.set_labels(index, &bytes),
            (Sql::Bytes(bytes), ColumnType::MYSQL_TYPE_BIT) => {
                let bits = bytes.iter().fold(0_i128, |sum, byte| (sum << 8) | i128::from(*byte));
                Value::Int(bits)
            }
            (
                Sql::Bytes(bytes),
                ColumnType::MYSQL_TYPE_TIMESTAMP2
                | ColumnType::MYSQL_TYPE_TIMESTAMP
                | ColumnType::MYSQL_TYPE_YEAR,
            ) => {
                let text = text(&bytes);
                let int = text.parse().map(Value::Int).ok();
                int.or_else(|| Value::decimal(&text)).unwrap_or(Value::Text(text))
            }
            (sql, kind) => plain_value(sql, kind),
        }
    }

    /// Index 0 is MySQL's mark of an invalid value: an empty text.
    fn enum_label(&self, index: usize, number: i64) -> Value {
        let labels = self.labels.get(&index);
        let at = usize::try_from(number - 1).ok();
        let label = at.and_then(|at| labels.and_then(|labels| labels.get(at)));
        match label {
            Some(label) => Value::Text(label.clone()),
            None if number == 0 => Value::Text(String::new()),
            None => Value::Int(number.into()),
        }
    }

    fn set_labels(&self, index: usize, bytes: &[u8]) -> Value {
        let mask = bytes.iter().rev().fold(0_u64, |mask, byte| (mask << 8) | u64::from(*byte));
        let Some(labels) = self.labels.get(&index) else { return Value::Int(mask.into()) };
        let set = labels.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
        Value::Text(set.map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(","))
    }
}

/// An SQL value whose column needs no more knowledge than its type; also for the answers of
/// lookups.
pub fn plain_value(sql: Sql, kind: ColumnType) -> Value {
    match sql {
        Sql::NULL => Value::Null,
        Sql::Int(int) => Value::Int(int.into()),
        Sql::UInt(int) => Value::Int(int.into()),
        Sql::Float(float) => digits(float.to_string()),
        Sql::Double(double) => digits(double.to_string()),
        Sql::Bytes(bytes)
            if matches!(
                kind,
                ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL
            ) =>
        {
            digits(text(&bytes))
        }
        Sql::Bytes(bytes) => Value::Text(text(&bytes)),
        Sql::Date(y, m, d, ..) if kind == ColumnType::MYSQL_TYPE_NEWDATE => {
            Value::Text(format!("{y:04}-{m:02}-{d:02}"))
        }
        Sql::Date(y, m, d, h, min, s, us) => {
            Value::Text(format!("{y:04}-{m:02}-{d:02} {h:02}:{min:02}:{s:02}{}", micros(us)))
        }
        Sql::Time(negative, days, h, min, s, us) => {
            let sign = if negative { "-" } else { "" };
            let hours = days * 24 + u32::from(h);
            Value::Text(format!("{sign}{hours:02}:{min:02}:{s:02}{}", micros(us)))
        }
    }
}

fn digits(text: String) -> Value {
    Value::decimal(&text).unwrap_or(Value::Text(text))
}

fn micros(us: u32) -> String {
    if us == 0 { String::new() } else { format!(".{us:06}") }
}

fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex::encode(bytes), str::to_owned)
}

fn texts<'a>(values: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> Vec<String> {
    values.map(std::borrow::Cow::into_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let types = [
            ColumnType::MYSQL_TYPE_NEWDECIMAL,
            ColumnType::MYSQL_TYPE_ENUM,
            ColumnType::MYSQL_TYPE_SET,
            ColumnType::MYSQL_TYPE_BIT,
            ColumnType::MYSQL_TYPE_TIMESTAMP2,
            ColumnType::MYSQL_TYPE_LONGLONG,
            ColumnType::MYSQL_TYPE_NEWDATE,
            ColumnType::MYSQL_TYPE_DATETIME2,
            ColumnType::MYSQL_TYPE_VARCHAR,
        ];
        let label = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        Shape {
            table: "t".into(),
            names: (0..types.len()).map(|i| format!("c{i}")).collect(),
            types: types.to_vec(),
            labels: [(1, label(&["NEW", "PAID"])), (2, label(&["a", "b", "c"]))].into(),
        }
    }

    fn check(column: usize, sql: Sql, expect: Value) {
        let decoded = shape().value(column, BinlogValue::Value(sql.clone())).unwrap();
        assert_eq!(decoded, expect, "column {column}, {sql:?}");
    }

    #[test]
    fn values_are_exact() {
        let bytes = |text: &str| Sql::Bytes(text.as_bytes().to_vec());
        let wide = "12345678901234567890123456789012345.123456789012345678901234567890";
        check(0, bytes("199.00"), Value::decimal("199.00").unwrap());
        check(0, bytes(wide), Value::Wide(wide.into()));
        check(0, Sql::NULL, Value::Null);
        check(1, Sql::Int(2), "PAID".into());
        check(1, Sql::Int(0), "".into());
        check(2, Sql::Bytes(vec![0b101]), "a,c".into());
        check(3, Sql::Bytes(vec![1, 0]), Value::Int(256));
        check(4, bytes("1767578400"), Value::Int(1_767_578_400));
        check(4, bytes("1767578400.250000"), Value::decimal("1767578400.250000").unwrap());
        check(5, Sql::UInt(u64::MAX), Value::Int(u64::MAX.into()));
        check(5, Sql::Int(i64::MIN), Value::Int(i64::MIN.into()));
        check(6, Sql::Date(2026, 1, 5, 0, 0, 0, 0), "2026-01-05".into());
        check(7, Sql::Date(2026, 1, 5, 9, 8, 7, 250_000), "2026-01-05 09:08:07.250000".into());
        check(8, bytes("元"), "元".into());
        check(8, Sql::Bytes(vec![0xff, 0x00]), "ff00".into());
        check(8, Sql::Double(0.1), Value::decimal("0.1").unwrap());
    }

    #[test]
    fn a_partial_json_update_is_refused() {
        assert!(shape().value(8, BinlogValue::JsonDiff(Vec::new())).is_err());
    }
}
