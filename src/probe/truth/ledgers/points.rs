//! Points: each grant that stands is a line of its order.

use super::{Ledger, Size};

pub(super) const LEDGERS: &[Ledger] = &[Ledger {
    ledger: "points.granted",
    table: "points_flow",
    subject: ("order", "order_id"),
    amount: Size::Pieces("points"),
    reference: &["flow_id"],
    only: &[("status", &["GRANTED"])],
    ..Ledger::PLAIN
}];
