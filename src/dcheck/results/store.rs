//! The results database: one transaction per batch, and what is read back at start.
//!
//! Owns the SQL of schema `dcheck`. Must not know the engine or what a plan means. Every call is
//! bounded in time; a failed commit may be repeated with the same batch, because every key holds
//! once.
//! Try it: `tests/dcheck.rs`. Not covered: a results database other than MySQL or MariaDB.

use std::time::Duration;

use mysql_async::prelude::{Query, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, TxOpts, Value};

use super::batch::{Batch, Channel, Message, Stored, VerdictRow, judgement_from};
use super::chunks::{ROWS_PER_INSERT, chunks};
use super::decisions;
use super::schema::{COUNT_TABLES, DDL, TABLES};
use super::sweep::{SWEEP_SEQ, in_time};
use crate::wire::{PlanRun, Subject};

/// No statement of ours takes longer on a healthy server; past it the connection is given up.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// Verdicts, runs and triggers read back at start: what a process must not judge or start again.
const READ_BACK_LIMIT: usize = 200_000;

/// What [`verdict_from`] reads.
pub(super) const SELECT_VERDICTS: &str = "SELECT seq, rule, version, loss_point, subject_kind, \
     subject, occurrence, revision, judgement, severity, resolved, alerting, expected, actual, \
     at_risk, position, at_ms";

/// Why the results database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "results database {0}: {1}; is the server up, and may this user write schema `dcheck`?"
    )]
    Sql(&'static str, mysql_async::Error),
    #[error("results database {0}: no answer within {1} s")]
    Slow(&'static str, u64),
    #[error("results url `{0}`: {1}; write mysql://USER@HOST:PORT/SCHEMA")]
    Url(String, mysql_async::UrlError),
}

/// One connection to the results database, opened when needed.
pub struct Store {
    opts: Opts,
    conn: Option<Conn>,
}

impl Store {
    /// `url` names the server; the schema is always `dcheck`.
    pub fn new(url: &str) -> Result<Store, StoreError> {
        let opts = Opts::from_url(url)
            .map_err(|error| StoreError::Url(super::sql::without_secret(url), error))?;
        let opts = OptsBuilder::from_opts(opts)
            .db_name(None::<String>)
            .prefer_socket(false)
            .stmt_cache_size(64);
        Ok(Store { opts: opts.into(), conn: None })
    }

    /// Makes the schema where it is missing and reads back what must not be done again.
    pub async fn open(&mut self) -> Result<Stored, StoreError> {
        self.call("open", async |conn| {
            let tables: Option<u64> = conn.query_first(COUNT_TABLES).await?;
            if tables.unwrap_or(0) < TABLES {
                for statement in DDL {
                    statement.ignore(&mut *conn).await?;
                }
            }
            read_back(conn).await
        })
        .await
    }

    /// Stores the whole batch, or nothing of it.
    pub async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.call("commit", async |conn| {
            let mut tx = conn.start_transaction(TxOpts::default()).await?;
            write(&mut tx, batch).await?;
            tx.commit().await
        })
        .await
    }

    /// Notes messages as delivered.
    pub async fn acknowledge(&mut self, seqs: &[u64], at_ms: i64) -> Result<(), StoreError> {
        if seqs.is_empty() {
            return Ok(());
        }
        let list = seqs.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let sql = format!("UPDATE dcheck.outbox SET sent_ms = {at_ms} WHERE seq IN ({list})");
        self.call("acknowledge", async |conn| conn.query_drop(&sql).await).await
    }

    async fn call<T>(
        &mut self,
        what: &'static str,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, StoreError> {
        self.call_within(CALL_LIMIT, what, work).await
    }

    pub(super) async fn call_within<T>(
        &mut self,
        limit: Duration,
        what: &'static str,
        work: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T>,
    ) -> Result<T, StoreError> {
        let conn = self.conn.take();
        let opts = self.opts.clone();
        let attempt = async {
            let mut conn = match conn {
                Some(conn) => conn,
                None => Conn::new(opts).await?,
            };
            let done = work(&mut conn).await?;
            Ok((conn, done))
        };
        match tokio::time::timeout(limit, attempt).await {
            Ok(Ok((conn, done))) => {
                self.conn = Some(conn);
                Ok(done)
            }
            Ok(Err(error)) => Err(StoreError::Sql(what, error)),
            Err(_) => Err(StoreError::Slow(what, limit.as_secs())),
        }
    }
}

