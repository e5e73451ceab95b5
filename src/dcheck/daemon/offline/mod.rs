//! `dcheck reconcile`: the same rules over tables and channel files of a day that is over (T+1).
//!
//! Owns the order of a sweep: what is given (`given`), which rules run (`choose`) on the rollouts in force, read in chunks
//! (`reading`), each committed with how far it is, judge when all rows are in (`sweep`), close the books (`books`), find out
//! what is news (`findings`), tell it (`telling`), and the summary. A sweep that is broken off at any instant goes on behind
//! its last commit, and tells nothing twice. What stands, by whomever it was raised, is known: results, fingerprints and
//! silences are the daemon's.
//!
//! A row is one insert, as it is when it is read; strategies about changes are refused by name. A bad line of a file is a gap:
//! findings that rest on what is *missing* beside it are *unknown*. Rows of a later day are compared with, and accuse nobody.
//! Try it: `dcheck reconcile --help`, `tests/dcheck/offline.rs`.
//! Not covered: the end of alerts that hold no more (online's), plans (a finding of yesterday starts none), other names for a file's
//! columns, sweeps of more than one process, a results database that holds its locks on another server than its rows.

mod books;
mod choose;
mod findings;
mod given;
mod options;
mod pace;
mod reading;
mod summary;
mod sweep;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::Conn;
use serde::{Deserialize, Serialize};

pub use options::{EXAMPLE, ReconcileOptions};

use super::start::Mistakes;
use crate::clock::Clock;
use crate::dcheck::alerts::{Alerting, Policy};
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::{RuleSet, Snapshot, rules};
use crate::dcheck::log;
use crate::dcheck::results::sql::SqlClient;
use crate::dcheck::results::sweep::{Before, SWEEP_SEQ, SweepId, SweepLock, lock};
use crate::dcheck::results::{Batch, Message, Store, VerdictRow};
use crate::dcheck::sources::table;
use books::Books;
use findings::Known;
use pace::Pace;
use reading::{Cursor, Reading, blind, left_open};
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
    /// Numbers of the first and the last row of what it found, once the books are closed.
    #[serde(default)]
    found: Option<(u64, u64)>,
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

/// A whole sweep, or the rest of one; by `clock` the day is over.
pub async fn run(options: ReconcileOptions, clock: Clock) -> Result<ExitCode, Mistakes> {
    let mistakes = options.mistakes();
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    // Before anybody is asked for anything: where a day ends does not hang on the rules.
    let day = Books::of(&options.day, &options.utc_offset, 0);
    day.and_then(|books| books.is_over(clock.now())).map_err(stop)?;
    let alerting = telling::alerting(&options).map_err(Mistakes)?;
    let files = rules::load_dir(&options.rules);
    let files =
        files.map_err(|errors| Mistakes(errors.iter().map(ToString::to_string).collect()))?;
    let streams = given::streams(&options, &files).map_err(Mistakes)?;
    let results = options.results.as_ref().unwrap_or(&options.sql);
    let mut store = Store::new(results).map_err(stop)?;
    let stored = store.open().await.map_err(stop)?;
    let set = given::in_force(&files, stored.checkpoint.as_deref()).map_err(stop)?;
    let choice = choose::choose(&set, &streams, &options.only).map_err(Mistakes)?;
    let rules = Arc::new(set.chosen(&choice.names));
    let window_ms = rules.largest_window_ms().unwrap_or(0);
    let books = Books::of(&options.day, &options.utc_offset, window_ms).map_err(stop)?;
    let mut conn = table::connect(&options.sql).await.map_err(stop)?;
    let readings = given::readings(&options, &streams, &rules, &mut conn).await;
    let readings = readings.map_err(Mistakes)?;
    let lock = lock(results).await.map_err(stop)?.ok_or_else(|| {
        stop("another sweep stores its results there: wait for its end, one runs at a time")
    })?;
    let lookups = options.lookups.as_ref().unwrap_or(&options.sql);
    let lookups = Arc::new(SqlClient::new(lookups).map_err(stop)?);
    let id = SweepId { run: options.run.clone(), day: options.day.clone() };
    let shape = given::shape(&options, &rules, &books);
    let run = Run { options, id, shape, books, rules, readings, conn, store, lock, lookups, clock };
    run.to_its_end(alerting, choice.left_out).await
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
    lock: SweepLock,
    lookups: Arc<SqlClient>,
    clock: Clock,
}

