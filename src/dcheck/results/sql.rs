//! The checked platform's SQL: lookups of rules, and the proofs and allow-listed statements of
//! plans.
//!
//! Owns a few connections and their time limits. A connection that timed out is thrown away: its
//! answer would come for the wrong question. Values are exact in both directions. Not covered:
//! other databases than MySQL and MariaDB.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, IsolationLevel, Opts, OptsBuilder, Params, TxOpts, Value as Sql};
use tokio::sync::Semaphore;

use super::once::TABLE;
use crate::dcheck::event::{Row, Value};
use crate::dcheck::sources::binlog::plain_value;

/// Questions at the same time: the reconciler is a guest on the platform's database.
const CONNECTIONS: usize = 8;
/// Rows of one answer: a rule compares, it does not export.
const ANSWER_ROWS: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    #[error("sql url `{0}`: {1}; write mysql://USER@HOST:PORT/SCHEMA")]
    Url(String, mysql_async::UrlError),
    #[error("sql: {0}")]
    Sql(#[from] mysql_async::Error),
    #[error("sql: no answer within {0} ms")]
    Slow(u128),
    #[error("sql: more than {ANSWER_ROWS} rows; narrow the query")]
    TooMany,
    #[error("sql: transaction {0} is in the log, but not yet to be seen")]
    Unseen(String),
    #[error("sql: there is no table of receipts, and this user may not make it ({0}): {TABLE}")]
    NoReceipts(mysql_async::Error),
}

/// What a statement did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub rows: Vec<Row>,
    pub affected: u64,
}

/// How fresh an answer must be: a server tells a transaction in its log a moment before others can see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// What others can see when the question comes.
    #[default]
    Committed,
    /// No earlier than this transaction, a GTID; those before it in the log too, with `binlog_order_commits` (the default).
    After(String),
    /// For a log without GTIDs: it waits for those that wrote to its rows, and locks what it reads until it is answered.
    BehindWriters,
}

/// A bounded set of connections to one server.
pub struct SqlClient {
    opts: Opts,
    idle: Mutex<Vec<Conn>>,
    slots: Semaphore,
    /// The last transaction that was waited for.
    seen: Mutex<String>,
}

impl SqlClient {
    pub fn new(url: &str) -> Result<SqlClient, SqlError> {
        let opts =
            Opts::from_url(url).map_err(|error| SqlError::Url(without_secret(url), error))?;
        let opts = OptsBuilder::from_opts(opts).prefer_socket(false).tcp_nodelay(true);
        Ok(SqlClient {
            opts: opts.into(),
            idle: Mutex::new(Vec::new()),
            slots: Semaphore::new(CONNECTIONS),
            seen: Mutex::default(),
        })
    }

    /// How many connections it opens at most.
    pub fn connections(&self) -> u64 {
        CONNECTIONS as u64
    }

    pub fn in_use(&self) -> u64 {
        (CONNECTIONS - self.slots.available_permits()) as u64
    }

    pub(super) fn opts(&self) -> Opts {
        self.opts.clone()
    }

    /// With placeholders `:name`.
    pub async fn named(
        &self,
        sql: &str,
        params: &[(String, Value)],
        view: View,
        limit: Duration,
    ) -> Result<Answer, SqlError> {
        let params: HashMap<Vec<u8>, Sql> = params
            .iter()
            .map(|(name, value)| (name.trim_start_matches(':').as_bytes().to_vec(), to_sql(value)))
            .collect();
        let params = if params.is_empty() { Params::Empty } else { Params::Named(params) };
        self.ask(sql, params, view, limit).await
    }

    /// With placeholders `?`, as texts.
    pub async fn positional(
        &self,
        sql: &str,
        params: &[String],
        limit: Duration,
    ) -> Result<Answer, SqlError> {
        let params: Vec<Sql> = params.iter().map(Into::into).collect();
        let params = if params.is_empty() { Params::Empty } else { Params::Positional(params) };
        self.ask(sql, params, View::Committed, limit).await
    }

