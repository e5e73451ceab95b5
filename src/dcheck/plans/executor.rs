//! The runs under way: one task each, and what the console may know of them.
//!
//! Owns starting, nudging and listing runs. Must not decide whether a plan starts (`planner`), nor
//! know how a step is done (`action`).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::action::Targets;
use super::halts::Halts;
use super::planner::{Finding, in_force};
use super::run::{REVERTING, RunTask};
use super::spec::PlanSpec;
use super::turns::{Asked, Turn, Turns};
use super::waits::effect_line;
use super::words::{Kind, Words};
use crate::clock::{CellTime, Clock, rfc3339};
use crate::dcheck::alerts::Delivery;
use crate::dcheck::results::{Batch, Channel, Message, Writer};
use crate::wire::{PlanRun, PlanState};

/// Findings that wait to join one run.
const JOINS: usize = 256;

/// What a run may be told.
#[derive(Clone, Debug)]
pub enum Nudge {
    Join(Box<Finding>),
    Approve(Word),
    Refuse(Word),
    Revert(Word),
}

/// Who said so, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub who: String,
    pub why: String,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.why)
    }
}

/// A run came to its end.
#[derive(Debug)]
pub struct Ended {
    pub run: PlanRun,
    /// Findings that came too late to join it: to be given to the planner again.
    pub left_over: Vec<Finding>,
}

/// What all runs need.
pub struct Shared {
    pub targets: Arc<Targets>,
    pub writer: Writer,
    pub events: Delivery,
    pub clock: Clock,
    /// The numbers of stored messages, shared with the rest of the daemon.
    pub numbers: Arc<AtomicU64>,
    pub state: Arc<RunsState>,
    pub ended: mpsc::Sender<Ended>,
    pub halts: Arc<Halts>,
    pub turns: Arc<Turns>,
    pub specs: HashMap<String, Arc<PlanSpec>>,
}

impl Shared {
    /// The message that tells of a run as it is now.
    pub fn event(&self, run: &PlanRun) -> Message {
        plan_event(run, self.numbers.fetch_add(1, Ordering::AcqRel) + 1, self.clock.now())
    }

    /// Makes a run's state durable, and tells of it where `tell` is set.
    pub async fn save(&self, run: &mut PlanRun, receipt: Option<(String, String)>, tell: bool) {
        let now = self.clock.now();
        run.updated_at = rfc3339(now.0);
        let message = tell.then(|| self.event(run));
        let receipts = receipt
            .map(|(step, text)| (run.run_id.clone(), step, text, now.0))
            .into_iter()
            .collect();
        let batch = Batch {
            runs: vec![run.clone()],
            messages: message.clone().into_iter().collect(),
            receipts,
            at_ms: now.0,
            ..Batch::default()
        };
        self.writer.commit(batch).await;
        self.state.show(run);
        if let Some(message) = message {
            self.events.send(message).await;
        }
    }
}

/// The message that tells of a plan run.
pub fn plan_event(run: &PlanRun, seq: u64, now: CellTime) -> Message {
    Message {
        seq,
        channel: Channel::PlanEvents,
        order_key: run.run_id.clone(),
        dedupe: format!("{}:{seq}", run.run_id),
        body: serde_json::to_string(run).expect("invariant: a plan run is plain data"),
        created_ms: now.0,
    }
}

/// What is known of all runs.
#[derive(Default)]
pub struct RunsState {
    runs: Mutex<BTreeMap<String, PlanRun>>,
    due: Mutex<BTreeMap<String, CellTime>>,
    busy: AtomicU64,
    activity: AtomicU64,
}

impl RunsState {
    pub fn show(&self, run: &PlanRun) {
        self.activity.fetch_add(1, Ordering::AcqRel);
        lock(&self.runs).insert(run.run_id.clone(), run.clone());
    }

    /// All runs, the oldest first.
    pub fn list(&self) -> Vec<PlanRun> {
        let mut runs: Vec<PlanRun> = lock(&self.runs).values().cloned().collect();
        runs.sort_by(|a, b| (&a.started_at, &a.run_id).cmp(&(&b.started_at, &b.run_id)));
        runs
    }

    pub fn find(&self, run_id: &str) -> Option<PlanRun> {
        lock(&self.runs).get(run_id).cloned()
    }

    /// How many runs are in each state.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for run in lock(&self.runs).values() {
            *counts.entry(state_name(run.state)).or_default() += 1;
        }
        counts
    }

    /// Steps, proofs and ends of runs that are due now.
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Acquire)
    }

    pub fn activity(&self) -> u64 {
        self.activity.load(Ordering::Acquire)
    }

    /// The earliest end of a run or retry of a step.
    pub fn next_due(&self) -> Option<CellTime> {
        lock(&self.due).values().min().copied()
    }

    pub(super) fn set_due(&self, run_id: &str, at: Option<CellTime>) {
        match at {
            Some(at) => lock(&self.due).insert(run_id.to_owned(), at),
            None => lock(&self.due).remove(run_id),
        };
    }

    pub(super) fn working(self: &Arc<Self>) -> Working {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Working(Arc::clone(self))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn state_name(state: PlanState) -> &'static str {
    match state {
        PlanState::Armed => "armed",
        PlanState::WaitingApproval => "waiting-approval",
        PlanState::Running => "running",
        PlanState::Effective => "effective",
        PlanState::Failed => "failed",
        PlanState::Reverted => "reverted",
    }
}

