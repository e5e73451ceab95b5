//! `plan … is effective`: in time, and proved by the effect that it declares.

use super::Ruling;
use super::bound::Bound;
use super::case::{Case, READER_LAG_MS, SeenAct, SeenRun};
use crate::clock::CellTime;
use crate::journal::{BadRow, Expectation, Flaw, Outcome, Owner, Role, Word};
use crate::wire::{Effect, PlanState, Subject};

impl<'a> Case<'a> {
    pub(super) fn plan_effective(&self, plan: &str, scope: &Subject, within_ms: i64) -> Ruling {
        let bound = self.bound(scope, within_ms);
        if let Some(verdict) = self.out_of_scope(plan, scope) {
            return verdict;
        }
        let Some(run) = self.effective_run(plan, scope) else {
            return self.not_effective(plan, scope, &bound);
        };
        let (_, effective) =
            run.reached(PlanState::Effective).expect("invariant: the run was found by that state");
        if let Some((_, hostile)) = self.hostile
            && run.at < hostile
        {
            let told = format!("plan \"{plan}\" for {scope} ran before the hostile act");
            return Ruling::fail(Word::PlanWithoutCause, told);
        }
        if !bound.origin.proved && self.now <= bound.extra() {
            return self.wait(&bound);
        }
        if bound.origin.proved && effective > bound.deadline() {
            let late = bound.late(effective);
            return Ruling::fail(Word::PlanLate, format!("plan \"{plan}\" for {scope} was {late}"));
        }
        let proof = match &run.last().effect {
            Effect::Stops(act) => self.stop_proved(run, act, scope),
            Effect::Repairs => self.repair_proved(run, effective, scope, &bound),
            Effect::Notifies => Ok("a person was told".to_owned()),
        };
        match proof {
            Ok(told) => {
                let effective = bound.told(effective);
                Ruling::pass(format!(
                    "plan \"{plan}\" for {scope} was effective {effective}; {told}"
                ))
            }
            Err(ruling) => ruling,
        }
    }

    pub(super) fn not_effective(&self, plan: &str, scope: &Subject, bound: &Bound) -> Ruling {
        if self.now <= bound.extra() {
            return self.wait(bound);
        }
        let told = bound.told(self.now);
        match self.runs.iter().find(|run| run.last().plan == plan) {
            None => {
                let told =
                    format!("plan \"{plan}\" for {scope} did not start until {told}, twice over");
                Ruling::fail(Word::PlanNotStarted, told)
            }
            Some(run) => {
                let (state, note) = (run.last().state, &run.last().note);
                let told = format!("plan \"{plan}\" for {scope} is still {state:?} {told} {note}");
                Ruling::fail(Word::PlanWithoutEffect, told.trim_end().to_owned())
            }
        }
    }

    /// A run that touches what nothing bad was seen of.
    fn out_of_scope(&self, plan: &str, scope: &Subject) -> Option<Ruling> {
        let caused = |subject: &Subject| {
            subject == scope
                || self.books.bad_rows_at(self.now).any(|row| row.about.contains(subject))
        };
        let ours = self.runs.iter().filter(|run| run.last().plan == plan);
        for run in ours {
            let last = run.last();
            let beyond = match last.scope.contains(scope) {
                true => last.scope.iter().find(|subject| *subject != scope),
                false => last.scope.iter().find(|subject| !caused(subject)),
            };
            // A missing counterpart is a cause before it counts as missing.
            let flying = self.books.next_missing(self.now).is_some();
            if let Some(subject) = beyond.filter(|_| !flying || last.scope.contains(scope)) {
                let told = format!("plan \"{plan}\" also touched {subject}, not {scope} alone");
                return Some(Ruling::fail(Word::PlanOutOfScope, told));
            }
        }
        None
    }