    async fn ask(
        &self,
        sql: &str,
        params: Params,
        view: View,
        limit: Duration,
    ) -> Result<Answer, SqlError> {
        let asked = tokio::time::timeout(limit, async {
            let _slot = self.slots.acquire().await.expect("invariant: never closed");
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            if let Some(conn) = idle {
                match self.run(conn, sql, params.clone(), &view, limit).await {
                    // A connection that the server closed while idle is no news: ask once more on a new one.
                    Err(SqlError::Sql(
                        mysql_async::Error::Io(_) | mysql_async::Error::Driver(_),
                    )) => {}
                    done => return done,
                }
            }
            let conn = Conn::new(self.opts.clone()).await?;
            self.run(conn, sql, params, &view, limit).await
        })
        .await;
        let (conn, answer) = asked.map_err(|_| SqlError::Slow(limit.as_millis()))??;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        Ok(answer)
    }

    async fn run(
        &self,
        mut conn: Conn,
        sql: &str,
        params: Params,
        view: &View,
        limit: Duration,
    ) -> Result<(Conn, Answer), SqlError> {
        let answer = match view {
            View::Committed => read(&mut conn, sql, params).await?,
            View::After(gtid) => {
                self.wait_for(&mut conn, gtid, limit).await?;
                read(&mut conn, sql, params).await?
            }
            View::BehindWriters => {
                let mut options = TxOpts::default();
                options.with_isolation_level(IsolationLevel::Serializable);
                let mut transaction = conn.start_transaction(options).await?;
                let answer = read(&mut transaction, sql, params).await?;
                transaction.rollback().await?;
                answer
            }
        };
        Ok((conn, answer))
    }

    /// Until others can see the transaction: the server's set of GTIDs has it from then on.
    async fn wait_for(&self, conn: &mut Conn, gtid: &str, limit: Duration) -> Result<(), SqlError> {
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == gtid {
            return Ok(());
        }
        let wait = "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)";
        let over: Option<u8> = conn.exec_first(wait, (gtid, limit.as_secs().max(1))).await?;
        if over != Some(0) {
            return Err(SqlError::Unseen(gtid.to_owned()));
        }
        gtid.clone_into(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

async fn read<Q: Queryable>(conn: &mut Q, sql: &str, params: Params) -> Result<Answer, SqlError> {
    let mut answer = Answer::default();
    let mut result = conn.exec_iter(sql, params).await?;
    while let Some(row) = result.next().await? {
        if answer.rows.len() == ANSWER_ROWS {
            return Err(SqlError::TooMany);
        }
        answer.rows.push(to_row(row));
    }
    answer.affected = result.affected_rows();
    Ok(answer)
}

fn to_row(row: mysql_async::Row) -> Row {
    let columns = row.columns();
    let values = row.unwrap_raw();
    columns
        .iter()
        .zip(values)
        .map(|(column, value)| {
            let value = plain_value(value.unwrap_or(Sql::NULL), column.column_type());
            (column.name_str().into_owned(), value)
        })
        .collect()
}

fn to_sql(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::NULL,
        Value::Bool(truth) => Sql::Int((*truth).into()),
        Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
            (Ok(int), _) => Sql::Int(int),
            (_, Ok(int)) => Sql::UInt(int),
            _ => Sql::Bytes(int.to_string().into_bytes()),
        },
        Value::Dec(decimal) => Sql::Bytes(decimal.to_string().into_bytes()),
        Value::Wide(text) | Value::Text(text) => Sql::Bytes(text.clone().into_bytes()),
    }
}

/// The URL without who logs in, and how.
pub(super) fn without_secret(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, place)) => format!("mysql://…@{place}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_url_tells_no_password() {
        for url in ["mysql://root:secret@h:x/shop", "http://root:secret@h/shop"] {
            let told = SqlClient::new(url).err().expect(url).to_string();
            assert!(!told.contains("secret") && told.contains("@h"), "{told}");
        }
    }

    #[test]
    fn parameters_are_exact() {
        for (value, sql) in [
            (Value::Null, Sql::NULL),
            (Value::Bool(true), Sql::Int(1)),
            (Value::Int(-1), Sql::Int(-1)),
            (Value::Int(u64::MAX.into()), Sql::UInt(u64::MAX)),
            (Value::Int(i128::MAX), Sql::Bytes(i128::MAX.to_string().into_bytes())),
            (Value::decimal("0.10").unwrap(), Sql::Bytes(b"0.10".to_vec())),
            (Value::from("x"), Sql::Bytes(b"x".to_vec())),
        ] {
            assert_eq!(to_sql(&value), sql, "{value}");
        }
    }
}
