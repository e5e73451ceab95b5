//! A statement that is done once: its receipt is a row in the target's own schema, in the same transaction.
//!
//! Owns table `plan_receipt`, which is made at the first receipt where this user may make it; the refusal says how. After a crash, or
//! an answer that was lost, the receipt tells what was done. Must not know plans.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, TxOpts};

use super::sql::{SqlClient, SqlError};

/// Each receipt with the ticket under which people find it.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS plan_receipt (\
     run_id VARCHAR(64) NOT NULL, step VARCHAR(64) NOT NULL, ticket VARCHAR(128) NOT NULL, \
     affected BIGINT UNSIGNED NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (run_id, step))";
/// ER_NO_SUCH_TABLE and ER_DUP_ENTRY.
const NO_TABLE: u16 = 1146;
const DUPLICATE: u16 = 1062;

/// What a receipt says.
pub struct Receipt<'a> {
    pub run: &'a str,
    pub step: &'a str,
    pub ticket: &'a str,
    /// Cell time, Unix ms.
    pub at_ms: &'a str,
}

/// What came of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    pub affected: u64,
    /// An earlier attempt did it.
    pub before: bool,
}

impl SqlClient {
    /// Does the statement, unless there is a receipt for it.
    pub async fn once(
        &self,
        receipt: &Receipt<'_>,
        sql: &str,
        params: &[String],
        limit: Duration,
    ) -> Result<Done, SqlError> {
        // A connection of its own: an attempt that ran out of time must leave no open transaction to another one.
        let attempt = async {
            let mut conn = Conn::new(self.opts()).await?;
            let mut done = attempt(&mut conn, receipt, sql, params).await;
            if matches!(&done, Err(error) if is_no_receipts(error)) {
                conn.query_drop(TABLE).await.map_err(SqlError::NoReceipts)?;
                done = attempt(&mut conn, receipt, sql, params).await;
            }
            let done = done?;
            let _ = conn.disconnect().await;
            Ok(done)
        };
        let done = tokio::time::timeout(limit, attempt).await;
        done.map_err(|_| SqlError::Slow(limit.as_millis()))?
    }
}

async fn attempt(
    conn: &mut Conn,
    receipt: &Receipt<'_>,
    sql: &str,
    params: &[String],
) -> Result<Done, Error> {
    let Receipt { run, step, ticket, at_ms } = receipt;
    let mut transaction = conn.start_transaction(TxOpts::default()).await?;
    let into =
        "INSERT INTO plan_receipt (run_id, step, ticket, affected, at_ms) VALUES (?, ?, ?, 0, ?)";
    let ticket: String = ticket.chars().take(128).collect();
    match transaction.exec_drop(into, (run, step, ticket, at_ms)).await {
        Err(Error::Server(error)) if error.code == DUPLICATE => {
            let of = "SELECT affected FROM plan_receipt WHERE run_id = ? AND step = ?";
            let affected: Option<u64> = transaction.exec_first(of, (run, step)).await?;
            transaction.rollback().await?;
            return Ok(Done { affected: affected.unwrap_or_default(), before: true });
        }
        inserted => inserted?,
    }
    let params = match params {
        [] => Params::Empty,
        params => Params::Positional(params.iter().map(Into::into).collect()),
    };
    let answer = transaction.exec_iter(sql, params).await?;
    let affected = answer.affected_rows();
    answer.drop_result().await?;
    let note = "UPDATE plan_receipt SET affected = ? WHERE run_id = ? AND step = ?";
    transaction.exec_drop(note, (affected, run, step)).await?;
    transaction.commit().await?;
    Ok(Done { affected, before: false })
}

/// The table of receipts is missing, and not one that the statement names.
fn is_no_receipts(error: &Error) -> bool {
    matches!(error, Error::Server(error) if error.code == NO_TABLE && error.message.contains(".plan_receipt'"))
}
