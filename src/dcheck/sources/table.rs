//! A table read as it is now, in chunks by the range of its primary key: what a sweep reads instead of the log.
//!
//! Values come as the log tells them (TIMESTAMP as seconds, BIT as a number, JSON in one writing), so that the same rule judges both.
//! A chunk goes on behind the last key of the one before it, so that it costs the same however far the table has been read, and a
//! restart goes on from any key. The session is read-only. Must not know rules or results.
//! Not covered: tables without a primary key, keys of other types than integers, texts and dates (both refused by name).

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Value as Sql};

use super::binlog::plain_value;
use crate::dcheck::event::{Row, Value};

/// Types of key columns that compare as they are told.
const KEY_TYPES: &[&str] =
    &["tinyint", "smallint", "mediumint", "int", "bigint", "char", "varchar", "date", "datetime"];

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("no table `{0}` in schema `{1}`")]
    None(String, String),
    #[error("table `{0}` has no primary key: a sweep goes on by it")]
    NoKey(String),
    #[error(
        "table `{0}`: column `{1}` of its primary key is {2}; a sweep goes on by integers, texts and dates"
    )]
    Key(String, String, String),
    #[error("table `{0}`: {1}")]
    Sql(String, mysql_async::Error),
}

/// How a table is read.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// By name: its type.
    pub columns: Vec<(String, String)>,
    key: Vec<String>,
    select: String,
    filter: Option<String>,
}

/// A connection that may only read.
pub async fn connect(url: &str) -> Result<Conn, mysql_async::Error> {
    let opts = OptsBuilder::from_opts(Opts::from_url(url)?).prefer_socket(false).tcp_nodelay(true);
    let mut conn = Conn::new(opts).await?;
    conn.query_drop("SET SESSION TRANSACTION READ ONLY").await?;
    conn.query_drop("SET time_zone = '+00:00'").await?;
    Ok(conn)
}

impl Table {
    /// `filter` is SQL, of whoever gave the command.
    pub async fn describe(
        conn: &mut Conn,
        schema: &str,
        name: &str,
        filter: Option<&str>,
    ) -> Result<Table, TableError> {
        let failed = |error| TableError::Sql(name.to_owned(), error);
        let columns: Vec<(String, String)> = conn
            .exec(
                "SELECT column_name, IF(data_type = 'timestamp' AND datetime_precision > 0, \
                 'timestamp of parts', data_type) FROM information_schema.columns \
                 WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
                (schema, name),
            )
            .await
            .map_err(failed)?;
        if columns.is_empty() {
            return Err(TableError::None(name.to_owned(), schema.to_owned()));
        }
        let key: Vec<String> = conn
            .exec(
                "SELECT column_name FROM information_schema.statistics WHERE table_schema = ? \
                 AND table_name = ? AND index_name = 'PRIMARY' ORDER BY seq_in_index",
                (schema, name),
            )
            .await
            .map_err(failed)?;
        if key.is_empty() {
            return Err(TableError::NoKey(name.to_owned()));
        }
        let kind = |column: &str| columns.iter().find(|(name, _)| name == column);
        for column in &key {
            let kind = kind(column).map_or("", |(_, kind)| kind.as_str());
            if !KEY_TYPES.contains(&kind) {
                return Err(TableError::Key(name.to_owned(), column.clone(), kind.to_owned()));
            }
        }
        let select: Vec<String> = columns.iter().map(|(name, kind)| selected(name, kind)).collect();
        let select = format!("SELECT {} FROM {}.{}", select.join(", "), quote(schema), quote(name));
        let filter = filter.map(str::to_owned);
        Ok(Table { name: name.to_owned(), columns, key, select, filter })
    }

