//! From the engine's outputs to what is stored, told and done.
//!
//! Owns batches: what goes into one transaction, and what happens only after it is durable.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::core::{Back, Core};
use super::lookups::Question;
use super::options::ResultsKept;
use crate::clock::{CellTime, monotonic_us, rfc3339};
use crate::dcheck::alerts::{Silence, fingerprint};
use crate::dcheck::console::Rollouts;
use crate::dcheck::degradation;
use crate::dcheck::engine::{Output, RuleSet, Snapshot, Verdict, VerdictKey};
use crate::dcheck::plans::{Decision, Ended, Finding, Nudge, plan_event};
use crate::dcheck::results::{Batch, Message, Stored, VerdictRow};
use crate::dcheck::sources::Dating;
use crate::wire::{Judged, Judgement, PlanRun};

/// Rows and messages that wait for the results database; above it reading pauses, and the log keeps
/// the rest.
const UNSTORED: usize = 50_000;
/// States of groups in one commit, about, some 2 KB each: with more the server may never answer in time.
const UNSTORED_STATES: usize = 4_000;
/// Matched verdicts of which one is kept as a row, in `--results sample`.
const SAMPLE_ONE_IN: u8 = u8::MAX;

/// Between two commits of which nobody waits for the second: progress alone, which a restart would read again.
pub const QUIET_COMMIT_GAP_US: u64 = 20_000;

/// What a restart goes on from.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    pub places: BTreeMap<String, Place>,
    pub engine: Snapshot,
    /// What people ordered about rules.
    #[serde(default)]
    pub rollouts: Rollouts,
    /// Calls of services, and what was decided by them.
    #[serde(default)]
    pub services: degradation::State,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    pub position: String,
    pub dating: Option<Dating>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
}

/// What waits for the next commit.
#[derive(Default)]
pub struct Pending {
    pub batch: Batch,
    /// Something happened that a restart must know.
    pub dirty: bool,
    /// Numbers of messages that were sent from memory already.
    pub(super) early: HashSet<u64>,
    starts: Vec<PlanRun>,
    joins: Vec<(String, String, Finding)>,
    /// Who waits until a kill switch or a silence is stored.
    pub(super) switched: Vec<oneshot::Sender<()>>,
}

impl Pending {
    pub fn is_due(&self) -> bool {
        self.dirty || !self.batch.is_empty()
    }

    /// Somebody waits for it: a message to send, a run to start.
    fn is_awaited(&self) -> bool {
        let batch = &self.batch;
        !(batch.messages.is_empty()
            && batch.audit.is_empty()
            && batch.halts.is_empty()
            && batch.runs.is_empty()
            && self.joins.is_empty())
    }
}

/// A commit under way, and what it makes true.
pub struct InFlight {
    settled: u64,
    checkpoint: u64,
    judged: Vec<Judged>,
    messages: Vec<Message>,
    starts: Vec<PlanRun>,
    joins: Vec<(String, String, Finding)>,
    silences: Vec<Silence>,
    switched: Vec<oneshot::Sender<()>>,
    rules: Arc<RuleSet>,
    rollouts: Rollouts,
}

/// A verdict that raises an alert, or ends one.
#[derive(Clone, Copy)]
pub struct Telling<'a> {
    pub row: &'a VerdictRow,
    pub print: &'a str,
    pub start: CellTime,
    pub ends: bool,
    /// One of the watcher's own.
    pub blind: bool,
    /// It was firing before this.
    pub was_open: bool,
}

