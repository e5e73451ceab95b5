//! Versions of a rule, and who of them raises alerts: at most two side by side, the one in force and its candidate.
//!
//! Owns the rollouts in force: as the files say, or as a person ordered since. Each subject has one speaker: where both versions
//! would raise, the one with the smaller share does, so that a candidate at 10 % takes over the same 10 % of subjects
//! on which the elder falls silent. Knows no alert.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::dcheck::engine::gate::Rollout;

use super::rule::Rule;
use super::{Index, RuleSet};

/// The rollouts in force, by a rule's number in its set.
#[derive(Debug, Default)]
pub struct Versions {
    rollouts: Vec<Rollout>,
    /// The other version of the same rule.
    other: Vec<Option<usize>>,
}

impl Versions {
    fn of(rules: &[Arc<Rule>], rollouts: Vec<Rollout>) -> Versions {
        let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, rule) in rules.iter().enumerate() {
            by_id.entry(&rule.head.id).or_default().push(number);
        }
        let other = |(number, rule): (usize, &Arc<Rule>)| {
            by_id[rule.head.id.as_str()].iter().copied().find(|other| *other != number)
        };
        let other = rules.iter().enumerate().map(other).collect();
        Versions { rollouts, other }
    }

    fn is_shadow(&self, number: usize, id: &str, key: &str) -> bool {
        let own = self.rollouts[number];
        let is_outdone = |other: usize| {
            let other = self.rollouts[other];
            other.share() < own.share() && !other.is_shadow(id, key)
        };
        own.is_shadow(id, key) || self.other[number].is_some_and(is_outdone)
    }
}

impl RuleSet {
    /// As the files say.
    pub(super) fn of(rules: Vec<Arc<Rule>>, advice: Vec<super::RuleError>) -> RuleSet {
        let rollouts = rules.iter().map(|rule| rule.rollout).collect();
        RuleSet::with(rules, rollouts, advice)
    }

    pub(super) fn in_full(rules: Vec<Arc<Rule>>) -> RuleSet {
        let rollouts = vec![Rollout::Full; rules.len()];
        RuleSet::with(rules, rollouts, Vec::new())
    }

    fn with(
        rules: Vec<Arc<Rule>>,
        rollouts: Vec<Rollout>,
        advice: Vec<super::RuleError>,
    ) -> RuleSet {
        let index = Index::of(&rules, &rollouts);
        let names = rules.iter().enumerate().map(|(number, rule)| (rule.name.clone(), number));
        let by_name = names.collect();
        let versions = Versions::of(&rules, rollouts);
        RuleSet { by_name, rules, index, advice, versions }
    }

    /// The same rules with other rollouts, by `id@version`; those not named stay as the files say.
    pub fn rolled_out(&self, ordered: &BTreeMap<String, Rollout>) -> RuleSet {
        let rollout = |rule: &Arc<Rule>| *ordered.get(&rule.name).unwrap_or(&rule.rollout);
        let rollouts = self.rules.iter().map(rollout).collect();
        RuleSet::with(self.rules.clone(), rollouts, self.advice.clone())
    }

    /// The rules of these names (`id@version`) alone, each on the rollout in force.
    pub fn chosen(&self, names: &[String]) -> RuleSet {
        let is_chosen = |rule: &&Arc<Rule>| names.contains(&rule.name);
        let rules: Vec<Arc<Rule>> = self.rules.iter().filter(is_chosen).cloned().collect();
        let rollouts = rules.iter().map(|rule| self.rollout(rule)).collect();
        RuleSet::with(rules, rollouts, Vec::new())
    }

    /// The rules in the order of `names` (`id@version`) and on these rollouts; none where it is not the same rules.
    pub fn ordered(&self, names: &[(String, Rollout)]) -> Option<RuleSet> {
        let named = |(name, _): &(String, Rollout)| {
            self.by_name.get(name).map(|number| Arc::clone(&self.rules[*number]))
        };
        let rules: Vec<Arc<Rule>> = names.iter().map(named).collect::<Option<_>>()?;
        let rollouts = names.iter().map(|(_, rollout)| *rollout).collect();
        let set = RuleSet::with(rules, rollouts, self.advice.clone());
        (set.by_name.len() == self.by_name.len()).then_some(set)
    }

    /// The rollout in force.
    pub fn rollout(&self, rule: &Rule) -> Rollout {
        let number = self.by_name.get(&rule.name);
        number.map_or(Rollout::Off, |number| self.versions.rollouts[*number])
    }

    /// True where it sees events: not `off`.
    pub fn is_on(&self, rule: &Rule) -> bool {
        self.rollout(rule) != Rollout::Off
    }

    /// The other version of the same rule, where two stand side by side.
    pub fn other_version(&self, rule: &Rule) -> Option<&Arc<Rule>> {
        self.versions.other[*self.by_name.get(&rule.name)?].map(|number| &self.rules[number])
    }

    /// The versions of a rule, the elder first: in the order of the files.
    pub fn versions<'s>(&'s self, id: &'s str) -> impl Iterator<Item = &'s Arc<Rule>> {
        self.rules.iter().filter(move |rule| rule.head.id == id)
    }

    /// True where the verdicts of `rule` on `key` are stored and raise nothing. A rule that is gone stays on its own side.
    pub fn is_shadow(&self, rule: &Rule, key: &str) -> bool {
        match self.by_name.get(&rule.name) {
            Some(number) => self.versions.is_shadow(*number, &rule.head.id, key),
            None => rule.rollout.is_shadow(&rule.head.id, key),
        }
    }

    /// Why these rollouts cannot stand together, by rule id.
    pub fn quarrels(&self) -> Vec<(&Arc<Rule>, String)> {
        let mut found = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let id = &rule.head.id;
            let before = self.rules[..number].iter().filter(|other| other.head.id == *id).count();
            let other = self.versions.other[number].filter(|other| *other < number);
            let share = self.versions.rollouts[number].share();
            if before > 1 {
                let message = format!(
                    "rule `{id}` has more than two versions: leave the one in force and its candidate"
                );
                found.push((rule, message));
            } else if let Some(other) = other
                && share > 0
                && self.versions.rollouts[other].share() == share
            {
                let message = format!(
                    "versions {} and {} of rule `{id}` would both raise its alerts: \
                     give the candidate `rollout: shadow` or a smaller percentage",
                    self.rules[other].head.version, rule.head.version
                );
                found.push((rule, message));
            }
        }
        found
    }
}
