//! Rows of the shop's tables, by column name.

use std::collections::BTreeMap;
use std::str::FromStr;

use mysql_async::Value;
use mysql_async::binlog::row::BinlogRow;
use mysql_async::binlog::value::BinlogValue;
use rust_decimal::Decimal;

use crate::money::{Currency, Money};

/// Why a row means nothing to this reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error(
        "table {table} has no column `{column}`: the server needs binlog_row_image=FULL and \
         binlog_row_metadata=FULL, the table the shop's schema"
    )]
    Absent { table: String, column: &'static str },
    #[error("{table}.{column} is {value}, which is no {wanted}")]
    Kind { table: String, column: &'static str, value: String, wanted: &'static str },
}

/// A value as this reader needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    Int(i64),
    Text(String),
}

/// One image of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub table: String,
    pub fields: BTreeMap<String, Field>,
}

/// A row that changed: no `before` is an insert, no `after` a delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub table: String,
    pub before: Option<Row>,
    pub after: Option<Row>,
}

impl Row {
    pub fn read(table: &str, row: &BinlogRow) -> Row {
        // A column that the row's image leaves out is absent here too.
        let columns = row.columns_ref().iter().enumerate();
        let fields = columns.filter_map(|(index, column)| {
            Some((column.name_str().into_owned(), field(row.as_ref(index)?)))
        });
        Row { table: table.to_owned(), fields: fields.collect() }
    }

    pub fn text(&self, column: &'static str) -> Result<String, RowError> {
        match self.field(column)? {
            Field::Text(text) => Ok(text.clone()),
            Field::Int(number) => Ok(number.to_string()),
            Field::Null => Err(self.kind(column, "text")),
        }
    }

    pub fn int(&self, column: &'static str) -> Result<i64, RowError> {
        self.optional_int(column)?.ok_or_else(|| self.kind(column, "whole number"))
    }

    /// None for NULL.
    pub fn optional_int(&self, column: &'static str) -> Result<Option<i64>, RowError> {
        let number = || self.kind(column, "whole number");
        match self.field(column)? {
            Field::Null => Ok(None),
            Field::Int(value) => Ok(Some(*value)),
            Field::Text(text) => text.parse().map(Some).map_err(|_| number()),
        }
    }

    /// An amount column beside the row's `currency`.
    pub fn money(&self, column: &'static str) -> Result<Money, RowError> {
        let bad = || self.kind(column, "amount in the row's currency");
        let currency: Currency = self.text("currency")?.parse().map_err(|_| bad())?;
        let amount = Decimal::from_str(&self.text(column)?).map_err(|_| bad())?;
        Money::from_decimal(amount, currency).map_err(|_| bad())
    }

    /// The sum of amount columns beside the row's `currency`.
    pub fn money_sum(&self, columns: &[&'static str]) -> Result<Money, RowError> {
        let currency = || self.kind("currency", "currency");
        let code = self.text("currency")?.parse().map_err(|_| currency())?;
        columns.iter().try_fold(Money::zero(code), |sum, column| {
            let minor = sum.minor.checked_add(self.money(column)?.minor);
            let minor = minor.ok_or_else(|| self.kind(column, "amount that adds up"))?;
            Ok(Money { minor, ..sum })
        })
    }

    fn field(&self, column: &'static str) -> Result<&Field, RowError> {
        let absent = || RowError::Absent { table: self.table.clone(), column };
        self.fields.get(column).ok_or_else(absent)
    }

    fn kind(&self, column: &'static str, wanted: &'static str) -> RowError {
        let value = format!("{:?}", self.fields.get(column));
        RowError::Kind { table: self.table.clone(), column, value, wanted }
    }
}

fn field(value: &BinlogValue<'_>) -> Field {
    match value {
        BinlogValue::Value(Value::NULL) => Field::Null,
        BinlogValue::Value(Value::Int(number)) => Field::Int(*number),
        BinlogValue::Value(Value::UInt(number)) => {
            i64::try_from(*number).map_or_else(|_| Field::Text(number.to_string()), Field::Int)
        }
        BinlogValue::Value(Value::Bytes(bytes)) => {
            Field::Text(String::from_utf8_lossy(bytes).into_owned())
        }
        // No column that this reader looks at is a float, a date or JSON.
        other => Field::Text(format!("{other:?}")),
    }
}
