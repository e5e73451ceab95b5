//! Where what is known begins: of a source when it is read for the first time, of a rule when it is switched on.
//!
//! What lies before is a gap that nobody is to blame for: it raises no alert of its own, and a finding that rests on something
//! *missing* which may have stood there is *Unknown*. So a platform that has been running for years is read from one instant
//! on, and nobody is called for the half of a pair that came before it. Knows no offset: the daemon says what is read for the
//! first time, and from when on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};

use super::force::InForce;
use super::gaps::{Stretch, is_doubtful};
use super::rules::group::{Group, Item};
use super::rules::strategy::{Reliance, Ruling};
use super::rules::{Rule, RuleSet};

/// The beginnings that are known of; what is not in here was always read, or judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begins {
    /// By source; none: nothing of it was read yet.
    sources: BTreeMap<String, Option<CellTime>>,
    /// By rule name.
    rules: BTreeMap<String, CellTime>,
}

impl Begins {
    /// `source` is read for the first time, from `at` on; without it that is still to be seen. The first word counts.
    pub fn source(&mut self, source: String, at: Option<CellTime>) {
        match at {
            None => drop(self.sources.entry(source).or_default()),
            Some(at) => {
                self.sources.entry(source).and_modify(|known| *known = known.or(Some(at)));
            }
        }
    }

    /// True where the first thing that is read of `source` says where it begins.
    pub fn awaits(&self, source: &str) -> bool {
        self.sources.get(source).is_some_and(Option::is_none)
    }

    /// Rules that are on now, and were not in `before`, begin `now`; those that are not on have no beginning.
    pub fn rules(&mut self, before: &InForce, rules: &RuleSet, now: CellTime) {
        let on = |name: &str| rules.named(name).is_some_and(|rule| rules.is_on(rule));
        self.rules.retain(|name, _| on(name));
        let names = rules.rules().iter().map(|rule| &rule.name);
        for name in names.filter(|name| on(name) && !before.is_on(name)) {
            self.rules.insert(name.clone(), now);
        }
    }

    /// Why `ruling` is not to be trusted; none where it is.
    pub fn doubt(
        &self,
        rule: &Rule,
        group: &Group,
        item: &Item,
        ruling: &Ruling,
    ) -> Option<String> {
        if rule.strategy.relies_on() == Reliance::Nothing || !is_doubtful(item, ruling) {
            return None;
        }
        let before = |until: CellTime| Stretch { since: CellTime(i64::MIN), until };
        if let Some(until) = self.rules.get(&rule.name)
            && before(*until).touches(rule, group, item, ruling)
        {
            let when = rfc3339(until.0);
            return Some(format!(
                "held back: the rule judges since {when}, and saw nothing before"
            ));
        }
        let blind = |(source, until): &(&String, &Option<CellTime>)| {
            let until = until.unwrap_or(CellTime(i64::MAX));
            rule.relies_on(source) && before(until).touches(rule, group, item, ruling)
        };
        let (source, until) = self.sources.iter().find(blind)?;
        let when =
            until.map_or("not yet".to_owned(), |until| format!("since {}", rfc3339(until.0)));
        Some(format!(
            "held back: `{source}` is read {when}, and what was written before is not known"
        ))
    }
}
