//! The tables of settlement: what an order is shared out into, and the bill that a run makes for a merchant.

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
  currency CHAR(3) NOT NULL, status VARCHAR(16) NOT NULL, updated_at_ms BIGINT NOT NULL",
    ),
];
