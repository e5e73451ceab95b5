//! Settlement: each time an order is shared out is a line, of all its parts together; a bill is a line of what it comes to.

use super::{Ledger, Size};

pub(super) const LEDGERS: &[Ledger] = &[
    Ledger {
        ledger: "settle.shares",
        table: "settle_detail",
        subject: ("order", "order_id"),
        amount: Size::MoneySum(&["merchant_part", "platform_part", "promoter_part"]),
        reference: &["detail_id"],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "settle.bill",
        table: "settle_bill",
        subject: ("bill", "bill_id"),
        amount: Size::Money("amount"),
        reference: &["bill_id"],
        detail: Some("merchant"),
        ..Ledger::PLAIN
    },
];
