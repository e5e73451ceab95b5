//! Shares of the whole, by count and by money, and what a gate's policy finds missing in them.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{Proof, Row, Table, Verdicts};
use crate::config::{Span, list};
use crate::journal::Basis;
use crate::money::Money;

/// Of the loss points of one priority, those that are covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// `p0` … `p4`, or `all`.
    pub priority: String,
    pub covered: usize,
    pub of: usize,
    /// Theoretical losses summed, where they are of one currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_loss: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_loss: Option<Money>,
}

/// One for each priority that occurs, and one of all.
pub fn shares(rows: &[Row]) -> Vec<Share> {
    let mut priorities: Vec<&str> = rows.iter().map(|row| row.priority.as_str()).collect();
    priorities.sort_unstable();
    priorities.dedup();
    let own = |priority: &str| {
        let own: Vec<&Row> = rows.iter().filter(|row| row.priority == priority).collect();
        share(priority, &own)
    };
    let mut shares: Vec<Share> = priorities.into_iter().map(own).collect();
    shares.push(share("all", &rows.iter().collect::<Vec<_>>()));
    shares
}

fn share(priority: &str, rows: &[&Row]) -> Share {
    let covered: Vec<&Row> = rows.iter().copied().filter(|row| row.is_covered()).collect();
    let of_loss = sum(rows, rows);
    Share {
        priority: priority.to_owned(),
        covered: covered.len(),
        of: rows.len(),
        covered_loss: of_loss.and_then(|_| sum(rows, &covered)),
        of_loss,
    }
}

/// Of `some`, in the currency of the first of `rows`; none where a row is of another.
fn sum(rows: &[&Row], some: &[&Row]) -> Option<Money> {
    let zero = Money::zero(rows.first()?.loss.currency);
    some.iter().try_fold(zero, |sum, row| sum.checked_add(row.loss).ok())
}

impl Share {
    /// At least `percent` of the points are covered; of none at all every share is.
    fn reaches(&self, percent: Decimal) -> bool {
        Decimal::from(self.covered) * Decimal::ONE_HUNDRED >= percent * Decimal::from(self.of)
    }
}

/// What of the basis's demands the run did not meet, one sentence each. A shard is judged when it is merged: it sees
/// only its own part.
pub fn unmet(
    basis: &Basis,
    proofs: &[Proof],
    verdicts: &Verdicts<'_>,
    took_ms: i64,
) -> Vec<String> {
    let Some(demands) = basis.demands.as_ref().filter(|_| basis.shard.is_none()) else {
        return Vec::new();
    };
    let table = Table::of(&basis.points, proofs, Some(verdicts), true);
    let mut unmet = Vec::new();
    for share in &table.shares {
        let Some(percent) = demands.coverage.get(&share.priority) else { continue };
        if share.reaches(*percent) {
            continue;
        }
        let missing = |row: &&Row| row.priority == share.priority && !row.is_covered();
        let missing: Vec<&str> =
            table.rows.iter().filter(missing).map(|row| row.loss_point.as_str()).collect();
        unmet.push(format!(
            "policy not met: {} of {} {} loss points are proved, and {percent}% must be: not proved: {}",
            share.covered,
            share.of,
            share.priority,
            list(&missing)
        ));
    }
    if took_ms > demands.budget_ms {
        let span = |ms: i64| {
            let secs = u64::try_from(ms).unwrap_or_default() / 1000;
            Span::from_secs(secs).to_string()
        };
        let (took, budget) = (span(took_ms), span(demands.budget_ms));
        unmet.push(format!("policy not met: the run took {took}, and its budget is {budget}"));
    }
    unmet
}