    pub fn type_of(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, kind)| kind.as_str())
    }

    /// Up to `limit` rows behind the key `after`, in the key's order, each with its own key.
    pub async fn chunk(
        &self,
        conn: &mut Conn,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<(Vec<Value>, Row)>, TableError> {
        let (sql, params) = self.question(after, limit);
        let params = if params.is_empty() { Params::Empty } else { Params::Positional(params) };
        let failed = |error| TableError::Sql(self.name.clone(), error);
        let rows: Vec<mysql_async::Row> = conn.exec(sql, params).await.map_err(failed)?;
        Ok(rows.into_iter().map(|row| self.row(row)).collect())
    }

    fn row(&self, row: mysql_async::Row) -> (Vec<Value>, Row) {
        let columns = row.columns();
        let values = row.unwrap_raw().into_iter().zip(columns.iter()).zip(&self.columns);
        let row: Row = values
            .map(|((value, column), (name, kind))| {
                let value = plain_value(value.unwrap_or(Sql::NULL), column.column_type());
                let value = match kind.as_str() {
                    "json" => one_writing(value),
                    "timestamp of parts" => whole_where_it_is(value),
                    _ => value,
                };
                (name.clone(), value)
            })
            .collect();
        (self.key.iter().map(|name| row[name].clone()).collect(), row)
    }

    fn question(&self, after: Option<&[Value]>, limit: usize) -> (String, Vec<Sql>) {
        let mut conditions: Vec<String> = Vec::new();
        let mut params = Vec::new();
        if let Some(filter) = &self.filter {
            conditions.push(format!("({filter})"));
        }
        if let Some(after) = after {
            // The first column by itself lets the server start in the index; a row comparison does not.
            conditions.push(format!("{} >= ?", quote(&self.key[0])));
            params.push(sql_of(&after[0]));
            let mut ways = Vec::new();
            for last in 0..self.key.len() {
                let same = self.key[..last].iter().map(|name| format!("{} = ?", quote(name)));
                let more = format!("{} > ?", quote(&self.key[last]));
                ways.push(same.chain([more]).collect::<Vec<_>>().join(" AND "));
                params.extend(after[..=last].iter().map(sql_of));
            }
            conditions.push(format!("(({}))", ways.join(") OR (")));
        }
        let wanted = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let order = self.key.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        (format!("{}{wanted} ORDER BY {order} LIMIT {limit}", self.select), params)
    }
}

/// As the log tells it.
fn selected(name: &str, kind: &str) -> String {
    let column = quote(name);
    match kind {
        "timestamp" => format!("UNIX_TIMESTAMP({column}) AS {column}"),
        "timestamp of parts" => {
            format!("CAST(UNIX_TIMESTAMP({column}) AS DECIMAL(20,6)) AS {column}")
        }
        "bit" => format!("CAST({column} AS UNSIGNED) AS {column}"),
        "date" => format!("CAST({column} AS CHAR) AS {column}"),
        _ => column,
    }
}

/// The server writes JSON with blanks; the log's reader without.
fn one_writing(value: Value) -> Value {
    let Value::Text(text) = &value else { return value };
    serde_json::from_str::<serde_json::Value>(text)
        .map_or(value, |json| json.to_string().as_str().into())
}

/// The log tells a whole second without a fraction.
fn whole_where_it_is(value: Value) -> Value {
    let text = value.to_string();
    text.strip_suffix(".000000").and_then(|whole| whole.parse().ok()).map_or(value, Value::Int)
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn sql_of(value: &Value) -> Sql {
    match value {
        Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
            (Ok(int), _) => Sql::Int(int),
            (_, Ok(int)) => Sql::UInt(int),
            _ => Sql::Bytes(int.to_string().into_bytes()),
        },
        Value::Null => Sql::NULL,
        other => Sql::Bytes(other.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_goes_on_behind_the_last_key() {
        let table = |key: &[&str], filter: Option<&str>| Table {
            name: "t".into(),
            columns: Vec::new(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            select: "S".into(),
            filter: filter.map(str::to_owned),
        };
        let keys = [Value::Int(7), Value::from("x")];
        for (key, filter, after, sql, params) in [
            (&["a"][..], None, None, "S ORDER BY `a` LIMIT 2", 0),
            (&["a"], Some("b > 1"), None, "S WHERE (b > 1) ORDER BY `a` LIMIT 2", 0),
            (
                &["a"],
                None,
                Some(&keys[..1]),
                "S WHERE `a` >= ? AND ((`a` > ?)) ORDER BY `a` LIMIT 2",
                2,
            ),
            (
                &["a", "b`"],
                Some("c"),
                Some(&keys[..]),
                "S WHERE (c) AND `a` >= ? AND ((`a` > ?) OR (`a` = ? AND `b``` > ?)) \
                 ORDER BY `a`, `b``` LIMIT 2",
                4,
            ),
        ] {
            let asked = table(key, filter).question(after, 2);
            assert_eq!((asked.0.as_str(), asked.1.len()), (sql, params));
        }
    }

    #[test]
    fn values_are_told_as_the_log_tells_them() {
        assert_eq!(selected("at", "timestamp"), "UNIX_TIMESTAMP(`at`) AS `at`");
        assert_eq!(selected("n", "decimal"), "`n`");
        assert_eq!(one_writing("{\"a\": [1, 2]}".into()), "{\"a\":[1,2]}".into());
        assert_eq!(one_writing(Value::Null), Value::Null);
        let parts = |text: &str| Value::decimal(text).unwrap();
        assert_eq!(whole_where_it_is(parts("17.000000")), Value::Int(17));
        assert_eq!(whole_where_it_is(parts("17.250000")), parts("17.250000"));
        assert_eq!(whole_where_it_is(Value::Null), Value::Null);
    }
}
