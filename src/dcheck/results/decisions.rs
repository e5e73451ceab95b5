//! Decisions about dependencies of services: each one as a row with its numbers, and which one is in force.
//!
//! Owns both tables' SQL. `dcheck.service_state` is for others to ask, a plan's `while` first of all: no row, or `restore`, is
//! "nothing is done".

use mysql_async::Value;
use mysql_async::prelude::Queryable;

use super::Batch;
use super::store::{clipped, insert};

pub const DECISION_DDL: &str = "CREATE TABLE IF NOT EXISTS dcheck.service_decision (
        service VARCHAR(64) NOT NULL, dependency VARCHAR(64) NOT NULL, decision VARCHAR(16) NOT NULL,
        since_ms BIGINT NOT NULL, window_to_ms BIGINT NOT NULL, window_from_ms BIGINT NOT NULL,
        strength VARCHAR(8) NOT NULL, per_cent INT NULL, state VARCHAR(16) NOT NULL,
        calls BIGINT UNSIGNED NOT NULL, errors BIGINT UNSIGNED NOT NULL,
        errors_per_mille INT UNSIGNED NOT NULL, latency_of VARCHAR(8) NOT NULL,
        latency_ms BIGINT UNSIGNED NULL, limits TEXT NOT NULL, plan VARCHAR(64) NULL,
        at_ms BIGINT NOT NULL,
        PRIMARY KEY (service, dependency, since_ms, window_to_ms, decision))";

pub const STATE_DDL: &str = "CREATE TABLE IF NOT EXISTS dcheck.service_state (
        service VARCHAR(64) NOT NULL, dependency VARCHAR(64) NOT NULL, decision VARCHAR(16) NOT NULL,
        since_ms BIGINT NOT NULL, at_ms BIGINT NOT NULL, PRIMARY KEY (service, dependency))";

/// One decision as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    pub service: String,
    pub dependency: String,
    pub decision: &'static str,
    /// When the dependency fell ill.
    pub since_ms: i64,
    /// The window that decided it.
    pub from_ms: i64,
    pub to_ms: i64,
    pub strength: &'static str,
    pub per_cent: Option<u8>,
    pub state: &'static str,
    pub calls: u64,
    pub errors: u64,
    pub errors_per_mille: u64,
    pub latency_of: &'static str,
    pub latency_ms: Option<u64>,
    pub limits: String,
    pub plan: Option<String>,
    pub at_ms: i64,
}

pub(super) async fn write<Q: Queryable>(tx: &mut Q, batch: &Batch) -> mysql_async::Result<()> {
    let rows = batch.decisions.iter().map(values).collect();
    let into = "INSERT IGNORE INTO dcheck.service_decision (service, dependency, decision, since_ms, \
        window_to_ms, window_from_ms, strength, per_cent, state, calls, errors, errors_per_mille, \
        latency_of, latency_ms, limits, plan, at_ms) VALUES ";
    insert(tx, into, "", rows).await?;
    let now = batch.decisions.iter().map(|row| -> Vec<Value> {
        let names = [(&row.service).into(), (&row.dependency).into(), row.decision.into()];
        names.into_iter().chain([row.since_ms.into(), row.at_ms.into()]).collect()
    });
    let into = "REPLACE INTO dcheck.service_state \
        (service, dependency, decision, since_ms, at_ms) VALUES ";
    insert(tx, into, "", now.collect()).await
}

fn values(row: &DecisionRow) -> Vec<Value> {
    vec![
        (&row.service).into(),
        (&row.dependency).into(),
        row.decision.into(),
        row.since_ms.into(),
        row.to_ms.into(),
        row.from_ms.into(),
        row.strength.into(),
        row.per_cent.into(),
        row.state.into(),
        row.calls.into(),
        row.errors.into(),
        row.errors_per_mille.into(),
        row.latency_of.into(),
        row.latency_ms.into(),
        clipped(&row.limits, 4000).into(),
        (&row.plan).into(),
        row.at_ms.into(),
    ]
}
