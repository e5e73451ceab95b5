//! `no other alert is raised`, and `no alert is raised` with the proof that silence was not
//! deafness.

use std::collections::BTreeSet;

use super::Ruling;
use super::bound::{Bound, Origin};
use super::case::{Case, SeenAlert};
use super::span_text;
use crate::clock::CellTime;
use crate::journal::{Books, Event, History, Owner, Phase, Role, Word};
use crate::wire::{Alert, Judgement, Subject};

/// Is the control's own part over: settled past its last write and judged matched, the canary not
/// begun?
pub fn canary_due(history: &History, books: &Books, now: CellTime) -> bool {
    let Some(case) = Case::of(history, books, now) else { return false };
    case.facts.control
        && case.canary.is_none()
        && case.settled()
        && case.unmatched().is_none()
        && case.flying().is_none()
}

impl<'a> Case<'a> {
    pub(super) fn no_other_alert(&self) -> Ruling {
        let point = &self.facts.loss_point;
        let allowed = |seen: &SeenAlert<'_>| {
            let rule = &seen.alert.rule;
            point.rules.contains(rule) || point.with.contains(rule) || self.is_declared(seen)
        };
        let other = |seen: &&SeenAlert<'_>| {
            !self.is_beside(seen) && (!allowed(seen) || self.is_false_alarm(seen))
        };
        if let Some(seen) = self.alerts.iter().find(other) {
            return self.unexpected(seen);
        }
        if let Some(waiting) = self.others_waiting() {
            return waiting;
        }
        let nothing = Subject::new("", "");
        let silent = point.with.iter().find(|rule| {
            !self.alerts.iter().any(|seen| seen.alert.rule == **rule && !self.is_beside(seen))
        });
        if let Some(rule) = silent {
            let bound = self.bound(&nothing, point.detect_ms);
            if self.now <= bound.deadline() {
                return self.wait(&bound);
            }
            let told = format!("rule \"{rule}\" is listed under `with:` and never fired");
            return Ruling::fail(Word::Never, told);
        }
        // One window of detection past the last bad row, or everything settled: an alert would have
        // come.
        let bound = self.bound(&nothing, point.contain_ms);
        let settled = self.last_write().is_none_or(|(seq, _)| self.settled_past(seq, u64::MAX));
        if self.now <= bound.deadline() && !settled {
            return self.wait(&bound);
        }
        Ruling::pass(format!("{} alerts, none of them another", self.alerts.len()))
    }

    /// About money that some act moved as it was meant: a rule of the attack's own does not excuse it. What no act
    /// names (a source, a batch) has no books to be held against.
    fn is_false_alarm(&self, seen: &SeenAlert<'_>) -> bool {
        let about = &seen.alert.subject;
        self.cast.owner(about) == Owner::Scenario && !self.is_asked(seen) && !self.is_harmed(about)
    }

    fn unexpected(&self, seen: &SeenAlert<'_>) -> Ruling {
        let alert = seen.alert;
        let told =
            format!("alert \"{}\" for {} at {}", alert.rule, alert.subject, self.ago(seen.at));
        Ruling::fail(Word::UnexpectedAlert, told)
    }

    pub(super) fn no_alert(&self) -> Ruling {
        // Who was blind owes that word in a twin too, where being blind is not itself what is at stake. It is about
        // a source or a part: what an act names is money, which is well.
        let is_owed = |seen: &SeenAlert<'_>| {
            self.is_declared(seen)
                && !self.facts.loss_point.rules.contains(&seen.alert.rule)
                && self.cast.owner(&seen.alert.subject) == Owner::Nobody
        };
        let cries = |seen: &&SeenAlert<'_>| !self.is_beside(seen) && !is_owed(seen);
        if let Some(seen) = self.alerts.iter().find(cries) {
            return self.unexpected(seen);
        }
        if let Some(run) = self.runs.first() {
            let told = format!("plan \"{}\" ran without an alert", run.last().plan);
            return Ruling::fail(Word::PlanWithoutCause, told);
        }
        let last = self.last_write().map_or(self.start(), |(_, at)| at);
        let origin = Origin { at: last, what: "the last write".into(), proved: true };
        let bound = Bound::new(origin, self.facts.loss_point.contain_ms);
        if !self.settled() {
            return self.unproved_past(&bound, || {
                "the reconciler never settled past the control's last write".to_owned()
            });
        }
        if let Some(told) = self.unmatched() {
            return self.unproved_past(&bound, || told);
        }
        if let Some(known) = self.flying() {
            return Ruling::Waiting { until: Some(known) };
        }
        self.canary_raised(&bound)
    }

    /// When a row of the control that is still in flight counts as missing: the twin is not over
    /// before.
    pub(super) fn flying(&self) -> Option<CellTime> {
        let rows = self.books.rows.iter().filter(|row| !row.is_beside());
        rows.map(|row| row.known).filter(|known| *known > self.now).min()
    }

    /// Silence unproved once the bound is past.
    fn unproved_past(&self, bound: &Bound, told: impl FnOnce() -> String) -> Ruling {
        if self.now <= bound.deadline() {
            return self.wait(bound);
        }
        Ruling::fail(Word::SilenceUnproved, told())
    }

    /// Settled past the control's last write, at a rest before the canary. Not asked of a system
    /// under test without a watermark.
    pub(super) fn settled(&self) -> bool {
        if !self.facts.watermark {
            return true;
        }
        let before = self.canary.map_or(u64::MAX, |(begin, _)| begin);
        self.last_write().is_none_or(|(seq, _)| self.settled_past(seq, before))
    }

    /// The rule that never judged a subject of the control matched.
    pub(super) fn unmatched(&self) -> Option<String> {
        let point = &self.facts.loss_point;
        let subjects: BTreeSet<&Subject> = self.cast.touched_by(Role::Scripted).collect();
        if !self.facts.judged || point.watcher || subjects.is_empty() {
            return None;
        }
        let matched = |rule: &String| {
            self.entries().any(|(_, entry)| match &entry.event {
                Event::Judged { judged } => {
                    judged.rule == *rule
                        && judged.judgement == Judgement::Matched
                        && subjects.contains(&judged.subject)
                }
                _ => false,
            })
        };
        let silent = point.rules.iter().find(|rule| !matched(rule))?;
        Some(format!("rule \"{silent}\" never judged the control's subject matched"))
    }

    /// The canary's own alert, in the same cell and processes.
    fn canary_raised(&self, silence: &Bound) -> Ruling {
        let Some((begin, _)) = self.canary else {
            return self.unproved_past(silence, || "the canary was never done".to_owned());
        };
        let point = &self.facts.loss_point;
        // Some alerts come with the strike, before anybody could see it bite.
        let (struck, bite) = (self.canary_strike(), self.canary_bite());
        let expected = self.canary_expects();
        let is_expected = |alert: &Alert| match expected.is_empty() {
            // The attack names no alert of its own.
            true => {
                point.rules.contains(&alert.rule)
                    && (point.watcher || self.cast.owner(&alert.subject) == Owner::Canary)
            }
            false => expected.contains(&(&alert.rule, &alert.subject)),
        };
        let bad = self.books.bad_rows_at(self.now).find(|row| row.owner == Owner::Canary);
        let cause = if point.watcher { bite } else { bad.map(|row| row.seen) };
        let last = self.entries().filter(|(_, entry)| is_canary_deed(entry)).last();
        let (at, proved) = match (cause, last) {
            (Some(at), _) => (at, true),
            (None, Some((at, _))) => (at.plus_ms(point.grace_ms), false),
            (None, None) => (self.now, false),
        };
        let bound = Bound::new(Origin { at, what: "the canary".into(), proved }, point.detect_ms);
        let raised = self.alerts.iter().find(|seen| {
            let is_its = !point.watcher || bite.is_some() && struck.is_some_and(|s| seen.seq > s);
            let in_time = !proved || seen.at <= bound.deadline();
            seen.seq > begin && is_its && in_time && is_expected(seen.alert)
        });
        if let Some(seen) = raised {
            let told =
                format!("silent and settled; the canary's alert came for {}", seen.alert.subject);
            return Ruling::pass(told);
        }
        if self.now <= bound.deadline() {
            return self.wait(&bound);
        }
        if !proved {
            let word = if point.watcher { Word::FaultDidNotBite } else { Word::NoLoss };
            return Ruling::unproved(word, "the canary did no harm, so its silence proves nothing");
        }
        let within = span_text(point.detect_ms);
        Ruling::fail(Word::SilenceUnproved, format!("the canary raised no alert within {within}"))
    }

    /// The alerts, by rule and subject, that the canary's attack says are raised.
    fn canary_expects(&self) -> Vec<(&'a String, &'a Subject)> {
        let expects = self.entries().filter_map(|(_, entry)| match &entry.event {
            Event::CanaryExpects { rule, subject } => Some((rule, subject)),
            _ => None,
        });
        expects.collect()
    }

    /// Where the canary's first fault was ordered.
    fn canary_strike(&self) -> Option<u64> {
        let mut own = self.entries().filter(|(_, entry)| entry.phase == Phase::Canary);
        let strikes =
            |event: &Event| matches!(event, Event::FaultIntent { .. } | Event::FaultBites { .. });
        own.find(|(_, entry)| strikes(&entry.event)).map(|(_, entry)| entry.seq)
    }

    fn canary_bite(&self) -> Option<CellTime> {
        let bites = self.entries().filter(|(_, entry)| entry.phase == Phase::Canary);
        let mut bites = bites.filter(|(_, entry)| matches!(entry.event, Event::FaultBites { .. }));
        bites.next().map(|(at, _)| at)
    }
}

fn is_canary_deed(entry: &crate::journal::Entry) -> bool {
    let deed = matches!(
        entry.event,
        Event::Intent { .. } | Event::Done { .. } | Event::FaultIntent { .. }
    );
    deed && entry.phase == Phase::Canary
        || matches!(entry.event, Event::Intent { role: Role::Canary, .. })
}
