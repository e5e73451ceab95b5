//! Lookups without an answer: whose place is told as down, and when what is *Unknown* for it is asked again.
//!
//! Owns the failures by rule. What got no answer is Unknown, never consistent; it waits. One item of each rule is asked again after a
//! pause that doubles, another each time; once somebody answers a few are, then twice as many, never more than [`BATCH`] at
//! once. A place is down when three of a rule's last eight questions failed, so that one which answers every second time is told
//! too. An item that stays without an answer while others get theirs is its own fault, and is given up; so is what the place says it
//! does not know. Not kept over a restart: how long a pause was, and which items were in doubt.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::clock::{CellTime, rfc3339};

use super::diff::Tally;
use super::lookups::{Asked, Lookups};
use super::port::Ward;
use super::rules::Rule;
use super::rules::group::{Group, Reference};
use super::schedule::Address;
use super::{Engine, Output};

/// Of a rule's last eight questions so many without an answer, and its place counts as down: fewer are a blip.
const FAILURES: u32 = 3;
/// Answers in a row after which a place is well, though items still wait.
const ANSWERS: u32 = 8;
/// Keys in a row that the place says it does not know: so many are no longer the keys' fault.
const UNKNOWN_KEYS: u32 = 8;
/// Pause before one of those that wait is asked again; doubled each time, up to the second.
const PROBE_MS: i64 = 60_000;
const LONGEST_PROBE_MS: i64 = 3_600_000;
/// Of those that waited, asked at once: a place that has just come back is not run down.
const BATCH: usize = 64;
/// Times that an item is asked in vain while others get answers, before it is given up.
const VAIN: u8 = 3;
/// Items of one rule that wait; a later one is given up, and that is told.
const WAITING: usize = 10_000;

/// An item that waits, or was asked again.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// What it carries; empty where nobody knows.
    money: String,
    /// Asked in vain while others got answers.
    vain: u8,
    /// Asked again because somebody else got an answer.
    on_success: bool,
}

/// The failures of one rule's questions.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// The last eight questions, one bit each: 1 is no answer.
    history: u8,
    since: Option<CellTime>,
    last: String,
    /// Answers in a row.
    answers: u32,
    unknown_keys: u32,
    /// In a row, of those that were asked because others got answers.
    suspects: u32,
    waiting: BTreeMap<Asked, Waiting>,
    /// Asked again, and not answered yet.
    again: BTreeMap<Asked, Waiting>,
    /// How many may be out again at once.
    batch: usize,
    /// The item asked last.
    last_asked: Option<Asked>,
    given_up: u64,
    unseen: Tally,
    pub(super) probe_at: Option<CellTime>,
    pause_ms: i64,
}

impl Trouble {
    fn is_down(&self) -> bool {
        self.history.count_ones() >= FAILURES
    }

    fn told(&self, rule: &str) -> String {
        match self.given_up {
            0 => format!("{rule} {}", self.unseen.shown()),
            more => format!(
                "{rule} {}, {more} of them above {WAITING} and not asked again",
                self.unseen.shown()
            ),
        }
    }

    /// The next after the one asked last, round and round.
    fn next(&mut self) -> Option<(Asked, Waiting)> {
        let after = self.last_asked.take();
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut ahead = self.waiting.range::<Asked, _>((from, Bound::Unbounded));
        let (asked, _) = ahead.next().or_else(|| self.waiting.iter().next())?;
        let asked = asked.clone();
        self.last_asked = Some(asked.clone());
        let waiting = self.waiting.remove(&asked)?;
        Some((asked, waiting))
    }
}

impl Lookups {
    /// `asked` waits until somebody answers; false where too many do.
    #[must_use]
    pub fn wait(&mut self, asked: Asked, money: String, now: CellTime) -> bool {
        let name = asked.address.rule.clone();
        let trouble = self.troubles.entry(name.clone()).or_default();
        let before = trouble.again.remove(&asked);
        if trouble.probe_at.is_none() {
            trouble.pause_ms = trouble.pause_ms.max(PROBE_MS);
            trouble.probe_at = Some(now.plus_ms(trouble.pause_ms));
        }
        if trouble.waiting.contains_key(&asked) {
            return true;
        }
        trouble.unseen.add(&money);
        if trouble.waiting.len() >= WAITING {
            trouble.given_up += 1;
            self.counts.entry(name).or_default().given_up += 1;
            return false;
        }
        let vain = before.map_or(0, |before| before.vain);
        trouble.waiting.insert(asked, Waiting { money, vain, on_success: false });
        self.counts.entry(name).or_default().waiting += 1;
        true
    }

