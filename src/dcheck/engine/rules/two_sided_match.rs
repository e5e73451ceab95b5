//! Two-sided match: an item and its counterpart must agree field by field; either may come first.
//!
//! The counterpart counts as it was when the item came, and as it was corrected within the window: what becomes of it later is
//! another matter. Agreement is told at once, a difference when the window closes; a correction after that ends the finding.
//! YAML: `counterpart`, `window`, `check`; `when_absent` also decides a counterpart that never comes.

use crate::clock::CellTime;
use crate::dcheck::engine::expr::{Expr, Scope};
use crate::dcheck::event::Event;

use crate::wire::Judgement;

use super::group::{Group, Item, Other, row_of};
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent, rule_on};
use super::way::Way;

/// States kept of a counterpart before its latest: a row that changes oftener than that within the memory of a rule is
/// compared by its youngest ones.
const STATES_KEPT: usize = 32;
const FORGOTTEN: &str = "its counterpart has changed too often since";

pub const WAY: Way = Way {
    roots: &["other"],
    counterpart: true,
    ..Way::of(|keys| {
        let (window_ms, check) = (keys.window_ms(), keys.check());
        let (window_ms, check, when_absent) = (window_ms?, check?, keys.when_absent?);
        Some(Box::new(TwoSidedMatch { window_ms, check, when_absent }))
    })
};

#[derive(Debug)]
pub struct TwoSidedMatch {
    pub window_ms: i64,
    pub check: Expr,
    pub when_absent: WhenAbsent,
}

impl TwoSidedMatch {
    fn judge<'g>(&self, item: &Item, other: Option<&'g Other>, passed: Passed<'_>) -> Finding<'g> {
        let at = item.event.at;
        let deadline = at.plus_ms(self.window_ms);
        let (in_time, late) = states(other, at, deadline);
        let compare = |state: &Event| {
            let scope = Scope { other: row_of(state), ..Scope::of(&item.event) };
            rule_on(&self.check, &scope, self.when_absent)
        };
        let agreed = |states: &[&'g Event]| {
            states.iter().copied().find(|state| compare(state) == Ruling::Matched)
        };
        let (ruling, state) = match (agreed(&in_time), in_time.last()) {
            (Some(state), _) => (Ruling::Matched, Some(state)),
            (None, last) if !passed(deadline) => (Ruling::Wait(deadline), last.copied()),
            // What it was compared with is no longer kept: what was said of it stays.
            (None, last)
                if is_forgotten(other, at) && item.judged != Some(Judgement::Mismatched) =>
            {
                let ruling = match item.judged {
                    Some(Judgement::Matched) => Ruling::Matched,
                    _ => Ruling::Unknown(FORGOTTEN.to_owned()),
                };
                (ruling, last.copied())
            }
            (None, last) => match (agreed(&late), last.or(late.first())) {
                (Some(state), _) => (Ruling::Late, Some(state)),
                (None, Some(state)) => (compare(state), Some(*state)),
                (None, None) if self.when_absent == WhenAbsent::Ok => (Ruling::Expired, None),
                (None, None) => (Ruling::Mismatched, None),
            },
        };
        Finding { ruling, other: state.and_then(row_of), found: Vec::new() }
    }
}

/// The state that held at `at` is no longer kept.
fn is_forgotten(other: Option<&Other>, at: CellTime) -> bool {
    other.is_some_and(|other| other.is_cut && other.states().all(|state| state.at > at))
}

/// The states that held at some time from `at` to the deadline, and those that came later.
fn states(other: Option<&Other>, at: CellTime, deadline: CellTime) -> (Vec<&Event>, Vec<&Event>) {
    let states = || other.into_iter().flat_map(Other::states);
    let held_at = states().map(|state| state.at).filter(|since| *since <= at).max();
    let held = |state: &&Event| state.at > at || Some(state.at) == held_at;
    states().filter(held).partition(|state| state.at <= deadline)
}

impl Strategy for TwoSidedMatch {
    fn check(&self) -> Option<&Expr> {
        Some(&self.check)
    }

    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let other = group.others.first();
        group.items.iter().map(|item| self.judge(item, other, passed)).collect()
    }

    fn window_ms(&self) -> Option<i64> {
        Some(self.window_ms)
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Counterparts
    }

    fn states_kept(&self) -> usize {
        STATES_KEPT
    }
}
