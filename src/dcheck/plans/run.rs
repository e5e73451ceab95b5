//! One run, from armed to its end: actions, proof, TTL, revert.
//!
//! Each state and each receipt is durable before the next thing is done, so that a crash resumes in
//! the middle. Owns the time limits of a run. Must not decide whether it starts (`planner`), nor how a step is done (`action`).
//! Try it: `cargo test --lib dcheck::plans::executor::crash`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::executor::{Ended, Nudge, Shared, Working};
use super::planner::{Finding, in_force};
use super::spec::{Approval, PlanSpec, Step};
use super::turns::{Asked, Turn};
use crate::clock::{CellTime, Clock, rfc3339};
use crate::wire::{PlanRun, PlanState, Subject};

/// An action or proof that has not come by then has failed: people must take over inside the 5
/// minutes of `respond`.
const RESPOND_LIMIT_MS: i64 = 300_000;
/// A revert may take longer: what it lifts is a restriction, not a loss.
const REVERT_LIMIT_MS: i64 = 600_000;
/// Pauses between attempts; above a second they wait on cell time.
const PAUSES_MS: [i64; 8] = [20, 50, 100, 200, 400, 800, 2_000, 5_000];
const REAL_PAUSE_MS: i64 = 1_000;
/// How the note of a run begins that a person approved.
const APPROVED: &str = "approved by ";
/// How the note of a run begins that goes back.
const REVERTING: &str = "reverting: ";

pub(super) struct RunTask {
    pub(super) shared: Arc<Shared>,
    pub(super) spec: Arc<PlanSpec>,
    pub(super) run: PlanRun,
    nudges: mpsc::Receiver<Nudge>,
    working: Option<Working>,
}

impl RunTask {
    pub fn new(
        shared: Arc<Shared>,
        spec: Arc<PlanSpec>,
        run: PlanRun,
        nudges: mpsc::Receiver<Nudge>,
    ) -> RunTask {
        RunTask { shared, spec, run, nudges, working: None }
    }

    pub async fn drive(mut self, working: Working) {
        self.working = Some(working);
        if self.run.state == PlanState::WaitingApproval {
            self.wait_for_approval().await;
        }
        if matches!(self.run.state, PlanState::Armed | PlanState::Running) {
            let _turn = self.take_turn().await;
            if self.run.state == PlanState::Armed {
                self.begin().await;
            }
            if self.run.state == PlanState::Running {
                self.respond().await;
            }
        }
        if in_force(&self.run, &self.spec) {
            self.hold().await;
        }
        self.finish().await;
    }

    async fn wait_for_approval(&mut self) {
        let within_ms = match self.spec.approval {
            Approval::Manual { within_ms } => within_ms,
            // It was asked for when the run started; what the file says now holds for the next one.
            Approval::Automatic => RESPOND_LIMIT_MS,
        };
        let until = self.started_at().plus_ms(within_ms);
        let word = loop {
            self.rest_until(until);
            let nudge = tokio::select! {
                biased;
                nudge = next(&mut self.nudges) => Some(nudge),
                () = self.shared.clock.sleep_until(until) => None,
            };
            match nudge {
                Some(Nudge::Approve(word)) => break Ok(word),
                Some(Nudge::Refuse(word) | Nudge::Revert(word)) => {
                    break Err(format!("refused by {word}"));
                }
                // One approval is for the scope: whatever else is found there is covered by it.
                Some(Nudge::Join(_)) => {}
                None => {
                    break Err(format!("nobody approved it within {} min", within_ms / 60_000));
                }
            }
        };
        self.begin_work();
        match word {
            Ok(word) => self.enter(PlanState::Armed, &format!("{APPROVED}{word}")).await,
            Err(why) => self.enter(PlanState::Failed, &why).await,
        }
    }

