//! Row `log`: the same log read four ways, each doing more than the one before: mysql_async alone, our reader, reader and engine
//! with 50 rules, and `dcheck run` with its results stored.
//!
//! What each adds is what its part costs. All of them, and the server, share the machine.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use lossdrill::clock::Clock;
use lossdrill::dcheck::engine::{Engine, Input, Output, RuleSet};
use lossdrill::dcheck::sources::binlog::{BinlogReader, BinlogSettings};
use lossdrill::dcheck::sources::{Entry, FromSource, Start};
use mysql_async::Conn;
use mysql_async::binlog::events::EventData;
use mysql_async::prelude::Queryable;
use tokio::sync::mpsc;

use super::cell::Cell;
use super::figures::{Ratio, Report, largest};
use super::scene::{Place, bare_stream, connected, equip, log_end, metric, payments, set, stopped};
use super::servers::Servers;
use super::stream::{RULES_OF_ONE, loaded, of_merchants};
use super::{Size, limits};

/// With five rules each: the 50.
const MERCHANTS: usize = 10;
/// One update of so many is a mismatch.
const BAD_ONE_IN: usize = 1000;
/// As many as the daemon lets wait.
const INBOX: usize = 1024;
const WRITERS: usize = 4;
/// How often a payment is changed, about, of those at the end of the log.
const STATES: usize = 5;
/// What is read by `dcheck run`: the end of the log, so much of it at the most, because storing takes far longer than reading.
const STORED_MAX: usize = 5_000;
/// A contender that has not read the log by then never will.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);
const US: &str = "µs/event";

/// Each of these is autocommitted: a transaction of one row.
const FILL: &str = "CREATE PROCEDURE fill(first INT, past INT, payments INT, bad_one_in INT) BEGIN \
     DECLARE i INT DEFAULT first; WHILE i < past DO \
     UPDATE pay_order SET updated_at_ms = updated_at_ms + 1, \
     amount = IF(i % bad_one_in = 0, 101 + i DIV payments, (1 + i % 9973) / 100) \
     WHERE pay_id = CONCAT('P-', i % payments); SET i = i + 1; END WHILE; END";

/// A log of updates of one row each.
struct Log {
    start: Place,
    count: usize,
    /// Where `dcheck run` begins, and how many are behind it.
    stored_from: Place,
    stored: usize,
}

async fn filled(servers: &Servers, conn: &mut Conn, count: usize) -> Log {
    let stored = count.div_ceil(10).min(STORED_MAX);
    let (all, of_end) = (rounded(count / STATES), rounded(stored / STATES));
    payments(conn, all, MERCHANTS).await;
    conn.query_drop(FILL).await.expect("a procedure");
    let start = log_end(conn).await;
    fill(servers, 0..count - stored, all).await;
    let stored_from = log_end(conn).await;
    fill(servers, count - stored..count, of_end).await;
    Log { start, count, stored_from, stored }
}

/// Up to whole hundreds: of every merchant as many.
fn rounded(payments: usize) -> usize {
    payments.next_multiple_of(100).max(100)
}

async fn fill(servers: &Servers, numbers: Range<usize>, payments: usize) {
    let of_writer = numbers.len().div_ceil(WRITERS);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut conn = connected(servers).await;
        let first = numbers.start + writer * of_writer;
        let past = numbers.end.min(first + of_writer);
        writers.spawn(async move {
            let call = format!("CALL fill({first}, {past}, {payments}, {BAD_ONE_IN})");
            conn.query_drop(call).await.expect("the log is filled");
        });
    }
    writers.join_all().await;
}

fn micros(took: Duration, count: usize) -> f64 {
    took.as_secs_f64() * 1e6 / count as f64
}

/// mysql_async alone: every event parsed, every row image taken apart.
async fn bare(servers: &Servers, place: &Place, count: usize) -> f64 {
    let mut stream = bare_stream(servers, place, 0x7000_0001).await;
    let (start, mut rows, mut values) = (Instant::now(), 0, 0_usize);
    while rows < count {
        let event = stream.next().await.expect("the log goes on").expect("an event");
        let Some(EventData::RowsEvent(data)) = event.read_data().expect("an event") else {
            continue;
        };
        let Some(map) = stream.get_tme(data.table_id()) else { continue };
        for images in data.rows(map) {
            let (before, after) = images.expect("a row");
            values += before.map_or(0, |row| row.len()) + after.map_or(0, |row| row.len());
            rows += 1;
        }
    }
    let took = micros(start.elapsed(), count);
    assert!(values > count, "rows have values");
    took
}

/// Our reader, and behind it the engine where there are rules. Of the engine: its share of the time, and its verdicts.
struct Read {
    total_us: f64,
    engine_us: f64,
    verdicts: usize,
}

