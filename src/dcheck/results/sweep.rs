//! How far a sweep (`dcheck reconcile`) is, and what it finds, in one transaction per chunk.
//!
//! Owns tables `dcheck.sweep` and `dcheck.sweep_group`, and the numbers of a sweep's rows: the daemon counts in its own memory, so a
//! sweep counts in a range far above, one sweep at a time. Must not know what a position or a group means.

use std::collections::VecDeque;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row, TxOpts};

use super::batch::{Batch, Message, VerdictRow};
use super::store::{SELECT_VERDICTS, Store, StoreError, insert, message_from, verdict_from, write};

/// From here on rows, messages and alerts are numbered by sweeps.
pub const SWEEP_SEQ: u64 = 1 << 62;
/// Stored findings that a sweep compares with; above it, it says so and stops.
const KNOWN_LIMIT: usize = 1_000_000;
/// Nobody waits for a sweep: what it reads back and throws away may be long.
const LIMIT: Duration = Duration::from_secs(600);
/// One sweep at a time, of all that store here.
const LOCK: &str = "dcheck.reconcile";

const DDL: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS dcheck.sweep (
        run VARCHAR(64) NOT NULL, day CHAR(10) NOT NULL, body LONGTEXT NOT NULL,
        at_ms BIGINT NOT NULL, PRIMARY KEY (run, day))",
    "CREATE TABLE IF NOT EXISTS dcheck.sweep_group (
        run VARCHAR(64) NOT NULL, day CHAR(10) NOT NULL, id CHAR(64) NOT NULL,
        body MEDIUMTEXT NOT NULL, PRIMARY KEY (run, day, id))",
];

/// A run of a sweep: what it goes on by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepId {
    pub run: String,
    /// `2026-01-05`
    pub day: String,
}

/// What was stored before.
#[derive(Debug, Default)]
pub struct Before {
    /// The sweep's own text, as it was committed last.
    pub body: Option<String>,
    pub groups: Vec<String>,
    /// Silences in force, by row of `dcheck.alert_state`.
    pub silences: Vec<(String, String)>,
    /// The highest number that a sweep has given.
    pub last_seq: u64,
}

/// Held for as long as the sweep runs; another one is refused meanwhile.
pub struct SweepLock {
    /// The server holds the lock for as long as this connection is there.
    _conn: Conn,
    id: u64,
}

impl SweepId {
    /// Under which its matched verdicts are counted.
    pub fn segment(&self) -> String {
        format!("sweep {} {}", self.run, self.day)
    }
}

/// None where another sweep runs.
pub async fn lock(url: &str) -> Result<Option<SweepLock>, mysql_async::Error> {
    let opts = OptsBuilder::from_opts(Opts::from_url(url)?).prefer_socket(false);
    let mut conn = Conn::new(opts.db_name(None::<String>)).await?;
    conn.query_drop("SET SESSION wait_timeout = 604800").await?;
    let got: Option<Option<u8>> = conn.exec_first("SELECT GET_LOCK(?, 0)", (LOCK,)).await?;
    let id: Option<u64> = conn.query_first("SELECT CONNECTION_ID()").await?;
    let is_held = got.flatten() == Some(1);
    Ok(id.filter(|_| is_held).map(|id| SweepLock { _conn: conn, id }))
}

impl Store {
    /// What is known of the sweep; with `anew` its own progress is thrown away first.
    pub async fn open_sweep(&mut self, id: &SweepId, anew: bool) -> Result<Before, StoreError> {
        self.call_within(LIMIT, "open a sweep", async |conn| {
            for statement in DDL {
                conn.query_drop(statement).await?;
            }
            let of = (&id.run, &id.day);
            if anew {
                let mut tx = conn.start_transaction(TxOpts::default()).await?;
                for table in ["sweep", "sweep_group"] {
                    let sql = format!("DELETE FROM dcheck.{table} WHERE run = ? AND day = ?");
                    tx.exec_drop(sql, of).await?;
                }
                // What is swept again is counted again.
                let sql = "DELETE FROM dcheck.matched_count WHERE segment = ?";
                tx.exec_drop(sql, (id.segment(),)).await?;
                tx.commit().await?;
            }
            let one = "SELECT body FROM dcheck.sweep WHERE run = ? AND day = ?";
            let groups = "SELECT body FROM dcheck.sweep_group WHERE run = ? AND day = ?";
            let silences = "SELECT id, body FROM dcheck.alert_state WHERE id LIKE 'silence/%'";
            let last = "SELECT GREATEST( \
                 COALESCE((SELECT MAX(seq) FROM dcheck.result WHERE seq >= ?), ?), \
                 COALESCE((SELECT MAX(seq) FROM dcheck.outbox WHERE seq >= ?), ?))";
            let from = (SWEEP_SEQ, SWEEP_SEQ, SWEEP_SEQ, SWEEP_SEQ);
            Ok(Before {
                body: conn.exec_first(one, of).await?,
                groups: conn.exec(groups, of).await?,
                silences: conn.query(silences).await?,
                last_seq: conn.exec_first(last, from).await?.unwrap_or(SWEEP_SEQ),
            })
        })
        .await
    }

