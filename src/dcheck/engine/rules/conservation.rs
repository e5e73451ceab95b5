//! Conservation: per key, the items' amounts add up to zero within the window: debits equal credits.
//!
//! A balance is told at once. An imbalance is told when the window closes, counted from the earliest item, and once:
//! at the item that comes first by `order_by`. YAML: `amount`, `order_by`, `window`.

use crate::clock::CellTime;
use crate::dcheck::engine::expr::{Datum, EvalError, Expr, Scope};

use super::group::Group;
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, amount_of};
use super::way::Way;

pub const WAY: Way = Way {
    // What is left over.
    found: &["sum"],
    ..Way::of(|keys| {
        let (amount, order_by, window_ms) = (keys.amount(), keys.order_by(), keys.window_ms());
        let (amount, order_by, window_ms) = (amount?, order_by?, window_ms?);
        Some(Box::new(Conservation { amount, order_by, window_ms }))
    })
};

#[derive(Debug)]
pub struct Conservation {
    amount: Expr,
    order_by: Expr,
    window_ms: i64,
}

impl Conservation {
    fn sum(&self, group: &Group) -> Result<Option<Datum>, EvalError> {
        let mut sum: Option<Datum> = None;
        for item in &group.items {
            let Some(amount) = amount_of(&self.amount, &Scope::of(&item.event))? else {
                return Err(EvalError::Type { op: "amount", found: "nothing" });
            };
            sum = Some(match sum {
                None => amount,
                Some(sum) => sum.add(&amount)?,
            });
        }
        Ok(sum)
    }
}

fn is_zero(sum: &Datum) -> Result<bool, EvalError> {
    let zero = sum.sub(sum)?;
    Ok(sum.compare("==", &zero)?.is_some_and(std::cmp::Ordering::is_eq))
}

impl Strategy for Conservation {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let sum = match self.sum(group) {
            Ok(Some(sum)) => sum,
            Ok(None) => return Vec::new(),
            Err(error) => return refused(group, &error),
        };
        let balanced = match is_zero(&sum) {
            Ok(balanced) => balanced,
            Err(error) => return refused(group, &error),
        };
        let first = group.items.iter().map(|item| item.event.at).min();
        let deadline = first.unwrap_or(CellTime(i64::MAX)).plus_ms(self.window_ms);
        let judge = |nth: usize| {
            let ruling = match nth {
                _ if balanced => Ruling::Matched,
                _ if !passed(deadline) => Ruling::Wait(deadline),
                0 => Ruling::Mismatched,
                _ => Ruling::Matched,
            };
            Finding { ruling, other: None, found: vec![("sum", sum.clone())] }
        };
        (0..group.items.len()).map(judge).collect()
    }

    fn order_by(&self) -> Option<&Expr> {
        Some(&self.order_by)
    }

    fn window_ms(&self) -> Option<i64> {
        Some(self.window_ms)
    }

    fn relies_on(&self) -> Reliance {
        Reliance::Items
    }
}

fn refused(group: &Group, error: &EvalError) -> Vec<Finding<'static>> {
    let refuse = |_| Finding::of(Ruling::of_error(error));
    group.items.iter().map(refuse).collect()
}
