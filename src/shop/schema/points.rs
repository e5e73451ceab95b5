//! The tables of points: what an account has, what each grant gave it, and how each call of the service went.

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
    (
        // Written once the call is over: who called whom, how long it took on cell time, OK or FAILED.
        "service_call",
        "call_id BIGINT AUTO_INCREMENT PRIMARY KEY, caller VARCHAR(80) NOT NULL, callee VARCHAR(80) NOT NULL,
  latency_ms BIGINT NOT NULL, outcome VARCHAR(16) NOT NULL, at_ms BIGINT NOT NULL",
    ),
];
