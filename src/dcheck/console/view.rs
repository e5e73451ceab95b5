//! What the daemon last said of its state, and what follows from it: watermark and health.
//!
//! A watermark may be behind the truth, never ahead of it: `read` counts what went through the
//! engine, `settled` and
//! `checkpoint` what is committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rollouts::Rollouts;
use crate::clock::{CellTime, rfc3339};
use crate::dcheck::alerts::Silence;
use crate::dcheck::degradation::Told;
use crate::dcheck::engine::{Counts, Diff, LookupCounts, RuleSet, Shed};
use crate::wire::{Alert, ClockReport, Health, Judged, Watermark};

/// Alerts and judgements kept for the lists: what a person or a harness asks for is recent.
pub const KEPT: usize = 100_000;

/// One source as the daemon sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceView {
    pub connected: bool,
    /// It was connected, and its position known, at least once.
    pub known: bool,
    pub position: String,
    pub why: String,
    pub events: u64,
    /// Messages that could not be decoded, by reason.
    pub undecodable: BTreeMap<String, u64>,
    /// Of these, those that are not among the dead letters either.
    #[serde(default)]
    pub dead_letters_lost: u64,
    /// An end known since this instant has not been reached in time.
    pub behind_since: Option<CellTime>,
}

/// What the reconciler asks of the database and of others, and its bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadView {
    pub connections: u64,
    pub connections_in_use: u64,
    pub lookups_per_second: u64,
    pub asked: u64,
    /// Those that waited for their turn.
    pub delayed: u64,
    /// Those for which the wait would have been too long: Unknown.
    pub refused: u64,
}

/// The daemon's state after its last turn.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// False until the results database was read and the readers run.
    pub started: bool,
    pub starting_why: String,
    pub read: BTreeMap<String, u64>,
    pub settled: u64,
    pub checkpoint: u64,
    pub sources: BTreeMap<String, SourceView>,
    /// Work due that the daemon's own task knows of.
    pub busy: u64,
    pub activity: u64,
    pub next_due: Option<CellTime>,
    pub open_windows: u64,
    pub lookups_out: u64,
    pub counts: BTreeMap<String, Counts>,
    /// Alerts of blindness that are open: fingerprint -> what, since when.
    pub blind: BTreeMap<String, String>,
    pub alerts: BTreeMap<(String, String), Alert>,
    /// Those that are stored and have not ended.
    pub silences: Vec<Silence>,
    pub judged: Vec<Judged>,
    /// The rules in force and the orders about them, as they are stored.
    pub rules: Arc<RuleSet>,
    pub rollouts: Rollouts,
    /// By rule id, where two versions stand side by side.
    pub diffs: BTreeMap<String, Diff>,
    /// By `id@version`.
    pub lookups: BTreeMap<String, LookupCounts>,
    pub shed: BTreeMap<String, Shed>,
    pub load: LoadView,
    pub services: Vec<Told>,
}

/// What other tasks add to the daemon's own figures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub now: CellTime,
    pub offset_ms: i64,
    /// Inputs on their way to the daemon's task.
    pub inbound: u64,
    pub deliveries_due: u64,
    pub plans_busy: u64,
    pub activity: u64,
    pub next_due: Vec<CellTime>,
    pub results_away: bool,
}

impl View {
    pub fn clock_report(&self, figures: &Figures) -> ClockReport {
        let instants: Vec<CellTime> =
            figures.next_due.iter().copied().chain(self.next_due).collect();
        // Due already, and about to be done: that is work, not waiting.
        let arrived = instants.iter().filter(|at| **at <= figures.now).count() as u64;
        let next_due = instants.into_iter().filter(|at| *at > figures.now).min();
        let starting = u64::from(!self.started);
        ClockReport {
            now: rfc3339(figures.now.0),
            offset_ms: figures.offset_ms,
            busy: starting
                + self.busy
                + self.lookups_out
                + figures.inbound
                + figures.deliveries_due
                + figures.plans_busy
                + arrived,
            next_due: next_due.map(|at| rfc3339(at.0)),
            activity: self.activity + figures.activity,
        }
    }

    fn behind(&self) -> Vec<String> {
        let behind = self.sources.iter().filter(|(_, source)| source.behind_since.is_some());
        behind.map(|(name, _)| name.clone()).collect()
    }

    pub fn watermark(&self, figures: &Figures) -> Watermark {
        Watermark {
            read: self.read.clone(),
            settled: self.settled,
            behind: self.behind(),
            checkpoint: self.checkpoint,
            clock: self.clock_report(figures),
        }
    }

    pub fn health(&self, figures: &Figures) -> Health {
        let mut reasons = Vec::new();
        if !self.started {
            reasons.push(format!("starting: {}", self.starting_why));
        }
        for (name, source) in &self.sources {
            if !source.connected {
                let why = if source.why.is_empty() { "connecting" } else { &source.why };
                reasons.push(format!("source {name} is not connected: {why}"));
            }
            if let Some(since) = source.behind_since {
                let since = rfc3339(since.0);
                reasons.push(format!("source {name} is behind its end known since {since}"));
            }
        }
        if figures.results_away {
            reasons.push("the results database is away: nothing is stored".into());
        }
        reasons.extend(self.blind.values().cloned());
        let ready = self.started
            && !self.sources.is_empty()
            && self.sources.values().all(|source| source.known);
        Health { ready, reasons }
    }

    /// Keeps the newest alerts.
    pub fn keep_alert(&mut self, alert: Alert) {
        self.alerts.insert((alert.starts_at.clone(), alert.fingerprint.clone()), alert);
        while self.alerts.len() > KEPT {
            self.alerts.pop_first();
        }
    }

    pub fn keep_judged(&mut self, judged: impl IntoIterator<Item = Judged>) {
        self.judged.extend(judged);
        if self.judged.len() > KEPT {
            let gone = self.judged.len() - KEPT;
            self.judged.drain(..gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let source = SourceView { connected: true, known: true, ..SourceView::default() };
        View { started: true, sources: [("binlog".to_owned(), source)].into(), ..View::default() }
    }

    #[test]
    fn work_that_is_due_is_busy_and_what_is_later_is_next_due() {
        let figures = |due: &[i64]| Figures {
            now: CellTime(1_000),
            next_due: due.iter().map(|ms| CellTime(*ms)).collect(),
            ..Figures::default()
        };
        for (due, busy, next_due) in [
            (vec![], 0, None),
            (vec![2_000, 3_000], 0, Some("1970-01-01T00:00:02.000Z")),
            (vec![1_000, 3_000], 1, Some("1970-01-01T00:00:03.000Z")),
        ] {
            let report = view().clock_report(&figures(&due));
            assert_eq!((report.busy, report.next_due.as_deref()), (busy, next_due), "{due:?}");
        }
        let mut starting = view();
        starting.started = false;
        assert_eq!(starting.clock_report(&figures(&[])).busy, 1);
    }

    #[test]
    fn ready_means_every_source_was_met() {
        let figures = Figures::default();
        assert!(view().health(&figures).ready);
        let mut lost = view();
        let source = lost.sources.get_mut("binlog").unwrap();
        (source.connected, source.why) = (false, "refused".into());
        let health = lost.health(&figures);
        assert!(health.ready && health.reasons[0].contains("refused"), "{health:?}");
        lost.sources.get_mut("binlog").unwrap().known = false;
        assert!(!lost.health(&figures).ready);
        let mut starting = view();
        starting.started = false;
        assert!(!starting.health(&figures).ready);
    }
}
