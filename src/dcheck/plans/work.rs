//! The work of a run: steps done once by their receipts, proofs, and the question whether a finding still holds.
//!
//! Owns how often each is tried. A receipt is durable before the next step is done. Must not know states: `run` says what is to
//! be done when, and `action` how.

use super::action::ActionError;
use super::run::RunTask;
use super::spec::{Names, Proof, Step};
use crate::clock::{CellTime, rfc3339};
use crate::wire::StepReceipt;

/// Asks whether the finding still holds before the answer counts as unknown, and the plan stays.
const HOLDS_ATTEMPTS: usize = 6;
impl RunTask {
    pub(super) async fn still_holds(&mut self) -> Result<bool, ActionError> {
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

    pub(super) async fn act_all(&mut self, steps: &[Step], limit: CellTime) -> Result<(), String> {
        for step in steps {
            if self.run.steps.iter().any(|done| done.step == step.name) {
                continue;
            }
            let mut attempt = 0;
            if let Some(why) = self.stopped() {
                return Err(why);
            }
            self.attempted = true;
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

    pub(super) async fn prove(&mut self, limit: CellTime) -> Result<(), String> {
        let (proofs, mut attempt) = (self.spec.proof.clone(), 0);
        loop {
            let error = match self.is_proved(&proofs).await {
                Ok(true) => return Ok(()),
                Ok(false) => "done, but the effect is not there".to_owned(),
                Err(error) => format!("done, but the proof failed: {error}"),
            };
            if self.shared.clock.now() >= limit {
                return Err(error);
            }
            self.pause(attempt).await;
            attempt += 1;
        }
    }

    /// The effect is there no more: by the proofs of that, else by those of the effect, of which one fails now.
    pub(super) async fn prove_gone(&mut self, limit: CellTime) -> Result<(), String> {
        let (proofs, wanted) = match self.spec.revert_proof.is_empty() {
            true => (self.spec.proof.clone(), false),
            false => (self.spec.revert_proof.clone(), true),
        };
        let mut attempt = 0;
        while !proofs.is_empty() {
            let error = match self.is_proved(&proofs).await {
                Ok(proved) if proved == wanted => break,
                Ok(_) => "done, but the effect is still there".to_owned(),
                Err(error) => format!("done, but the proof failed: {error}"),
            };
            if self.shared.clock.now() >= limit {
                return Err(error);
            }
            self.pause(attempt).await;
            attempt += 1;
        }
        Ok(())
    }

    async fn is_proved(&self, proofs: &[Proof]) -> Result<bool, ActionError> {
        let names = self.names();
        for proof in proofs {
            if !self.shared.targets.is_proved(proof, &names).await? {
                return Ok(false);
            }
        }
        Ok(true)
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
