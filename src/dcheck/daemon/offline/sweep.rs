//! The engine of a sweep: rows in, verdicts into the batch of their chunk, the books closed at the end.
//!
//! Owns what is new and what is known: a verdict whose key is stored, or whose alert stands open, is known and not told
//! again. The engine's time stands still at the end of the books, so that the same rows give the same verdicts however
//! often a sweep is broken off.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::summary::{Findings, Summary};
use crate::clock::CellTime;
use crate::dcheck::alerts::fingerprint;
use crate::dcheck::daemon::channels::open_alerts;
use crate::dcheck::daemon::record::{key, verdict_row};
use crate::dcheck::engine::rules::ask::Ask;
use crate::dcheck::engine::{Engine, Input, Output, RuleSet, Snapshot, Verdict, VerdictKey};
use crate::dcheck::event::{Event, Row, Value};
use crate::dcheck::results::sql::{SqlClient, View};
use crate::dcheck::results::{Batch, VerdictRow};
use crate::wire::Judgement;

/// Questions at the same time.
const ASKED_AT_ONCE: usize = 8;
/// No rule may ask for longer than this.
const ASK_LIMIT_MS: u64 = 10_000;
/// What a rule's retries of a lookup may take, in the engine's time: they are asked at once.
const RETRIES_MS: i64 = 3_600_000;

struct Question {
    id: u64,
    ask: Ask,
    params: Vec<(String, Value)>,
    limit: Duration,
}

pub struct Sweep {
    engine: Engine,
    end: CellTime,
    lookups: Arc<SqlClient>,
    questions: Vec<Question>,
    known: HashSet<VerdictKey>,
    /// Fingerprints of the alerts that stand.
    open: HashSet<String>,
    pub batch: Batch,
    pub summary: Summary,
    /// The number of the last row or message.
    pub seq: u64,
    segment: String,
}

/// What a sweep begins or goes on with.
pub struct Start {
    pub rules: Arc<RuleSet>,
    pub sources: Vec<String>,
    pub snapshot: Option<Snapshot>,
    pub end: CellTime,
    pub lookups: Arc<SqlClient>,
    pub summary: Summary,
    pub seq: u64,
    /// Under which matched verdicts are counted.
    pub segment: String,
}

impl Sweep {
    /// `known` are the stored findings, in the order of time.
    pub fn new(start: Start, known: &[VerdictRow]) -> Result<Sweep, String> {
        let Start { rules, sources, snapshot, end, lookups, summary, seq, segment } = start;
        let engine = match snapshot {
            None => Engine::new(rules, &sources, HashSet::new()),
            Some(snapshot) => Engine::restore(rules, &sources, HashSet::new(), &snapshot)
                .map_err(|error| format!("{error}; or sweep --again"))?,
        };
        let open = open_alerts(known).map(|(print, _)| print).collect();
        let known = known.iter().map(key).collect();
        let (questions, batch) = (Vec::new(), Batch::default());
        Ok(Sweep { engine, end, lookups, questions, known, open, batch, summary, seq, segment })
    }

    pub async fn take(&mut self, event: Event) {
        self.step(Input::Event(event), self.end);
        if self.questions.len() >= ASKED_AT_ONCE {
            self.ask().await;
        }
    }

    /// What is told of the rows so far, for one commit.
    pub async fn chunk(&mut self) -> (Batch, Snapshot) {
        self.ask().await;
        let changes = self.engine.take_changes().into_iter();
        self.batch.groups =
            changes.map(|group| (group.id, group.body.map(|body| body.to_string()))).collect();
        self.batch.at_ms = self.end.0;
        (std::mem::take(&mut self.batch), self.engine.checkpoint())
    }

    /// The end of the books: `blind` are sources of which something could not be read, and what.
    pub async fn close(&mut self, sources: &[String], blind: &BTreeMap<String, String>) {
        for (source, what) in blind {
            let (source, what) = (source.clone(), what.clone());
            self.step(Input::Missed { source, id: self.segment.clone(), what }, self.end);
        }
        for source in sources {
            let (source, at) = (source.clone(), self.end.plus_ms(1));
            self.step(Input::SourceEnd { source, at }, self.end);
        }
        self.step(Input::Tick, self.end);
        self.ask().await;
        // A lookup that failed is due again later: time alone moves, nothing more is read.
        let last = self.end.plus_ms(RETRIES_MS);
        while let Some(at) = self.engine.next_due().filter(|at| *at <= last) {
            self.step(Input::Tick, at);
            self.ask().await;
        }
        self.engine.tell_counts(&mut self.summary.counts);
    }

    fn step(&mut self, input: Input, now: CellTime) {
        for output in self.engine.step(input, now) {
            match output {
                Output::Lookup { id, ask, params, timeout_ms, .. } => {
                    let limit = Duration::from_millis(timeout_ms.min(ASK_LIMIT_MS));
                    self.questions.push(Question { id, ask, params, limit });
                }
                Output::Verdict(verdict) => self.record(&verdict),
                // Rules that watch the watcher do not run here.
                Output::Blind(_) | Output::Unblind(_) => {}
            }
        }
    }

    /// Until no question is out. Answers are taken in the order of their questions.
    async fn ask(&mut self) {
        while !self.questions.is_empty() {
            let count = self.questions.len().min(ASKED_AT_ONCE);
            let asked: Vec<Question> = self.questions.drain(..count).collect();
            let answers = join_all(asked.iter().map(|question| self.answer(question))).await;
            for (question, result) in asked.iter().zip(answers) {
                self.step(Input::Answer { lookup: question.id, result }, self.end);
            }
        }
    }

    async fn answer(&self, question: &Question) -> Result<Vec<Row>, String> {
        let Question { ask, params, limit, .. } = question;
        match ask {
            Ask::Sql(sql) => {
                let answer = self.lookups.named(sql, params, View::Committed, *limit).await;
                answer.map(|answer| answer.rows).map_err(|error| error.to_string())
            }
            Ask::Http { target, .. } => Err(format!("http: a sweep does not ask {target}")),
        }
    }

    fn record(&mut self, verdict: &Verdict) {
        let name = format!("{}@{}", verdict.rule, verdict.version);
        if verdict.judgement == Judgement::Matched && !verdict.resolved {
            let key = (verdict.rule.clone(), verdict.version.clone(), self.segment.clone());
            *self.batch.matched.entry(key).or_default() += 1;
            return;
        }
        let print = fingerprint(&verdict.rule, &verdict.subject, &verdict.occurrence);
        let (is_stored, was_open) =
            (self.known.contains(&verdict.key()), self.open.contains(&print));
        let mut alerting = false;
        if verdict.is_firing() {
            alerting = !is_stored && !was_open;
            let findings: &mut Findings = self.summary.findings.entry(name).or_default();
            match alerting {
                true => {
                    findings.new += 1;
                    findings.new_money.add(verdict.at_risk);
                }
                false => {
                    findings.known += 1;
                    findings.known_money.add(verdict.at_risk);
                }
            }
            if alerting {
                self.open.insert(print);
            }
        } else if verdict.judgement == Judgement::Mismatched && verdict.shadow {
            self.summary.findings.entry(name).or_default().shadow += 1;
        } else if verdict.resolved {
            alerting = !is_stored && self.open.remove(&print);
        }
        if !is_stored {
            self.seq += 1;
            self.known.insert(verdict.key());
            self.batch.verdicts.push(verdict_row(verdict, self.seq, alerting));
        }
    }
}
