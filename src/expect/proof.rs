//! What the proof of a plan still owes: the acts that the runner does after "effective".

use super::case::{Case, SeenAct, SeenRun};
use crate::clock::CellTime;
use crate::journal::{Act, Books, Event, Expectation, FaultUse, History, Outcome, Phase, Role};
use crate::wire::{Effect, PlanState, Subject};

/// A stop is tried once more in the last part of its time, one in so many: one that wears off early is no stop.
const LAST_PART: i64 = 10;

/// The next act or wait of a plan's proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofStep {
    /// The stopped act again, by a fresh party in scope: role [`Role::ProbeInside`].
    TryInside,
    /// Likewise outside the scope: role [`Role::ProbeOutside`].
    TryOutside,
    /// The attack's correction: role [`Role::Correction`]. Only where a bid still stands at a price
    /// nobody meant, an act names its own, or the books were edited by hand.
    Correct,
    /// A later instant of the run: its last part, or its end, of itself. Its next report may come sooner.
    Await { until: CellTime },
    /// In scope shortly before the end: role [`Role::ProbeStill`].
    TryStill,
    /// In scope again: role [`Role::ProbeAfter`].
    TryAfter,
}

/// What the proof of `expectation` owes next; none where the plan is not effective, needs no acts,
/// or all are done.
pub fn next_proof(
    expectation: &Expectation,
    history: &History,
    books: &Books,
    now: CellTime,
) -> Option<ProofStep> {
    let case = Case::of(history, books, now)?;
    match expectation {
        Expectation::PlanEffective { plan, scope, .. } => {
            let run = case.effective_run(plan, scope)?;
            case.owed(run, scope)
        }
        Expectation::PlanWaits { plan, scope, within_ms } => {
            case.owed_of_waiting(plan, scope, *within_ms)
        }
        _ => None,
    }
}

impl<'a> Case<'a> {
    /// The first run of `plan` about `scope` that became effective.
    pub(super) fn effective_run(&self, plan: &str, scope: &Subject) -> Option<&SeenRun<'a>> {
        self.runs.iter().find(|run| {
            run.last().plan == plan
                && run.last().scope.contains(scope)
                && run.reached(PlanState::Effective).is_some()
        })
    }

    /// The first finished act of `role` that was ordered after `run` became effective.
    pub(super) fn tried(
        &self,
        role: Role,
        run: &SeenRun<'_>,
    ) -> Option<(&SeenAct<'a>, &'a Outcome)> {
        let (effective, _) = run.reached(PlanState::Effective)?;
        self.tried_since(role, effective)
    }

    /// The first finished act of `role` that was ordered after position `seq`.
    pub(super) fn tried_since(&self, role: Role, seq: u64) -> Option<(&SeenAct<'a>, &'a Outcome)> {
        let mut acts = self.acts.iter().filter(|act| act.role == role && act.seq > seq);
        acts.find_map(|act| act.done.map(|(_, _, outcome)| (act, outcome)))
    }

    /// When the run ends of itself, as it said last.
    pub(super) fn ends_at(run: &SeenRun<'_>) -> Option<CellTime> {
        let told = run.states.iter().rev().find_map(|(_, _, state)| state.reverts_at.as_deref())?;
        crate::clock::parse_rfc3339(told).map(CellTime)
    }

    /// Where the last part of its time begins.
    fn last_part(run: &SeenRun<'_>, ends: CellTime) -> CellTime {
        let begun = run.reached(PlanState::Effective).map_or(ends, |(_, at)| at);
        ends.plus_ms(-(ends.since_ms(begun) / LAST_PART))
    }

    fn owed(&self, run: &SeenRun<'_>, scope: &Subject) -> Option<ProofStep> {
        let Effect::Stops(_) = run.last().effect else { return None };
        if self.tried(Role::ProbeInside, run).is_none() {
            return Some(ProofStep::TryInside);
        }
        if self.tried(Role::ProbeOutside, run).is_none() {
            return Some(ProofStep::TryOutside);
        }
        let ends = Self::ends_at(run)?;
        let is_open = self.needs_correction(scope) && self.tried(Role::Correction, run).is_none();
        if is_open || self.is_edited() {
            return Some(ProofStep::Correct);
        }
        if self.tried(Role::ProbeAfter, run).is_some() {
            return None;
        }
        if run.reached(PlanState::Reverted).is_none() && self.now <= ends {
            let last_part = Self::last_part(run, ends);
            let until = match self.tried(Role::ProbeStill, run) {
                None if self.now < last_part => last_part,
                None => return Some(ProofStep::TryStill),
                Some(_) => ends.plus_ms(1),
            };
            return Some(ProofStep::Await { until });
        }
        Some(ProofStep::TryAfter)
    }

    /// Were the books edited by hand, and has nobody tried to take it back?
    fn is_edited(&self) -> bool {
        let own = self.entries().filter(|(_, entry)| entry.phase != Phase::Canary);
        own.fold(false, |edited, (_, entry)| match &entry.event {
            Event::FaultIntent { fault } => edited || fault.changes_books(),
            Event::FaultHealed { fault, .. } | Event::FaultHealFailed { fault, .. } => {
                edited && !FaultUse::is_of_books(fault)
            }
            _ => edited,
        })
    }

    /// Does a scripted act in the scope leave something open that nobody meant?
    fn needs_correction(&self, scope: &Subject) -> bool {
        let in_scope = |bid: &str| self.cast.about(&Subject::new("bid", bid)).contains(scope);
        let mut ours = self.acts.iter().filter(|act| act.role == Role::Scripted);
        ours.any(|act| match act.act {
            Act::Business(business) => {
                business.correction.is_some() && business.subjects.contains(scope)
            }
            Act::PlaceBid { bid, meant, price, .. }
            | Act::CorrectBid { bid, price, meant: Some(meant) } => meant != price && in_scope(bid),
            _ => false,
        })
    }
}
