//! Aggregate: rate and sum over a sliding window. Each item is judged with those of its key in the time `within` before it.
//!
//! `found.count` is their number, its own included (a rate: `check: found.count <= 5`), and with `amount`, `found.sum` their
//! sum. Told at once, at the item that goes over; an item that is read later may make a later one the finding. `order_by`
//! is a time in ms. Checks are upper bounds: what was not read can only add. A rate that falls to nothing has no item to be told
//! at. YAML: `within`, `order_by`, `amount` (may be left out), `check`.

use crate::dcheck::engine::expr::{Datum, EvalError, Expr, Kind, Scope};

use super::group::{Group, Item};
use super::strategy::{Finding, Passed, Ruling, Strategy, WhenAbsent, amount_of, rule_on};
use super::way::{OWN, Way};

pub const WAY: Way = Way {
    found: &["count", "sum"],
    ..Way::of(|keys| {
        let within_ms = keys.fields.duration_ms("within");
        let amount = keys.fields.optional_expr("amount", Kind::Any, OWN);
        let (order_by, check) = (keys.order_by(), keys.check());
        let (within_ms, order_by, check) = (within_ms?, order_by?, check?);
        if amount.is_none() && check.text().contains("found.sum") {
            let message = "`found.sum` is the sum of `amount`, which is not there";
            keys.fields.mistake(keys.fields.line(), message);
        }
        let when_absent = keys.when_absent?;
        Some(Box::new(Aggregate { within_ms, amount, order_by, check, when_absent }))
    })
};

#[derive(Debug)]
pub struct Aggregate {
    within_ms: i64,
    amount: Option<Expr>,
    order_by: Expr,
    check: Expr,
    when_absent: WhenAbsent,
}

impl Aggregate {
    fn found(&self, items: &[Item]) -> Result<Vec<(&'static str, Datum)>, EvalError> {
        let mut found = vec![("count", Datum::Num(items.len().into()))];
        let Some(amount) = &self.amount else { return Ok(found) };
        let mut sum: Option<Datum> = None;
        for item in items {
            let Some(amount) = amount_of(amount, &Scope::of(&item.event))? else {
                return Err(EvalError::Type { op: "amount", found: "nothing" });
            };
            sum = Some(match sum {
                None => amount,
                Some(sum) => sum.add(&amount)?,
            });
        }
        found.extend(sum.map(|sum| ("sum", sum)));
        Ok(found)
    }
}

impl Strategy for Aggregate {
    fn check(&self) -> Option<&Expr> {
        Some(&self.check)
    }

    fn compare<'g>(&self, group: &'g Group, _: Passed<'_>) -> Vec<Finding<'g>> {
        let judge = |(number, item): (usize, &Item)| {
            let begins = item.rank.0.saturating_sub(i128::from(self.within_ms));
            let first = group.items.partition_point(|earlier| earlier.rank.0 <= begins);
            let found = match self.found(&group.items[first..=number]) {
                Ok(found) => found,
                Err(error) => return Finding::of(Ruling::of_error(&error)),
            };
            let scope = Scope { found: &found, ..Scope::of(&item.event) };
            let ruling = rule_on(&self.check, &scope, self.when_absent);
            Finding { ruling, other: None, found }
        };
        group.items.iter().enumerate().map(judge).collect()
    }

    fn order_by(&self) -> Option<&Expr> {
        Some(&self.order_by)
    }

    fn reach_ms(&self) -> Option<i64> {
        Some(self.within_ms)
    }
}
