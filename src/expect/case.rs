//! The case before the judge: what the history holds, sorted for judging.

use std::collections::{BTreeMap, BTreeSet};

use super::Ruling;
use super::bound::{Bound, Origin, span_text};
use crate::clock::CellTime;
use crate::journal::{
    Act, BadRow, Books, Cast, Entry, Event, Expectation, FaultUse, Flaw, History, Outcome, Owner,
    Phase, PostingKind, Role, RowKind, ScenarioFacts,
};
use crate::wire::{Alert, AlertState, Effect, PlanRun, PlanState, Subject};

/// The oracle's reader may stamp a row this much after the reconciler saw it: both read the same
/// commit at once.
pub(super) const READER_LAG_MS: i64 = 1_000;

/// An alert: all posts with one fingerprint and `startsAt`, at its first arrival.
pub(super) struct SeenAlert<'a> {
    pub seq: u64,
    pub at: CellTime,
    pub alert: &'a Alert,
}

/// A plan run with its states as they arrived.
pub(super) struct SeenRun<'a> {
    pub seq: u64,
    pub at: CellTime,
    pub states: Vec<(u64, CellTime, &'a PlanRun)>,
}

impl SeenRun<'_> {
    pub fn last(&self) -> &PlanRun {
        self.states.last().expect("invariant: a run has at least the state that began it").2
    }

    /// Position and instant of the first entry in `state`.
    pub fn reached(&self, state: PlanState) -> Option<(u64, CellTime)> {
        let reached = self.states.iter().find(|(_, _, run)| run.state == state);
        reached.map(|(seq, at, _)| (*seq, *at))
    }
}

/// An act as it was ordered, with its outcome if there is one yet.
pub(super) struct SeenAct<'a> {
    pub seq: u64,
    pub at: CellTime,
    pub role: Role,
    pub act: &'a Act,
    pub done: Option<(u64, CellTime, &'a Outcome)>,
}

pub(super) struct Case<'a> {
    pub history: &'a History,
    pub books: &'a Books,
    pub facts: &'a ScenarioFacts,
    pub now: CellTime,
    pub cast: Cast,
    pub acts: Vec<SeenAct<'a>>,
    /// Firing alerts in order of arrival, the canary's too.
    pub alerts: Vec<SeenAlert<'a>>,
    /// Plan runs in order of their start, the canary's left out.
    pub runs: Vec<SeenRun<'a>>,
    /// Where the canary begins.
    pub canary: Option<(u64, CellTime)>,
    /// The hostile act: the first scripted intent or change by hand, or the fault where that is the attack.
    pub hostile: Option<(u64, CellTime)>,
}

