//! What a change of rules or rollouts does to findings that hold already: who speaks from now on takes them over.
//!
//! Owns the hand-over, of a reload, an order and a restart alike. A finding that was only stored is raised when its version begins
//! to speak, unless another version raised it; one that the version which speaks from now on has judged to be right is
//! ended. Where that version has not judged it, the alert stays, and is that version's to end. Of a rule that is gone, or off,
//! nobody judges anything: what it had open is told as *Unknown*. Knows no file and no person: the daemon says which rollouts
//! are in force.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::clock::CellTime;
use crate::wire::{Judgement, Subject};

use super::force::{InForce, id_of};
use super::judge::blank;
use super::port::Ward;
use super::rules::group::{Group, Item};
use super::rules::strategy::Ruling;
use super::rules::{Rule, RuleSet};
use super::{Engine, Output, Verdict};

/// What was in force, and the groups of versions that no longer are, by `id@version` and key.
#[derive(Debug, Default)]
pub struct Left {
    pub before: InForce,
    pub groups: BTreeMap<String, BTreeMap<String, Group>>,
    /// What ailed of sources that are read no more.
    pub sources: Vec<(Ward, String)>,
}

/// The versions before and after a change.
struct Change {
    old: InForce,
    new: InForce,
    /// Rule id, subject and occurrence of what a version that is gone raised.
    raised: HashSet<(String, Subject, String)>,
}

/// The last state of each occurrence whose finding holds, by its place in the group.
fn held(group: &Group) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let holds = |item: &Item| {
        item.judged == Some(Judgement::Mismatched) && group.open.contains(&item.occurrence)
    };
    let newest = group.items.iter().enumerate().rev().filter(|(_, item)| holds(item));
    newest.filter(|(_, item)| seen.insert(&item.occurrence)).map(|(number, _)| number).collect()
}

impl Engine {
    /// Other rules, or the same with other rollouts. Those that are gone, or off, take their state with them: what they had open is
    /// told as unknown. Those that are on, and were not, begin now.
    pub(super) fn put_in_force(&mut self, rules: Arc<RuleSet>, outputs: &mut Vec<Output>) {
        let old = std::mem::replace(&mut self.rules, rules);
        let before = InForce::of(&old);
        let down = self.places_without_answer();
        let silent = before.names().filter(|name| !self.is_on(name));
        let silent: Vec<String> = silent.cloned().collect();
        let groups = silent.into_iter().map(|name| (self.abandon(&name), name));
        let groups = groups.map(|(groups, name)| (name, groups)).collect();
        self.end_orphans(&down, outputs);
        self.begins.rules(&before, &self.rules, self.now);
        self.hand_over(Left { before: before.clone(), groups, ..Left::default() }, outputs);
        self.decide_again(&before, outputs);
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.rules.named(name).is_some_and(|rule| self.rules.is_on(rule))
    }

    /// Told after `self.rules` came into force.
    pub(super) fn hand_over(&mut self, left: Left, outputs: &mut Vec<Output>) {
        let Left { before: old, groups, .. } = left;
        let mut change = Change { old, new: InForce::of(&self.rules), raised: HashSet::new() };
        for (name, groups) in &groups {
            for item in
                groups.values().flat_map(|group| held(group).into_iter().map(|n| &group.items[n]))
            {
                if !change.old.is_shadow(name, &item.subject.id) {
                    let (id, subject) = (id_of(name).to_owned(), item.subject.clone());
                    change.raised.insert((id, subject, item.occurrence.clone()));
                }
            }
        }
        self.take_over_all(&change, outputs);
        for (name, groups) in groups {
            for (key, group) in groups {
                self.changed.insert(super::Address { rule: name.clone(), key });
                self.tell_unjudged(&change, &name, &group, outputs);
                for number in held(&group) {
                    self.bequeath(&change, &name, &group.items[number], outputs);
                }
            }
        }
        self.speak_of_blindness(outputs);
    }

