//! Unexplained change: each change needs a business event of its own; one event explains one change.
//!
//! The event may be dated `before` earlier than the change (left out: as long as the window) and up to the `window` later.
//! Changes take events in the order of their own times, each the earliest that fits: so as many as possible are explained, and
//! arrival does not matter. What the change comes to may be held against its event by `check` (`after.balance - before.balance
//! == other.amount`): an event that does not fit explains nothing. (Of several that fit, a check may leave the wrong one to the
//! next: let a check, or the key, tell events apart.) YAML: `counterpart`, `window`, `before`, `check` (both may be left out).

use crate::dcheck::engine::expr::{Datum, Expr, Kind, Scope};

use super::group::{Group, Item, Other};
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent, rule_on};
use super::way::Way;

pub const WAY: Way = Way {
    roots: &["other"],
    // How many changes and how many events there are under the key.
    found: &["changes", "events"],
    counterpart: true,
    ..Way::of(|keys| {
        let window_ms = keys.window_ms();
        let before_ms = keys.fields.optional_duration_ms("before").or(window_ms);
        let check = keys.fields.optional_expr("check", Kind::Bool, keys.allowed);
        let (window_ms, before_ms, when_absent) = (window_ms?, before_ms?, keys.when_absent?);
        Some(Box::new(UnexplainedChange { window_ms, before_ms, check, when_absent }))
    })
};

#[derive(Debug)]
pub struct UnexplainedChange {
    window_ms: i64,
    before_ms: i64,
    check: Option<Expr>,
    when_absent: WhenAbsent,
}

impl UnexplainedChange {
    /// Matched where `other` explains `item`.
    fn explains(&self, item: &Item, other: &Other) -> Ruling {
        let apart_ms = other.first_at.since_ms(item.event.at);
        match &self.check {
            _ if apart_ms > self.window_ms || -apart_ms > self.before_ms => Ruling::Mismatched,
            None => Ruling::Matched,
            Some(check) => {
                let scope = Scope { other: other.row(), ..Scope::of(&item.event) };
                rule_on(check, &scope, self.when_absent)
            }
        }
    }
}

impl Strategy for UnexplainedChange {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let mut order: Vec<usize> = (0..group.items.len()).collect();
        order.sort_by_key(|number| {
            let item = &group.items[*number];
            (item.event.at, &item.occurrence)
        });
        let mut left: Vec<&Other> = group.others.iter().collect();
        left.sort_by_key(|other| (other.first_at, &other.id));
        let found = |count: usize| Datum::Num(count.into());
        let found =
            || vec![("changes", found(group.items.len())), ("events", found(group.others.len()))];
        let mut findings: Vec<Finding<'g>> =
            group.items.iter().map(|_| Finding::of(Ruling::Mismatched)).collect();
        for number in order {
            let item = &group.items[number];
            let deadline = item.event.at.plus_ms(self.window_ms);
            let rulings: Vec<Ruling> = left.iter().map(|o| self.explains(item, o)).collect();
            let taken = rulings.iter().position(|ruling| *ruling == Ruling::Matched);
            let unjudged = |ruling: &&Ruling| !matches!(ruling, Ruling::Mismatched);
            let ruling = match (taken, rulings.iter().find(unjudged)) {
                (Some(_), _) => Ruling::Matched,
                _ if !passed(deadline) => Ruling::Wait(deadline),
                (None, Some(why)) => why.clone(),
                (None, None) => Ruling::Mismatched,
            };
            let other = taken.and_then(|place| left.remove(place).row());
            findings[number] = Finding { ruling, other, found: found() };
        }
        findings
    }

    fn window_ms(&self) -> Option<i64> {
        Some(self.window_ms)
    }

    fn reach_ms(&self) -> Option<i64> {
        Some(self.window_ms.max(self.before_ms))
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Counterparts
    }
}
