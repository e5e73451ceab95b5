//! Lookups without an answer: whose place is told as down, and when what is *Unknown* for it is asked again.
//!
//! Owns the failures by rule. What got no answer is Unknown, never consistent; it waits. One item of each rule is asked again after a
//! pause that doubles, and all of them once somebody answers. Not kept over a restart: how long a pause was.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::{CellTime, rfc3339};

use super::diff::Tally;
use super::lookups::{Asked, Lookups};
use super::port::Ward;
use super::rules::Rule;
use super::rules::group::{Group, Reference};
use super::schedule::Address;
use super::{Engine, Output};

/// Questions of a rule in a row without an answer after which its place counts as down: fewer are a blip.
const FAILURES: u32 = 3;
/// Pause before one of those that wait is asked again; doubled each time, up to the second.
const PROBE_MS: i64 = 60_000;
const LONGEST_PROBE_MS: i64 = 3_600_000;

/// The failures of one rule's questions.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// In a row.
    failures: u32,
    since: Option<CellTime>,
    last: String,
    /// With the money that each carries; empty where nobody knows.
    waiting: BTreeMap<Asked, String>,
    unseen: Tally,
    pub(super) probe_at: Option<CellTime>,
    pause_ms: i64,
}

impl Lookups {
    /// `asked` waits until somebody answers.
    pub fn wait(&mut self, asked: Asked, money: String, now: CellTime) {
        let name = asked.address.rule.clone();
        let trouble = self.troubles.entry(name.clone()).or_default();
        if trouble.waiting.insert(asked, money.clone()).is_none() {
            trouble.unseen.add(&money);
            self.counts.entry(name).or_default().waiting += 1;
        }
        if trouble.probe_at.is_none() {
            trouble.pause_ms = trouble.pause_ms.max(PROBE_MS);
            trouble.probe_at = Some(now.plus_ms(trouble.pause_ms));
        }
    }
}

impl Engine {
    /// All that wait are asked again, and the place is well unless another rule gets no answer there.
    pub(super) fn answered(&mut self, rule: &str, outputs: &mut Vec<Output>) {
        let Some(trouble) = self.lookups.troubles.get_mut(rule) else { return };
        (trouble.failures, trouble.since, trouble.pause_ms) = (0, None, 0);
        self.ask_again(rule, usize::MAX);
        let rules = Arc::clone(&self.rules);
        let Some(place) = rules.named(rule).and_then(place_of) else { return };
        let is_down = self.failing(&place).next().is_some();
        let known = self.lookups.down.iter().position(|down| *down == place);
        if let Some(number) = known.filter(|_| !is_down) {
            self.lookups.down.remove(number);
            self.recovered_with(Ward::Lookup, &place, "it answers again", outputs);
        }
    }

    pub(super) fn unanswered(&mut self, rule: &str, why: &str) {
        let now = self.now;
        let trouble = self.lookups.troubles.entry(rule.to_owned()).or_default();
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.since.get_or_insert(now);
        trouble.last = why.to_owned();
        self.lookups.counts.entry(rule.to_owned()).or_default().failed += 1;
        let rules = Arc::clone(&self.rules);
        let Some(place) = rules.named(rule).and_then(place_of) else { return };
        let failing: Vec<(&str, &Trouble)> = self.failing(&place).collect();
        let Some(since) = failing.iter().filter_map(|(_, trouble)| trouble.since).min() else {
            return;
        };
        let each = |(id, trouble): &(&str, &Trouble)| format!("{id} {}", trouble.unseen.shown());
        let unseen: Vec<String> = failing.iter().map(each).collect();
        let told = format!(
            "lookup down: `{place}` gives no answer since {}; Unknown, and passed unseen, of rules: {}; the last: {why}",
            rfc3339(since.0),
            unseen.join(", ")
        );
        if !self.lookups.down.contains(&place) {
            self.lookups.down.push(place.clone());
        }
        self.watches.ails(Ward::Lookup, place, since, told);
    }

    /// The rules that get no answer from a place.
    fn failing<'e>(&'e self, place: &'e str) -> impl Iterator<Item = (&'e str, &'e Trouble)> {
        let troubles = self.lookups.troubles.iter();
        troubles.filter(|(_, trouble)| trouble.failures >= FAILURES).filter_map(
            move |(name, trouble)| {
                let rule = self.rules.named(name)?;
                (place_of(rule).as_deref() == Some(place)).then_some((&*rule.head.id, trouble))
            },
        )
    }

    /// Places that some rule gets no answer from.
    pub(super) fn places_without_answer(&self) -> Vec<String> {
        let places = self.rules.rules().iter().filter_map(|rule| place_of(rule));
        let mut down: Vec<String> = places.filter(|p| self.failing(p).next().is_some()).collect();
        down.sort();
        down.dedup();
        down
    }

    /// At most so many of those that wait.
    pub(super) fn ask_again(&mut self, rule: &str, at_most: usize) {
        let now = self.now;
        let Some(trouble) = self.lookups.troubles.get_mut(rule) else { return };
        let chosen: Vec<Asked> = trouble.waiting.keys().take(at_most).cloned().collect();
        for asked in chosen {
            let money = trouble.waiting.remove(&asked).unwrap_or_default();
            trouble.unseen.take(&money);
            let counts = self.lookups.counts.entry(rule.to_owned()).or_default();
            counts.waiting = counts.waiting.saturating_sub(1);
            let groups = self.groups.get_mut(rule);
            let group = groups.and_then(|groups| groups.get_mut(&asked.address.key));
            for item in group.into_iter().flat_map(|group| group.items.iter_mut()) {
                let is_away = matches!(item.reference, Reference::Away(_));
                if is_away && item.is(&asked.occurrence, &asked.revision) {
                    item.reference = Reference::Due { at: now, attempt: 1, admitted: false };
                }
            }
            self.changed.insert(asked.address.clone());
            self.schedule.touch(asked.address);
        }
        if trouble.waiting.is_empty() {
            trouble.probe_at = None;
        }
    }

    /// What waited before a restart waits on.
    pub(super) fn wait_again(&mut self, address: &Address, group: &Group) {
        let rules = Arc::clone(&self.rules);
        let Some(rule) = rules.named(&address.rule) else { return };
        for item in group.items.iter().filter(|item| matches!(item.reference, Reference::Away(_))) {
            let (occurrence, revision) = (item.occurrence.clone(), item.revision.clone());
            let asked = Asked { address: address.clone(), occurrence, revision };
            self.lookups.wait(asked, rule.carried(&item.event), self.now);
        }
    }

    /// One of each rule's waiting items, when its pause is over.
    pub(super) fn probe(&mut self) {
        let now = self.now;
        let troubles = self.lookups.troubles.iter_mut();
        let due = troubles.filter(|(_, trouble)| trouble.probe_at.is_some_and(|at| at <= now));
        let mut names = Vec::new();
        for (name, trouble) in due {
            trouble.pause_ms = (2 * trouble.pause_ms).min(LONGEST_PROBE_MS);
            trouble.probe_at = Some(now.plus_ms(trouble.pause_ms));
            names.push(name.clone());
        }
        names.iter().for_each(|name| self.ask_again(name, 1));
    }
}

pub(super) fn place_of(rule: &Rule) -> Option<String> {
    rule.lookup.as_ref().map(|lookup| lookup.ask.place())
}
