//! `dcheck reconcile`: the same rules over tables and channel files of a day that is over (T+1).
//!
//! Owns the order of a sweep: choose the rules, read in chunks (`reading`), judge (`sweep`), commit each chunk with how far
//! it is, close the books (`books`), tell what is new (`telling`), and the summary. A sweep that is broken off at any
//! instant goes on behind its last commit, and tells nothing twice. What online has found is known: it shares results,
//! fingerprints and silences with the daemon.
//!
//! A row is one insert, as it is when it is read; strategies about changes are refused by name (`choose`). A bad line of a
//! file is a gap: findings that rest on what is *missing* beside it are *unknown*. Try it: `dcheck reconcile --help`,
//! `tests/dcheck/offline.rs`.
//! Not covered: the end of alerts that online raised and that hold no more (online's), plans (a finding of yesterday starts
//! none), other names for a file's columns, sweeps of more than one process.

mod books;
mod choose;
mod options;
mod reading;
mod summary;
mod sweep;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::Conn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

pub use options::{EXAMPLE, ReconcileOptions};

use super::recording::digest_of;
use super::start::Mistakes;
use crate::clock::Clock;
use crate::dcheck::alerts::{Alerting, reading::nearest};
use crate::dcheck::engine::window::Stream;
use crate::dcheck::engine::{RuleSet, Snapshot, rules};
use crate::dcheck::log;
use crate::dcheck::results::sql::SqlClient;
use crate::dcheck::results::sweep::{SweepId, lock};
use crate::dcheck::results::{Batch, Store, VerdictRow};
use crate::dcheck::sources::table;
use books::Books;
use reading::{Cursor, Reading};
use summary::Summary;
use sweep::{Start, Sweep};

/// Attempts at a commit, and the pause between them: a failover of the results database passes in it.
const COMMITS: usize = 30;
const COMMIT_PAUSE: Duration = Duration::from_secs(1);
/// Rows whose events the engine may hold: about a kilobyte each.
const ROWS_MAX: u64 = 5_000_000;
const EXIT_FOUND: u8 = 1;

/// How far a sweep is, as it is stored.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    /// What it is a sweep of: rules, tables, files, the end of the books.
    shape: String,
    stage: Stage,
    first_seq: u64,
    cursors: BTreeMap<String, Cursor>,
    engine: Option<Snapshot>,
    summary: Summary,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    #[default]
    Reading,
    /// The books are closed, and nobody was told yet.
    Closed,
    Told,
}

fn stop<E: ToString>(error: E) -> Mistakes {
    Mistakes(vec![error.to_string()])
}

/// A whole sweep, or the rest of one.
pub async fn run(options: ReconcileOptions) -> Result<ExitCode, Mistakes> {
    let mistakes = options.mistakes();
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    let alerting = telling::alerting(&options).map_err(Mistakes)?;
    let set = rules::load_dir(&options.rules);
    let set = set.map_err(|errors| Mistakes(errors.iter().map(ToString::to_string).collect()))?;
    let streams = streams(&options, &set).map_err(Mistakes)?;
    let choice = choose::choose(&set, &streams, &options.only).map_err(Mistakes)?;
    let rules = Arc::new(set.only(&choice.ids));
    let window_ms = rules.largest_window_ms().unwrap_or(0);
    let books = Books::of(&options.day, &options.utc_offset, window_ms).map_err(stop)?;
    let clock = Clock::system();
    books.is_over(clock.now()).map_err(stop)?;
    let mut conn = table::connect(&options.sql).await.map_err(stop)?;
    let readings = readings(&options, &streams, &rules, &mut conn).await.map_err(Mistakes)?;
    let results = options.results.as_ref().unwrap_or(&options.sql);
    let mut store = Store::new(results).map_err(stop)?;
    store.open().await.map_err(stop)?;
    let _lock = lock(results).await.map_err(stop)?.ok_or_else(|| {
        stop("another sweep stores its results there: wait for its end, one runs at a time")
    })?;
    let lookups = options.lookups.as_ref().unwrap_or(&options.sql);
    let lookups = Arc::new(SqlClient::new(lookups).map_err(stop)?);
    let id = SweepId { run: options.run.clone(), day: options.day.clone() };
    let shape = shape(&options, &rules, &books);
    let run = Run { options, id, shape, books, rules, readings, conn, store, lookups, clock };
    run.to_its_end(alerting, choice.left_out).await
}