pub(super) async fn write<Q: Queryable>(tx: &mut Q, batch: &Batch) -> mysql_async::Result<()> {
    let verdicts = batch.verdicts.iter().map(verdict_values).collect();
    insert(
        tx,
        "INSERT IGNORE INTO dcheck.result (seq, rule, version, loss_point, subject_kind, subject, \
         occurrence, revision, judgement, severity, resolved, alerting, expected, actual, at_risk, \
         position, at_ms) VALUES ",
        "",
        verdicts,
    )
    .await?;
    let counts = batch
        .matched
        .iter()
        .map(|((rule, version, segment), count)| {
            vec![rule.into(), version.into(), segment.into(), (*count).into()]
        })
        .collect();
    insert(
        tx,
        "INSERT INTO dcheck.matched_count (rule, version, segment, matched) VALUES ",
        " ON DUPLICATE KEY UPDATE matched = matched + VALUES(matched)",
        counts,
    )
    .await?;
    let messages = batch.messages.iter().map(message_values).collect();
    insert(
        tx,
        "INSERT IGNORE INTO dcheck.outbox \
         (seq, channel, order_key, dedupe, body, created_ms) VALUES ",
        "",
        messages,
    )
    .await?;
    let runs = batch.runs.iter().map(|run| run_values(run, batch.at_ms)).collect();
    insert(
        tx,
        "INSERT INTO dcheck.plan_run \
         (run_id, plan, scope_kind, scope, state, body, started_ms, updated_ms) VALUES ",
        " ON DUPLICATE KEY UPDATE state = VALUES(state), body = VALUES(body), \
         updated_ms = VALUES(updated_ms)",
        runs,
    )
    .await?;
    let triggers = batch.triggers.iter().map(|(p, a, r)| vec![p.into(), a.into(), r.into()]);
    // A finding that is planned again belongs to its new run.
    let into = "INSERT INTO dcheck.plan_trigger (plan, alert, run_id) VALUES ";
    let again = " ON DUPLICATE KEY UPDATE run_id = VALUES(run_id)";
    insert(tx, into, again, triggers.collect()).await?;
    let receipts = batch.receipts.iter().map(|(run, step, receipt, at_ms)| {
        vec![run.into(), step.into(), clipped(receipt, 255).into(), (*at_ms).into()]
    });
    let into = "INSERT IGNORE INTO dcheck.plan_step (run_id, step, receipt, at_ms) VALUES ";
    insert(tx, into, "", receipts.collect()).await?;
    keep_by_id(tx, "kept_group", batch.groups.iter().map(pair)).await?;
    keep_by_id(tx, "alert_state", batch.alert_state.iter().map(pair)).await?;
    keep_by_id(tx, "plan_halt", &batch.halts).await?;
    decisions::write(tx, batch).await?;
    let audit = batch.audit.iter().map(|row| {
        let who = clipped(&row.who, 64);
        vec![row.seq.into(), who.into(), row.what.into(), (&row.body).into(), row.at_ms.into()]
    });
    let into = "INSERT IGNORE INTO dcheck.audit (seq, who, what, body, at_ms) VALUES ";
    insert(tx, into, "", audit.collect()).await?;
    if let Some(checkpoint) = &batch.checkpoint {
        let into = "REPLACE INTO dcheck.checkpoint (id, body, at_ms) VALUES ";
        insert(tx, into, "", vec![vec![1.into(), checkpoint.into(), batch.at_ms.into()]]).await?;
    }
    Ok(())
}