    fn take_over_all(&self, change: &Change, outputs: &mut Vec<Output>) {
        let stays = |rule: &&Arc<Rule>| change.old.has(&rule.name);
        for rule in self.rules.rules().iter().filter(stays) {
            let groups = self.groups.get(&rule.name);
            for group in groups.into_iter().flat_map(|groups| groups.values()) {
                for number in held(group) {
                    let told = self.take_over(change, rule, group, number);
                    outputs.extend(told.map(|verdict| Output::Verdict(Box::new(verdict))));
                }
            }
        }
    }

    fn take_over(
        &self,
        change: &Change,
        rule: &Rule,
        group: &Group,
        number: usize,
    ) -> Option<Verdict> {
        let (item, id) = (&group.items[number], &rule.head.id);
        let key = &item.subject.id;
        let shadow = |force: &InForce| force.is_shadow(&rule.name, key);
        match (shadow(&change.old), shadow(&change.new)) {
            (false, true) => {
                let heir = self.rules.named(change.new.speaker(id, key)?)?;
                let twin = self.twin(&self.rules, rule, item)?;
                let version = &heir.head.version;
                let actual = format!("version {version} speaks for it now, and does not find it");
                let ended =
                    Verdict { resolved: true, actual, ..blank(rule, Judgement::Matched, self.now) };
                (twin.judged == Some(Judgement::Matched)).then(|| self.about(item, ended))
            }
            (true, false) => {
                let place = (id.clone(), item.subject.clone(), item.occurrence.clone());
                let is_told = change.raised.contains(&place)
                    || change.old.speaker(id, key).is_some()
                        && self.is_held_by_twin(&self.rules, rule, item);
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

    /// What a version that is gone had not judged.
    fn tell_unjudged(
        &mut self,
        change: &Change,
        name: &str,
        group: &Group,
        outputs: &mut Vec<Output>,
    ) {
        for item in group.items.iter().filter(|item| item.applies && item.judged.is_none()) {
            let counts = self.counts.entry(name.to_owned()).or_default();
            counts.pending = counts.pending.saturating_sub(1);
            counts.unknown += 1;
            let actual = "the rule was replaced, or switched off, while this was open".to_owned();
            let unknown = change.old.verdict(self, name, item, Judgement::Unknown);
            let unknown = Verdict { actual, ..unknown };
            if self.already_judged.contains(&unknown.key()) {
                self.counts.entry(name.to_owned()).or_default().suppressed += 1;
            } else {
                outputs.push(Output::Verdict(Box::new(unknown)));
            }
        }
    }

    /// A finding of a version that is gone: ended, or left to the version that judges from now on.
    fn bequeath(&mut self, change: &Change, name: &str, item: &Item, outputs: &mut Vec<Output>) {
        let (rules, key) = (Arc::clone(&self.rules), &item.subject.id);
        if change.old.is_shadow(name, key) {
            return;
        }
        let speaker = change.new.speaker(id_of(name), key).and_then(|name| rules.named(name));
        let mut on = rules.versions(id_of(name)).filter(|rule| rules.is_on(rule));
        let heir = speaker.or_else(|| on.next().map(|rule| &**rule));
        let place =
            heir.and_then(|heir| Some((heir, heir.sides.first()?.key_of(&item.event).ok()?)));
        let (judgement, actual) = match place {
            None => {
                let why = "the rule is gone, or off: nobody judges this any longer";
                (Judgement::Unknown, why.to_owned())
            }
            Some((heir, key)) => {
                let group = self.groups.entry(heir.name.clone()).or_default();
                let group = group.entry(key.clone()).or_default();
                let twin = group.items.iter().rev().find(|twin| {
                    twin.subject == item.subject && twin.is(&item.occurrence, &item.revision)
                });
                if twin.and_then(|twin| twin.judged) != Some(Judgement::Matched) {
                    group.open.insert(item.occurrence.clone());
                    self.changed.insert(super::Address { rule: heir.name.clone(), key });
                    return;
                }
                let version = &heir.head.version;
                let why = format!("version {version} judges it now, and does not find it");
                (Judgement::Matched, why)
            }
        };
        let ended = change.old.verdict(self, name, item, judgement);
        let ended = self.about(item, Verdict { resolved: true, actual, ..ended });
        outputs.push(Output::Verdict(Box::new(ended)));
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