/// What is given, in the order in which it is read.
fn streams(options: &ReconcileOptions, set: &RuleSet) -> Result<Vec<Stream>, Vec<String>> {
    let topics: BTreeSet<&str> =
        set.heads().flat_map(|head| head.topics.iter().map(String::as_str)).collect();
    let tables: BTreeSet<&str> =
        set.heads().flat_map(|head| head.tables.iter().map(String::as_str)).collect();
    let (mut streams, mut mistakes) = (Vec::new(), Vec::new());
    let mut unknown = |kind: &str, name: &str, known: Vec<&str>| {
        let near = nearest(name, &known).map(|near| format!(": did you mean `{near}`?"));
        mistakes.push(format!("no rule reads {kind} `{name}`{}", near.unwrap_or_default()));
    };
    for name in &options.tables {
        match tables.contains(name.as_str()) {
            true => streams.push(Stream::Table(name.clone())),
            false => unknown("table", name, tables.iter().copied().collect()),
        }
    }
    for (name, _) in &options.files {
        match (topics.contains(name.as_str()), tables.contains(name.as_str())) {
            (true, _) => streams.push(Stream::Topic(name.clone())),
            (_, true) => streams.push(Stream::Table(name.clone())),
            _ => unknown("topic or table", name, topics.union(&tables).copied().collect()),
        }
    }
    if mistakes.is_empty() { Ok(streams) } else { Err(mistakes) }
}

async fn readings(
    options: &ReconcileOptions,
    streams: &[Stream],
    rules: &RuleSet,
    conn: &mut Conn,
) -> Result<Vec<Reading>, Vec<String>> {
    let (mut readings, mut mistakes) = (Vec::new(), Vec::new());
    let schema = options.sql.rsplit_once('/').map(|(_, path)| path).unwrap_or_default();
    let schema = schema.split('?').next().unwrap_or_default();
    for stream in streams {
        let file = options.files.iter().find(|(name, _)| name == stream.name());
        let reading = match file {
            Some((_, path)) => Reading::file(stream.clone(), Path::new(path), options),
            None => Reading::table(conn, schema, stream.name(), options).await,
        };
        match reading {
            Ok(reading) => readings.push(reading),
            Err(why) => mistakes.push(why),
        }
    }
    for reading in &readings {
        for rule in rules.rules() {
            let of_table = rule.columns.iter().filter(|(table, _)| table == reading.stream.name());
            let lacking = of_table.filter(|(_, column)| reading.lacks(column));
            let name = &rule.name;
            mistakes.extend(lacking.map(|(table, column)| {
                format!("rule {name} names column `{column}`, which `{table}` does not have")
            }));
        }
    }
    if mistakes.is_empty() { Ok(readings) } else { Err(mistakes) }
}

/// A sweep goes on only as the one that it was.
fn shape(options: &ReconcileOptions, rules: &RuleSet, books: &Books) -> String {
    let ReconcileOptions { tables, filters, files, columns, times, .. } = options;
    let files: Vec<&String> = files.iter().map(|(stream, _)| stream).collect();
    let given = format!("{tables:?} {filters:?} {files:?} {columns:?} {times:?} {books:?}");
    hex::encode(&Sha256::digest(format!("{given} {}", digest_of(rules)))[..8])
}

