//! One comparison: what is expected of a subject at an instant against what is there. Pure, and a
//! table by nature.

use super::{Flaw, Instant, Party, RowKind};
use crate::journal::PostingKind;
use crate::money::Money;

/// An expected or an actual amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub amount: Money,
    /// An actual row's own instant; for an expected one, when it became due.
    pub when: Instant,
    pub key: String,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The same difference at a later instant has the same key.
    pub key: String,
    pub kind: RowKind,
    pub flaw: Flaw,
    pub party: Party,
    pub amount: Money,
    /// Of a missing row: what made it due.
    pub due: Option<Instant>,
}

/// What an order may count as paid: at least `low`, at most `high`, and at once if `due`.
struct Base {
    low: Money,
    high: Money,
    due: Option<Instant>,
    key: String,
}

/// The order's books: the buyer is charged what was expected, and each charge counts as paid; of a closed order none
/// does.
pub(super) fn order_gaps(
    expected: &[Item],
    collected: &[Item],
    paid: &[Item],
    is_closed: bool,
) -> Vec<Gap> {
    let kind = PostingKind::Collected;
    let mut gaps = Vec::new();
    let mut bases = Vec::new();
    for pair in pair(expected, collected) {
        match pair {
            (Some(meant), Some(got)) => {
                gaps.extend(wrong_amount(kind, meant, got, Party::Seller, Party::Buyer));
                let (low, high) = match above(got.amount, meant.amount) {
                    Some(_) => (meant.amount, got.amount),
                    None => (got.amount, meant.amount),
                };
                bases.push(Base { low, high, due: Some(got.when), key: got.key.clone() });
            }
            (Some(meant), None) => {
                gaps.push(missing(kind, Party::Seller, meant.amount, meant.when, &meant.key));
                bases.push(open_base(meant));
            }
            (None, Some(got)) => {
                gaps.push(extra(kind, Party::Buyer, got, !expected.is_empty()));
                bases.push(open_base(got));
            }
            (None, None) => {}
        }
    }
    if is_closed {
        bases.clear();
    }
    bases.sort_by_key(|base| base.due.is_none());
    paid_gaps(&bases, paid, &mut gaps);
    gaps
}

/// Nothing has been collected for it, or nothing should have: it may count as paid, and need not.
fn open_base(item: &Item) -> Base {
    let low = Money::zero(item.amount.currency);
    Base { low, high: item.amount, due: None, key: item.key.clone() }
}

fn paid_gaps(bases: &[Base], paid: &[Item], gaps: &mut Vec<Gap>) {
    let kind = PostingKind::OrderPaid;
    let mut left: Vec<&Item> = paid.iter().collect();
    let fits = |base: &Base, item: &Item| {
        above(base.low, item.amount).is_none() && above(item.amount, base.high).is_none()
    };
    let mut unmet = Vec::new();
    for base in bases {
        match left.iter().position(|item| fits(base, item)) {
            Some(index) => {
                left.remove(index);
            }
            None => unmet.push(base),
        }
    }
    for base in unmet {
        if left.is_empty() {
            if let Some(due) = base.due {
                gaps.push(missing(kind, Party::Buyer, base.low, due, &base.key));
            }
            continue;
        }
        let item = left.remove(0);
        let wrong = match above(base.low, item.amount) {
            Some(short) => Some((Party::Buyer, short)),
            None => above(item.amount, base.high).map(|over| (Party::Platform, over)),
        };
        gaps.extend(wrong.map(|(party, amount)| Gap {
            key: format!("{kind:?} wrong {}", item.key),
            kind: RowKind::Posting(kind),
            flaw: Flaw::WrongAmount,
            party,
            amount,
            due: None,
        }));
    }
    gaps.extend(left.into_iter().map(|item| extra(kind, Party::Platform, item, !bases.is_empty())));
}

/// The refund's books: what is owed is paid out, once.
pub(super) fn refund_gaps(expected: &[Item], paid_out: &[Item]) -> Vec<Gap> {
    let kind = PostingKind::PaidOut;
    let gaps = pair(expected, paid_out).into_iter().filter_map(|pair| match pair {
        (Some(meant), Some(got)) => wrong_amount(kind, meant, got, Party::Buyer, Party::Platform),
        (Some(meant), None) => {
            Some(missing(kind, Party::Buyer, meant.amount, meant.when, &meant.key))
        }
        (None, Some(got)) => Some(extra(kind, Party::Platform, got, !expected.is_empty())),
        (None, None) => None,
    });
    gaps.collect()
}

/// By how much `one` is above `other`; amounts in two currencies are wholly apart.
pub(super) fn above(one: Money, other: Money) -> Option<Money> {
    if one.currency != other.currency {
        return (one.minor > 0).then_some(one);
    }
    let minor = one.minor.saturating_sub(other.minor);
    (minor > 0).then_some(Money { minor, ..one })
}

fn wrong_amount(
    kind: PostingKind,
    meant: &Item,
    got: &Item,
    short: Party,
    over: Party,
) -> Option<Gap> {
    let (party, amount) = match above(meant.amount, got.amount) {
        Some(amount) => (short, amount),
        None => (over, above(got.amount, meant.amount)?),
    };
    Some(Gap {
        key: format!("{kind:?} wrong {}", got.key),
        kind: RowKind::Posting(kind),
        flaw: Flaw::WrongAmount,
        party,
        amount,
        due: None,
    })
}

fn missing(kind: PostingKind, party: Party, amount: Money, due: Instant, key: &str) -> Gap {
    Gap {
        key: format!("{kind:?} missing {key}"),
        kind: RowKind::Posting(kind),
        flaw: Flaw::Missing,
        party,
        amount,
        due: Some(due),
    }
}

fn extra(kind: PostingKind, party: Party, item: &Item, expected_any: bool) -> Gap {
    Gap {
        key: format!("{kind:?} extra {}", item.key),
        kind: RowKind::Posting(kind),
        flaw: if expected_any { Flaw::Duplicate } else { Flaw::Unexpected },
        party,
        amount: item.amount,
        due: None,
    }
}

/// Pairs equal amounts first, the rest in order; what is left over stands alone.
fn pair<'a>(expected: &'a [Item], actual: &'a [Item]) -> Vec<(Option<&'a Item>, Option<&'a Item>)> {
    let mut left: Vec<&Item> = actual.iter().collect();
    let mut pairs = Vec::new();
    let mut unmet = Vec::new();
    for meant in expected {
        match left.iter().position(|got| got.amount == meant.amount) {
            Some(index) => pairs.push((Some(meant), Some(left.remove(index)))),
            None => unmet.push(meant),
        }
    }
    for meant in unmet {
        let got = (!left.is_empty()).then(|| left.remove(0));
        pairs.push((Some(meant), got));
    }
    pairs.extend(left.into_iter().map(|got| (None, Some(got))));
    pairs
}
