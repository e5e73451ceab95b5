//! The tables of settlement: what an order is shared out into, the bill that a run makes for a merchant, and its payout.

use super::tables::Table;

pub(super) const TABLES: &[Table] = &[
    (
        // One row an order: its `detail_id` is the order's own.
        "settle_detail",
        "detail_id VARCHAR(170) PRIMARY KEY, order_id VARCHAR(80) NOT NULL, run_no VARCHAR(80) NOT NULL,
  bill_id VARCHAR(80) NOT NULL, merchant VARCHAR(80) NOT NULL, gross DECIMAL(18,2) NOT NULL,
  merchant_part DECIMAL(18,2) NOT NULL, platform_part DECIMAL(18,2) NOT NULL,
  promoter_part DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL, at_ms BIGINT NOT NULL,
  KEY by_order (order_id), KEY by_bill (bill_id)",
    ),
    (
        // OPEN until its payout is ordered, PAYING until the channel has paid, then PAID.
        "settle_bill",
        "bill_id VARCHAR(80) PRIMARY KEY, merchant VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, status VARCHAR(16) NOT NULL, changes BIGINT NOT NULL,
  updated_at_ms BIGINT NOT NULL, KEY by_merchant (merchant)",
    ),
    (
        // The changes of a bill add up to its amount; it counts them in `changes`. The first says whose it is.
        "bill_change",
        "bill_id VARCHAR(80) NOT NULL, nth BIGINT NOT NULL, merchant VARCHAR(80) NOT NULL, delta DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, cause VARCHAR(170) NOT NULL, at_ms BIGINT NOT NULL,
  PRIMARY KEY (bill_id, nth)",
    ),
    (
        // Leave to add so much to a bill by hand.
        "fix_ticket",
        "ticket VARCHAR(80) PRIMARY KEY, bill_id VARCHAR(80) NOT NULL, delta DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, approved TINYINT NOT NULL, at_ms BIGINT NOT NULL, KEY by_bill (bill_id)",
    ),
    (
        // Every account that was ever given for a merchant; which one counts is a matter of `payees`.
        "payee_account",
        "change_id VARCHAR(80) PRIMARY KEY, merchant VARCHAR(80) NOT NULL, account VARCHAR(80) NOT NULL,
  confirmed TINYINT NOT NULL, changed_at_ms BIGINT NOT NULL, KEY by_merchant (merchant, changed_at_ms)",
    ),
    (
        "merchant_payout",
        "payout_no VARCHAR(120) PRIMARY KEY, bill_id VARCHAR(80) NOT NULL, merchant VARCHAR(80) NOT NULL,
  account VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  channel_txn VARCHAR(80) NOT NULL, at_ms BIGINT NOT NULL, KEY by_bill (bill_id)",
    ),
];