async fn read(servers: &Servers, place: &Place, count: usize, rules: Option<Arc<RuleSet>>) -> Read {
    let (sender, mut inbox) = mpsc::channel(INBOX);
    let settings = BinlogSettings {
        url: servers.mysql().mysql_url("shop"),
        schema: "shop".to_owned(),
        group: "bench".to_owned(),
        start: Start::New,
        from: Some(format!("{}:{}", place.0, place.1).parse().expect("a place")),
        dating: None,
        clock: Clock::system(),
    };
    let reader = tokio::spawn(BinlogReader::new(settings, sender).run());
    let mut engine = rules.map(|rules| Engine::new(rules, &["binlog".to_owned()], HashSet::new()));
    let (mut start, mut events) = (Instant::now(), 0);
    let (mut in_engine, mut verdicts) = (Duration::ZERO, 0);
    while events < count {
        let news = tokio::time::timeout(LIMIT, inbox.recv()).await.expect("the log is read");
        let entries = match news.expect("the reader reads") {
            FromSource::Read { entries, .. } => entries,
            FromSource::Connected { .. } => {
                start = Instant::now();
                continue;
            }
            FromSource::Lost { why, .. } => panic!("the log is lost: {why}"),
            _ => continue,
        };
        for entry in entries {
            let Entry::Event(event) = entry else { continue };
            events += 1;
            let Some(engine) = &mut engine else { continue };
            let (at, from) = (event.at, Instant::now());
            let outputs = engine.step(Input::Event(event), at);
            verdicts += outputs.iter().filter(|o| matches!(o, Output::Verdict(_))).count();
            in_engine += from.elapsed();
        }
    }
    let total_us = micros(start.elapsed(), count);
    reader.abort();
    Read { total_us, engine_us: micros(in_engine, count), verdicts }
}

/// What `dcheck run` did with the end of the log.
struct Stored {
    us: f64,
    judged: usize,
    /// What its store wrote to the server's log for each event.
    kib: f64,
}

/// Bytes of all logs.
async fn logged(conn: &mut Conn) -> f64 {
    let logs: Vec<mysql_async::Row> = conn.query("SHOW BINARY LOGS").await.expect("logs");
    logs.iter().filter_map(|log| log.get::<u64, _>(1)).sum::<u64>() as f64
}

/// `dcheck run` from `place` on, until all of it is stored. What it took before its first event is no part of it.
async fn process(cell: &mut Cell, place: &Place, count: usize) -> Stored {
    cell.sql.query_drop("DROP DATABASE IF EXISTS dcheck").await.expect("MySQL answers");
    set(cell, "--binlog-from", &format!("{}:{}", place.0, place.1));
    let before_all = logged(&mut cell.sql).await;
    cell.spawn();
    let (from, mut first) = (Instant::now(), None);
    loop {
        assert!(from.elapsed() < LIMIT, "dcheck reads the log: {}", cell.text("healthz").await);
        let now = Instant::now();
        let read = metric(cell, "dcheck_source_events_total", "source=\"binlog\"").await;
        if first.is_none() && read > 0.0 {
            // Where the first look came late, the start counts too.
            first = Some(if read * 2.0 < count as f64 { (now, read) } else { (from, 0.0) });
        }
        if read >= count as f64 && cell.text("watermark").await.contains("\"busy\":0") {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let (start, before) = first.expect("it read something");
    let took = start.elapsed().as_secs_f64() * 1e6 / (count as f64 - before);
    let judged = metric(cell, "dcheck_taken_total", "").await;
    let pending = metric(cell, "dcheck_pending", "").await;
    cell.kill();
    let kib = (logged(&mut cell.sql).await - before_all) / 1024.0 / count as f64;
    Stored { us: took, judged: (judged - pending) as usize, kib }
}

pub async fn measure(servers: &Servers, size: Size) -> Report {
    let mut report = Report::default();
    let dir = tempfile::tempdir().expect("a directory");
    let mut cell = stopped(servers, "bench-log").await;
    let text = of_merchants(MERCHANTS);
    equip(&mut cell, dir.path(), &text, None);
    let rules = loaded(&text);
    let log = filled(servers, &mut cell.sql, size.logged).await;
    let (count, place) = (log.count, &log.start);
    let (wanted, stored_wanted) = (RULES_OF_ONE * count, RULES_OF_ONE * log.stored);
    for round in 0..=size.rounds {
        let alone = bare(servers, place, count).await;
        let decoded = read(servers, place, count, None).await;
        let judged = read(servers, place, count, Some(Arc::clone(&rules))).await;
        let stored = process(&mut cell, &log.stored_from, log.stored).await;
        if judged.verdicts != wanted || stored.judged != stored_wanted {
            let (verdicts, of_process) = (judged.verdicts, stored.judged);
            report.wrong.push(format!(
                "{verdicts} verdicts of {wanted}; {of_process} of {stored_wanted} by dcheck"
            ));
        }
        // The first one warms up.
        if round > 0 {
            report.put("bare mysql_async", US, alone);
            report.put("our reader", US, decoded.total_us);
            report.put("binlog to verdict", US, judged.total_us);
            report.put("of it in the engine", US, judged.engine_us);
            report.put("dcheck run, verdicts stored", US, stored.us);
            report.put("dcheck run, checks a second", "1/s", 1e6 / stored.us * RULES_OF_ONE as f64);
            report.put("of it written by the store", "KiB/event", stored.kib);
        }
    }
    for of in ["our reader", "binlog to verdict", "dcheck run, verdicts stored"] {
        report.ratios.push(Ratio { of, to: "bare mysql_async", ..limits::DEBEZIUM });
    }
    let median = |name: &str| report.median(name);
    let (alone, decoded) = (median("bare mysql_async"), median("our reader"));
    let (judged, engine) = (median("binlog to verdict"), median("of it in the engine"));
    let parts = [
        ("server, wire and parsing", alone),
        ("rows into events", decoded - alone),
        ("the engine", engine),
        ("store and the rest of the daemon", median("dcheck run, verdicts stored") - judged),
    ];
    report.bound = largest(&parts, US);
    report
}
