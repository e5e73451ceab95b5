//! What each act means for whose books: the rules of expectation, one arm per act.

use std::collections::BTreeMap;

use super::Instant;
use crate::clock::CellTime;
use crate::journal::{Act, Event, Expected, History, Outcome, OwnBook};
use crate::money::Money;
use crate::wire::Subject;

/// An act that is not refused, with what the journal knows of its end.
pub(super) struct Deed<'a> {
    pub act: &'a Act,
    pub intent: Instant,
    /// When what it expects became due: its outcome, or its intent while there is none.
    pub due: Instant,
}

/// What an act expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// Something of a line in a domain's ledger.
    Line(Expected),
    /// The order is charged this once, and counts as paid once.
    Charge { order: String, amount: Money },
    /// The refund is paid out once.
    Payout { refund: String, amount: Money },
    /// The bid stands open at this price.
    Offer { bid: String, price: Money },
    /// The bid's price from now on.
    Reprice { bid: String, price: Money },
    /// The order is closed: whatever it is charged, it does not count as paid.
    Closed { order: String },
}

impl Meant {
    /// In the platform's own books, or in a domain's ledger.
    fn by(expected: Expected) -> Meant {
        match expected.own_book() {
            Some(OwnBook::PaidOut(amount)) => Meant::Payout { refund: expected.subject.id, amount },
            Some(OwnBook::NeverPaid) => Meant::Closed { order: expected.subject.id },
            None => Meant::Line(expected),
        }
    }
}

/// Acts that expect something, in order. A refused act expects nothing, whatever the platform did.
pub(super) fn deeds(history: &History) -> Vec<Deed<'_>> {
    let mut ends: BTreeMap<u64, (Instant, &Outcome)> = BTreeMap::new();
    let mut last = CellTime::default();
    for entry in history.entries() {
        last = entry.cell_ms.map_or(last, CellTime);
        if let Event::Done { id, outcome } = &entry.event {
            ends.entry(*id).or_insert((Instant { at: last, seq: entry.seq }, outcome));
        }
    }
    let mut last = CellTime::default();
    let mut deeds = Vec::new();
    for entry in history.entries() {
        last = entry.cell_ms.map_or(last, CellTime);
        let Event::Intent { id, act, .. } = &entry.event else { continue };
        let intent = Instant { at: last, seq: entry.seq };
        match ends.get(id) {
            Some((_, Outcome::Refused { .. })) => {}
            Some((due, Outcome::Ok | Outcome::Unknown { .. })) => {
                deeds.push(Deed { act, intent, due: *due });
            }
            None => deeds.push(Deed { act, intent, due: intent }),
        }
    }
    deeds
}

/// No more pieces are ever sold than there are, of an item and of a bid.
fn pieces_bound(act: &Act) -> Option<Expected> {
    match act {
        Act::ListItem { sku, stock, median, .. } => {
            let item = Subject::new("item", sku);
            Some(Expected::at_most("stock.sold", &item, i64::from(*stock)).worth(*median))
        }
        Act::PlaceBid { bid, qty, meant, .. } => {
            let bid = Subject::new("bid", bid);
            Some(Expected::at_most("bid.sold", &bid, i64::from(*qty)).worth(*meant))
        }
        _ => None,
    }
}

/// The rules of expectation. A held refund is owed once its approval is delivered, however often
/// that happens. An order is charged what it costs, whatever its buyer pays.
pub(super) fn meant_by(deeds: &[Deed<'_>]) -> Vec<(Meant, Instant, Instant)> {
    let mut costs: BTreeMap<&str, Money> = BTreeMap::new();
    let mut held: BTreeMap<&str, Money> = BTreeMap::new();
    let mut meant = Vec::new();
    for deed in deeds {
        let made = match deed.act {
            Act::ListItem { .. } | Act::ApproveClearance { .. } | Act::Business(_) => None,
            Act::PlaceOrder { order, payable, .. } => {
                costs.insert(order, *payable);
                None
            }
            Act::PlaceBid { bid, meant, .. } => {
                Some(Meant::Offer { bid: bid.clone(), price: *meant })
            }
            Act::CorrectBid { bid, price, meant } => {
                Some(Meant::Reprice { bid: bid.clone(), price: meant.unwrap_or(*price) })
            }
            Act::Buy { order, due, .. } => {
                Some(Meant::Charge { order: order.clone(), amount: *due })
            }
            Act::PayOrder { order, amount, .. } => {
                let amount = costs.get(order.as_str()).copied().unwrap_or(*amount);
                Some(Meant::Charge { order: order.clone(), amount })
            }
            Act::Refund { refund, due, hold: true, .. } => {
                held.insert(refund, *due);
                None
            }
            Act::Refund { refund, due, hold: false, .. } => {
                Some(Meant::Payout { refund: refund.clone(), amount: *due })
            }
            Act::DeliverApproval { refund, .. } => held
                .remove(refund.as_str())
                .map(|amount| Meant::Payout { refund: refund.clone(), amount }),
        };
        let lines = match deed.act {
            Act::Business(business) => business.expects.clone(),
            act => pieces_bound(act).into_iter().collect(),
        };
        meant.extend(lines.into_iter().map(|line| (Meant::by(line), deed.intent, deed.due)));
        meant.extend(made.map(|made| (made, deed.intent, deed.due)));
    }
    meant
}
