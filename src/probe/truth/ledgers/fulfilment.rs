//! Fulfilment: each shipment that has left a warehouse is a line of its order, of what the goods are worth.

use super::{Ledger, Size};

pub(super) const LEDGERS: &[Ledger] = &[Ledger {
    ledger: "shipment.sent",
    table: "shipment",
    subject: ("order", "order_id"),
    amount: Size::Money("worth"),
    reference: &["order_id"],
    only: &[("status", &["DISPATCHED"])],
    ..Ledger::PLAIN
}];
