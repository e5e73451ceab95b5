//! What a run waits for before it may act: a person's approval, its effect on its subject, and its turn there.
//!
//! Owns the limits of those waits. The effect is asked for before the turn, and a turn is never held by one that waits for an
//! effect: so no two runs wait for each other. Must not know what a run does then.

use std::sync::Arc;

use super::executor::Shared;
use super::run::{APPROVED, RESPOND_LIMIT_MS, REVERT_LIMIT_MS, RunTask};
use super::spec::Approval;
use super::turns::{Asked, Turn};
use super::words::Kind;
use crate::wire::{Effect, PlanRun, PlanState, Subject};

/// The one ahead acts and proves, or reverts, within its own limits: one that is not done by then hangs.
pub(super) const TURN_LIMIT_MS: i64 = RESPOND_LIMIT_MS + REVERT_LIMIT_MS;
/// An effect may be in force for hours, as long as its finding holds; a finding of yesterday is another day's work.
pub(super) const EFFECT_LIMIT_MS: i64 = 86_400_000;
/// How the last part of a note begins while the run waits in a line.
const WAITS: &str = "waits for run ";

/// What a note says beside the wait, which does not outlive the process.
pub(super) fn without_wait(note: &str) -> &str {
    if note.starts_with(WAITS) {
        return "";
    }
    note.rfind(&format!("; {WAITS}")).map_or(note, |at| &note[..at])
}

/// The line of those who stop the same act of the same subject; none where effects may stand beside each other.
pub(super) fn effect_line(run: &PlanRun) -> Option<Subject> {
    match (&run.effect, run.scope.first()) {
        (Effect::Stops(act), Some(scope)) => {
            Some(Subject::new(format!("effect {act}"), scope.to_string()))
        }
        _ => None,
    }
}

impl RunTask {
    pub(super) async fn wait_for_approval(&mut self) {
        let within_ms = match self.spec.approval {
            Approval::Manual { within_ms } => within_ms,
            // It was asked for when the run started; what the file says now holds for the next one.
            Approval::Automatic => RESPOND_LIMIT_MS,
        };
        let until = self.started_at().plus_ms(within_ms);
        self.rest_until(until);
        let kinds = [Kind::Refuse, Kind::Revert, Kind::Approve];
        let word = loop {
            tokio::select! {
                biased;
                word = self.words.next(&kinds) => break Some(word),
                // One approval is for the scope: whatever else is found there is covered by it.
                Some(_) = self.joins.recv() => {}
                () = self.shared.clock.sleep_until(until) => break None,
            }
        };
        self.begin_work();
        match word {
            Some((Kind::Approve, word)) => {
                self.enter(PlanState::Armed, &format!("{APPROVED}{word}")).await;
            }
            Some((_, word)) => self.enter(PlanState::Failed, &format!("refused by {word}")).await,
            None => {
                let why = format!("nobody approved it within {} min", within_ms / 60_000);
                self.enter(PlanState::Failed, &why).await;
            }
        }
    }

    /// Until no other run stops the same act here; an error says why it waits no more.
    pub(super) async fn take_effect(&mut self) -> Result<(), String> {
        if self.effect.is_none()
            && self.run.state == PlanState::Armed
            && let Some(line) = effect_line(&self.run)
        {
            let what = "which has this effect in force here";
            self.effect = Some(self.wait_in_line(&line, EFFECT_LIMIT_MS, what).await?);
        }
        Ok(())
    }

    /// Until no other run works on the subject; an error says why it waits no more.
    pub(super) async fn take_turn(&mut self) -> Result<Turn, String> {
        let subject = self.run.scope.first().cloned().unwrap_or_else(|| Subject::new("", ""));
        let what = format!("which works on {subject}");
        self.wait_in_line(&subject, TURN_LIMIT_MS, &what).await
    }

    async fn wait_in_line(
        &mut self,
        line: &Subject,
        limit_ms: i64,
        what: &str,
    ) -> Result<Turn, String> {
        let shared = Arc::clone(&self.shared);
        let Shared { turns, state, clock, .. } = &*shared;
        let (holder, turn) = match turns.ask(state, line, &self.run.run_id) {
            Asked::Now(turn) => return Ok(turn),
            Asked::Behind { holder, turn } => (holder, turn),
        };
        let was = self.run.note.clone();
        // What a person said stands before it: it outlives a crash.
        let said = if was.is_empty() { String::new() } else { format!("{was}; ") };
        self.enter(self.run.state, &format!("{said}{WAITS}{holder}, {what}")).await;
        let until = clock.now().plus_ms(limit_ms);
        self.rest_until(until);
        // What goes back is no more refused; what has not begun is.
        let refusals: &[Kind] = if self.is_untouched() { &[Kind::Refuse] } else { &[] };
        let waited = tokio::select! {
            biased;
            (_, word) = self.words.next(refusals) => Err(format!("refused by {word}")),
            handed = turn => Ok(handed.expect("invariant: a turn is handed on")),
            () = clock.sleep_until(until) => {
                let holder = turns.holder(line).unwrap_or(holder);
                Err(format!("waited {} min for run {holder}, {what}", limit_ms / 60_000))
            }
        };
        self.run.note = was;
        let (turn, working) = waited.inspect_err(|_| self.begin_work())?;
        self.working = Some(working);
        self.begin_work();
        Ok(turn)
    }
}

#[cfg(test)]
#[path = "waits_tests.rs"]
mod tests;