impl Run {
    async fn to_its_end(
        mut self,
        alerting: Alerting,
        left_out: Vec<String>,
    ) -> Result<ExitCode, Mistakes> {
        let routes = telling::routes(&alerting).map_err(stop)?;
        let mut before = self.store.open_sweep(&self.id, false).await.map_err(stop)?;
        if self.options.again {
            // Its findings stand in the results: what is swept once more takes them for known, and would tell nobody.
            self.tell_before(&before, &alerting.policy, routes.is_some()).await?;
            before = self.store.open_sweep(&self.id, true).await.map_err(stop)?;
        }
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
        progress.summary.rollouts = not_full(&self.rules);
        let mut seq = before.last_seq;
        if progress.stage == Stage::Reading {
            let groups = before.groups.iter().map(|body| serde_json::from_str(body));
            let groups = groups.collect::<Result<_, _>>().map_err(stop)?;
            seq = self.read(&mut progress, groups, seq).await?;
        }
        if progress.stage == Stage::Closed {
            let policy = routes.is_some().then_some(&alerting.policy);
            self.tell(&mut progress, policy, before.silences, seq).await?;
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

    /// Makes the messages about what was found, and stores them with the word that they were made. No policy: nobody is told.
    async fn tell(
        &mut self,
        progress: &mut Progress,
        policy: Option<&Policy>,
        silences: Vec<(String, String)>,
        seq: u64,
    ) -> Result<(), Mistakes> {
        let mut batch = Batch { at_ms: self.books.end.0, ..Batch::default() };
        if let Some(policy) = policy {
            batch.messages = self.news(progress, policy.clone(), silences, seq).await?;
        }
        progress.stage = Stage::Told;
        self.commit(progress, batch).await?;
        self.store.drop_sweep_groups(&self.id).await.map_err(stop)
    }

    /// What was found before, and not told when it was broken off.
    async fn tell_before(
        &mut self,
        before: &Before,
        policy: &Policy,
        tells: bool,
    ) -> Result<(), Mistakes> {
        let Some(mut untold) = before.body.as_deref().and_then(untold) else { return Ok(()) };
        let silences = before.silences.clone();
        self.tell(&mut untold, tells.then_some(policy), silences, before.last_seq).await
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

    /// The messages about what was found.
    async fn news(
        &mut self,
        progress: &Progress,
        policy: Policy,
        silences: Vec<(String, String)>,
        seq: u64,
    ) -> Result<Vec<Message>, Mistakes> {
        let Some((first, last)) = progress.found else { return Ok(Vec::new()) };
        let found = self.store.swept((first, last)).await.map_err(stop)?;
        let new: u64 = progress.summary.findings.values().map(|findings| findings.new).sum();
        if found.len() as u64 != new {
            let told = format!(
                "{new} findings are new, and {} of them stand in dcheck.result to be told: some share their key with others",
                found.len()
            );
            log::warn("reconcile", &told);
        }
        // Its own are not known of before: after a stop in between they would be.
        let others = self.store.findings().await.map_err(stop)?.into_iter();
        let others: Vec<VerdictRow> =
            others.filter(|row| !(first..=last).contains(&row.seq)).collect();
        let now = self.clock.now();
        Ok(telling::messages(policy, &found, &others, silences, seq, now))
    }

    /// Reads all that is left, judges it and closes the books; the number of the last row.
    async fn read(
        &mut self,
        progress: &mut Progress,
        groups: Vec<serde_json::Value>,
        seq: u64,
    ) -> Result<u64, Mistakes> {
        // Where there are too many, that is known before an hour of reading.
        self.store.findings().await.map_err(stop)?;
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
            segment: self.id.segment(),
        };
        let mut sweep = Sweep::new(start).map_err(stop)?;
        let mut pace = Pace::per_second(self.options.rows_per_second);
        let mut readings = std::mem::take(&mut self.readings);
        for reading in &mut readings {
            let name = reading.stream.name();
            if let Some(cursor) = progress.cursors.get(name) {
                reading.go_on(cursor.clone()).map_err(stop)?;
            }
            while !reading.cursor.done {
                let rows = self.read_chunk(reading, progress, &mut sweep).await?;
                pace.took(rows).await;
            }
        }
        let blind = blind(&sweep.summary, &readings);
        sweep.judge(&sources, &blind).await;
        sweep.summary.left_open = left_open(&sweep.summary, &self.rules, &readings);
        // What online has found meanwhile is known.
        let known = Known::of(&self.store.findings().await.map_err(stop)?);
        let (first, mark) = (sweep.seq + 1, format!("s{}", progress.first_seq - SWEEP_SEQ));
        let batch = sweep.close(known, (&mark, self.clock.now()));
        progress.found = (sweep.seq >= first).then_some((first, sweep.seq));
        (progress.stage, progress.engine) = (Stage::Closed, None);
        progress.summary = sweep.summary;
        self.commit(progress, batch).await?;
        Ok(sweep.seq)
    }

    /// Reads and stores one chunk; how many rows it had.
    async fn read_chunk(
        &mut self,
        reading: &mut Reading,
        progress: &mut Progress,
        sweep: &mut Sweep,
    ) -> Result<u64, Mistakes> {
        let limit = self.options.chunk as usize;
        let chunk = reading.chunk(&mut self.conn, &self.books, limit).await.map_err(stop)?;
        chunk.events.into_iter().for_each(|event| sweep.take(event));
        for (place, why) in &chunk.bad {
            sweep.summary.tell_bad(place, why);
        }
        let name = reading.stream.name().to_owned();
        let read = sweep.summary.read.entry(name.clone()).or_default();
        read.is_file = reading.is_file();
        read.rows += chunk.read.rows;
        read.later += chunk.read.later;
        read.bad += chunk.read.bad;
        if sweep.summary.read.values().map(|read| read.rows + read.later).sum::<u64>() > ROWS_MAX {
            return Err(stop(format!(
                "more than {ROWS_MAX} rows in one sweep: sweep fewer rules (--rule), or fewer rows (--where)"
            )));
        }
        progress.cursors.insert(name, reading.cursor.clone());
        let (batch, snapshot) = sweep.chunk();
        progress.engine = Some(snapshot);
        progress.summary.clone_from(&sweep.summary);
        self.commit(progress, batch).await?;
        Ok(chunk.read.rows + chunk.read.later + chunk.read.bad)
    }

    async fn commit(&mut self, progress: &Progress, batch: Batch) -> Result<(), Mistakes> {
        let body = serde_json::to_string(progress).map_err(stop)?;
        for attempt in 1.. {
            match self.store.commit_sweep((&self.id, &self.lock), batch.clone(), &body).await {
                Ok(true) => break,
                Ok(false) => {
                    return Err(stop(
                        "the lock that lets one sweep run at a time is lost (did the results database fail over?), and \
                         nothing was stored since: the same command goes on from here",
                    ));
                }
                Err(error) if attempt == COMMITS => {
                    return Err(stop(format!("{error}; the same command goes on from here")));
                }
                Err(_) => tokio::time::sleep(COMMIT_PAUSE).await,
            }
        }
        Ok(())
    }
}

/// A sweep whose books are closed, of which nobody was told. One that cannot be read is of another version, and begins anew.
fn untold(body: &str) -> Option<Progress> {
    let progress: Progress = serde_json::from_str(body).ok()?;
    (progress.stage == Stage::Closed).then_some(progress)
}

/// Rollouts of rules that do not raise all that they find.
fn not_full(rules: &RuleSet) -> BTreeMap<String, String> {
    let of = |rule: &Arc<rules::Rule>| (rule.name.clone(), rules.rollout(rule));
    let partial = rules.rules().iter().map(of).filter(|(_, rollout)| *rollout != Rollout::Full);
    partial.map(|(name, rollout)| (name, rollout.to_string())).collect()
}

#[cfg(test)]
mod tests;