    /// A run that touches what nothing bad was seen of, and no sentence names. A watcher's own plan has a cause that no
    /// books show.
    pub(super) fn plan_without_cause(&self) -> Option<String> {
        let point = &self.facts.loss_point;
        let caused = |run: &SeenRun<'_>, scope: &Subject| {
            let asked = self.registered().any(|(_, expectation)| match expectation {
                Expectation::PlanEffective { plan, scope: of, .. }
                | Expectation::PlanWaits { plan, scope: of, .. } => {
                    *plan == run.last().plan && of == scope
                }
                _ => false,
            });
            let watched = point.watcher && point.plan.as_ref() == Some(&run.last().plan);
            asked || watched || self.is_harmed(scope)
        };
        self.runs.iter().find_map(|run| {
            let scope = run.last().scope.iter().find(|scope| !caused(run, scope))?;
            let plan = &run.last().plan;
            Some(format!("plan \"{plan}\" touched {scope}, of which nothing bad was seen"))
        })
    }

    /// Refused inside, accepted outside, no new loss; after correction and TTL accepted inside.
    fn stop_proved(&self, run: &SeenRun<'_>, act: &str, scope: &Subject) -> Result<String, Ruling> {
        if let Some(ruling) = self.leak(run, scope) {
            return Err(ruling);
        }
        let waiting = Ruling::Waiting { until: None };
        let ends = Self::ends_at(run);
        let tried = |role| self.tried(role, run).map(|(_, outcome)| outcome);
        match tried(Role::ProbeInside).ok_or(waiting.clone())? {
            Outcome::Refused { .. } => {}
            Outcome::Ok => {
                let told =
                    format!("{act} in {scope} was still accepted after the plan said effective");
                return Err(Ruling::fail(Word::PlanWithoutEffect, told));
            }
            Outcome::Unknown { reason } => {
                let told = format!("the probe inside {scope} had no answer: {reason}");
                return Err(Ruling::unproved(Word::NotJudged, told));
            }
        }
        match tried(Role::ProbeOutside).ok_or(waiting.clone())? {
            Outcome::Ok => {}
            Outcome::Refused { reason } => {
                let told = format!("{act} outside {scope} was refused too: {reason}");
                return Err(Ruling::fail(Word::PlanOutOfScope, told));
            }
            Outcome::Unknown { reason } => {
                let told = format!("the probe outside {scope} had no answer: {reason}");
                return Err(Ruling::unproved(Word::NotJudged, told));
            }
        }
        self.stood_until_its_end(run, act, scope)?;
        if ends.is_none() {
            return Ok(format!("{act} was refused inside and accepted outside"));
        }
        match tried(Role::ProbeAfter).ok_or(waiting)? {
            Outcome::Ok => {
                Ok(format!("{act} was refused inside, accepted outside, and accepted again after"))
            }
            Outcome::Refused { reason } => {
                let told =
                    format!("{act} in {scope} was still refused after the plan's end: {reason}");
                Err(Ruling::fail(Word::PlanOutOfScope, told))
            }
            Outcome::Unknown { reason } => {
                let told = format!("the probe after the plan's end had no answer: {reason}");
                Err(Ruling::unproved(Word::NotJudged, told))
            }
        }
    }

    /// Still refused in the last part of its time. Nothing to say where it was not asked: the run ended before.
    fn stood_until_its_end(
        &self,
        run: &SeenRun<'_>,
        act: &str,
        scope: &Subject,
    ) -> Result<(), Ruling> {
        let Some((tried, outcome)) = self.tried(Role::ProbeStill, run) else { return Ok(()) };
        match outcome {
            Outcome::Ok if !self.was_over(run, tried) => {
                let told = format!("{act} in {scope} was accepted again before the plan's end");
                Err(Ruling::fail(Word::PlanWithoutEffect, told))
            }
            Outcome::Unknown { reason } => {
                let told = format!("the probe before the plan's end had no answer: {reason}");
                Err(Ruling::unproved(Word::NotJudged, told))
            }
            _ => Ok(()),
        }
    }

    /// Did the run end before the act was done? Then the act came late, on a busy machine.
    fn was_over(&self, run: &SeenRun<'_>, act: &SeenAct<'_>) -> bool {
        let Some((_, done, _)) = act.done else { return false };
        let reverted = run.reached(PlanState::Reverted).is_some_and(|(_, at)| at <= done);
        reverted || Self::ends_at(run).is_some_and(|ends| ends <= done)
    }

    /// New loss in scope while the plan says effective, or after it put things back.
    fn leak(&self, run: &SeenRun<'_>, scope: &Subject) -> Option<Ruling> {
        let (_, effective) = run.reached(PlanState::Effective)?;
        let reverted = run.reached(PlanState::Reverted).map(|(_, at)| at);
        let ended = |row: &BadRow| reverted.is_some_and(|at| row.seen >= at);
        let known = self.books.bad_rows_at(self.now).filter(|row| {
            let late = row.seen > effective.plus_ms(READER_LAG_MS) || row.owner == Owner::Probe;
            late && row.about.contains(scope) && row.owner != Owner::Canary
        });
        // A shortfall is no leak: money that stays is what a stop is for. An offer leaks only once
        // it can be taken.
        let mut leaks = known.filter(|row| match row.is_promise() {
            true => ended(row) && row.amount.minor > 0,
            false => row.flaw != Flaw::Missing,
        });
        let row = leaks.next()?;
        let (amount, subject) = (row.amount, &row.subject);
        if ended(row) || self.is_after_probe(row) {
            let told = format!("{amount} at {subject} is open or lost again after the plan's end");
            return Some(Ruling::fail(Word::PutTheLossBack, told));
        }
        let told = format!("{amount} more was lost by {subject} after the plan said effective");
        Some(Ruling::fail(Word::PlanWithoutEffect, told))
    }

    fn is_after_probe(&self, row: &BadRow) -> bool {
        self.cast.roles(&row.subject).any(|role| role == Role::ProbeAfter)
    }

    /// Expected equals actual for the subject again.
    fn repair_proved(
        &self,
        run: &SeenRun<'_>,
        effective: CellTime,
        scope: &Subject,
        bound: &Bound,
    ) -> Result<String, Ruling> {
        let caused = self.books.bad_rows_at(self.now).find(|row| {
            let by_plan = row.seen > run.at && row.flaw != Flaw::Missing && !row.is_beside();
            by_plan && !row.is_promise() && row.about.contains(scope)
        });
        if let Some(row) = caused {
            let told = format!("{} was lost by {} through the plan", row.amount, row.subject);
            return Err(Ruling::fail(Word::PlanCausedALoss, told));
        }
        let flying = |row: &&BadRow| {
            row.known > self.now && row.until.is_none() && row.about.contains(scope)
        };
        if let Some(row) = self.books.rows.iter().find(flying) {
            return Err(Ruling::Waiting { until: Some(row.known) });
        }
        let Some(row) = self.open_posting(scope) else {
            return Ok("expected equals actual again".to_owned());
        };
        if self.now <= bound.deadline().max(effective.plus_ms(READER_LAG_MS)) {
            return Err(self.wait(bound));
        }
        let told = format!(
            "{} is still lost by {} after the plan said effective",
            row.amount, row.subject
        );
        Err(Ruling::fail(Word::PlanWithoutEffect, told))
    }
}