    /// Nobody remembers what these items were.
    pub fn forget(&mut self, address: &Address) {
        let Some(trouble) = self.troubles.get_mut(&address.rule) else { return };
        let of_group = |asked: &Asked| asked.address == *address;
        let first = Asked { address: address.clone(), ..Asked::default() };
        let gone = trouble.waiting.range(first..).map(|(asked, _)| asked);
        let gone: Vec<Asked> = gone.take_while(|asked| of_group(asked)).cloned().collect();
        gone.iter().for_each(|asked| drop(trouble.waiting.remove(asked)));
        trouble.again.retain(|asked, _| !of_group(asked));
        let counts = self.counts.entry(address.rule.clone()).or_default();
        counts.waiting = counts.waiting.saturating_sub(gone.len() as u64);
    }

    /// No answer to `asked`, which has no attempt left: true where that is its own fault, for others get theirs.
    pub(super) fn is_in_vain(&mut self, asked: &Asked) -> bool {
        let trouble = self.troubles.get_mut(&asked.address.rule);
        let trouble = trouble.filter(|trouble| trouble.suspects <= FAILURES);
        let again = trouble.and_then(|trouble| trouble.again.get_mut(asked));
        let Some(again) = again.filter(|again| again.on_success) else { return false };
        again.vain += 1;
        again.vain >= VAIN
    }
}

impl Lookups {
    /// True where no answer to `asked` says nothing of the place: it failed before, while others get answers.
    pub(super) fn is_suspect(&mut self, rule: &str, asked: &[Asked]) -> bool {
        let Some(trouble) = self.troubles.get_mut(rule) else { return false };
        let mut own = asked.iter().filter(|asked| asked.address.rule == rule);
        if !own.all(|asked| trouble.again.get(asked).is_some_and(|again| again.on_success)) {
            return false;
        }
        trouble.suspects = trouble.suspects.saturating_add(1);
        trouble.suspects <= FAILURES
    }

    /// `asked` has its last word.
    pub(super) fn settled(&mut self, asked: &Asked) {
        let trouble = self.troubles.get_mut(&asked.address.rule);
        trouble.and_then(|trouble| trouble.again.remove(asked));
    }
}

impl Engine {
    /// Some of those that wait are asked again, and the place is well unless another rule gets no answer there.
    pub(super) fn answered(&mut self, rule: &str, asked: &[Asked], outputs: &mut Vec<Output>) {
        let rules = Arc::clone(&self.rules);
        if let Some(trouble) = self.lookups.troubles.get_mut(rule) {
            let mut is_fresh = false;
            for asked in asked.iter().filter(|asked| asked.address.rule == rule) {
                let again = trouble.again.remove(asked);
                is_fresh |= again.is_none_or(|again| !again.on_success);
            }
            // Those that had failed before say nothing new of how often a question fails.
            trouble.history <<= u8::from(is_fresh);
            trouble.answers = trouble.answers.saturating_add(1);
            (trouble.unknown_keys, trouble.suspects) = (0, 0);
            trouble.batch = (2 * trouble.batch).clamp(2, BATCH);
            trouble.pause_ms = PROBE_MS;
            trouble.probe_at = trouble.probe_at.map(|_| self.now.plus_ms(PROBE_MS));
            let is_idle = trouble.waiting.is_empty() && trouble.again.is_empty();
            if is_idle || trouble.answers >= ANSWERS {
                (trouble.history, trouble.since, trouble.given_up) = (0, None, 0);
                trouble.unseen = Tally::default();
                trouble.waiting.values().for_each(|waiting| trouble.unseen.add(&waiting.money));
            }
            self.ask_more(rule);
        }
        let Some(place) = rules.named(rule).and_then(place_of) else { return };
        let is_down = self.failing(&place).next().is_some();
        let known = self.lookups.down.iter().position(|down| *down == place);
        if let Some(number) = known.filter(|_| !is_down) {
            self.lookups.down.remove(number);
            self.recovered_with(Ward::Lookup, &place, "it answers again", outputs);
        }
    }

