//! Promotions: each use of a coupon, each promotion of an order, and each amount out of an activity's budget.

use super::{Ledger, Size};

pub(super) const LEDGERS: &[Ledger] = &[
    Ledger {
        ledger: "coupon.use",
        table: "coupon_use",
        subject: ("coupon", "coupon_id"),
        amount: Size::One,
        reference: &["use_id"],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "promotion.use",
        table: "promotion_use",
        subject: ("order", "order_id"),
        amount: Size::Money("amount"),
        reference: &["use_id"],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "activity.spent",
        table: "budget_flow",
        subject: ("activity", "activity_id"),
        amount: Size::Money("amount"),
        reference: &["flow_id"],
        ..Ledger::PLAIN
    },
];