impl<'a> Case<'a> {
    /// None where the history has no start.
    pub fn of(history: &'a History, books: &'a Books, now: CellTime) -> Option<Case<'a>> {
        let facts = history.facts()?;
        let mut case = Case {
            history,
            books,
            facts,
            now,
            cast: Cast::of(history),
            acts: acts_of(history),
            alerts: alerts_of(history),
            runs: Vec::new(),
            canary: None,
            hostile: None,
        };
        case.canary =
            case.entries().find_map(|(at, entry)| is_canary(entry).then_some((entry.seq, at)));
        case.hostile = case.hostile_act();
        case.runs = case.runs_of();
        Some(case)
    }

    /// Every entry with its cell time; one without takes that of the entry before.
    pub fn entries(&self) -> impl Iterator<Item = (CellTime, &'a Entry)> + use<'a> {
        timed(self.history)
    }

    fn hostile_act(&self) -> Option<(u64, CellTime)> {
        let first = |wanted: fn(&FaultUse) -> bool| {
            let mut own = self.entries().filter(|(_, entry)| entry.phase != Phase::Canary);
            let intent = own.find(|(_, entry)| match &entry.event {
                Event::FaultIntent { fault } => wanted(fault),
                _ => false,
            });
            intent.map(|(at, entry)| (entry.seq, at))
        };
        let fault = first(|_| true);
        let act = self.acts.iter().find(|act| act.role == Role::Scripted);
        let act = act.map(|act| (act.seq, act.at));
        if self.facts.loss_point.watcher {
            return fault.or(act);
        }
        [act, first(FaultUse::changes_books)].into_iter().flatten().min().or(fault)
    }

    fn runs_of(&self) -> Vec<SeenRun<'a>> {
        let mut runs: Vec<(&str, SeenRun<'a>)> = Vec::new();
        for (at, entry) in self.entries() {
            let Event::PlanRan { run } = &entry.event else { continue };
            match runs.iter_mut().find(|(id, _)| *id == run.run_id) {
                Some((_, seen)) => seen.states.push((entry.seq, at, run)),
                None => {
                    let states = vec![(entry.seq, at, run)];
                    runs.push((&run.run_id, SeenRun { seq: entry.seq, at, states }));
                }
            }
        }
        runs.retain(|(_, run)| !self.is_canary_run(run));
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// Started by the canary: after it began, and not by an alert about something else.
    fn is_canary_run(&self, run: &SeenRun<'_>) -> bool {
        let Some((begin, _)) = self.canary else { return false };
        let trigger = self.alerts.iter().find(|seen| seen.alert.fingerprint == run.last().alert);
        run.seq > begin && trigger.is_none_or(|seen| self.is_beside(seen))
    }

    /// Does the alert belong to canary or proof, by the journal's own knowledge of their subjects?
    pub fn is_beside(&self, seen: &SeenAlert<'_>) -> bool {
        match self.cast.owner(&seen.alert.subject) {
            Owner::Canary | Owner::Probe => true,
            Owner::Scenario => false,
            // A watcher's subject is in no act: from the canary's start on, its own rules and what
            // the fault declares are the canary's.
            Owner::Nobody => {
                let rule = &seen.alert.rule;
                let point = &self.facts.loss_point;
                let known = point.rules.contains(rule)
                    || point.with.contains(rule)
                    || self.raises().contains(rule.as_str());
                known && self.canary.is_some_and(|(begin, _)| seen.seq > begin)
            }
        }
    }

    /// Rules of the blind alerts that the scenario's faults declare.
    pub fn raises(&self) -> BTreeSet<&'a str> {
        let faults = self.entries().filter_map(|(_, entry)| match &entry.event {
            Event::FaultIntent { fault } | Event::FaultArmed { fault } => Some(fault),
            _ => None,
        });
        faults.flat_map(|fault| fault.raises.iter().map(String::as_str)).collect()
    }

    /// A fault that had struck declares it, and was not healed longer ago than its word may take to come.
    pub fn is_declared(&self, seen: &SeenAlert<'_>) -> bool {
        let mut struck: BTreeMap<&str, Option<CellTime>> = BTreeMap::new();
        for (at, entry) in self.entries().take_while(|(_, entry)| entry.seq < seen.seq) {
            match &entry.event {
                Event::FaultIntent { fault } if fault.raises.contains(&seen.alert.rule) => {
                    struck.insert(&fault.fault, None);
                }
                Event::FaultHealed { fault, .. } => {
                    struck.entry(fault).and_modify(|healed| *healed = Some(at));
                }
                _ => {}
            }
        }
        let in_time = |healed: CellTime| seen.at <= healed.plus_ms(self.facts.loss_point.detect_ms);
        struck.into_values().any(|healed| healed.is_none_or(in_time))
    }

    /// The expectations registered so far, by index.
    pub fn registered(&self) -> impl Iterator<Item = (usize, &'a Expectation)> + use<'a> {
        timed(self.history).filter_map(|(_, entry)| match &entry.event {
            Event::Registered { index, expectation, .. } => Some((*index, expectation)),
            _ => None,
        })
    }

    /// The first bite of the scenario's own faults.
    pub fn bite(&self) -> Option<CellTime> {
        let bites = |entry: &Entry| {
            entry.phase != Phase::Canary && matches!(entry.event, Event::FaultBites { .. })
        };
        self.entries().find(|(_, entry)| bites(entry)).map(|(at, _)| at)
    }

    /// The first bad row of the attack about `subject`, else the first of all.
    pub fn bad_row(&self, subject: &Subject) -> Option<&'a BadRow> {
        let about = |row: &&BadRow| row.about.contains(subject);
        let mut rows = self.books.attack_rows(self.now);
        rows.find(about).or_else(|| self.books.attack_rows(self.now).next())
    }

    /// Is any row about `subject` bad, now or once its grace is over, or the row of something that it is about?
    pub fn is_harmed(&self, subject: &Subject) -> bool {
        let kin = self.cast.about(subject);
        let gains = |row: &BadRow| match &row.kind {
            RowKind::Line { other, .. } => other.as_ref() == Some(&subject.id),
            RowKind::Posting(_) | RowKind::Promise => false,
        };
        self.books
            .rows
            .iter()
            .any(|row| row.about.contains(subject) || kin.contains(&row.subject) || gains(row))
    }

    /// Where a deadline about `subject` counts from.
    pub fn origin(&self, subject: &Subject) -> Origin {
        if self.facts.loss_point.watcher {
            if let Some(at) = self.bite() {
                return Origin { at, what: "the fault's bite".into(), proved: true };
            }
        } else if let Some(row) = self.bad_row(subject) {
            let what = match row.flaw {
                Flaw::Missing => "the row that made the missing one due",
                _ => "the bad row",
            };
            return Origin { at: row.seen, what: what.into(), proved: true };
        }
        self.last_hostile()
    }

    /// Nothing bad was seen: waiting is bounded from the last hostile act, and the grace in which a
    /// row may be late.
    fn last_hostile(&self) -> Origin {
        let scripted = self.acts.iter().filter(|act| act.role == Role::Scripted);
        let last = scripted.map(|act| act.done.map_or(act.at, |(_, at, _)| at)).max();
        let at = last.or(self.hostile.map(|(_, at)| at)).unwrap_or(self.start());
        Origin { at, what: "the last hostile act".into(), proved: false }
    }

    /// The bound on an expectation about `subject`; while nothing bad was seen, long enough for it
    /// to show.
    pub fn bound(&self, subject: &Subject, within_ms: i64) -> Bound {
        let origin = self.origin(subject);
        let grace_ms = if origin.proved { 0 } else { self.facts.loss_point.grace_ms };
        Bound::new(Origin { at: origin.at.plus_ms(grace_ms), ..origin }, within_ms)
    }

    /// Waits for the next look of `bound`, or for something in flight to count as missing.
    pub fn wait(&self, bound: &Bound) -> Ruling {
        let look = bound.next_look(self.now);
        let missing = self.books.next_missing(self.now).filter(|_| !bound.origin.proved);
        Ruling::Waiting { until: look.into_iter().chain(missing).min() }
    }

    pub fn start(&self) -> CellTime {
        self.entries().next().map_or(self.now, |(at, _)| at)
    }

    /// Is there a rest after position `seq`?
    pub fn rested_after(&self, seq: u64) -> bool {
        let rest = |entry: &&(CellTime, &Entry)| matches!(entry.1.event, Event::Rest { .. });
        self.entries().filter(|timed| rest(&timed)).any(|(_, entry)| entry.seq > seq)
    }

    /// Has the reconciler settled past everything written up to position `seq`, at some rest before
    /// `before`?
    pub fn settled_past(&self, seq: u64, before: u64) -> bool {
        let mark = self.entries().find_map(|(_, entry)| match &entry.event {
            Event::MarkWritten { mark } if entry.seq > seq => Some(mark.seq),
            _ => None,
        });
        let Some(mark) = mark else { return false };
        self.entries().any(|(_, entry)| match entry.event {
            Event::Rest { settled: Some(settled), .. } => {
                settled >= mark && entry.seq > seq && entry.seq < before
            }
            _ => false,
        })
    }

    /// Position of the last write outside the canary.
    pub fn last_write(&self) -> Option<(u64, CellTime)> {
        let writes =
            self.entries().filter(|(_, entry)| self.canary.is_none_or(|c| entry.seq < c.0));
        let is_write = |event: &Event| matches!(event, Event::Intent { .. } | Event::Done { .. });
        writes.filter(|(_, entry)| is_write(&entry.event)).map(|(at, entry)| (entry.seq, at)).last()
    }

    /// A shortfall that a stop plan explains: what it withholds in its scope is in flight until the
    /// plan ends.
    pub fn held_by_plan(&self, row: &BadRow) -> bool {
        if row.flaw != Flaw::Missing || row.owner == Owner::Nobody {
            return false;
        }
        let grace_ms = self.facts.loss_point.grace_ms;
        self.runs.iter().any(|run| {
            let Effect::Stops(act) = &run.last().effect else { return false };
            let stops = match &row.kind {
                RowKind::Posting(PostingKind::PaidOut) => act == "refund",
                RowKind::Posting(_) => act != "refund",
                RowKind::Line { held_by, .. } => held_by.as_ref() == Some(act),
                RowKind::Promise => false,
            };
            let ended = run.reached(PlanState::Reverted).map(|(_, at)| at.plus_ms(grace_ms));
            let spans = run.at <= row.known && ended.is_none_or(|ended| ended > row.known);
            stops && spans && run.last().scope.iter().any(|scope| row.about.contains(scope))
        })
    }

    /// A late or early word on an instant, for evidence.
    pub fn ago(&self, at: CellTime) -> String {
        span_text(at.since_ms(self.start()))
    }
}

