//! A MySQL server made clean for the next scenario: dirty tables emptied, everybody else's schema dropped.
//!
//! Emptied row by row: a scenario leaves a few dozen rows, and statements that define tables cost a server ten times
//! as much.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::Service;

/// The schema that the template brings, and that of the default reconciler, which finds its tables empty as on a new
/// server. Others may keep there what they cannot do without: dropped.
const EMPTIED: &str = "'shop', 'dcheck'";
const SYSTEM: &str = "'mysql', 'sys', 'information_schema', 'performance_schema', 'test'";

/// Empties every table of the kept schemas that has a row, and drops the schemas that the scenario made. Errors mean
/// that the server cannot be proved clean: throw it away.
pub async fn clean(mysql: &Service) -> Result<(), sqlx::Error> {
    let options = MySqlConnectOptions::new()
        .host(&mysql.endpoint.ip().to_string())
        .port(mysql.endpoint.port())
        .username("root");
    let mut connection = options.connect().await?;
    let made = format!(
        "SELECT CONCAT('`', schema_name, '`') FROM information_schema.schemata \
         WHERE schema_name NOT IN ({SYSTEM}, {EMPTIED})"
    );
    for schema in names(&mut connection, made).await? {
        run(&mut connection, format!("DROP DATABASE {schema}")).await?;
    }
    let tables = format!(
        "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables \
         WHERE table_schema IN ({EMPTIED}) AND table_type = 'BASE TABLE'"
    );
    let tables = names(&mut connection, tables).await?;
    for table in dirty(&mut connection, &tables).await? {
        run(&mut connection, format!("DELETE FROM {table}")).await?;
    }
    if let Some(table) = dirty(&mut connection, &tables).await?.first() {
        return Err(sqlx::Error::Protocol(format!(
            "{table} has rows again: somebody writes still"
        )));
    }
    connection.close().await
}

/// Those of `tables` that have a row.
async fn dirty(
    connection: &mut MySqlConnection,
    tables: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    let each = |table: &String| format!("(SELECT '{table}' FROM {table} LIMIT 1)");
    let all: Vec<String> = tables.iter().map(each).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    names(connection, all.join(" UNION ALL ")).await
}

async fn run(connection: &mut MySqlConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

async fn names(
    connection: &mut MySqlConnection,
    query: String,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0)).collect()
}
