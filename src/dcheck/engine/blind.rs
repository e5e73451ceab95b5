//! "I am blind": sources that are known to go on and are not read to their end.
//!
//! Owns, per source, since when it is behind, and which blind alerts stand. Knows no lag: the
//! daemon says who is behind.

use std::collections::{BTreeMap, HashSet};

use crate::clock::{CellTime, rfc3339};
use crate::wire::{Judgement, Subject};

use super::judge::blank;
use super::rules::Rule;
use super::{Engine, Output, RuleSet, Verdict};

#[derive(Clone, Debug, Default)]
pub struct Watches {
    behind: BTreeMap<String, CellTime>,
    /// Rule name -> the blind alert that stands.
    standing: BTreeMap<String, Verdict>,
}

impl Watches {
    /// The first instant counts until the source has caught up.
    pub fn behind(&mut self, source: String, since: CellTime) {
        self.behind.entry(source).or_insert(since);
    }

    /// When the next source goes stale.
    pub fn next_due(&self, rules: &RuleSet) -> Option<CellTime> {
        let ahead = rules.rules().iter().filter(|rule| !self.standing.contains_key(&rule.name));
        ahead.filter_map(|rule| self.stale_at(rule)).min()
    }

    fn stale_at(&self, rule: &Rule) -> Option<CellTime> {
        let watch = rule.strategy.watch()?;
        let is_off = rule.rollout == super::gate::Rollout::Off;
        let since = self.behind.get(&watch.source).filter(|_| !is_off)?;
        Some(since.plus_ms(watch.stale_after_ms))
    }

    /// Ends the alerts of rules that are gone.
    pub fn keep(&mut self, stay: &HashSet<String>, outputs: &mut Vec<Output>, now: CellTime) {
        let gone: Vec<String> =
            self.standing.keys().filter(|name| !stay.contains(*name)).cloned().collect();
        for name in gone {
            let verdict = self.standing.remove(&name).expect("invariant: the key was just read");
            outputs.push(end_of(verdict, "the rule was replaced", now));
        }
    }
}

fn end_of(verdict: Verdict, actual: &str, now: CellTime) -> Output {
    Output::Unblind(Box::new(Verdict {
        judgement: Judgement::Matched,
        resolved: true,
        actual: actual.to_owned(),
        at: now,
        ..verdict
    }))
}

impl Engine {
    pub(super) fn caught_up(&mut self, source: &str, outputs: &mut Vec<Output>) {
        self.watches.behind.remove(source);
        let of_source = |verdict: &Verdict| verdict.subject.id == source;
        let names: Vec<String> = self
            .watches
            .standing
            .iter()
            .filter(|(_, verdict)| of_source(verdict))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if let Some(verdict) = self.watches.standing.remove(&name) {
                outputs.push(end_of(verdict, "read to its end again", self.now));
            }
        }
    }

    /// Tells of sources whose staleness has come due.
    pub(super) fn go_blind(&mut self, outputs: &mut Vec<Output>) {
        if self.watches.behind.is_empty() {
            return;
        }
        let rules = std::sync::Arc::clone(&self.rules);
        for rule in rules.rules() {
            let name = rule.name.clone();
            let stale_at = self.watches.stale_at(rule);
            let is_due = stale_at.is_some_and(|at| at <= self.now);
            let (Some(watch), true) = (rule.strategy.watch(), is_due) else { continue };
            if self.watches.standing.contains_key(&name) {
                continue;
            }
            let since = self.watches.behind.get(&watch.source).copied().unwrap_or(self.now);
            let since_text = rfc3339(since.0);
            let verdict = Verdict {
                subject: Subject::new("source", watch.source.clone()),
                occurrence: format!("{}@{}", watch.source, rfc3339(self.now.0)),
                expected: format!("read to its end within {} s", watch.stale_after_ms / 1000),
                actual: format!("blind to `{}` since {since_text}", watch.source),
                position: self.progress.positions().remove(&watch.source).unwrap_or_default(),
                event_at: since,
                shadow: rule.rollout.is_shadow(&rule.head.id, &watch.source),
                ..blank(rule, Judgement::Mismatched, self.now)
            };
            self.watches.standing.insert(name, verdict.clone());
            outputs.push(Output::Blind(Box::new(verdict)));
        }
    }
}
