//! What rules leave out because there is too much of it: counted, with its money, and told as blindness for as long as it goes on.
//!
//! Owns the windows of rates and the figures of what was shed. A rule's own rate counts its occurrences by the time of their
//! events, so that a backlog read at full speed sheds no more than the live stream did. A lookup's rate counts questions by the
//! clock: those above it get a later slot, and are shed only where that would be too late.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};

use super::diff::Tally;
use super::port::Ward;
use super::rules::Rule;
use super::rules::ask::Rate;
use super::rules::group::{Group, Item};
use super::{Engine, Output};

/// Shedding is over when nothing was shed for so long.
const QUIET_MS: i64 = 60_000;
/// A question that would wait longer for its slot is not asked.
const LONGEST_WAIT_MS: i64 = 60_000;
/// Questions that were shed and are asked when shedding is over; their answers bring the others.
const QUESTIONS: usize = 2;
/// Windows of event time kept of a rule: late events are counted in their own.
const WINDOWS: usize = 64;

/// What one rule shed, of its occurrences or of its questions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// What it may take.
    pub allowed: String,
    pub since: CellTime,
    pub last: CellTime,
    pub unseen: Tally,
}

/// By rule name (`id@version`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shedding {
    /// What is shed now.
    pub now: BTreeMap<String, Shed>,
    /// Occurrences by window of event time.
    windows: BTreeMap<String, BTreeMap<i64, u32>>,
    /// Questions: the window that is filled now, and how many it has.
    slots: BTreeMap<String, (CellTime, u32)>,
    /// A sweep sheds nothing: who reads for it keeps to its own pace.
    #[serde(skip)]
    pub is_off: bool,
}

impl Shedding {
    /// True where an occurrence of this time is one of those that the rule may take.
    pub fn admits(&mut self, rule: &str, rate: Rate, at: CellTime) -> bool {
        if self.is_off {
            return true;
        }
        let windows = self.windows.entry(rule.to_owned()).or_default();
        let taken = windows.entry(at.0.div_euclid(rate.per_ms)).or_default();
        let is_free = *taken < rate.count;
        *taken += u32::from(is_free);
        while windows.len() > WINDOWS {
            windows.pop_first();
        }
        is_free
    }

    /// When a question may be asked; none: too late.
    pub fn slot(&mut self, rule: &str, rate: Rate, now: CellTime) -> Option<CellTime> {
        if self.is_off {
            return Some(now);
        }
        let (start, taken) = self.slots.entry(rule.to_owned()).or_insert((now, 0));
        if now.since_ms(*start) >= rate.per_ms {
            (*start, *taken) = (now, 0);
        }
        if *taken >= rate.count {
            let next = start.plus_ms(rate.per_ms);
            if next.since_ms(now) > LONGEST_WAIT_MS {
                return None;
            }
            (*start, *taken) = (next, 0);
        }
        *taken += 1;
        Some((*start).max(now))
    }

    /// When the next shedding counts as over.
    pub fn next_due(&self) -> Option<CellTime> {
        self.now.values().map(|shed| shed.last.plus_ms(QUIET_MS)).min()
    }

    pub fn forget(&mut self, rule: &str) {
        self.windows.remove(rule);
        self.slots.remove(rule);
    }
}

impl Shed {
    fn shown(&self, id: &str) -> String {
        let (since, unseen) = (rfc3339(self.since.0), self.unseen.shown());
        format!("shedding: rule {id} takes {}; since {since} passed unseen: {unseen}", self.allowed)
    }
}

impl Tally {
    /// `3 (5.00 CNY and 1 without amount)`
    pub(super) fn shown(&self) -> String {
        let mut parts: Vec<String> = self.money.values().map(ToString::to_string).collect();
        if self.without_money > 0 {
            parts.push(format!("{} without amount", self.without_money));
        }
        match parts.is_empty() {
            true => self.count.to_string(),
            false => format!("{} ({})", self.count, parts.join(" and ")),
        }
    }
}

impl Engine {
    /// Counted, and told where a rule watches over it. `money`: what passes unseen, empty where nobody knows.
    pub(super) fn shed(&mut self, rule: &Rule, allowed: String, money: &str) {
        let now = self.now;
        let begins = || Shed { since: now, ..Shed::default() };
        let shed = self.shedding.now.entry(rule.name.clone()).or_insert_with(begins);
        (shed.allowed, shed.last) = (allowed, now);
        shed.unseen.add(money);
        let (since, why) = (shed.since, shed.shown(&rule.head.id));
        self.watches.ails(Ward::Shedding, rule.head.id.clone(), since, why);
    }

    /// True where the rule has taken enough of that time. What it knows, and what may end a finding, it takes always.
    pub(super) fn is_shed(&mut self, rule: &Rule, key: &str, item: &Item) -> bool {
        let Some(rate) = rule.rate else { return false };
        let group = self.groups.get(&rule.name).and_then(|groups| groups.get(key));
        let is_known = |known: &Item| known.is(&item.occurrence, &item.revision);
        let concerns = |group: &Group| !group.open.is_empty() || group.items.iter().any(is_known);
        if group.is_some_and(concerns) || self.shedding.admits(&rule.name, rate, item.event.at) {
            return false;
        }
        let money = rule.carried(&item.event);
        self.shed(rule, rate.to_string(), &money);
        let counts = self.counts.entry(rule.name.clone()).or_default();
        (counts.taken, counts.shed) = (counts.taken + 1, counts.shed + 1);
        true
    }

    /// Ends what is over; the questions that were shed meanwhile are asked then.
    pub(super) fn end_shedding(&mut self, outputs: &mut Vec<Output>) {
        let now = self.now;
        let is_over = |shed: &Shed| now.since_ms(shed.last) >= QUIET_MS;
        let over: Vec<String> = self
            .shedding
            .now
            .iter()
            .filter(|(_, shed)| is_over(shed))
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            let Some(shed) = self.shedding.now.remove(&name) else { continue };
            let id = name.split('@').next().unwrap_or_default();
            let goes_on = self.shedding.now.keys().any(|other| other.split('@').next() == Some(id));
            if !goes_on {
                self.recovered_with(
                    Ward::Shedding,
                    id,
                    &format!("over; {}", shed.shown(id)),
                    outputs,
                );
            }
            self.ask_again(&name, QUESTIONS, false);
        }
    }
}
