//! `plan … only asks …`: a person is asked in time, and nothing is done without an answer.
//!
//! What a run says of itself is not taken for it: the act that the plan would stop is done once it has asked, and again at the end.

use super::Ruling;
use super::bound::{Bound, span_text};
use super::case::{Case, SeenRun};
use super::proof::ProofStep;
use crate::clock::CellTime;
use crate::journal::{Outcome, Role, Word};
use crate::wire::{Effect, PlanState, Subject};

impl<'a> Case<'a> {
    pub(super) fn plan_waits(&self, plan: &str, scope: &Subject, within_ms: i64) -> Ruling {
        let bound = self.bound(scope, within_ms);
        let mut runs = self.runs.iter().filter(|run| run.last().plan == plan);
        if let Some((run, at)) = runs.find_map(|run| Some((run, acted(run)?))) {
            let about: Vec<String> = run.last().scope.iter().map(ToString::to_string).collect();
            let told = format!(
                "plan \"{plan}\" for {} acted {}, and nobody had said yes",
                about.join(", "),
                bound.told(at)
            );
            return Ruling::fail(Word::PlanWithoutCause, told);
        }
        let Some((run, seq, at)) = self.asking_run(plan, scope) else {
            return self.not_effective(plan, scope, &bound);
        };
        if self.hostile.is_some_and(|(_, hostile)| run.at < hostile) {
            let told = format!("plan \"{plan}\" for {scope} asked before the hostile act");
            return Ruling::fail(Word::PlanWithoutCause, told);
        }
        if bound.origin.proved && at > bound.deadline() {
            let told = format!("plan \"{plan}\" for {scope} asked {}", bound.late(at));
            return Ruling::fail(Word::PlanLate, told);
        }
        let tried = [Role::ProbeInside, Role::ProbeAfter]
            .map(|role| self.tried_since(role, seq).map(|(_, outcome)| outcome));
        for outcome in tried.into_iter().flatten() {
            match outcome {
                Outcome::Ok => {}
                Outcome::Refused { reason } => {
                    let told = format!(
                        "plan \"{plan}\" asked, and {scope} is stopped already, with nobody's yes: {reason}"
                    );
                    return Ruling::fail(Word::PlanWithoutCause, told);
                }
                Outcome::Unknown { reason } => {
                    let told = format!("the probe in {scope} had no answer: {reason}");
                    return Ruling::unproved(Word::NotJudged, told);
                }
            }
        }
        let patience = self.patience(scope, within_ms);
        if self.now <= patience.deadline() {
            return self.wait(&patience);
        }
        if !bound.origin.proved {
            return self.wait(&bound);
        }
        let is_stop = matches!(run.last().effect, Effect::Stops(_));
        if is_stop && tried.iter().any(Option::is_none) {
            return Ruling::Waiting { until: None };
        }
        let waited = span_text(self.now.since_ms(at));
        Ruling::pass(format!(
            "plan \"{plan}\" for {scope} asked {}, and did nothing for {waited}",
            bound.told(at)
        ))
    }

    /// The act that the plan would stop: as soon as it has asked, and when patience has been proved.
    pub(super) fn owed_of_waiting(
        &self,
        plan: &str,
        scope: &Subject,
        within_ms: i64,
    ) -> Option<ProofStep> {
        let (run, seq, _) = self.asking_run(plan, scope)?;
        let Effect::Stops(_) = run.last().effect else { return None };
        if self.tried_since(Role::ProbeInside, seq).is_none() {
            return Some(ProofStep::TryInside);
        }
        let is_over = self.now > self.patience(scope, within_ms).deadline();
        let is_tried = self.tried_since(Role::ProbeAfter, seq).is_some();
        (is_over && !is_tried).then_some(ProofStep::TryAfter)
    }

    /// As long as the loss may take to be contained, nothing may be done.
    fn patience(&self, scope: &Subject, within_ms: i64) -> Bound {
        self.bound(scope, self.facts.loss_point.contain_ms.max(within_ms))
    }

    /// The first run of `plan` about `scope` that asked a person: with the position and instant of its question.
    fn asking_run(&self, plan: &str, scope: &Subject) -> Option<(&SeenRun<'a>, u64, CellTime)> {
        let ours = self.runs.iter().filter(|run| {
            let last = run.last();
            last.plan == plan && last.scope.contains(scope)
        });
        ours.filter_map(|run| {
            let (seq, at) = run.reached(PlanState::WaitingApproval)?;
            Some((run, seq, at))
        })
        .next()
    }
}

/// When a run did something, or said that it does.
fn acted(run: &SeenRun<'_>) -> Option<CellTime> {
    let acts = |state: PlanState| {
        matches!(state, PlanState::Running | PlanState::Effective | PlanState::Reverted)
    };
    let first = run.states.iter().find(|(_, _, seen)| acts(seen.state) || !seen.steps.is_empty());
    first.map(|(_, at, _)| *at)
}