struct Run {
    options: ReconcileOptions,
    id: SweepId,
    shape: String,
    books: Books,
    rules: Arc<RuleSet>,
    readings: Vec<Reading>,
    conn: Conn,
    store: Store,
    lookups: Arc<SqlClient>,
    clock: Clock,
}

impl Run {
    async fn to_its_end(
        mut self,
        alerting: Alerting,
        left_out: Vec<String>,
    ) -> Result<ExitCode, Mistakes> {
        let before = self.store.open_sweep(&self.id, self.options.again).await.map_err(stop)?;
        let mut progress = match &before.body {
            None => Progress {
                shape: self.shape.clone(),
                first_seq: before.last_seq + 1,
                ..Progress::default()
            },
            Some(body) => serde_json::from_str(body).map_err(stop)?,
        };
        self.announce(&progress)?;
        progress.summary.left_out = left_out;
        let mut seq = before.last_seq;
        if progress.stage == Stage::Reading {
            let groups = before.groups.iter().map(|body| serde_json::from_str(body));
            let groups = groups.collect::<Result<_, _>>().map_err(stop)?;
            seq = self.read(&mut progress, &before.known, groups, seq).await?;
        }
        let routes = telling::routes(&alerting).map_err(stop)?;
        if progress.stage == Stage::Closed {
            let found = self.store.swept(progress.first_seq).await.map_err(stop)?;
            let mut batch = Batch { at_ms: self.books.end.0, ..Batch::default() };
            if routes.is_some() {
                // Its own are not known of before: after a stop in between they would be.
                let others: Vec<VerdictRow> =
                    before.known.into_iter().filter(|row| row.seq < progress.first_seq).collect();
                let (silences, now) = (before.silences, self.clock.now());
                let policy = alerting.policy.clone();
                batch.messages = telling::messages(policy, &found, &others, silences, seq, now);
            }
            progress.stage = Stage::Told;
            self.commit(&progress, batch).await?;
            self.store.drop_sweep_groups(&self.id).await.map_err(stop)?;
        }
        println!("{}", progress.summary);
        let left = match routes {
            Some(routes) => telling::deliver(&mut self.store, &routes, &self.clock).await,
            None => Ok(0),
        };
        let left = left.map_err(stop)?;
        if left > 0 {
            let told = "they stay in dcheck.outbox, where the same command, or the daemon's next start, delivers them";
            log::warn("alerts", &format!("{left} messages were not acknowledged: {told}"));
        }
        let clean = progress.summary.balances() && left == 0;
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FOUND) })
    }

    fn announce(&self, progress: &Progress) -> Result<(), Mistakes> {
        let SweepId { run, day } = &self.id;
        if progress.shape != self.shape {
            return Err(stop(format!(
                "sweep `{run}` of {day} began with other rules, tables or files: give those, another --run, or --again"
            )));
        }
        let of = format!("sweep `{run}` of {day}");
        match progress.stage {
            Stage::Told => {
                log::info("reconcile", &format!("{of} is at its end; --again repeats it"))
            }
            _ if progress.cursors.is_empty() => {}
            _ => log::info("reconcile", &format!("{of} goes on where it was broken off")),
        }
        Ok(())
    }

    /// Reads all that is left and closes the books; the number of the last row.
    async fn read(
        &mut self,
        progress: &mut Progress,
        known: &[VerdictRow],
        groups: Vec<serde_json::Value>,
        seq: u64,
    ) -> Result<u64, Mistakes> {
        let sources: BTreeSet<String> =
            self.readings.iter().map(|reading| reading.source.clone()).collect();
        let sources: Vec<String> = sources.into_iter().collect();
        let snapshot = progress.engine.take().map(|snapshot| Snapshot { groups, ..snapshot });
        let start = Start {
            rules: Arc::clone(&self.rules),
            sources: sources.clone(),
            snapshot,
            end: self.books.end,
            lookups: Arc::clone(&self.lookups),
            summary: std::mem::take(&mut progress.summary),
            seq,
            segment: format!("sweep {} {}", self.id.run, self.id.day),
        };
        let mut sweep = Sweep::new(start, known).map_err(stop)?;
        let mut throttle = Throttle::new(self.options.rows_per_second);
        let mut readings = std::mem::take(&mut self.readings);
        for reading in &mut readings {
            let name = reading.stream.name().to_owned();
            if let Some(cursor) = progress.cursors.get(&name) {
                reading.go_on(cursor.clone()).map_err(stop)?;
            }
            while !reading.cursor.done {
                let limit = self.options.chunk as usize;
                let chunk = reading.chunk(&mut self.conn, &self.books, limit).await;
                let chunk = chunk.map_err(stop)?;
                for event in chunk.events {
                    sweep.take(event).await;
                }
                for (place, why) in &chunk.bad {
                    sweep.summary.tell_bad(place, why);
                }
                let read = sweep.summary.read.entry(name.clone()).or_default();
                read.rows += chunk.read.rows;
                read.later += chunk.read.later;
                read.bad += chunk.read.bad;
                let rows = chunk.read.rows + chunk.read.later + chunk.read.bad;
                if sweep.summary.read.values().map(|read| read.rows).sum::<u64>() > ROWS_MAX {
                    return Err(stop(format!(
                        "more than {ROWS_MAX} rows in one sweep: sweep fewer rules (--rule), or fewer rows (--where)"
                    )));
                }
                progress.cursors.insert(name.clone(), reading.cursor.clone());
                self.store_chunk(progress, &mut sweep).await?;
                throttle.took(rows).await;
            }
        }
        let blind = blind(&sweep.summary, &readings);
        sweep.close(&sources, &blind).await;
        progress.stage = Stage::Closed;
        self.store_chunk(progress, &mut sweep).await?;
        progress.summary = sweep.summary;
        Ok(sweep.seq)
    }

    async fn store_chunk(
        &mut self,
        progress: &mut Progress,
        sweep: &mut Sweep,
    ) -> Result<(), Mistakes> {
        let (batch, snapshot) = sweep.chunk().await;
        progress.engine = (progress.stage == Stage::Reading).then_some(snapshot);
        progress.summary.clone_from(&sweep.summary);
        self.commit(progress, batch).await
    }

    async fn commit(&mut self, progress: &Progress, batch: Batch) -> Result<(), Mistakes> {
        let body = serde_json::to_string(progress).map_err(stop)?;
        for attempt in 1.. {
            match self.store.commit_sweep(&self.id, batch.clone(), &body).await {
                Ok(()) => break,
                Err(error) if attempt == COMMITS => {
                    return Err(stop(format!("{error}; the same command goes on from here")));
                }
                Err(_) => tokio::time::sleep(COMMIT_PAUSE).await,
            }
        }
        Ok(())
    }
}

/// Sources with bad lines, and what is told of them.
fn blind(summary: &Summary, readings: &[Reading]) -> BTreeMap<String, String> {
    let mut blind = BTreeMap::new();
    for reading in readings {
        let name = reading.stream.name();
        let Some(read) = summary.read.get(name).filter(|read| read.bad > 0) else { continue };
        let what = format!("{} lines of `{name}` are no rows", read.bad);
        blind.entry(reading.source.clone()).or_insert(what);
    }
    blind
}

/// The most that is read in a second, on the average.
struct Throttle {
    rows_per_second: u64,
    next: Instant,
}

impl Throttle {
    fn new(rows_per_second: u32) -> Throttle {
        Throttle { rows_per_second: rows_per_second.into(), next: Instant::now() }
    }

    async fn took(&mut self, rows: u64) {
        let pause = Duration::from_micros(rows * 1_000_000 / self.rows_per_second);
        // Time that was not used is not saved up for a burst.
        self.next = (self.next + pause).max(Instant::now());
        tokio::time::sleep_until(self.next).await;
    }
}
