//! Storms: more than so many new alerts of one rule within a while become one alert with count and money.
//!
//! Owns when a storm begins and ends. The first ones were told by themselves; what comes above the limit, and what was not told yet
//! when it began, is told by the storm alone. It ends when none of its alerts fires any more and no more come than the limit.
//! Not covered: what a silence kept back is no part of a storm, not even when the silence ends and all of it is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, Router};
use crate::clock::{CellTime, rfc3339};
use crate::dcheck::alerts::policy::StormLimit;
use crate::dcheck::alerts::webhook::{digest, fingerprint, webhook_alert};
use crate::money::{Currency, Money};
use crate::wire::{Alert, AlertState, Subject};

/// Kind of the subject that a storm's alert names; the subject is the rule.
pub const KIND: &str = "storm";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Storm {
    since: CellTime,
    loss_point: String,
    severity: String,
    /// Alerts that were told by it, those that ended included.
    seen: u64,
    told_at: Option<CellTime>,
    pub next: Option<CellTime>,
}

/// What a storm holds now.
#[derive(Default)]
struct Sum {
    open: u64,
    at_risk: BTreeMap<Currency, Option<Money>>,
}

impl Router {
    /// Counts a new alert; above the limit it becomes part of a storm.
    pub(super) fn count(&mut self, rule: &str, print: &str, now: CellTime) {
        let Some(limit) = self.policy.storm else { return };
        let muted = self.entries.get(print).is_none_or(|entry| self.is_muted(print, entry, now));
        if muted {
            return;
        }
        let recent = self.recent.entry(rule.to_owned()).or_default();
        recent.push_back(now);
        if recent.len() > limit.more_than + 1 {
            recent.pop_front();
        }
        if !self.rages(rule, now) {
            return;
        }
        if self.storms.contains_key(rule) {
            self.absorb(rule, print);
        } else {
            self.begin(rule, print, now);
        }
    }

    /// More came lately than the limit.
    fn rages(&self, rule: &str, now: CellTime) -> bool {
        let Some(limit) = self.policy.storm else { return false };
        let recent = self.recent.get(rule).into_iter().flatten();
        recent.filter(|at| now.since_ms(**at) < limit.within_ms).count() > limit.more_than
    }

    fn begin(&mut self, rule: &str, print: &str, now: CellTime) {
        let label =
            |name: &str| self.entries[print].alert.labels.get(name).cloned().unwrap_or_default();
        let storm = Storm {
            since: now,
            loss_point: label("loss_point"),
            severity: label("severity"),
            seen: 0,
            told_at: None,
            next: None,
        };
        self.storms.insert(rule.to_owned(), storm);
        let is_untold = |print: &str, entry: &Entry| {
            let waits = entry.fresh && !entry.told && !entry.stormed && !entry.blind;
            waits && entry.fires() && entry.rule() == rule && !self.is_muted(print, entry, now)
        };
        let untold: Vec<String> = self
            .entries
            .iter()
            .filter(|(print, entry)| is_untold(print, entry))
            .map(|(print, _)| print.clone())
            .collect();
        untold.iter().for_each(|print| self.absorb(rule, print));
    }

    fn absorb(&mut self, rule: &str, print: &str) {
        if let (Some(entry), Some(storm)) = (self.entries.get_mut(print), self.storms.get_mut(rule))
        {
            entry.stormed = true;
            storm.seen += 1;
            self.changed.insert(format!("alert/{print}"));
            self.changed.insert(format!("storm/{rule}"));
        }
    }

    /// An alert of a storm came or ended: the storm speaks when it may.
    pub(super) fn in_storm(&mut self, rule: &str, print: &str, now: CellTime) {
        if self.entries.get(print).is_some_and(|entry| !entry.fires()) {
            self.forget(print);
        }
        let update_ms = self.policy.storm.map_or(0, |limit| limit.update_ms);
        let told_at = self.storms.get(rule).and_then(|storm| storm.told_at);
        let at = told_at.map_or(now, |told_at| told_at.plus_ms(update_ms).max(now));
        self.set_storm_next(rule, Some(at));
    }

    pub(super) fn set_storm_next(&mut self, rule: &str, next: Option<CellTime>) {
        let Some(storm) = self.storms.get_mut(rule) else { return };
        let row = format!("storm/{rule}");
        if let Some(was) = storm.next {
            self.timers.remove(&(was, row.clone()));
        }
        storm.next = next;
        if let Some(at) = next {
            self.timers.insert((at, row.clone()));
        }
        self.changed.insert(row);
    }

