//! `alert … is raised` and `the alert puts … at risk`.

use super::Ruling;
use super::bound::Bound;
use super::case::{Case, SeenAlert};
use crate::journal::{Expectation, Word};
use crate::money::Money;
use crate::wire::Subject;

impl<'a> Case<'a> {
    /// Alerts of `rule` about `subject`, by arrival.
    fn raised(&self, rule: &str, subject: &Subject) -> Vec<&SeenAlert<'a>> {
        let asked =
            |seen: &&SeenAlert<'_>| seen.alert.rule == rule && seen.alert.subject == *subject;
        self.alerts.iter().filter(asked).collect()
    }

    pub(super) fn alert_raised(&self, rule: &str, subject: &Subject, within_ms: i64) -> Ruling {
        let bound = self.bound(subject, within_ms);
        let raised = self.raised(rule, subject);
        let Some(first) = raised.first() else {
            return self.not_raised(rule, subject, &bound);
        };
        if let Some((_, hostile)) = self.hostile
            && first.at < hostile
        {
            let early = super::span_text(hostile.since_ms(first.at));
            let told =
                format!("alert \"{rule}\" for {subject} came {early} before the hostile act");
            return Ruling::fail(Word::RaisedBeforeTheLoss, told);
        }
        if let Some(told) = self.duplicate(rule, subject) {
            return Ruling::fail(Word::Duplicate, told);
        }
        let point = &self.facts.loss_point;
        let named = &first.alert.loss_point;
        // A foreign reconciler may name none; the other rules of a point name points of their own.
        if point.rules.iter().any(|own| own == rule) && !named.is_empty() && *named != point.id {
            let told =
                format!("alert \"{rule}\" names loss point \"{named}\", not \"{}\"", point.id);
            return Ruling::fail(Word::WrongLossPoint, told);
        }
        let alert = format!("alert \"{rule}\" for {subject}");
        if !bound.origin.proved {
            // The alert is there, the bad row not yet: the origin is open.
            if self.now <= bound.extra() {
                return self.wait(&bound);
            }
            return Ruling::unproved(
                Word::NoLoss,
                format!("{alert} came, and no bad row was seen"),
            );
        }
        if first.at > bound.deadline() {
            return Ruling::fail(Word::Late, format!("{alert} was {}", bound.late(first.at)));
        }
        // A second fingerprint comes with the first or not at all: one rest tells.
        if self.now <= bound.deadline() && !self.rested_after(first.seq) {
            return self.wait(&bound);
        }
        Ruling::pass(format!("{alert} came {}", bound.told(first.at)))
    }

    fn not_raised(&self, rule: &str, subject: &Subject, bound: &Bound) -> Ruling {
        if self.now <= bound.extra() {
            return self.wait(bound);
        }
        let astray = self
            .alerts
            .iter()
            .find(|seen| seen.alert.rule == rule && !self.is_beside(seen) && !self.is_asked(seen));
        match astray {
            Some(seen) => {
                let told = format!("alert \"{rule}\" named {}, not {subject}", seen.alert.subject);
                Ruling::fail(Word::WrongSubject, told)
            }
            None => {
                let told = bound.told(self.now);
                let told = format!("no alert \"{rule}\" for {subject} until {told}, twice over");
                Ruling::fail(Word::Never, told)
            }
        }
    }

    /// A sentence names this rule and this subject.
    pub(super) fn is_asked(&self, seen: &SeenAlert<'_>) -> bool {
        self.registered().any(|(_, expectation)| match expectation {
            Expectation::AlertRaised { rule, subject, .. } => {
                *rule == seen.alert.rule && *subject == seen.alert.subject
            }
            _ => false,
        })
    }

    /// Two fingerprints for one rule and one occurrence of `subject`.
    pub(super) fn duplicate(&self, rule: &str, subject: &Subject) -> Option<String> {
        let raised = self.raised(rule, subject);
        let second = raised.iter().find_map(|one| {
            raised.iter().find(|other| {
                one.alert.occurrence == other.alert.occurrence
                    && one.alert.fingerprint < other.alert.fingerprint
            })
        })?;
        let occurrence = &second.alert.occurrence;
        Some(format!(
            "alert \"{rule}\" for {subject} came under two fingerprints \
             for occurrence \"{occurrence}\""
        ))
    }

    pub(super) fn alert_at_risk(&self, rule: &str, subject: &Subject, amount: Money) -> Ruling {
        let asked = self.registered().find_map(|(_, expectation)| match expectation {
            Expectation::AlertRaised { rule: of, subject: about, within_ms }
                if of == rule && about == subject =>
            {
                Some(*within_ms)
            }
            _ => None,
        });
        let within_ms = asked.unwrap_or(self.facts.loss_point.detect_ms);
        let raised = self.raised(rule, subject);
        if raised.is_empty() {
            return self.not_raised(rule, subject, &self.bound(subject, within_ms));
        }
        if raised.iter().any(|seen| seen.alert.at_risk == Some(amount)) {
            return Ruling::pass(format!("alert \"{rule}\" puts {amount} at risk"));
        }
        let said = raised.iter().find_map(|seen| seen.alert.at_risk);
        let said = said.map_or("no amount".to_owned(), |said| said.to_string());
        let told = format!("alert \"{rule}\" for {subject} puts {said} at risk, not {amount}");
        Ruling::fail(Word::WrongAmount, told)
    }
}
