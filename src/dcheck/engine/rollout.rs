//! What a change of rollouts does to findings that hold already: who speaks from now on takes them over.
//!
//! Owns the hand-over. A finding that was only stored is raised when its version begins to speak; one that the version which speaks
//! from now on has judged to be right is ended. Where that version has not judged it, the alert stays. Knows no file and no
//! person: the daemon says which rollouts are in force.

use std::sync::Arc;

use crate::clock::CellTime;
use crate::wire::Judgement;

use super::judge::blank;
use super::rules::group::{Group, Item};
use super::rules::strategy::Ruling;
use super::rules::{Rule, RuleSet};
use super::{Engine, Output, Verdict};

/// The rules before and after a change.
struct Change<'a> {
    old: &'a RuleSet,
    new: &'a RuleSet,
}

impl Change<'_> {
    /// The other version, if it raises alerts on `key` in `set`.
    fn rival<'s>(set: &'s RuleSet, rule: &Rule, key: &str) -> Option<&'s Arc<Rule>> {
        set.other_version(rule).filter(|other| !set.is_shadow(other, key))
    }
}

impl Engine {
    /// Other rollouts of the same rules.
    pub(super) fn roll_out(&mut self, rules: Arc<RuleSet>, outputs: &mut Vec<Output>) {
        let old = std::mem::replace(&mut self.rules, rules);
        self.hand_over(&old, outputs);
    }

    /// Told after `self.rules` took the place of `old`.
    pub(super) fn hand_over(&self, old: &RuleSet, outputs: &mut Vec<Output>) {
        let change = Change { old, new: &self.rules };
        let stays = |rule: &&Arc<Rule>| old.named(&rule.name).is_some();
        for rule in self.rules.rules().iter().filter(stays) {
            for group in self.groups.get(&rule.name).into_iter().flat_map(|groups| groups.values())
            {
                for (number, item) in group.items.iter().enumerate() {
                    let holds = item.judged == Some(Judgement::Mismatched)
                        && group.open.contains(&item.occurrence);
                    if holds {
                        let told = self.take_over(&change, rule, group, number);
                        outputs.extend(told.map(|verdict| Output::Verdict(Box::new(verdict))));
                    }
                }
            }
        }
    }

    fn take_over(
        &self,
        change: &Change<'_>,
        rule: &Rule,
        group: &Group,
        number: usize,
    ) -> Option<Verdict> {
        let item = &group.items[number];
        let key = &item.subject.id;
        let (was, is) = (change.old.is_shadow(rule, key), change.new.is_shadow(rule, key));
        match (was, is) {
            (false, true) => {
                let heir = Change::rival(change.new, rule, key)?;
                let twin = self.twin(change.new, rule, item)?;
                let version = &heir.head.version;
                let actual = format!("version {version} speaks for it now, and does not find it");
                let ended =
                    Verdict { resolved: true, actual, ..blank(rule, Judgement::Matched, self.now) };
                (twin.judged == Some(Judgement::Matched)).then(|| self.about(item, ended))
            }
            (true, false) => {
                let before = Change::rival(change.old, rule, key);
                let is_told = before.is_some() && self.is_held_by_twin(change.new, rule, item);
                let finding = rule.strategy.compare(group, &|at: CellTime| at <= self.now);
                let finding = finding.into_iter().nth(number)?;
                if is_told || finding.ruling != Ruling::Mismatched {
                    return None;
                }
                let said = rule.says(item, &finding);
                let raised = Verdict {
                    at_risk: said.at_risk,
                    expected: said.expected,
                    actual: said.actual,
                    fields: said.fields,
                    ..blank(rule, Judgement::Mismatched, self.now)
                };
                Some(self.about(item, raised))
            }
            _ => None,
        }
    }

    /// Under a revision of its own: the verdict was stored before, and is told again.
    fn about(&self, item: &Item, verdict: Verdict) -> Verdict {
        Verdict {
            subject: item.subject.clone(),
            occurrence: item.occurrence.clone(),
            revision: format!("{}~{}", item.revision, self.now.0),
            position: item.event.position.clone(),
            event_at: item.event.at,
            ..verdict
        }
    }

    /// True where the other version of the rule still finds the same occurrence.
    pub(super) fn is_held_by_twin(&self, rules: &RuleSet, rule: &Rule, item: &Item) -> bool {
        let group = self.twin_group(rules, rule, item);
        group.is_some_and(|group| {
            group.open.contains(&item.occurrence)
                && group.items.iter().any(|twin| twin.subject == item.subject)
        })
    }
}