fn timed(history: &History) -> impl Iterator<Item = (CellTime, &Entry)> {
    let mut last = CellTime::default();
    history.entries().iter().map(move |entry| {
        last = entry.cell_ms.map_or(last, CellTime);
        (last, &**entry)
    })
}

fn is_canary(entry: &Entry) -> bool {
    entry.phase == Phase::Canary || matches!(entry.event, Event::Intent { role: Role::Canary, .. })
}

fn acts_of(history: &History) -> Vec<SeenAct<'_>> {
    let mut acts: Vec<(u64, SeenAct<'_>)> = Vec::new();
    for (at, entry) in timed(history) {
        match &entry.event {
            Event::Intent { id, role, act } => {
                acts.push((*id, SeenAct { seq: entry.seq, at, role: *role, act, done: None }));
            }
            Event::Done { id, outcome } => {
                if let Some((_, act)) = acts.iter_mut().find(|(of, _)| of == id) {
                    act.done.get_or_insert((entry.seq, at, outcome));
                }
            }
            _ => {}
        }
    }
    acts.into_iter().map(|(_, act)| act).collect()
}

fn alerts_of(history: &History) -> Vec<SeenAlert<'_>> {
    let mut known = BTreeSet::new();
    let firing = timed(history).filter_map(|(at, entry)| match &entry.event {
        Event::Alerted { alert } if alert.state == AlertState::Firing => {
            Some(SeenAlert { seq: entry.seq, at, alert })
        }
        _ => None,
    });
    let mut alerts: Vec<SeenAlert<'_>> = firing.collect();
    alerts.sort_by_key(|seen| (seen.at, seen.seq));
    alerts.retain(|seen| known.insert((&seen.alert.fingerprint, &seen.alert.starts_at)));
    alerts
}
