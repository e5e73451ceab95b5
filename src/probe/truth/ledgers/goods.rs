//! Goods: what is sold of an item and of a bid, what an order gives back, and what it asks for.

use super::{Ledger, Size};

pub(super) const LEDGERS: &[Ledger] = &[
    Ledger {
        ledger: "stock.sold",
        table: "order_item",
        subject: ("item", "sku"),
        amount: Size::Pieces("qty"),
        reference: &["order_id"],
        only: &[("status", &["SOLD"])],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "bid.sold",
        table: "order_item",
        subject: ("bid", "bid_id"),
        amount: Size::Pieces("qty"),
        reference: &["order_id"],
        only: &[("status", &["SOLD"])],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "stock.released",
        table: "stock_release",
        subject: ("order", "order_id"),
        amount: Size::Pieces("qty"),
        reference: &["release_id"],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "order.payable",
        table: "orders",
        subject: ("order", "order_id"),
        amount: Size::Money("payable"),
        reference: &["order_id"],
        ..Ledger::PLAIN
    },
];
