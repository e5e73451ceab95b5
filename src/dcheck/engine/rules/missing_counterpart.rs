//! Missing counterpart: each item must be answered by a counterpart within the window; either may
//! come first.
//!
//! Event times decide, not arrival: a counterpart dated after the deadline is late, however early
//! it is read, and then the finding and its end are both told. YAML: `counterpart`, `window`.

use crate::dcheck::engine::expr::Datum;

use super::group::{Group, Item, Other};
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent};
use super::way::Way;

pub const WAY: Way = Way {
    roots: &["other"],
    found: &["late_ms"],
    counterpart: true,
    ..Way::of(|keys| {
        let window_ms = keys.window_ms();
        if keys.when_absent? == WhenAbsent::Ok {
            let message = "absence is what this strategy finds: write `when_absent: finding`";
            keys.fields.mistake(keys.fields.line(), message);
        }
        Some(Box::new(MissingCounterpart { window_ms: window_ms? }))
    })
};

#[derive(Debug)]
pub struct MissingCounterpart {
    pub window_ms: i64,
}

impl MissingCounterpart {
    fn judge<'g>(&self, item: &Item, first: Option<&'g Other>, passed: Passed<'_>) -> Finding<'g> {
        let deadline = item.event.at.plus_ms(self.window_ms);
        let other = first.and_then(Other::row);
        let late_ms = first.map(|first| first.first_at.since_ms(deadline));
        let ruling = match late_ms {
            Some(late_ms) if late_ms <= 0 => Ruling::Matched,
            _ if !passed(deadline) => Ruling::Wait(deadline),
            Some(_) => Ruling::Late,
            None => Ruling::Mismatched,
        };
        let late_ms = late_ms.map(|late_ms| ("late_ms", Datum::Num(late_ms.max(0).into())));
        Finding { ruling, other, found: late_ms.into_iter().collect() }
    }
}

impl Strategy for MissingCounterpart {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let first = group.others.iter().min_by_key(|other| other.first_at);
        group.items.iter().map(|item| self.judge(item, first, passed)).collect()
    }

    fn window_ms(&self) -> Option<i64> {
        Some(self.window_ms)
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Counterparts
    }
}
