//! The engine of a sweep: rows are gathered, and judged when all of them are in.
//!
//! The engine's time stands still at the end of the books, so that the same rows give the same verdicts however often a sweep is
//! broken off, and in whatever order they were read. Asks what rules look up, no faster than they allow.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::findings::{Found, Known};
use super::pace::Pace;
use super::summary::Summary;
use crate::clock::CellTime;
use crate::dcheck::daemon::record::verdict_row;
use crate::dcheck::engine::rules::ask::Ask;
use crate::dcheck::engine::{Engine, Input, Output, RuleSet, Snapshot};
use crate::dcheck::event::{Event, Row, Value};
use crate::dcheck::results::Batch;
use crate::dcheck::results::sql::{SqlClient, View};

/// Questions at the same time.
const ASKED_AT_ONCE: usize = 8;
/// No rule may ask for longer than this.
const ASK_LIMIT_MS: u64 = 10_000;
/// What a rule's retries of a lookup may take, in the engine's time: they are asked at once.
const RETRIES_MS: i64 = 3_600_000;
/// Groups judged in one go: their verdicts are in memory together.
const JUDGED_AT_ONCE: usize = 1_000;

struct Question {
    id: u64,
    rule: String,
    ask: Ask,
    params: Vec<(String, Value)>,
    limit: Duration,
}

pub struct Sweep {
    engine: Engine,
    end: CellTime,
    lookups: Arc<SqlClient>,
    questions: Vec<Question>,
    /// By rule: how fast it may ask.
    paces: HashMap<String, Pace>,
    found: Found,
    batch: Batch,
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
    pub fn new(start: Start) -> Result<Sweep, String> {
        let Start { rules, sources, snapshot, end, lookups, summary, seq, segment } = start;
        let rates = rules.rules().iter().filter_map(|rule| {
            let rate = rule.lookup.as_ref()?.rate?;
            Some((rule.head.id.clone(), Pace::of(rate)))
        });
        let paces = rates.collect();
        let mut engine = match snapshot {
            None => Engine::new(rules, &sources, HashSet::new()),
            Some(snapshot) => Engine::restore(rules, &sources, HashSet::new(), &snapshot)
                .map_err(|error| format!("{error}; or sweep --again"))?,
        };
        engine.gather_until(end);
        let (questions, found, batch) = (Vec::new(), Found::default(), Batch::default());
        Ok(Sweep { engine, end, lookups, questions, paces, found, batch, summary, seq, segment })
    }

    /// A row is gathered. That it cannot be read is stored with its chunk.
    pub fn take(&mut self, event: Event) {
        for output in self.engine.gather(event, self.end) {
            if let Output::Verdict(verdict) = output {
                self.seq += 1;
                self.batch.verdicts.push(verdict_row(&verdict, self.seq, false));
            }
        }
    }

    /// The rows so far, for one commit.
    pub fn chunk(&mut self) -> (Batch, Snapshot) {
        let changes = self.engine.take_changes().into_iter();
        self.batch.groups = changes.map(|group| (group.id, group.body)).collect();
        self.engine.tell_counts(&mut self.summary.counts);
        self.batch.at_ms = self.end.0;
        (std::mem::take(&mut self.batch), self.engine.checkpoint())
    }

    /// All rows are in: judges them. `blind` are sources of which something could not be read, and what.
    pub async fn judge(&mut self, sources: &[String], blind: &BTreeMap<String, String>) {
        for (source, what) in blind {
            self.engine.lacks(source, self.segment.clone(), what.clone());
        }
        for source in sources {
            self.engine.all_in(source, self.end.plus_ms(1));
        }
        self.judge_gathered().await;
        // A lookup that failed is due again later: time alone moves, nothing more is read.
        let last = self.end.plus_ms(RETRIES_MS);
        let outputs = self.engine.step(Input::Tick, self.end);
        self.put(outputs);
        self.judge_gathered().await;
        while let Some(at) = self.engine.next_due().filter(|at| *at <= last) {
            let outputs = self.engine.step(Input::Tick, at);
            self.put(outputs);
            self.judge_gathered().await;
        }
        self.engine.tell_counts(&mut self.summary.counts);
    }

    /// The books are closed: what is stored of it, and what is news to `known`. `mark` tells this sweep's revisions from others.
    pub fn close(&mut self, known: Known, mark: (&str, CellTime)) -> Batch {
        let found = std::mem::take(&mut self.found);
        let mut batch = Batch { at_ms: self.end.0, ..Batch::default() };
        for ((rule, version), count) in &found.matched {
            let key = (rule.clone(), version.clone(), self.segment.clone());
            batch.matched.insert(key, *count);
        }
        batch.verdicts = found.close(known, &mut self.seq, mark, &mut self.summary);
        batch
    }

    async fn judge_gathered(&mut self) {
        loop {
            self.ask().await;
            let Some(outputs) = self.engine.judge_gathered(JUDGED_AT_ONCE) else { return };
            self.put(outputs);
        }
    }

    fn put(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Lookup { id, rule, ask, params, timeout_ms } => {
                    let limit = Duration::from_millis(timeout_ms.min(ASK_LIMIT_MS));
                    self.questions.push(Question { id, rule, ask, params, limit });
                }
                Output::Verdict(verdict) => self.found.take(*verdict),
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
                let outputs = self.engine.take_answer(question.id, &result);
                self.put(outputs);
            }
            for question in &asked {
                if let Some(pace) = self.paces.get_mut(&question.rule) {
                    pace.took(1).await;
                }
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
}