impl Core {
    pub(super) fn put(&mut self, output: Output) {
        match output {
            Output::Lookup { id, ask, params, timeout_ms, .. } => {
                let question = Question { ask, params, timeout_ms, view: self.view.clone() };
                self.lookups.ask(id, question, self.back.clone());
            }
            Output::Verdict(verdict) => self.record(&verdict, None),
            Output::Blind(verdict) => {
                let what = format!("blind: {} since {}", verdict.subject, rfc3339(verdict.at.0));
                self.record(&verdict, Some(what));
            }
            Output::Unblind(verdict) => self.record(&verdict, Some(String::new())),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// `blind` is set for the watcher's own alerts: they go out from memory, with or without a
    /// database.
    fn record(&mut self, verdict: &Verdict, blind: Option<String>) {
        let print = fingerprint(&verdict.rule, &verdict.subject, &verdict.occurrence);
        let fires = verdict.is_firing();
        let was_open = self.open_alerts.contains_key(&print);
        let ends = verdict.resolved && was_open && !verdict.held;
        let starts_at = match fires {
            true => *self.open_alerts.entry(print.clone()).or_insert(verdict.at),
            false => self.open_alerts.get(&print).copied().unwrap_or(verdict.at),
        };
        let seq = self.number();
        let row = verdict_row(verdict, seq, fires || ends);
        if fires || ends {
            let (row, print, start, blind) = (&row, &*print, starts_at, blind.is_some());
            self.tell(&Telling { row, print, start, ends, blind, was_open });
        }
        if ends {
            self.open_alerts.remove(&print);
        }
        if let Some(what) = blind {
            let mut view = self.console.view();
            match fires {
                true => view.blind.insert(print.clone(), what),
                false => view.blind.remove(&print),
            };
        }
        if fires {
            self.plan(&finding(verdict, &print, starts_at));
        }
        self.keep(row, &print);
    }

    fn keep(&mut self, row: VerdictRow, print: &str) {
        let plain = row.judgement == Judgement::Matched && !row.alerting;
        let sampled = u8::from_str_radix(&print[..2], 16).is_ok_and(|byte| byte == SAMPLE_ONE_IN);
        if plain && self.kept == ResultsKept::Sample {
            let segment = segment(&row.position);
            let key = (row.rule.clone(), row.version.clone(), segment);
            *self.pending.batch.matched.entry(key).or_default() += 1;
            if !sampled {
                return;
            }
        }
        self.pending.batch.verdicts.push(row);
    }

    fn plan(&mut self, finding: &Finding) {
        let now = self.clock.now();
        for (plan, decision) in self.planner.on_finding(finding, now) {
            let run_id = match decision {
                Decision::Join(run_id) => {
                    self.pending.joins.push((plan.clone(), run_id.clone(), finding.clone()));
                    run_id
                }
                Decision::Count(mark) => mark,
                Decision::Start(run) | Decision::Refuse(run) => {
                    let run_id = run.run_id.clone();
                    self.pending.batch.messages.push(plan_event(&run, self.number(), now));
                    self.pending.batch.runs.push(run.clone());
                    self.pending.starts.push(run);
                    run_id
                }
            };
            self.pending.batch.triggers.push((plan, finding.alert_key(), run_id));
        }
    }

    pub(super) fn take_ended(&mut self, ended: Ended) {
        self.activity += 1;
        self.planner.ended(&ended.run, self.clock.now());
        for finding in ended.left_over {
            self.plan_again(&ended.run.plan, &finding);
        }
    }

    fn plan_again(&mut self, plan: &str, finding: &Finding) {
        self.planner.forget(plan, finding);
        self.plan(finding);
    }

    /// How long until what waits with nobody waiting for it is stored; none where nothing does.
    pub(super) fn quiet_commit_in(&self) -> Option<Duration> {
        let waits = self.pending.is_due() && self.in_flight.is_none() && !self.mid_transaction;
        let left = self.next_quiet_commit_us.saturating_sub(monotonic_us());
        waits.then(|| Duration::from_micros(left))
    }

    /// Inside of a transaction nothing can be stored: it is read to its end, whatever waits.
    pub(super) fn reads(&self) -> bool {
        let states = self.engine.changed_states();
        self.mid_transaction || self.unstored() < UNSTORED && states < UNSTORED_STATES
    }

    fn unstored(&self) -> usize {
        self.pending.batch.verdicts.len() + self.pending.batch.messages.len() + self.outgoing.len()
    }

    /// Hands the batch to the writer, one at a time. What nobody waits for is gathered for a while first.
    pub(super) fn commit(&mut self) {
        let settled = self.settled();
        let moved = settled > self.console.view().settled;
        if self.in_flight.is_some() || self.mid_transaction || !(self.pending.is_due() || moved) {
            return;
        }
        if !moved && !self.pending.is_awaited() && monotonic_us() < self.next_quiet_commit_us {
            return;
        }
        self.next_quiet_commit_us = monotonic_us() + QUIET_COMMIT_GAP_US;
        let pending = std::mem::take(&mut self.pending);
        let snapshot = self.engine.checkpoint();
        let mut batch = pending.batch;
        let changes = self.engine.take_changes().into_iter();
        batch.groups = changes.map(|group| (group.id, group.body)).collect();
        batch.groups.extend(self.services.take_changes());
        batch.alert_state = self.router.take_changes();
        let mut messages = batch.messages.clone();
        messages.retain(|message| !pending.early.contains(&message.seq));
        self.in_flight = Some(InFlight {
            settled,
            checkpoint: snapshot.checkpoint,
            judged: batch.verdicts.iter().map(judged).collect(),
            messages,
            starts: pending.starts,
            joins: pending.joins,
            switched: pending.switched,
            silences: self.router.silences().cloned().collect(),
            rules: Arc::clone(self.engine.rules()),
            rollouts: self.rollouts.clone(),
        });
        let places = self.sources.iter().filter_map(|(name, state)| {
            let position = state.position.as_ref()?.to_string();
            let (dating, topic_id) = (state.dating, state.topic_id.clone());
            Some((name.clone(), Place { position, dating, topic_id }))
        });
        let (rollouts, services) = (self.rollouts.clone(), self.services.state().clone());
        let places = places.collect();
        let checkpoint = Checkpoint { places, engine: snapshot, rollouts, services };
        batch.checkpoint = serde_json::to_string(&checkpoint).ok();
        batch.at_ms = self.clock.now().0;
        let (writer, back) = (self.writer.clone(), self.back.clone());
        tokio::spawn(async move {
            if writer.commit(batch).await {
                let _ = back.send(Back::Committed).await;
            }
        });
    }

    /// The batch is durable: now it may be seen, told and acted on.
    pub(super) fn committed(&mut self) {
        let Some(done) = self.in_flight.take() else { return };
        self.outgoing.extend(done.messages);
        // One that waits no more was answered that it is not stored yet.
        done.switched.into_iter().for_each(|stored| stored.send(()).unwrap_or_default());
        done.starts.into_iter().for_each(|run| self.executor.take_on(run));
        for (plan, run_id, finding) in done.joins {
            if let Err(Nudge::Join(finding)) =
                self.executor.nudge(&run_id, Nudge::Join(Box::new(finding)))
            {
                self.plan_again(&plan, &finding);
            }
        }
        let mut view = self.console.view();
        view.settled = view.settled.max(done.settled);
        view.checkpoint = view.checkpoint.max(done.checkpoint);
        view.silences = done.silences;
        (view.rules, view.rollouts) = (done.rules, done.rollouts);
        view.keep_judged(done.judged);
    }
}

pub fn judged(row: &VerdictRow) -> Judged {
    Judged {
        seq: row.seq,
        rule: row.rule.clone(),
        version: row.version.clone(),
        subject: row.subject.clone(),
        occurrence: row.occurrence.clone(),
        judgement: row.judgement,
        at: rfc3339(row.at_ms),
    }
}

pub fn verdict_row(verdict: &Verdict, seq: u64, alerting: bool) -> VerdictRow {
    VerdictRow {
        seq,
        rule: verdict.rule.clone(),
        version: verdict.version.clone(),
        loss_point: verdict.loss_point.clone(),
        subject: verdict.subject.clone(),
        occurrence: verdict.occurrence.clone(),
        revision: verdict.revision.clone(),
        severity: verdict.severity.clone(),
        resolved: verdict.resolved,
        alerting,
        judgement: verdict.judgement,
        expected: verdict.expected.clone(),
        actual: verdict.actual.clone(),
        at_risk: verdict.at_risk,
        position: verdict.position.clone(),
        at_ms: verdict.at.0,
    }
}

fn finding(verdict: &Verdict, print: &str, starts_at: CellTime) -> Finding {
    Finding {
        rule: verdict.rule.clone(),
        severity: verdict.severity.clone(),
        fingerprint: print.to_owned(),
        starts_at,
        subject: verdict.subject.clone(),
        occurrence: verdict.occurrence.clone(),
        at_risk: verdict.at_risk,
        fields: verdict.fields.clone(),
    }
}

/// The file of a binlog position, or the source of an offset: what matched counters are kept by.
fn segment(position: &str) -> String {
    position.rsplit_once(':').map_or(position, |(file, _)| file).to_owned()
}

/// What must not be judged again.
pub fn judged_keys(stored: &Stored) -> Vec<VerdictKey> {
    stored.verdicts.iter().map(key).collect()
}

pub fn key(row: &VerdictRow) -> VerdictKey {
    VerdictKey {
        rule: row.rule.clone(),
        version: row.version.clone(),
        subject: row.subject.clone(),
        occurrence: row.occurrence.clone(),
        revision: row.revision.clone(),
        judgement: row.judgement,
    }
}
