//! Sum-bound: per key, the items' amounts may not add up to more than the counterparts' amounts
//! (conservation).
//!
//! The item that goes over is the finding, with what it adds above the bound; `order_by` says which
//! one that is, not arrival. With a `window` an excess waits for counterparts that are under way.
//! YAML: `counterpart`, `amount`, `counterpart.amount`, `order_by`, `window` (may be left out: told
//! at once).

use crate::dcheck::engine::expr::{Datum, EvalError, Expr, Scope};

use super::group::Group;
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent, amount_of};
use super::way::{Bound, Way};

pub const WAY: Way = Way {
    // Sum so far, what it may be, and what this item adds above that.
    found: &["total", "bound", "above"],
    counterpart: true,
    bound: Bound::Required,
    ..Way::of(|keys| {
        let window_ms = keys.fields.optional_duration_ms("window");
        let (amount, order_by, bound) = (keys.amount(), keys.order_by(), keys.bound.clone());
        let (amount, order_by, bound) = (amount?, order_by?, bound?);
        let when_absent = keys.when_absent?;
        Some(Box::new(SumBound { amount, bound, order_by, window_ms, when_absent }))
    })
};

#[derive(Debug)]
pub struct SumBound {
    pub amount: Expr,
    pub bound: Expr,
    pub order_by: Expr,
    /// None: an excess is told at once.
    pub window_ms: Option<i64>,
    pub when_absent: WhenAbsent,
}

/// Whether the sum fits, what is found, and the new total.
type Weighed = (bool, Vec<(&'static str, Datum)>, Datum);

impl SumBound {
    /// None where no counterpart has an amount.
    fn bound(&self, group: &Group) -> Result<Option<Datum>, EvalError> {
        let mut bound: Option<Datum> = None;
        for other in &group.others {
            if let Some(amount) = amount_of(&self.bound, &Scope::of(&other.event))? {
                bound = Some(match bound {
                    None => amount,
                    Some(sum) => sum.add(&amount)?,
                });
            }
        }
        Ok(bound)
    }

    /// The ruling apart from time.
    fn weigh(
        &self,
        amount: Datum,
        total: Option<Datum>,
        bound: Option<&Datum>,
    ) -> Result<Weighed, EvalError> {
        let zero = amount.sub(&amount)?;
        let before = total.unwrap_or_else(|| zero.clone());
        let total = before.add(&amount)?;
        let limit = match (bound, self.when_absent) {
            (Some(bound), _) => bound.clone(),
            (None, WhenAbsent::Finding) => zero,
            (None, WhenAbsent::Ok) => return Ok((true, vec![("total", total.clone())], total)),
        };
        let exceeds = |sum: &Datum| -> Result<bool, EvalError> {
            Ok(sum.compare(">", &limit)?.is_some_and(std::cmp::Ordering::is_gt))
        };
        let fits = !exceeds(&total)?;
        let base = if exceeds(&before)? { before } else { limit.clone() };
        let mut found = vec![("total", total.clone()), ("bound", limit)];
        if !fits {
            found.push(("above", total.sub(&base)?));
        }
        Ok((fits, found, total))
    }
}

impl Strategy for SumBound {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let bound = self.bound(group);
        let mut total: Option<Datum> = None;
        let judge = |item: &super::group::Item| {
            let weighed = bound.clone().and_then(|bound| {
                let Some(amount) = amount_of(&self.amount, &Scope::of(&item.event))? else {
                    let op = "amount";
                    return Err(EvalError::Type { op, found: "nothing" });
                };
                self.weigh(amount, total.clone(), bound.as_ref())
            });
            let (fits, found, sum) = match weighed {
                Ok(weighed) => weighed,
                Err(error) => return Finding::of(Ruling::of_error(&error)),
            };
            total = Some(sum);
            let deadline = self.window_ms.map(|window_ms| item.event.at.plus_ms(window_ms));
            let ruling = match deadline {
                _ if fits => Ruling::Matched,
                Some(deadline) if !passed(deadline) => Ruling::Wait(deadline),
                _ => Ruling::Mismatched,
            };
            Finding { ruling, other: None, found }
        };
        group.items.iter().map(judge).collect()
    }

    fn order_by(&self) -> Option<&Expr> {
        Some(&self.order_by)
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Counterparts
    }
}
