//! The tables of points: what an account has, and what each grant gave it.

use super::tables::Table;

pub(super) const TABLES: &[Table] = &[
    (
        "points_account",
        "account_id VARCHAR(80) PRIMARY KEY, balance BIGINT NOT NULL, updated_at_ms BIGINT NOT NULL",
    ),
    (
        // One row an order: its `flow_id` is the order's own. GRANTED, or REVERSED once it was taken back.
        "points_flow",
        "flow_id VARCHAR(170) PRIMARY KEY, order_id VARCHAR(80) NOT NULL, account_id VARCHAR(80) NOT NULL,
  points BIGINT NOT NULL, worth DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  status VARCHAR(16) NOT NULL, at_ms BIGINT NOT NULL, KEY by_order (order_id)",
    ),
];
