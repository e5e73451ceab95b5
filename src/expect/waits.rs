//! `plan … only asks …`: a person is asked in time, and nothing is done without an answer.

use super::Ruling;
use super::bound::span_text;
use super::case::{Case, SeenRun};
use crate::clock::CellTime;
use crate::journal::Word;
use crate::wire::{PlanState, Subject};

impl Case<'_> {
    pub(super) fn plan_waits(&self, plan: &str, scope: &Subject, within_ms: i64) -> Ruling {
        let bound = self.bound(scope, within_ms);
        let mut runs = self.runs.iter().filter(|run| run.last().plan == plan);
        if let Some((run, at)) = runs.clone().find_map(|run| Some((run, acted(run)?))) {
            let about: Vec<String> = run.last().scope.iter().map(ToString::to_string).collect();
            let told = format!(
                "plan \"{plan}\" for {} acted {}, and nobody had said yes",
                about.join(", "),
                bound.told(at)
            );
            return Ruling::fail(Word::PlanWithoutCause, told);
        }
        let asked = runs.find_map(|run| {
            let (_, at) = run.reached(PlanState::WaitingApproval)?;
            run.last().scope.contains(scope).then_some((run, at))
        });
        let Some((run, at)) = asked else { return self.not_effective(plan, scope, &bound) };
        if self.hostile.is_some_and(|(_, hostile)| run.at < hostile) {
            let told = format!("plan \"{plan}\" for {scope} asked before the hostile act");
            return Ruling::fail(Word::PlanWithoutCause, told);
        }
        if bound.origin.proved && at > bound.deadline() {
            let told = format!("plan \"{plan}\" for {scope} asked {}", bound.late(at));
            return Ruling::fail(Word::PlanLate, told);
        }
        // Patience is a matter of time: as long as the loss may take to be contained, nothing may be done.
        let hold = self.bound(scope, self.facts.loss_point.contain_ms.max(within_ms));
        if self.now <= hold.deadline() {
            return self.wait(&hold);
        }
        if !bound.origin.proved {
            return self.wait(&bound);
        }
        let waited = span_text(self.now.since_ms(at));
        Ruling::pass(format!(
            "plan \"{plan}\" for {scope} asked {}, and did nothing for {waited}",
            bound.told(at)
        ))
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
