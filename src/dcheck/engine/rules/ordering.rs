//! Ordering in time: what must come first did come first: no parcel is sent before it is paid for.
//!
//! The times of the events decide, not arrival: the finding is told when nothing earlier can still be read. `slack` is what the clocks
//! of two sources may differ by. Where nothing at all came first, `when_absent` decides; with `ok`, one that comes after is a
//! finding all the same. Business times in the rows themselves are for `two-sided-match`. YAML: `counterpart` (what must come first),
//! `slack` (may be left out).

use crate::dcheck::engine::expr::Datum;

use super::group::{Group, Item, Other};
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent};
use super::way::Way;

pub const WAY: Way = Way {
    roots: &["other"],
    // How much later than the item its counterpart came.
    found: &["late_ms"],
    counterpart: true,
    ..Way::of(|keys| {
        let slack_ms = keys.fields.optional_duration_ms("slack").unwrap_or(0);
        Some(Box::new(Ordering { slack_ms, when_absent: keys.when_absent? }))
    })
};

#[derive(Debug)]
pub struct Ordering {
    slack_ms: i64,
    when_absent: WhenAbsent,
}

impl Ordering {
    fn judge<'g>(&self, item: &Item, first: Option<&'g Other>, passed: Passed<'_>) -> Finding<'g> {
        let latest = item.event.at.plus_ms(self.slack_ms);
        let late_ms = first.map(|first| first.first_at.since_ms(item.event.at));
        let ruling = match late_ms {
            Some(late_ms) if late_ms <= self.slack_ms => Ruling::Matched,
            _ if !passed(latest) => Ruling::Wait(latest),
            None if self.when_absent == WhenAbsent::Ok => Ruling::Expired,
            _ => Ruling::Mismatched,
        };
        let late_ms = late_ms.map(|late_ms| ("late_ms", Datum::Num(late_ms.max(0).into())));
        let other = first.and_then(Other::row);
        Finding { ruling, other, found: late_ms.into_iter().collect() }
    }
}

impl Strategy for Ordering {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let first = group.others.iter().min_by_key(|other| other.first_at);
        group.items.iter().map(|item| self.judge(item, first, passed)).collect()
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Counterparts
    }
}
