//! The tables of the schema as the server has them: what DDL may change under a rule.
//!
//! A row of the log tells its columns only when it comes, and nothing comes of a column that is gone; so the server is asked,
//! at each connection and after each statement that may alter a table. Its answer may be younger than the statement.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use crate::dcheck::sources::Tables;

/// Longer statements are cut short when they are told.
const DDL_CHARS: usize = 300;

/// A column's type, with the scale that rounds money.
const COLUMNS: &str = "SELECT table_name, column_name, CONCAT(data_type, \
    IF(COALESCE(numeric_scale, 0) > 0, CONCAT(' of scale ', numeric_scale), ''), \
    IF(column_type LIKE '%unsigned%', ' unsigned', '')) \
    FROM information_schema.columns WHERE table_schema = ?";

/// True for a statement that may change a table.
pub fn is_ddl(query: &str) -> bool {
    let word = query.trim_start().split_whitespace().next().unwrap_or_default();
    ["ALTER", "CREATE", "DROP", "RENAME"].iter().any(|ddl| word.eq_ignore_ascii_case(ddl))
}

/// The statement as people are told it.
pub fn shown(query: &str) -> String {
    let words: Vec<&str> = query.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(DDL_CHARS) {
        Some((cut, _)) => format!("{} …", &text[..cut]),
        None => text,
    }
}

pub async fn tables(conn: &mut Conn, schema: &str) -> Result<Tables, mysql_async::Error> {
    let rows: Vec<(String, String, String)> = conn.exec(COLUMNS, (schema,)).await?;
    let mut tables = Tables::new();
    for (table, column, kind) in rows {
        tables.entry(table).or_default().insert(column, kind);
    }
    Ok(tables)
}

/// The same on a connection of its own.
pub async fn tables_anew(opts: Opts, schema: &str) -> Result<Tables, mysql_async::Error> {
    tables(&mut Conn::new(opts).await?, schema).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_may_change_a_table() {
        for (query, ddl) in [
            ("ALTER TABLE orders DROP COLUMN payable", true),
            ("  create table t (a INT)", true),
            ("DROP TABLE t", true),
            ("RENAME TABLE a TO b", true),
            ("BEGIN", false),
            ("TRUNCATE TABLE orders", false),
            ("", false),
        ] {
            assert_eq!(is_ddl(query), ddl, "{query}");
        }
        assert_eq!(shown("ALTER  TABLE\n t"), "ALTER TABLE t");
        assert!(shown(&"long ".repeat(100)).ends_with(" …"));
    }
}
