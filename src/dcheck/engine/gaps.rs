//! Stretches of sources that were gone before they were read: what they held is never seen.
//!
//! Owns which gaps there are, and which findings rest on something that may have stood in one. Such a finding is held back:
//! its verdict is *Unknown*, so that no plan acts on what was merely not seen. What was seen stays a finding: two payouts
//! are two, whatever is missing beside them. Knows no offset and no topic: the daemon says what is missing.

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};

use super::port::Ward;
use super::rules::Rule;
use super::rules::group::{Group, Item};
use super::rules::strategy::{Reliance, Ruling};
use super::{Engine, Output, RuleSet};
use crate::wire::Judgement;

/// Gaps kept; beyond it the two oldest become one that reaches over both.
const KEPT: usize = 100;
/// Rules that an alert names before it only counts them.
const NAMED: usize = 12;

/// What was written to `source` between two instants and never read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub source: String,
    pub since: CellTime,
    pub until: CellTime,
    /// Which records, and why.
    pub what: String,
}

/// The gaps of all sources, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps(Vec<Gap>);

impl Gaps {
    fn add(&mut self, gap: Gap) {
        self.0.push(gap);
        while self.0.len() > KEPT {
            let first = self.0.remove(0);
            let of_source = self.0.iter_mut().find(|gap| gap.source == first.source);
            if let Some(next) = of_source {
                next.since = next.since.min(first.since);
            }
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
        let touches = |gap: &&Gap| {
            let stretch = Stretch { since: gap.since, until: gap.until };
            rule.relies_on(&gap.source) && stretch.touches(rule, group, item, ruling)
        };
        let gap = self.0.iter().find(|gap| is_doubtful(item, ruling) && touches(gap))?;
        Some(format!(
            "held back: blind to `{}` from {} to {}: {}",
            gap.source,
            rfc3339(gap.since.0),
            rfc3339(gap.until.0),
            gap.what
        ))
    }
}

/// May it have been said because something was not read? What was told once stays told.
pub(super) fn is_doubtful(item: &Item, ruling: &Ruling) -> bool {
    match ruling {
        Ruling::Mismatched => item.judged != Some(Judgement::Mismatched),
        Ruling::Late => item.judged.is_none(),
        _ => false,
    }
}

/// Between two instants, of which nothing is known.
pub(super) struct Stretch {
    pub since: CellTime,
    pub until: CellTime,
}

impl Stretch {
    /// May something that the item's judgement rests on have stood in it?
    pub fn touches(&self, rule: &Rule, group: &Group, item: &Item, ruling: &Ruling) -> bool {
        let reach_ms = rule.strategy.reach_ms().unwrap_or(rule.remember_ms);
        let at = item.event.at;
        let is_near = self.since <= at.plus_ms(reach_ms) && at <= self.until.plus_ms(reach_ms);
        // All that is known of this key came later, both sides of it. A counterpart that seems late says nothing of the kind: what
        // was read of it may be its second change.
        let began = group.others.iter().map(|other| other.first_at);
        let began = began.chain(group.items.iter().map(|item| item.event.at)).min();
        let is_younger =
            !group.others.is_empty() && began > Some(self.until) && *ruling != Ruling::Late;
        is_near && !is_younger
    }
}

impl Rule {
    /// Does it find things because something on `source` is *not* there?
    pub(super) fn relies_on(&self, source: &str) -> bool {
        let sides = match self.strategy.relies_on() {
            Reliance::Nothing => return false,
            Reliance::Items => &self.sides[..1],
            Reliance::Counterparts => &self.sides[1..],
        };
        sides.iter().any(|side| side.stream.is_in(source))
    }
}

fn names<'r>(rules: impl Iterator<Item = &'r Rule>) -> String {
    let ids: Vec<&str> = rules.map(|rule| rule.head.id.as_str()).collect();
    match ids.len() {
        0 => "none".to_owned(),
        1..=NAMED => ids.join(", "),
        more => format!("{}, … ({more} in all)", ids[..NAMED].join(", ")),
    }
}

/// Which rules read the source, and which of them hold findings back.
fn concerned(rules: &RuleSet, source: &str) -> String {
    let reads = |rule: &&Rule| rule.sides.iter().any(|side| side.stream.is_in(source));
    let holds = |rule: &&Rule| rule.relies_on(source);
    format!(
        "rules that read it: {}; held back: findings of {}",
        names(rules.rules().iter().map(|rule| &**rule).filter(reads)),
        names(rules.rules().iter().map(|rule| &**rule).filter(holds))
    )
}

impl Engine {
    /// Told at once, and each gap by itself: `id` is the same for the same gap, should it be met again after a restart.
    pub(super) fn miss(
        &mut self,
        source: &str,
        id: String,
        what: String,
        outputs: &mut Vec<Output>,
    ) {
        // Everything before this had been read.
        let since = self.progress.end_of(source).unwrap_or(CellTime(0)).min(self.now);
        let concerned = concerned(&self.rules, source);
        let why = format!("blind to `{source}` since {}: {what}; {concerned}", rfc3339(since.0));
        self.recovered(Ward::Unread, source, outputs);
        self.watches.ails(Ward::Unread, source.to_owned(), since, why);
        self.watches.call(Ward::Unread, source, id);
        let window_ms = self.rules.largest_window_ms().unwrap_or_default();
        self.unread_until.insert(source.to_owned(), self.now.plus_ms(window_ms));
        self.gaps.add(Gap { source: source.to_owned(), since, until: self.now, what });
    }

    /// Ends the alerts of gaps over which all windows have passed: what is read from here on is judged again.
    pub(super) fn pass_gaps(&mut self, outputs: &mut Vec<Output>) {
        let now = self.now;
        let (over, ahead) =
            std::mem::take(&mut self.unread_until).into_iter().partition(|(_, until)| *until < now);
        self.unread_until = ahead;
        for source in std::collections::BTreeMap::into_keys(over) {
            self.recovered(Ward::Unread, &source, outputs);
        }
    }
}