/// A run has work due for as long as it holds one of these.
pub struct Working(Arc<RunsState>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where a run hears.
struct Inbox {
    joins: mpsc::Sender<Finding>,
    words: Arc<Words>,
}

/// Starts runs and hands nudges to them.
pub struct Executor {
    shared: Arc<Shared>,
    inboxes: HashMap<String, Inbox>,
}

impl Executor {
    pub fn new(shared: Arc<Shared>) -> Executor {
        Executor { shared, inboxes: HashMap::new() }
    }

    #[cfg(test)]
    pub fn turns(&self) -> &Arc<Turns> {
        &self.shared.turns
    }

    /// All runs that are stored, each shown, and what is in force known, before any of them goes on.
    pub fn restore(&mut self, runs: &[PlanRun]) {
        runs.iter().for_each(|run| self.shared.state.show(run));
        let held: Vec<Option<Turn>> = runs.iter().map(|run| self.effect_of(run)).collect();
        runs.iter().zip(held).for_each(|(run, held)| self.spawn(run.clone(), held));
    }

    /// Takes a stored run on, from wherever it stands; a run that is over is only listed.
    pub fn take_on(&mut self, run: PlanRun) {
        self.shared.state.show(&run);
        let held = self.effect_of(&run);
        self.spawn(run, held);
    }

    /// What a run had in force when an earlier process ended, it has again.
    fn effect_of(&self, run: &PlanRun) -> Option<Turn> {
        let Shared { turns, state, specs, .. } = &*self.shared;
        let holds = matches!(run.state, PlanState::Running | PlanState::Effective)
            && specs.get(&run.plan).is_some_and(|spec| in_force(run, spec));
        let line = holds.then(|| effect_line(run)).flatten()?;
        match turns.ask(state, &line, &run.run_id) {
            Asked::Now(turn) => Some(turn),
            Asked::Behind { .. } => None,
        }
    }

    fn spawn(&mut self, run: PlanRun, held: Option<Turn>) {
        let Some(spec) = self.shared.specs.get(&run.plan) else {
            let told = format!("run {} is of a plan that is gone; it is left as it is", run.run_id);
            crate::dcheck::log::warn("plans", &told);
            return;
        };
        if !in_force(&run, spec) {
            return;
        }
        self.inboxes.retain(|_, inbox| !inbox.joins.is_closed());
        let ((sender, joins), words) = (mpsc::channel(JOINS), Arc::new(Words::default()));
        let inbox = Inbox { joins: sender, words: Arc::clone(&words) };
        self.inboxes.insert(run.run_id.clone(), inbox);
        let working = self.shared.state.working();
        let (shared, spec) = (Arc::clone(&self.shared), Arc::clone(spec));
        let task = RunTask::new(shared, spec, run, (joins, words), held);
        tokio::spawn(task.drive(working));
    }

    /// Hands a nudge to a run; gives it back where the run has ended. One that failed half-way goes back on a person's word.
    pub fn nudge(&mut self, run_id: &str, nudge: Nudge) -> Result<(), Nudge> {
        let inbox = self.inboxes.get(run_id).filter(|inbox| !inbox.joins.is_closed());
        match (inbox, nudge) {
            (Some(inbox), Nudge::Join(finding)) => match inbox.joins.try_send(*finding) {
                Err(TrySendError::Closed(finding)) => Err(Nudge::Join(Box::new(finding))),
                // Those that wait are of the same plan and scope: they extend it, or start the next one, as this one would.
                Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            },
            (Some(inbox), Nudge::Approve(word)) => Ok(inbox.words.say(Kind::Approve, word)),
            (Some(inbox), Nudge::Refuse(word)) => Ok(inbox.words.say(Kind::Refuse, word)),
            (Some(inbox), Nudge::Revert(word)) => Ok(inbox.words.say(Kind::Revert, word)),
            (None, Nudge::Revert(word)) => self.revert_failed(run_id, word).map_err(Nudge::Revert),
            (None, nudge) => Err(nudge),
        }
    }

    fn revert_failed(&mut self, run_id: &str, word: Word) -> Result<(), Word> {
        let can_go_back = |run: &PlanRun| {
            let spec = self.shared.specs.get(&run.plan);
            spec.is_some_and(|spec| may_go_back(run, spec))
        };
        let Some(mut run) = self.shared.state.find(run_id).filter(can_go_back) else {
            return Err(word);
        };
        run.note = format!("{REVERTING}by {word}");
        run.state = PlanState::Running;
        self.take_on(run);
        Ok(())
    }
}

/// It failed, but not before it had touched something, and its plan says how to go back.
pub fn may_go_back(run: &PlanRun, spec: &PlanSpec) -> bool {
    run.state == PlanState::Failed && !run.steps.is_empty() && !spec.revert.is_empty()
}

#[cfg(test)]
#[path = "crash_tests.rs"]
mod crash;
#[cfg(test)]
#[path = "subject_tests.rs"]
mod subjects;
