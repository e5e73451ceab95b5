//! One group looked at: lookups sent, rulings compared with what was said before, verdicts for what
//! is new.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::CellTime;
use crate::wire::{Judgement, Subject};

use super::diff::Word;
use super::rules::Rule;
use super::rules::group::{Group, Item, Reference};
use super::rules::rule::Said;
use super::rules::strategy::{Finding, Reliance, Ruling};
use super::schedule::{Address, Waits};
use super::{Counts, Engine, Output, Verdict};

/// What is to be told of one item, worked out before the group is changed.
struct Telling {
    judgement: Judgement,
    resolved: bool,
    /// It replaces an earlier telling of the same finding, under its own revision.
    is_update: bool,
    said: Said,
}

impl Engine {
    /// Fetch, compare, verdict.
    pub(super) fn settle(&mut self, address: &Address, outputs: &mut Vec<Output>) {
        let rules = Arc::clone(&self.rules);
        let Some(rule) = rules.named(&address.rule) else {
            return;
        };
        let groups = self.groups.get_mut(&address.rule);
        let Some(mut group) = groups.and_then(|groups| groups.remove(&address.key)) else {
            self.schedule.wait(address, Waits::default());
            return;
        };
        let before = outputs.len();
        self.fetch(rule, address, &mut group, outputs);
        let mut changed = outputs.len() > before;
        let mut deadlines = Vec::new();
        for (number, ruling, tellings) in self.compare(rule, &group) {
            if let Ruling::Wait(deadline) = ruling {
                deadlines.push(deadline);
            }
            changed |= !tellings.is_empty();
            for telling in tellings {
                self.tell(rule, &mut group, number, telling, outputs);
            }
        }
        if rule.strategy.judges_alone() {
            group.trim();
        }
        if changed {
            self.changed.insert(address.clone());
        }
        self.schedule.wait(address, waits(&group, &deadlines, self.now));
        let groups = self.groups.entry(address.rule.clone()).or_default();
        groups.insert(address.key.clone(), group);
    }

    /// Per item: its number, its ruling, and what is to be told now.
    fn compare(&self, rule: &Rule, group: &Group) -> Vec<(usize, Ruling, Vec<Telling>)> {
        let (now, progress) = (self.now, &self.progress);
        let is_waiting = rule.sides.len() > 1 || rule.strategy.relies_on() == Reliance::Items;
        let waits_for = if is_waiting { &rule.sides[..] } else { &[] };
        let passed = |deadline: CellTime| {
            let past = |side: &super::rules::rule::Side| progress.is_past(&side.stream, deadline);
            now >= deadline && waits_for.iter().all(past)
        };
        // An earlier item of this very look may open the finding that a later one ends.
        let mut open = group.open.clone();
        let tell = |(number, mut finding): (usize, Finding<'_>)| {
            let item = &group.items[number];
            let doubt = self.gaps.doubt(rule, group, item, &finding.ruling);
            let doubt = doubt.or_else(|| self.begins.doubt(rule, group, item, &finding.ruling));
            if let Some(why) = doubt {
                finding.ruling = Ruling::Unknown(why);
            } else if let Some(settled) = self.by_the_books(rule, group, &finding.ruling) {
                finding.ruling = settled;
            }
            let is_stale = finding.ruling == Ruling::Void && is_found_later(group, number);
            let tellings =
                if is_stale { Vec::new() } else { tellings(rule, &open, item, &finding) };
            for telling in &tellings {
                note(&mut open, item, telling);
            }
            (number, finding.ruling, tellings)
        };
        rule.strategy.compare(group, &passed).into_iter().enumerate().map(tell).collect()
    }

    fn tell(
        &mut self,
        rule: &Rule,
        group: &mut Group,
        number: usize,
        telling: Telling,
        outputs: &mut Vec<Output>,
    ) {
        let rules = Arc::clone(&self.rules);
        let item = &mut group.items[number];
        let before = Word::of(item);
        let counts = self.counts.entry(rule.name.clone()).or_default();
        if item.applies {
            match item.judged {
                None => counts.pending = counts.pending.saturating_sub(1),
                Some(before) => *figure(counts, before) -= 1,
            }
            *figure(counts, telling.judgement) += 1;
        }
        item.judged = Some(telling.judgement);
        if telling.judgement == Judgement::Mismatched {
            item.told = told(&telling.said);
        }
        note(&mut group.open, item, &telling);
        let mut revision = item.revision.clone();
        if telling.is_update {
            revision = format!("{revision}~{}", item.told);
        }
        let item = &group.items[number];
        self.compare_versions(rule, &before, item);
        let shadow = rules.is_shadow(rule, &item.subject.id);
        let verdict = Verdict {
            subject: item.subject.clone(),
            occurrence: item.occurrence.clone(),
            revision,
            at_risk: telling.said.at_risk,
            expected: telling.said.expected,
            actual: telling.said.actual,
            position: item.event.position.clone(),
            event_at: item.event.at,
            fields: telling.said.fields,
            resolved: telling.resolved,
            shadow,
            held: shadow && telling.resolved && self.is_held_by_twin(&rules, rule, item),
            ..blank(rule, telling.judgement, self.now)
        };
        if self.already_judged.contains(&verdict.key()) {
            self.counts.entry(rule.name.clone()).or_default().suppressed += 1;
        } else {
            outputs.push(Output::Verdict(Box::new(verdict)));
        }
    }

