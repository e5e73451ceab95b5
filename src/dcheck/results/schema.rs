//! The tables of schema `dcheck`, made at start when missing.
//!
//! Owns the DDL. Every key that must hold once is a PRIMARY or UNIQUE key: idempotence is the
//! database's, not ours.
//! Not covered: migrations between versions of these tables (there is one version so far).

use super::decisions::{DECISION_DDL, STATE_DDL};

/// The statements, in order; each may be run again.
pub const DDL: [&str; 14] = [
    "CREATE DATABASE IF NOT EXISTS dcheck CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS dcheck.result (
        seq BIGINT UNSIGNED NOT NULL PRIMARY KEY,
        rule VARCHAR(64) NOT NULL, version VARCHAR(64) NOT NULL, loss_point VARCHAR(64) NOT NULL,
        subject_kind VARCHAR(32) NOT NULL, subject VARCHAR(160) NOT NULL,
        occurrence VARCHAR(160) NOT NULL, revision VARCHAR(96) NOT NULL,
        judgement VARCHAR(16) NOT NULL, severity VARCHAR(4) NOT NULL,
        resolved TINYINT NOT NULL, alerting TINYINT NOT NULL,
        expected TEXT NOT NULL, actual TEXT NOT NULL, at_risk VARCHAR(64) NULL,
        position VARCHAR(160) NOT NULL, at_ms BIGINT NOT NULL,
        UNIQUE KEY once
            (rule, version, subject_kind, subject, occurrence, revision, judgement))",
    "CREATE TABLE IF NOT EXISTS dcheck.matched_count (
        rule VARCHAR(64) NOT NULL, version VARCHAR(64) NOT NULL, segment VARCHAR(128) NOT NULL,
        matched BIGINT UNSIGNED NOT NULL, PRIMARY KEY (rule, version, segment))",
    "CREATE TABLE IF NOT EXISTS dcheck.outbox (
        seq BIGINT UNSIGNED NOT NULL PRIMARY KEY,
        channel VARCHAR(16) NOT NULL, order_key VARCHAR(128) NOT NULL,
        dedupe VARCHAR(160) NOT NULL, body MEDIUMTEXT NOT NULL,
        created_ms BIGINT NOT NULL, sent_ms BIGINT NULL,
        UNIQUE KEY once (channel, dedupe), KEY unsent (sent_ms, seq))",
    "CREATE TABLE IF NOT EXISTS dcheck.plan_run (
        run_id VARCHAR(64) NOT NULL PRIMARY KEY, plan VARCHAR(64) NOT NULL,
        scope_kind VARCHAR(32) NOT NULL, scope VARCHAR(160) NOT NULL, state VARCHAR(20) NOT NULL,
        body MEDIUMTEXT NOT NULL, started_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL,
        KEY by_state (state), KEY by_start (started_ms))",
    "CREATE TABLE IF NOT EXISTS dcheck.plan_trigger (
        plan VARCHAR(64) NOT NULL, alert VARCHAR(64) NOT NULL, run_id VARCHAR(64) NOT NULL,
        PRIMARY KEY (plan, alert))",
    "CREATE TABLE IF NOT EXISTS dcheck.plan_step (
        run_id VARCHAR(64) NOT NULL, step VARCHAR(64) NOT NULL, receipt VARCHAR(255) NOT NULL,
        at_ms BIGINT NOT NULL, PRIMARY KEY (run_id, step))",
    "CREATE TABLE IF NOT EXISTS dcheck.checkpoint (
        id TINYINT NOT NULL PRIMARY KEY, body LONGTEXT NOT NULL, at_ms BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS dcheck.kept_group (
        id CHAR(64) NOT NULL PRIMARY KEY, body MEDIUMTEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS dcheck.alert_state (
        id VARCHAR(160) NOT NULL PRIMARY KEY, body MEDIUMTEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS dcheck.plan_halt (
        id VARCHAR(64) NOT NULL PRIMARY KEY, body MEDIUMTEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS dcheck.audit (
        seq BIGINT UNSIGNED NOT NULL PRIMARY KEY,
        who VARCHAR(64) NOT NULL, what VARCHAR(32) NOT NULL, body MEDIUMTEXT NOT NULL,
        at_ms BIGINT NOT NULL, KEY by_time (at_ms))",
    DECISION_DDL,
    STATE_DDL,
];

/// Whether all tables are there already: one query instead of all statements at each start.
pub const COUNT_TABLES: &str = "SELECT COUNT(*) FROM information_schema.tables \
     WHERE table_schema = 'dcheck' AND table_name IN \
     ('result', 'matched_count', 'outbox', 'plan_run', 'plan_trigger', 'plan_step', \
     'checkpoint', 'kept_group', 'alert_state', 'plan_halt', 'audit', \
     'service_decision', 'service_state')";

/// Tables that [`DDL`] makes.
pub const TABLES: u64 = 13;