fn pair((id, body): &(String, Option<String>)) -> (&String, &Option<String>) {
    (id, body)
}

/// Rows of `table` as they are now, each id once; none: gone.
async fn keep_by_id<'r, Q: Queryable>(
    tx: &mut Q,
    table: &str,
    rows: impl IntoIterator<Item = (&'r String, &'r Option<String>)>,
) -> mysql_async::Result<()> {
    let (mut kept, mut gone) = (Vec::<Vec<Value>>::new(), Vec::<Value>::new());
    for (id, body) in rows {
        match body {
            Some(body) => kept.push(vec![id.into(), body.into()]),
            None => gone.push(id.into()),
        }
    }
    let into = format!("REPLACE INTO dcheck.{table} (id, body) VALUES ");
    insert(tx, &into, "", kept).await?;
    for chunk in gone.chunks(ROWS_PER_INSERT) {
        let places = vec!["?"; chunk.len()].join(",");
        let sql = format!("DELETE FROM dcheck.{table} WHERE id IN ({places})");
        tx.exec_drop(sql, Params::Positional(chunk.to_vec())).await?;
    }
    Ok(())
}

pub(super) async fn insert<Q: Queryable>(
    tx: &mut Q,
    into: &str,
    tail: &str,
    rows: Vec<Vec<Value>>,
) -> mysql_async::Result<()> {
    for chunk in chunks(&rows) {
        let width = chunk[0].len();
        let one = format!("({})", vec!["?"; width].join(","));
        let sql = format!("{into}{}{tail}", vec![one; chunk.len()].join(","));
        tx.exec_drop(sql, Params::Positional(chunk.concat())).await?;
    }
    Ok(())
}

fn verdict_values(row: &VerdictRow) -> Vec<Value> {
    vec![
        row.seq.into(),
        (&row.rule).into(),
        (&row.version).into(),
        (&row.loss_point).into(),
        (&row.subject.kind).into(),
        clipped(&row.subject.id, 160).into(),
        clipped(&row.occurrence, 160).into(),
        clipped(&row.revision, 96).into(),
        row.judgement.name().into(),
        (&row.severity).into(),
        row.resolved.into(),
        row.alerting.into(),
        clipped(&row.expected, 4000).into(),
        clipped(&row.actual, 4000).into(),
        row.at_risk.map(|money| format!("{} {}", money.plain_amount(), money.currency)).into(),
        clipped(&row.position, 160).into(),
        row.at_ms.into(),
    ]
}

fn message_values(message: &Message) -> Vec<Value> {
    vec![
        message.seq.into(),
        message.channel.name().into(),
        (&message.order_key).into(),
        (&message.dedupe).into(),
        (&message.body).into(),
        message.created_ms.into(),
    ]
}

fn run_values(run: &PlanRun, at_ms: i64) -> Vec<Value> {
    let scope = run.scope.first().cloned().unwrap_or_else(|| Subject::new("", ""));
    let started = crate::clock::parse_rfc3339(&run.started_at).unwrap_or(at_ms);
    vec![
        (&run.run_id).into(),
        (&run.plan).into(),
        scope.kind.into(),
        clipped(&scope.id, 160).into(),
        format!("{:?}", run.state).to_lowercase().into(),
        serde_json::to_string(run).expect("invariant: a plan run is plain data").into(),
        started.into(),
        at_ms.into(),
    ]
}