    /// As many as may be out, and as the rule's rate allows.
    fn ask_more(&mut self, rule: &str) {
        let rules = Arc::clone(&self.rules);
        let lookup = rules.named(rule).and_then(|rule| rule.lookup.as_ref());
        let rate = lookup.and_then(|lookup| lookup.rate).map_or(BATCH, |rate| rate.count as usize);
        let Some(trouble) = self.lookups.troubles.get(rule) else { return };
        let free = trouble.batch.min(rate).saturating_sub(trouble.again.len());
        self.ask_again(rule, free, true);
    }

    /// The place answered that it does not know a key, or the key cannot be asked for.
    pub(super) fn unknown_key(&mut self, rule: &str, why: &str) {
        let trouble = self.lookups.troubles.entry(rule.to_owned()).or_default();
        trouble.unknown_keys = trouble.unknown_keys.saturating_add(1);
        if trouble.unknown_keys >= UNKNOWN_KEYS {
            let why = format!("{UNKNOWN_KEYS} keys in a row; {why}");
            self.failed(rule, &why);
        }
    }

    /// The place gave no answer.
    pub(super) fn failed(&mut self, rule: &str, why: &str) {
        let now = self.now;
        let trouble = self.lookups.troubles.entry(rule.to_owned()).or_default();
        trouble.history = trouble.history << 1 | 1;
        (trouble.answers, trouble.batch) = (0, 0);
        trouble.since.get_or_insert(now);
        trouble.last = why.to_owned();
        let rules = Arc::clone(&self.rules);
        let Some(place) = rules.named(rule).and_then(place_of) else { return };
        let failing: Vec<(&str, &Trouble)> = self.failing(&place).collect();
        let Some(since) = failing.iter().filter_map(|(_, trouble)| trouble.since).min() else {
            return;
        };
        let unseen: Vec<String> = failing.iter().map(|(id, trouble)| trouble.told(id)).collect();
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
        troubles.filter(|(_, trouble)| trouble.is_down()).filter_map(move |(name, trouble)| {
            let rule = self.rules.named(name)?;
            (place_of(rule).as_deref() == Some(place)).then_some((&*rule.head.id, trouble))
        })
    }

    /// Places that some rule gets no answer from.
    pub(super) fn places_without_answer(&self) -> Vec<String> {
        let places = self.rules.rules().iter().filter_map(|rule| place_of(rule));
        let mut down: Vec<String> = places.filter(|p| self.failing(p).next().is_some()).collect();
        down.sort();
        down.dedup();
        down
    }

    /// At most so many of those that wait; `on_success`: because somebody else got an answer.
    pub(super) fn ask_again(&mut self, rule: &str, at_most: usize, on_success: bool) {
        let now = self.now;
        let Some(trouble) = self.lookups.troubles.get_mut(rule) else { return };
        for _ in 0..at_most {
            let Some((asked, waiting)) = trouble.next() else { break };
            trouble.unseen.take(&waiting.money);
            let counts = self.lookups.counts.entry(rule.to_owned()).or_default();
            counts.waiting = counts.waiting.saturating_sub(1);
            let groups = self.groups.get_mut(rule);
            let group = groups.and_then(|groups| groups.get_mut(&asked.address.key));
            let mut is_there = false;
            for item in group.into_iter().flat_map(|group| group.items.iter_mut()) {
                let is_away = matches!(item.reference, Reference::Away(_));
                if is_away && item.is(&asked.occurrence, &asked.revision) {
                    item.reference = Reference::Due { at: now, attempt: 1, admitted: false };
                    is_there = true;
                }
            }
            if is_there {
                trouble.again.insert(asked.clone(), Waiting { on_success, ..waiting });
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
            // No more than waited before.
            let _ = self.lookups.wait(asked, rule.carried(&item.event), self.now);
        }
    }

    /// One of each rule's waiting items, another each time, when its pause is over.
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
        names.iter().for_each(|name| self.ask_again(name, 1, false));
    }
}

pub(super) fn place_of(rule: &Rule) -> Option<String> {
    rule.lookup.as_ref().map(|lookup| lookup.ask.place())
}
