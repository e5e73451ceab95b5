//! One to many: an item is answered by several counterparts, which must come to what it says within the window.
//!
//! Their number is `found.count`, and with `counterpart.amount` their sum is `found.sum`: `check: found.sum ==
//! money(after.total, after.currency)`, or `found.count == after.parcels`. Agreement is told at once, a difference when the
//! window closes. What is dated after the deadline is late: then the finding and its end are both told; what it adds to
//! an agreement is a finding. YAML: `counterpart`, `counterpart.amount` (may be left out), `window`, `check`.

use crate::clock::CellTime;
use crate::dcheck::engine::expr::{Datum, EvalError, Expr, Scope};

use super::group::{Group, Item};
use super::strategy::{
    Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent, amount_of, rule_on,
};
use super::way::{Bound, Way};

pub const WAY: Way = Way {
    found: &["count", "sum"],
    counterpart: true,
    bound: Bound::Optional,
    ..Way::of(|keys| {
        let (window_ms, check, amount) = (keys.window_ms(), keys.check(), keys.bound.clone());
        let (window_ms, check, when_absent) = (window_ms?, check?, keys.when_absent?);
        if amount.is_none() && check.text().contains("found.sum") {
            let message = "`found.sum` is the sum of `counterpart.amount`, which is not there";
            keys.fields.mistake(keys.fields.line(), message);
        }
        Some(Box::new(OneToMany { window_ms, check, amount, when_absent }))
    })
};

#[derive(Debug)]
pub struct OneToMany {
    window_ms: i64,
    check: Expr,
    amount: Option<Expr>,
    when_absent: WhenAbsent,
}

impl OneToMany {
    /// Count and sum of the counterparts dated no later than `until`.
    fn found(
        &self,
        group: &Group,
        until: CellTime,
    ) -> Result<Vec<(&'static str, Datum)>, EvalError> {
        let (mut count, mut sum) = (0_u32, None::<Datum>);
        for other in group.others.iter().filter(|other| other.first_at <= until) {
            count += 1;
            let Some(amount) = &self.amount else { continue };
            let Some(amount) = amount_of(amount, &Scope::of(&other.event))? else {
                return Err(EvalError::Type { op: "counterpart.amount", found: "nothing" });
            };
            sum = Some(match sum {
                None => amount,
                Some(sum) => sum.add(&amount)?,
            });
        }
        let found = [("count", Datum::Num(count.into()))];
        Ok(found.into_iter().chain(sum.map(|sum| ("sum", sum))).collect())
    }

    fn judge(&self, group: &Group, item: &Item, passed: Passed<'_>) -> Finding<'static> {
        let deadline = item.event.at.plus_ms(self.window_ms);
        let holds = |found: &[(&'static str, Datum)]| {
            rule_on(&self.check, &Scope { found, ..Scope::of(&item.event) }, self.when_absent)
        };
        let found = |until| self.found(group, until);
        let (in_time, all) = match (found(deadline), found(CellTime(i64::MAX))) {
            (Ok(in_time), Ok(all)) => (in_time, all),
            (Err(error), _) | (_, Err(error)) => return Finding::of(Ruling::of_error(&error)),
        };
        let ruling = match (holds(&in_time), holds(&all)) {
            (Ruling::Matched, Ruling::Matched)
                if group.others.is_empty() && self.when_absent == WhenAbsent::Ok =>
            {
                // Nothing is there to agree with: the window says whether it stays so.
                if passed(deadline) { Ruling::Expired } else { Ruling::Wait(deadline) }
            }
            (Ruling::Matched, Ruling::Matched) => Ruling::Matched,
            _ if !passed(deadline) => Ruling::Wait(deadline),
            (_, Ruling::Matched) => Ruling::Late,
            (_, ruling) => ruling,
        };
        Finding { ruling, other: None, found: all }
    }
}

impl Strategy for OneToMany {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        group.items.iter().map(|item| self.judge(group, item, passed)).collect()
    }

    fn window_ms(&self) -> Option<i64> {
        Some(self.window_ms)
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Counterparts
    }
}
