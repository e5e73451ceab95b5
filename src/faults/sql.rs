//! SQL at the cell's own MySQL server, past every link: each connection and each statement with a limit.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::time::timeout;

/// One statement of a fault: milliseconds. This only bounds a starved machine, or a server that is away.
pub(super) const SQL_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum SqlError {
    #[error("the database: {0}")]
    Said(#[from] sqlx::Error),
    #[error("the database gave no answer within {} s", SQL_LIMIT.as_secs())]
    Late,
    /// It has not what an order is about.
    #[error("the shop's books: {0}")]
    Unfit(String),
}

impl SqlError {
    /// The server's own number of it: 1290 for a server that is read-only.
    pub fn code(&self) -> Option<u16> {
        let SqlError::Said(error) = self else { return None };
        Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
    }
}

pub(super) async fn within<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, SqlError> {
    Ok(timeout(SQL_LIMIT, work).await.map_err(|_| SqlError::Late)??)
}

/// A connection for one piece of work, or for as long as what it holds is to be held.
pub(super) async fn open(options: &MySqlConnectOptions) -> Result<MySqlConnection, SqlError> {
    within(MySqlConnection::connect_with(options)).await
}

/// A statement of this house, without a value of anybody else's in it.
pub(super) async fn run(conn: &mut MySqlConnection, statement: &str) -> Result<(), SqlError> {
    within(sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn)).await.map(drop)
}

/// The first row, each column as text.
pub(super) async fn first(
    conn: &mut MySqlConnection,
    query: &str,
) -> Result<Option<Vec<String>>, SqlError> {
    let row = within(sqlx::raw_sql(AssertSqlSafe(query)).fetch_optional(conn)).await?;
    let Some(row) = row else { return Ok(None) };
    let texts = (0..row.len()).map(|place| row.try_get_unchecked::<String, _>(place));
    Ok(Some(texts.collect::<Result<_, _>>()?))
}