    /// The storm's instant has come: its alert is brought up to date, or ended.
    pub(super) fn tell_storm(&mut self, rule: &str, now: CellTime) {
        self.set_storm_next(rule, None);
        let (Some(storm), Some(limit)) = (self.storms.get(rule).cloned(), self.policy.storm) else {
            return;
        };
        let sum = self.sum(rule);
        if sum.open == 0 && self.rages(rule, now) {
            // More may come: looked at again when the last of these is old.
            self.set_storm_next(rule, Some(now.plus_ms(limit.within_ms)));
        }
        let is_over = sum.open == 0 && !self.rages(rule, now);
        self.bring_up(rule, &storm, &sum, limit, is_over, now);
        if is_over {
            self.storms.remove(rule);
            self.changed.insert(format!("storm/{rule}"));
        } else if let Some(storm) = self.storms.get_mut(rule) {
            storm.told_at = Some(now);
        }
    }

    fn bring_up(
        &mut self,
        rule: &str,
        storm: &Storm,
        sum: &Sum,
        limit: StormLimit,
        is_over: bool,
        now: CellTime,
    ) {
        let alert = alert(rule, storm, sum, limit, is_over);
        let print = alert.fingerprint.clone();
        let totals: Vec<String> = alert.at_risk.iter().map(Money::to_string).collect();
        let told_as = digest(&[&alert.actual, &totals.concat()]);
        let mut told = webhook_alert(&alert, is_over.then_some(now));
        told.annotations.insert("count".to_owned(), storm.seen.to_string());
        let entry = Entry {
            alert: told,
            revision: format!("{}-{}-{told_as}", storm.seen, sum.open),
            blind: false,
            fresh: true,
            told: self.entries.get(&print).is_some_and(|known| known.told),
            stormed: false,
        };
        self.put(&print, entry);
        self.schedule(&print, now);
    }

    fn sum(&self, rule: &str) -> Sum {
        let mut sum = Sum::default();
        let members = self.entries.values().filter(|entry| entry.stormed && entry.rule() == rule);
        for entry in members {
            sum.open += 1;
            let at_risk = entry.alert.annotations.get("at_risk");
            let Some(money) = at_risk.and_then(|text| text.parse::<Money>().ok()) else { continue };
            let known = sum.at_risk.entry(money.currency);
            let total = known.or_insert_with(|| Some(Money::zero(money.currency)));
            *total = total.and_then(|total| total.checked_add(money).ok());
        }
        sum
    }

    /// The configuration knows no storms any more: what they told is told by itself.
    pub(super) fn end_all_storms(&mut self, now: CellTime) {
        let limit = StormLimit { more_than: 0, within_ms: 0, update_ms: 0 };
        for (rule, storm) in self.storms.clone() {
            let members: Vec<String> = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.stormed && entry.rule() == rule)
                .map(|(print, _)| print.clone())
                .collect();
            for print in members {
                self.entries.get_mut(&print).expect("invariant: just seen").stormed = false;
                self.changed.insert(format!("alert/{print}"));
                self.schedule(&print, now);
            }
            self.set_storm_next(&rule, None);
            self.bring_up(&rule, &storm, &Sum::default(), limit, true, now);
            self.storms.remove(&rule);
        }
    }
}

fn alert(rule: &str, storm: &Storm, sum: &Sum, limit: StormLimit, is_over: bool) -> Alert {
    let subject = Subject::new(KIND, rule);
    let since = rfc3339(storm.since.0);
    let occurrence = format!("{rule}@{since}");
    let totals: Vec<String> = sum
        .at_risk
        .iter()
        .map(|(currency, total)| match total {
            Some(total) => total.to_string(),
            None => format!("more {currency} than can be told"),
        })
        .collect();
    let single = sum.at_risk.values().next().copied().flatten();
    let mut actual = format!("{} since {since}, {} of them open", storm.seen, sum.open);
    if sum.at_risk.len() > 1 {
        actual = format!("{actual}, {} at risk", totals.join(" and "));
    }
    Alert {
        fingerprint: fingerprint(rule, &subject, &occurrence),
        rule: rule.to_owned(),
        loss_point: storm.loss_point.clone(),
        subject,
        occurrence,
        severity: storm.severity.clone(),
        at_risk: single.filter(|_| sum.at_risk.len() == 1),
        expected: format!("at most {} new alerts in {} s", limit.more_than, limit.within_ms / 1000),
        actual,
        position: String::new(),
        starts_at: since,
        state: if is_over { AlertState::Resolved } else { AlertState::Firing },
    }
}
