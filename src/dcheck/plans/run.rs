//! One run, from armed to its end: actions, proof, TTL, revert.
//!
//! Each state and each receipt is durable before the next thing is done, so that a crash resumes in
//! the middle. Owns the time limits of a run. Must not decide whether it starts (`planner`), nor how a step is done (`action`).
//! Try it: `cargo test --lib dcheck::plans::executor::crash`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::executor::{Ended, Shared, Working};
use super::planner::{Finding, in_force};
use super::spec::{PlanSpec, Step};
use super::turns::Turn;
use super::waits::without_wait;
use super::words::{Kind, Words};
use super::work::{is_begun, without_begin};
use crate::clock::{CellTime, Clock, rfc3339};
use crate::wire::{PlanRun, PlanState};

/// An action or proof that has not come by then has failed: people must take over inside the 5
/// minutes of `respond`.
pub(super) const RESPOND_LIMIT_MS: i64 = 300_000;
/// A revert may take longer: what it lifts is a restriction, not a loss.
pub(super) const REVERT_LIMIT_MS: i64 = 600_000;
/// Pauses between attempts; above a second they wait on cell time.
const PAUSES_MS: [i64; 8] = [20, 50, 100, 200, 400, 800, 2_000, 5_000];
const REAL_PAUSE_MS: i64 = 1_000;
/// How the note of a run begins that a person approved.
pub(super) const APPROVED: &str = "approved by ";
/// How the note of a run begins that goes back.
pub(super) const REVERTING: &str = "reverting: ";

pub(super) struct RunTask {
    pub(super) shared: Arc<Shared>,
    pub(super) spec: Arc<PlanSpec>,
    pub(super) run: PlanRun,
    pub(super) joins: mpsc::Receiver<Finding>,
    pub(super) words: Arc<Words>,
    /// Held while the effect is in force, so that no other plan's run has it here meanwhile.
    pub(super) effect: Option<Turn>,
    pub(super) working: Option<Working>,
    /// A step was tried, by this process or, as the note says, by an earlier one.
    pub(super) attempted: bool,
}

impl RunTask {
    pub fn new(
        shared: Arc<Shared>,
        spec: Arc<PlanSpec>,
        mut run: PlanRun,
        (joins, words): (mpsc::Receiver<Finding>, Arc<Words>),
        effect: Option<Turn>,
    ) -> RunTask {
        run.note = without_wait(&run.note).to_owned();
        let attempted = run.state == PlanState::Running && is_begun(&run.note);
        RunTask { shared, spec, run, joins, words, effect, working: None, attempted }
    }

    pub async fn drive(mut self, working: Working) {
        self.working = Some(working);
        if self.run.state == PlanState::WaitingApproval {
            self.wait_for_approval().await;
        }
        let begins = matches!(self.run.state, PlanState::Armed | PlanState::Running);
        if begins && !self.is_reverting() {
            self.set_out().await;
        }
        if in_force(&self.run, &self.spec) {
            self.hold().await;
        }
        self.finish().await;
    }

    async fn set_out(&mut self) {
        let turn = match self.take_effect().await {
            Ok(()) => self.take_turn().await,
            Err(why) => Err(why),
        };
        let _turn = match turn {
            Ok(turn) => turn,
            Err(why) => return self.enter(PlanState::Failed, &why).await,
        };
        if self.run.state == PlanState::Armed {
            self.begin().await;
        }
        if self.run.state == PlanState::Running {
            self.respond().await;
        }
    }

    /// The last look before a run counts as running.
    async fn begin(&mut self) {
        match self.stopped() {
            Some(why) => self.enter(PlanState::Failed, &why).await,
            None => {
                let note = self.approval();
                self.enter(PlanState::Running, &note).await;
            }
        }
    }

    /// Why a run that has touched nothing must not begin to.
    pub(super) fn stopped(&self) -> Option<String> {
        if !self.is_untouched() {
            return None;
        }
        let halted =
            self.shared.halts.on(&self.run.plan).map(|halt| format!("kill switch: {halt}"));
        let refused = || Some(format!("refused by {}", self.words.take(Kind::Refuse)?));
        halted.or_else(refused)
    }

    /// No step was tried: before the first one is, that is durable.
    pub(super) fn is_untouched(&self) -> bool {
        let begins = matches!(self.run.state, PlanState::Armed | PlanState::Running);
        begins && !self.attempted && self.run.steps.is_empty() && !self.is_reverting()
    }

    /// Who approved it, where somebody did: it stays in the note.
    fn approval(&self) -> String {
        let note = without_begin(&self.run.note);
        if note.starts_with(APPROVED) { note.to_owned() } else { String::new() }
    }

    pub(super) fn started_at(&self) -> CellTime {
        CellTime(crate::clock::parse_rfc3339(&self.run.started_at).unwrap_or(0))
    }

    async fn respond(&mut self) {
        let limit = self.started_at().plus_ms(RESPOND_LIMIT_MS);
        // After a long stop of this process, or a late approval, the plan still gets its attempts.
        let limit = limit.max(self.shared.clock.now().plus_ms(RESPOND_LIMIT_MS / 2));
        let steps = self.spec.actions.clone();
        if let Err(why) = self.act_all(&steps, limit).await {
            self.enter(PlanState::Failed, &why).await;
            return;
        }
        if let Err(why) = self.prove(limit).await {
            self.enter(PlanState::Failed, &why).await;
            return;
        }
        let ends = self.spec.ttl_ms.map(|ttl_ms| self.shared.clock.now().plus_ms(ttl_ms));
        self.run.reverts_at = ends.map(|at| rfc3339(at.0));
        let note = self.approval();
        self.enter(PlanState::Effective, &note).await;
    }

