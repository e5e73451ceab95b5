//! The wallet: each leg of a transfer is a line of its account, and so is what stands in the account.

use super::{Ledger, Size};

pub(super) const LEDGERS: &[Ledger] = &[
    Ledger {
        ledger: "wallet.flow",
        table: "account_flow",
        subject: ("account", "account_id"),
        amount: Size::Money("amount"),
        reference: &["flow_id"],
        ..Ledger::PLAIN
    },
    Ledger {
        ledger: "wallet.balance",
        table: "account",
        subject: ("account", "account_id"),
        amount: Size::Money("balance"),
        reference: &["account_id"],
        ..Ledger::PLAIN
    },
];
