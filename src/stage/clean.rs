//! A MySQL server made clean for the next scenario: dirty tables emptied, everybody else's schema dropped.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use super::Service;

/// The schema that the template brings.
const KEPT_SCHEMA: &str = "shop";

/// Empties every table of schema `shop` that has a row, and drops the schemas that the scenario made. Errors mean
/// that the server cannot be proved clean: throw it away.
pub async fn clean(mysql: &Service) -> Result<(), sqlx::Error> {
    let options = MySqlConnectOptions::new()
        .host(&mysql.endpoint.ip().to_string())
        .port(mysql.endpoint.port())
        .username("root");
    let mut connection = options.connect().await?;
    let own = "'shop', 'mysql', 'sys', 'information_schema', 'performance_schema', 'test'";
    let made = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({own})"
    );
    for schema in names(&mut connection, made).await? {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE `{schema}`")))
            .execute(&mut connection)
            .await?;
    }
    let tables = format!(
        "SELECT table_name FROM information_schema.tables \
         WHERE table_schema = '{KEPT_SCHEMA}' AND table_type = 'BASE TABLE'"
    );
    for table in names(&mut connection, tables).await? {
        let dirty = format!("SELECT EXISTS(SELECT 1 FROM `{KEPT_SCHEMA}`.`{table}`)");
        let row = sqlx::query(AssertSqlSafe(dirty)).fetch_one(&mut connection).await?;
        if row.try_get::<i64, _>(0)? == 1 {
            let empty = format!("TRUNCATE TABLE `{KEPT_SCHEMA}`.`{table}`");
            sqlx::raw_sql(AssertSqlSafe(empty)).execute(&mut connection).await?;
        }
    }
    connection.close().await
}

async fn names(
    connection: &mut MySqlConnection,
    query: String,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0)).collect()
}