    /// Until no other plan works on the subject.
    async fn take_turn(&mut self) -> Turn {
        let subject = self.run.scope.first().cloned().unwrap_or_else(|| Subject::new("", ""));
        let Shared { turns, state, .. } = &*self.shared;
        match turns.ask(state, &subject, &self.run.run_id) {
            Asked::Now(turn) => turn,
            Asked::Behind { holder, turn } => {
                let was = self.run.note.clone();
                let note = format!("waits for run {holder}, which works on {subject}");
                let state = self.run.state;
                self.enter(state, &note).await;
                // The one that works is busy or has its own due; nothing of ours is due before it.
                self.working = None;
                let (turn, working) = turn.await.expect("invariant: a turn is handed on");
                self.working = Some(working);
                self.run.note = was;
                turn
            }
        }
    }

    /// The last look before anything is touched.
    async fn begin(&mut self) {
        if let Some(halt) = self.shared.halts.on(&self.run.plan) {
            self.enter(PlanState::Failed, &format!("kill switch: {halt}")).await;
        } else if let Some(rival) = self.shared.rival(&self.run) {
            let (plan, run_id) = (&rival.plan, &rival.run_id);
            let why = format!("plan {plan} (run {run_id}) has this effect in force here already");
            self.enter(PlanState::Failed, &why).await;
        } else {
            let note = self.approval();
            self.enter(PlanState::Running, &note).await;
        }
    }

    /// Who approved it, where somebody did: it stays in the note.
    fn approval(&self) -> String {
        let is_said = self.run.note.starts_with(APPROVED);
        if is_said { self.run.note.clone() } else { String::new() }
    }

    fn started_at(&self) -> CellTime {
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
        let _turn = self.take_turn().await;
        self.revert(why.trim_start_matches(REVERTING)).await;
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
            let nudge = tokio::select! {
                biased;
                nudge = next(&mut self.nudges) => Some(nudge),
                () = over(&self.shared.clock, at) => None,
            };
            self.begin_work();
            match nudge {
                Some(Nudge::Join(finding)) => self.extend(&joined(&finding)).await,
                Some(Nudge::Approve(_) | Nudge::Refuse(_)) => {}
                Some(Nudge::Revert(word)) => return format!("by {word}"),
                None => match self.still_holds().await {
                    // A finding that arrived while we asked keeps the plan in force.
                    Ok(false) => match self.nudges.try_recv() {
                        Ok(Nudge::Join(finding)) => self.extend(&joined(&finding)).await,
                        Ok(Nudge::Revert(word)) => return format!("by {word}"),
                        _ => return "its time is over".to_owned(),
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
        self.nudges.close();
        let mut left_over: Vec<Finding> = Vec::new();
        while let Ok(nudge) = self.nudges.try_recv() {
            if let Nudge::Join(finding) = nudge {
                left_over.push(*finding);
            }
        }
        let _ = self.shared.ended.send(Ended { run: self.run, left_over }).await;
    }

    /// What has no end by itself only says so.
    async fn extend(&mut self, why: &str) {
        let until = self.spec.ttl_ms.map(|ttl_ms| self.shared.clock.now().plus_ms(ttl_ms));
        self.run.reverts_at = until.map(|at| rfc3339(at.0));
        self.enter(PlanState::Effective, why).await;
    }

    async fn enter(&mut self, state: PlanState, note: &str) {
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
    fn rest_until(&mut self, at: CellTime) {
        self.shared.state.set_due(&self.run.run_id, Some(at));
        self.working = None;
    }

    fn begin_work(&mut self) {
        if self.working.is_none() {
            self.working = Some(self.shared.state.working());
        }
        self.shared.state.set_due(&self.run.run_id, None);
    }
}

/// Nobody who could nudge is left only where the process ends: that is no word of anybody's.
async fn next(nudges: &mut mpsc::Receiver<Nudge>) -> Nudge {
    match nudges.recv().await {
        Some(nudge) => nudge,
        None => std::future::pending().await,
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