    /// The batch with its groups, which are the sweep's own, and how far it is. False, and nothing is stored, where the lock
    /// is not held any more: its connection was cut, or another server answers since a failover.
    pub async fn commit_sweep(
        &mut self,
        (id, held): (&SweepId, &SweepLock),
        mut batch: Batch,
        body: &str,
    ) -> Result<bool, StoreError> {
        let groups = std::mem::take(&mut batch.groups);
        self.call_within(LIMIT, "commit a sweep", async |conn| {
            let mut tx = conn.start_transaction(TxOpts::default()).await?;
            if !batch.matched.is_empty() {
                // A sweep counts once, at its close: a commit whose answer was lost is repeated, and must not count twice.
                let sql = "DELETE FROM dcheck.matched_count WHERE segment = ?";
                tx.exec_drop(sql, (id.segment(),)).await?;
            }
            write(&mut tx, &batch).await?;
            let kept = groups.iter().filter_map(|(group, body)| {
                let (run, day) = ((&id.run).into(), (&id.day).into());
                Some(vec![run, day, group.into(), body.as_ref()?.into()])
            });
            let into = "REPLACE INTO dcheck.sweep_group (run, day, id, body) VALUES ";
            insert(&mut tx, into, "", kept.collect()).await?;
            let row = vec![(&id.run).into(), (&id.day).into(), body.into(), batch.at_ms.into()];
            let into = "REPLACE INTO dcheck.sweep (run, day, body, at_ms) VALUES ";
            insert(&mut tx, into, "", vec![row]).await?;
            let holder: Option<Option<u64>> =
                tx.exec_first("SELECT IS_USED_LOCK(?)", (LOCK,)).await?;
            let is_held = holder.flatten() == Some(held.id);
            match is_held {
                true => tx.commit().await?,
                false => tx.rollback().await?,
            }
            Ok(is_held)
        })
        .await
    }

    /// Groups are needed until the books are closed.
    pub async fn drop_sweep_groups(&mut self, id: &SweepId) -> Result<(), StoreError> {
        self.call_within(LIMIT, "end a sweep", async |conn| {
            let sql = "DELETE FROM dcheck.sweep_group WHERE run = ? AND day = ?";
            conn.exec_drop(sql, (&id.run, &id.day)).await
        })
        .await
    }

    /// The alerting ones among the verdicts of these numbers.
    pub async fn swept(
        &mut self,
        (first, last): (u64, u64),
    ) -> Result<Vec<VerdictRow>, StoreError> {
        self.call_within(LIMIT, "read a sweep's findings", async |conn| {
            let sql = format!(
                "{SELECT_VERDICTS} FROM dcheck.result WHERE seq BETWEEN ? AND ? AND alerting = 1 \
                 ORDER BY seq"
            );
            let rows: Vec<Row> = conn.exec(sql, (first, last)).await?;
            Ok(rows.into_iter().map(verdict_from).collect())
        })
        .await
    }

    /// Findings and their ends, of whoever found them, in the order of time.
    pub async fn findings(&mut self) -> Result<Vec<VerdictRow>, StoreError> {
        self.call_within(LIMIT, "read the findings", async |conn| known(conn).await).await
    }

    /// Messages of sweeps that nobody has acknowledged.
    pub async fn unsent_of_sweeps(&mut self) -> Result<Vec<Message>, StoreError> {
        self.call_within(LIMIT, "read unsent alerts", async |conn| {
            let sql = "SELECT seq, channel, order_key, dedupe, body, created_ms \
                 FROM dcheck.outbox WHERE sent_ms IS NULL AND seq >= ? ORDER BY seq";
            let rows: Vec<(u64, String, String, String, String, i64)> =
                conn.exec(sql, (SWEEP_SEQ,)).await?;
            Ok(rows.into_iter().filter_map(message_from).collect())
        })
        .await
    }
}

async fn known(conn: &mut Conn) -> mysql_async::Result<Vec<VerdictRow>> {
    let sql = format!(
        "{SELECT_VERDICTS} FROM dcheck.result WHERE judgement <> 'matched' OR resolved = 1 \
         ORDER BY seq LIMIT {}",
        KNOWN_LIMIT + 1
    );
    let rows: Vec<Row> = conn.query(sql).await?;
    if rows.len() > KNOWN_LIMIT {
        let told = format!(
            "more than {KNOWN_LIMIT} stored findings: archive the old rows of dcheck.result first"
        );
        return Err(mysql_async::Error::Other(told.into()));
    }
    let rows = rows.into_iter().map(verdict_from);
    let (swept, online) = rows.partition(|row| row.seq >= SWEEP_SEQ);
    Ok(in_time(online, swept))
}

/// The rows of the daemon, in their order, with those of sweeps among them by time.
pub fn in_time(online: Vec<VerdictRow>, swept: Vec<VerdictRow>) -> Vec<VerdictRow> {
    let mut swept = VecDeque::from(swept);
    let mut rows = Vec::with_capacity(online.len() + swept.len());
    for row in online {
        while let Some(earlier) = swept.pop_front_if(|other| other.at_ms <= row.at_ms) {
            rows.push(earlier);
        }
        rows.push(row);
    }
    rows.extend(swept);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Judgement, Subject};

    fn row(seq: u64, at_ms: i64) -> VerdictRow {
        VerdictRow {
            seq,
            rule: "r".into(),
            version: "1".into(),
            loss_point: "l".into(),
            subject: Subject::new("order", "O-1"),
            occurrence: "O-1".into(),
            revision: String::new(),
            severity: "P1".into(),
            resolved: false,
            alerting: true,
            judgement: Judgement::Mismatched,
            expected: String::new(),
            actual: String::new(),
            at_risk: None,
            position: String::new(),
            at_ms,
        }
    }

    #[test]
    fn rows_of_sweeps_stand_where_their_time_is() {
        let online = vec![row(1, 10), row(2, 30), row(3, 20)];
        let swept = vec![row(SWEEP_SEQ, 5), row(SWEEP_SEQ + 1, 25), row(SWEEP_SEQ + 2, 99)];
        let order: Vec<u64> =
            in_time(online, swept).iter().map(|row| row.seq % SWEEP_SEQ).collect();
        // The daemon's own keep their order, whatever their clock said.
        assert_eq!(order, [0, 1, 1, 2, 3, 2]);
    }
}