/// At most `limit` characters: a long text of a user must not fail the transaction.
pub(super) fn clipped(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

async fn read_back(conn: &mut Conn) -> mysql_async::Result<Stored> {
    let mut stored = Stored::default();
    let rows: Vec<Row> = conn
        .query(format!(
            "{SELECT_VERDICTS} FROM (SELECT * FROM dcheck.result WHERE seq < {SWEEP_SEQ} \
             ORDER BY seq DESC LIMIT {READ_BACK_LIMIT}) r ORDER BY seq"
        ))
        .await?;
    let online = rows.into_iter().map(verdict_from).collect();
    let rows: Vec<Row> = conn
        .query(format!(
            "{SELECT_VERDICTS} FROM (SELECT * FROM dcheck.result WHERE seq >= {SWEEP_SEQ} \
             AND alerting = 1 ORDER BY seq DESC LIMIT {READ_BACK_LIMIT}) r ORDER BY seq"
        ))
        .await?;
    stored.verdicts = in_time(online, rows.into_iter().map(verdict_from).collect());
    let rows: Vec<(u64, String, String, String, String, i64)> = conn
        .query(
            "SELECT seq, channel, order_key, dedupe, body, created_ms FROM dcheck.outbox \
             WHERE sent_ms IS NULL ORDER BY seq",
        )
        .await?;
    stored.unsent = rows.into_iter().filter_map(message_from).collect();
    let runs: Vec<String> = conn
        .query(format!(
            "SELECT body FROM (SELECT body, started_ms FROM dcheck.plan_run \
             ORDER BY started_ms DESC LIMIT {READ_BACK_LIMIT}) r ORDER BY started_ms"
        ))
        .await?;
    stored.runs = runs.iter().filter_map(|body| serde_json::from_str(body).ok()).collect();
    stored.triggers = conn
        .query(format!(
            "SELECT plan, alert, run_id FROM dcheck.plan_trigger \
             ORDER BY CAST(SUBSTRING_INDEX(alert, '@', -1) AS SIGNED) DESC, plan, alert \
             LIMIT {READ_BACK_LIMIT}"
        ))
        .await?;
    stored.checkpoint = conn.query_first("SELECT body FROM dcheck.checkpoint WHERE id = 1").await?;
    stored.groups = conn.query("SELECT body FROM dcheck.kept_group").await?;
    stored.halts = conn.query("SELECT body FROM dcheck.plan_halt").await?;
    stored.alert_state = conn.query("SELECT id, body FROM dcheck.alert_state").await?;
    let last: Option<(u64, u64, u64)> = conn
        .exec_first(
            "SELECT COALESCE((SELECT MAX(seq) FROM dcheck.result WHERE seq < ?), 0), \
             COALESCE((SELECT MAX(seq) FROM dcheck.outbox WHERE seq < ?), 0), \
             COALESCE((SELECT MAX(seq) FROM dcheck.audit), 0)",
            (SWEEP_SEQ, SWEEP_SEQ),
        )
        .await?;
    stored.last_seq = last.map_or(0, |(verdict, message, audit)| verdict.max(message).max(audit));
    Ok(stored)
}

pub(super) fn verdict_from(mut row: Row) -> VerdictRow {
    let mut text = |name: &str| row.take::<Option<String>, _>(name).flatten().unwrap_or_default();
    let subject = Subject::new(text("subject_kind"), text("subject"));
    VerdictRow {
        rule: text("rule"),
        version: text("version"),
        loss_point: text("loss_point"),
        occurrence: text("occurrence"),
        revision: text("revision"),
        severity: text("severity"),
        judgement: judgement_from(&text("judgement")),
        expected: text("expected"),
        actual: text("actual"),
        at_risk: text("at_risk").parse().ok(),
        position: text("position"),
        subject,
        seq: row.take("seq").unwrap_or_default(),
        resolved: row.take("resolved").unwrap_or_default(),
        alerting: row.take("alerting").unwrap_or_default(),
        at_ms: row.take("at_ms").unwrap_or_default(),
    }
}

pub(super) fn message_from(
    (seq, channel, order_key, dedupe, body, created_ms): (u64, String, String, String, String, i64),
) -> Option<Message> {
    let channel = Channel::from_name(&channel)?;
    Some(Message { seq, channel, order_key, dedupe, body, created_ms })
}
