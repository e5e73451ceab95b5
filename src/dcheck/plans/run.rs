//! One run, from armed to its end: actions, proof, TTL, revert.
//!
//! Each state and each receipt is durable before the next thing is done, so that a crash resumes in
//! the middle. Owns the time limits of a run. Not covered: a revert by hand of a plan without TTL.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::action::ActionError;
use super::executor::{Ended, Nudge, Shared, Working};
use super::planner::Finding;
use super::spec::{Names, PlanSpec, Step};
use crate::clock::{CellTime, rfc3339};
use crate::wire::{PlanRun, PlanState, StepReceipt};

/// An action or proof that has not come by then has failed: people must take over inside the 5
/// minutes of `respond`.
const RESPOND_LIMIT_MS: i64 = 300_000;
/// A revert may take longer: what it lifts is a restriction, not a loss.
const REVERT_LIMIT_MS: i64 = 600_000;
/// Pauses between attempts; above a second they wait on cell time.
const PAUSES_MS: [i64; 8] = [20, 50, 100, 200, 400, 800, 2_000, 5_000];
const REAL_PAUSE_MS: i64 = 1_000;
/// Asks whether the finding still holds before the answer counts as unknown, and the plan stays.
const HOLDS_ATTEMPTS: usize = 6;

pub(super) struct RunTask {
    shared: Arc<Shared>,
    spec: Arc<PlanSpec>,
    run: PlanRun,
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
        if self.run.state == PlanState::Armed {
            self.enter(PlanState::Running, "").await;
        }
        if self.run.state == PlanState::Running {
            self.respond().await;
        }
        if self.run.state == PlanState::Effective && self.run.reverts_at.is_some() {
            self.hold().await;
        }
        self.finish().await;
    }

    async fn wait_for_approval(&mut self) {
        self.working = None;
        while let Some(nudge) = self.nudges.recv().await {
            match nudge {
                Nudge::Approve => break,
                Nudge::Revert => {
                    self.begin_work();
                    self.enter(PlanState::Failed, "refused by a person").await;
                    return;
                }
                Nudge::Join(_) => {}
            }
        }
        self.begin_work();
        self.enter(PlanState::Running, "approved").await;
    }

    async fn respond(&mut self) {
        let limit = CellTime(crate::clock::parse_rfc3339(&self.run.started_at).unwrap_or(0))
            .plus_ms(RESPOND_LIMIT_MS);
        // After a long stop of this process the plan still gets its attempts.
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
        self.enter(PlanState::Effective, "").await;
    }

    /// Until the TTL ends and the finding no longer holds, or a person reverts.
    async fn hold(&mut self) {
        let ttl_ms = self.spec.ttl_ms.unwrap_or(0);
        loop {
            let at = self.run.reverts_at.as_deref().and_then(crate::clock::parse_rfc3339);
            let at = CellTime(at.unwrap_or(0));
            self.rest_until(at);
            let nudge = tokio::select! {
                biased;
                nudge = self.nudges.recv() => nudge,
                () = self.shared.clock.sleep_until(at) => None,
            };
            self.begin_work();
            match nudge {
                Some(Nudge::Join(finding)) => {
                    let why = format!("extended: {} {} joined", finding.rule, finding.occurrence);
                    self.extend(ttl_ms, &why).await;
                    continue;
                }
                Some(Nudge::Approve) => continue,
                Some(Nudge::Revert) => {}
                None => match self.still_holds().await {
                    Ok(false) => {}
                    Ok(true) => {
                        self.extend(ttl_ms, "extended: the finding still holds").await;
                        continue;
                    }
                    Err(error) => {
                        let why = format!("extended: cannot tell whether it still holds: {error}");
                        self.extend(ttl_ms, &why).await;
                        continue;
                    }
                },
            }
            // A finding that arrived while we asked keeps the plan in force.
            if let Ok(Nudge::Join(finding)) = self.nudges.try_recv() {
                let why = format!("extended: {} {} joined", finding.rule, finding.occurrence);
                self.extend(ttl_ms, &why).await;
                continue;
            }
            break;
        }
        self.revert().await;
    }

    async fn revert(&mut self) {
        let limit = self.shared.clock.now().plus_ms(REVERT_LIMIT_MS);
        let steps = self.spec.revert.clone();
        match self.act_all(&steps, limit).await {
            Ok(()) => {
                self.run.reverts_at = None;
                self.enter(PlanState::Reverted, "").await;
            }
            Err(why) => self.enter(PlanState::Failed, &format!("revert: {why}")).await,
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

    async fn still_holds(&mut self) -> Result<bool, ActionError> {
        let Some(sql) = self.spec.holds_while.clone() else { return Ok(false) };
        let mut attempt = 0;
        loop {
            match self.shared.targets.still_holds(&sql, &self.names()).await {
                Err(_) if attempt + 1 < HOLDS_ATTEMPTS => self.pause(attempt).await,
                done => return done,
            }
            attempt += 1;
        }
    }

    async fn act_all(&mut self, steps: &[Step], limit: CellTime) -> Result<(), String> {
        for step in steps {
            if self.run.steps.iter().any(|done| done.step == step.name) {
                continue;
            }
            let mut attempt = 0;
            let receipt = loop {
                match self.shared.targets.act(step, &self.names()).await {
                    Ok(receipt) => break receipt,
                    Err(error) if is_final(&error) || self.shared.clock.now() >= limit => {
                        return Err(format!("step {}: {error}", step.name));
                    }
                    Err(_) => self.pause(attempt).await,
                }
                attempt += 1;
            };
            let at = rfc3339(self.shared.clock.now().0);
            let done = StepReceipt { step: step.name.clone(), receipt: receipt.clone(), at };
            self.run.steps.push(done);
            self.shared.save(&mut self.run, Some((step.name.clone(), receipt)), false).await;
        }
        Ok(())
    }

    async fn prove(&mut self, limit: CellTime) -> Result<(), String> {
        for proof in self.spec.proof.clone() {
            let mut attempt = 0;
            loop {
                let proved = self.shared.targets.is_proved(&proof, &self.names()).await;
                match proved {
                    Ok(true) => break,
                    _ if self.shared.clock.now() < limit => self.pause(attempt).await,
                    Ok(false) => return Err("done, but the effect is not there".into()),
                    Err(error) => return Err(format!("done, but the proof failed: {error}")),
                }
                attempt += 1;
            }
        }
        Ok(())
    }

    async fn extend(&mut self, ttl_ms: i64, why: &str) {
        let until = self.shared.clock.now().plus_ms(ttl_ms);
        self.run.reverts_at = Some(rfc3339(until.0));
        self.enter(PlanState::Effective, why).await;
    }

    async fn enter(&mut self, state: PlanState, note: &str) {
        self.run.state = state;
        note.clone_into(&mut self.run.note);
        self.shared.save(&mut self.run, None, true).await;
    }

    fn names(&self) -> Names {
        Names {
            scope: self.run.scope.first().map(|scope| scope.id.clone()).unwrap_or_default(),
            run: self.run.run_id.clone(),
            plan: self.run.plan.clone(),
            alert: self.run.alert.clone(),
            rule: self.run.rule.clone(),
            now_ms: self.shared.clock.now().0.to_string(),
        }
    }

    async fn pause(&mut self, attempt: usize) {
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

/// A refusal that a repeat would not change.
fn is_final(error: &ActionError) -> bool {
    match error {
        ActionError::Target(_) => true,
        ActionError::Refused { status, .. } => {
            (400..500).contains(status) && ![408, 409, 425, 429].contains(status)
        }
        _ => false,
    }
}
