//! What two versions of a rule say of the same occurrences: counts and money of what only one of them finds.
//!
//! Owns the figures, kept up to date with each verdict, and some examples for people. The elder is the version that stands first in
//! the files. Occurrences are the same where subject, occurrence and revision are. Knows no alert: both versions count,
//! whichever of them raises. Not covered: versions that pair by keys of which one cannot be worked out from the other's event.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::wire::{Judgement, Subject};

use super::Engine;
use super::rules::group::Item;
use super::rules::{Rule, RuleSet};

/// Differences kept as examples, the newest.
const EXAMPLES: usize = 20;

/// Occurrences, and what they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub count: u64,
    /// By currency.
    pub money: BTreeMap<String, Money>,
    /// Those of which the rule told no amount, or whose sum does not fit.
    pub without_money: u64,
}

/// An elder version and its candidate on the same stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// `id@version`
    pub elder: String,
    pub candidate: String,
    /// Judged alike, with the same money at risk.
    pub same: u64,
    /// Found by one of them alone.
    pub only_elder: Tally,
    pub only_candidate: Tally,
    /// Found by both, with other amounts: what each of them says.
    pub amount_of_elder: Tally,
    pub amount_of_candidate: Tally,
    /// Neither calls it a finding, and they differ: matched here, Unknown there.
    pub otherwise: u64,
    /// Not a finding, and the other version has not judged it (yet).
    pub judged_by_one: u64,
    pub examples: VecDeque<Example>,
}

/// One occurrence on which they differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    pub subject: Subject,
    pub occurrence: String,
    /// What each says: its judgement, and the money at risk; empty where it has not judged.
    pub elder: String,
    pub candidate: String,
}

/// What one version said last of an occurrence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    judgement: Option<Judgement>,
    /// Money at risk, as told.
    told: String,
}

impl Word {
    pub fn of(item: &Item) -> Word {
        let judgement = item.judged.filter(|_| item.applies);
        let finds = judgement == Some(Judgement::Mismatched);
        Word { judgement, told: if finds { item.told.clone() } else { String::new() } }
    }

    fn finds(&self) -> bool {
        self.judgement == Some(Judgement::Mismatched)
    }

    fn shown(&self) -> String {
        let judgement = self.judgement.map(|judgement| judgement.name()).unwrap_or_default();
        format!("{judgement} {}", self.told).trim().to_owned()
    }
}

impl Tally {
    pub(super) fn add(&mut self, told: &str) {
        self.count += 1;
        let money = told.parse::<Money>().ok().and_then(|money| {
            let code = money.currency.code().to_owned();
            let sum = match self.money.get(&code) {
                Some(sum) => sum.checked_add(money).ok()?,
                None => money,
            };
            Some((code, sum))
        });
        match money {
            Some((code, sum)) => drop(self.money.insert(code, sum)),
            None => self.without_money += 1,
        }
    }

    pub(super) fn take(&mut self, told: &str) {
        self.count = self.count.saturating_sub(1);
        let less = told.parse::<Money>().ok().and_then(|money| {
            let sum = self.money.get_mut(money.currency.code())?;
            *sum = sum.checked_sub(money).ok()?;
            Some(())
        });
        if less.is_none() {
            self.without_money = self.without_money.saturating_sub(1);
        }
        if self.count == 0 {
            *self = Tally::default();
        }
    }
}

impl Diff {
    /// `adds`: the pair counts from now on; else it no longer does.
    fn count(&mut self, elder: &Word, candidate: &Word, adds: bool) {
        let step = |count: &mut u64| match adds {
            true => *count += 1,
            false => *count = count.saturating_sub(1),
        };
        let tally = |tally: &mut Tally, word: &Word| match adds {
            true => tally.add(&word.told),
            false => tally.take(&word.told),
        };
        match (elder.finds(), candidate.finds()) {
            (true, true) if elder.told == candidate.told => step(&mut self.same),
            (true, true) => {
                tally(&mut self.amount_of_elder, elder);
                tally(&mut self.amount_of_candidate, candidate);
            }
            (true, false) => tally(&mut self.only_elder, elder),
            (false, true) => tally(&mut self.only_candidate, candidate),
            (false, false) => match (elder.judgement, candidate.judgement) {
                (None, None) => {}
                (None, _) | (_, None) => step(&mut self.judged_by_one),
                (a, b) if a == b => step(&mut self.same),
                _ => step(&mut self.otherwise),
            },
        }
    }

    fn exemplify(&mut self, item: &Item, elder: &Word, candidate: &Word) {
        let of = |e: &Example| e.subject == item.subject && e.occurrence == item.occurrence;
        self.examples.retain(|example| !of(example));
        if elder == candidate || !(elder.finds() || candidate.finds()) {
            return;
        }
        if self.examples.len() == EXAMPLES {
            self.examples.pop_front();
        }
        self.examples.push_back(Example {
            subject: item.subject.clone(),
            occurrence: item.occurrence.clone(),
            elder: elder.shown(),
            candidate: candidate.shown(),
        });
    }
}

impl Engine {
    /// What two versions differ in, by rule id.
    pub fn diffs(&self) -> &BTreeMap<String, Diff> {
        &self.diffs
    }

    /// How often they changed.
    pub fn diff_changes(&self) -> u64 {
        self.diff_changes
    }

    /// The same occurrence in the other version's state.
    pub(super) fn twin(&self, rules: &RuleSet, rule: &Rule, item: &Item) -> Option<&Item> {
        let (group, item) = self.twin_group(rules, rule, item).map(|group| (group, item))?;
        group
            .items
            .iter()
            .find(|twin| twin.subject == item.subject && twin.is(&item.occurrence, &item.revision))
    }

    /// The group of the other version that the item's event would fall into.
    pub(super) fn twin_group(
        &self,
        rules: &RuleSet,
        rule: &Rule,
        item: &Item,
    ) -> Option<&super::Group> {
        let other = rules.other_version(rule)?;
        let key = other.sides.first()?.key_of(&item.event).ok()?;
        self.groups.get(&other.name)?.get(&key)
    }

    /// `item` of `rule` was `before`, and is what it says now.
    pub(super) fn compare_versions(&mut self, rule: &Rule, before: &Word, item: &Item) {
        let rules = std::sync::Arc::clone(&self.rules);
        let Some(other) = rules.other_version(rule) else { return };
        let (now, twin) = (Word::of(item), self.twin(&rules, rule, item));
        let twin = twin.map(Word::of).unwrap_or_default();
        let is_elder = rules.short_name(rule) == &rule.head.id;
        let names = |elder: &Rule, candidate: &Rule| (elder.name.clone(), candidate.name.clone());
        let (elder, candidate) = if is_elder { names(rule, other) } else { names(other, rule) };
        self.diff_changes += 1;
        let diff = self.diffs.entry(rule.head.id.clone()).or_default();
        if (&diff.elder, &diff.candidate) != (&elder, &candidate) {
            *diff = Diff { elder, candidate, ..Diff::default() };
        }
        let pair = |word| if is_elder { (word, &twin) } else { (&twin, word) };
        let (elder, candidate) = pair(before);
        diff.count(elder, candidate, false);
        let (elder, candidate) = pair(&now);
        diff.count(elder, candidate, true);
        diff.exemplify(item, elder, candidate);
    }
}
