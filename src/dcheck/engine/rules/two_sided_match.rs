//! Two-sided match: an item and its counterpart must agree field by field; either may come first.
//!
//! Agreement is told at once. A difference is told when the window closes, because the other side
//! may be corrected within it. YAML: `counterpart`, `window`, `check`; `when_absent` also decides a
//! counterpart that never comes.

use crate::dcheck::engine::expr::{Expr, Scope};

use super::group::{Group, Item, Other};
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent, rule_on};
use super::way::Way;

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
        let deadline = item.event.at.plus_ms(self.window_ms);
        let row = other.and_then(Other::row);
        let ruling = match row {
            Some(row) => {
                let scope = Scope { other: Some(row), ..Scope::of(&item.event) };
                rule_on(&self.check, &scope, self.when_absent)
            }
            None if self.when_absent == WhenAbsent::Ok => Ruling::Expired,
            None => Ruling::Mismatched,
        };
        let is_final = ruling == Ruling::Matched || passed(deadline);
        let ruling = if is_final { ruling } else { Ruling::Wait(deadline) };
        Finding { ruling, other: row, found: Vec::new() }
    }
}

impl Strategy for TwoSidedMatch {
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
}