    /// Until the TTL ends and the finding no longer holds, or a person reverts.
    async fn hold(&mut self) {
        let why = if self.is_reverting() {
            self.run.note.clone()
        } else {
            format!("{REVERTING}{}", self.reason_to_revert().await)
        };
        // Durable before the first step: a crash from here on goes on reverting.
        self.run.note.clone_from(&why);
        self.shared.save(&mut self.run, None, false).await;
        let _turn = match self.take_turn().await {
            Ok(turn) => turn,
            Err(why) => return self.enter(PlanState::Failed, &format!("revert: {why}")).await,
        };
        self.revert(why.strip_prefix(REVERTING).unwrap_or(&why)).await;
    }

    /// A crash came into the middle of it.
    fn is_reverting(&self) -> bool {
        let done = |step: &Step| self.run.steps.iter().any(|receipt| receipt.step == step.name);
        self.run.note.starts_with(REVERTING) || self.spec.revert.iter().any(done)
    }

    async fn reason_to_revert(&mut self) -> String {
        loop {
            let at = self.run.reverts_at.as_deref().and_then(crate::clock::parse_rfc3339);
            let at = at.map(CellTime);
            self.working = None;
            self.shared.state.set_due(&self.run.run_id, at);
            let finding = tokio::select! {
                biased;
                (_, word) = self.words.next(&[Kind::Revert]) => {
                    self.begin_work();
                    return format!("by {word}");
                }
                Some(finding) = self.joins.recv() => Some(finding),
                () = over(&self.shared.clock, at) => None,
            };
            self.begin_work();
            match finding {
                Some(finding) => self.extend(&joined(&finding)).await,
                None => match self.still_holds().await {
                    // A finding that arrived while we asked keeps the plan in force.
                    Ok(false) => match (self.words.take(Kind::Revert), self.joins.try_recv()) {
                        (Some(word), _) => return format!("by {word}"),
                        (None, Ok(finding)) => self.extend(&joined(&finding)).await,
                        (None, Err(_)) => return "its time is over".to_owned(),
                    },
                    Ok(true) => self.extend("extended: the finding still holds").await,
                    Err(error) => {
                        let why = format!("extended: cannot tell whether it still holds: {error}");
                        self.extend(&why).await;
                    }
                },
            }
        }
    }

    async fn revert(&mut self, why: &str) {
        let limit = self.shared.clock.now().plus_ms(REVERT_LIMIT_MS);
        let steps = self.spec.revert.clone();
        let done = match self.act_all(&steps, limit).await {
            Ok(()) => self.prove_gone(limit).await,
            Err(why) => Err(why),
        };
        match done {
            Ok(()) => {
                self.run.reverts_at = None;
                self.enter(PlanState::Reverted, why).await;
            }
            Err(error) => self.enter(PlanState::Failed, &format!("revert: {error}")).await,
        }
    }

    async fn finish(mut self) {
        self.shared.state.set_due(&self.run.run_id, None);
        self.joins.close();
        let mut left_over: Vec<Finding> = Vec::new();
        while let Ok(finding) = self.joins.try_recv() {
            left_over.push(finding);
        }
        // Before anybody hears of the end: who is started by it need not wait.
        self.effect = None;
        let _ = self.shared.ended.send(Ended { run: self.run, left_over }).await;
    }

    /// What has no end by itself only says so.
    async fn extend(&mut self, why: &str) {
        let until = self.spec.ttl_ms.map(|ttl_ms| self.shared.clock.now().plus_ms(ttl_ms));
        self.run.reverts_at = until.map(|at| rfc3339(at.0));
        self.enter(PlanState::Effective, why).await;
    }

    pub(super) async fn enter(&mut self, state: PlanState, note: &str) {
        self.run.state = state;
        note.clone_into(&mut self.run.note);
        self.shared.save(&mut self.run, None, true).await;
    }

    pub(super) async fn pause(&mut self, attempt: usize) {
        let pause_ms = PAUSES_MS[attempt.min(PAUSES_MS.len() - 1)];
        if pause_ms <= REAL_PAUSE_MS {
            tokio::time::sleep(Duration::from_millis(pause_ms.unsigned_abs())).await;
            return;
        }
        let at = self.shared.clock.now().plus_ms(pause_ms);
        self.rest_until(at);
        self.shared.clock.sleep_until(at).await;
        self.begin_work();
    }

    /// Nothing is due before `at`.
    pub(super) fn rest_until(&mut self, at: CellTime) {
        self.shared.state.set_due(&self.run.run_id, Some(at));
        self.working = None;
    }

    pub(super) fn begin_work(&mut self) {
        if self.working.is_none() {
            self.working = Some(self.shared.state.working());
        }
        self.shared.state.set_due(&self.run.run_id, None);
    }
}

async fn over(clock: &Clock, at: Option<CellTime>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn joined(finding: &Finding) -> String {
    format!("extended: {} {} joined", finding.rule, finding.occurrence)
}