    /// A rule that is gone, and the groups that it leaves.
    pub(super) fn abandon(&mut self, name: &str) -> BTreeMap<String, Group> {
        self.schedule.drop_rule(name);
        self.lookups.drop_rule(name);
        self.shedding.forget(name);
        self.groups.remove(name).unwrap_or_default()
    }
}

/// True where a finding that was told is of a later state than item `number`: it began after that, and is not ended by it.
fn is_found_later(group: &Group, number: usize) -> bool {
    let item = &group.items[number];
    let finds = |later: &Item| later.judged == Some(Judgement::Mismatched);
    let mut after = group.items[number + 1..].iter();
    item.judged.is_none()
        && group.open.contains(&item.occurrence)
        && after.any(|later| finds(later) && later.occurrence == item.occurrence)
}

/// Keeps which findings hold.
fn note(open: &mut BTreeSet<String>, item: &Item, telling: &Telling) {
    if telling.judgement == Judgement::Mismatched {
        open.insert(item.occurrence.clone());
    } else if telling.resolved {
        open.remove(&item.occurrence);
    }
}

/// What a ruling adds to what was said of the item before; `open` are the findings that hold.
fn tellings(
    rule: &Rule,
    open: &BTreeSet<String>,
    item: &Item,
    finding: &Finding<'_>,
) -> Vec<Telling> {
    use Judgement as J;
    let is_open = open.contains(&item.occurrence);
    let telling = |judgement, why: Option<&String>| {
        let mut said = rule.says(item, finding);
        if let Some(why) = why {
            said.actual = why.clone();
        }
        if judgement != J::Mismatched {
            said.at_risk = None;
        }
        let resolved = judgement == J::Matched && (is_open || finding.ruling == Ruling::Late);
        Telling { judgement, resolved, is_update: false, said }
    };
    match (&finding.ruling, item.judged) {
        (Ruling::Wait(_) | Ruling::Asking, _) => Vec::new(),
        (Ruling::Matched, Some(J::Matched)) => Vec::new(),
        (Ruling::Matched, _) => vec![telling(J::Matched, None)],
        (Ruling::Mismatched, Some(J::Mismatched)) => {
            let again = telling(J::Mismatched, None);
            if told(&again.said) == item.told {
                return Vec::new();
            }
            vec![Telling { is_update: true, ..again }]
        }
        (Ruling::Mismatched, _) => vec![telling(J::Mismatched, None)],
        (Ruling::Late, None) => vec![telling(J::Mismatched, None), telling(J::Matched, None)],
        (Ruling::Late, Some(J::Matched)) => Vec::new(),
        (Ruling::Late, Some(_)) => vec![telling(J::Matched, None)],
        (Ruling::Void, None) if is_open => vec![telling(J::Matched, None)],
        (Ruling::Expired, None) => vec![telling(J::Expired, None)],
        (Ruling::Refused(why), None) => vec![telling(J::Refused, Some(why))],
        (Ruling::Unknown(why), None) => vec![telling(J::Unknown, Some(why))],
        _ => Vec::new(),
    }
}

fn told(said: &Said) -> String {
    said.at_risk.map(|money| money.to_string()).unwrap_or_default()
}

/// What the group waits for, by what is still open in it.
fn waits(group: &Group, deadlines: &[CellTime], now: CellTime) -> Waits {
    let open = group.items.iter().filter(|item| item.applies && item.judged.is_none());
    let retries = group.items.iter().filter_map(|item| match item.reference {
        Reference::Due { at, .. } => Some(at),
        _ => None,
    });
    let ahead = deadlines.iter().copied().filter(|deadline| *deadline > now);
    Waits {
        until: ahead.chain(retries).min(),
        for_source: deadlines.iter().any(|deadline| *deadline <= now),
        open_since_mark: open.map(|item| item.after_mark).min(),
    }
}

fn figure(counts: &mut Counts, judgement: Judgement) -> &mut u64 {
    match judgement {
        Judgement::Matched => &mut counts.matched,
        Judgement::Mismatched => &mut counts.mismatched,
        Judgement::Expired => &mut counts.expired,
        Judgement::Refused => &mut counts.refused,
        Judgement::Unknown => &mut counts.unknown,
    }
}

/// A verdict with what comes from the rule alone.
pub(super) fn blank(rule: &Rule, judgement: Judgement, at: CellTime) -> Verdict {
    Verdict {
        rule: rule.head.id.clone(),
        version: rule.head.version.clone(),
        loss_point: rule.head.loss_point.clone(),
        severity: rule.head.severity.clone(),
        subject: Subject::new(rule.subject_kind.clone(), String::new()),
        ..empty(judgement, at)
    }
}

/// A verdict of no rule, on nothing, at `at`.
pub(super) fn empty(judgement: Judgement, at: CellTime) -> Verdict {
    Verdict {
        rule: String::new(),
        version: String::new(),
        loss_point: String::new(),
        severity: String::new(),
        subject: Subject::new(String::new(), String::new()),
        occurrence: String::new(),
        revision: String::new(),
        judgement,
        at_risk: None,
        expected: String::new(),
        actual: String::new(),
        position: String::new(),
        event_at: at,
        at,
        fields: Default::default(),
        resolved: false,
        shadow: false,
        held: false,
    }
}
