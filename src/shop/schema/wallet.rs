//! The wallet's tables: accounts, and the legs of what moved between them.

use super::tables::Table;

pub(super) const TABLES: &[Table] = &[
    (
        // `kind` is USER, or CASH: the counter-account of money that comes from outside, which may stand below zero.
        "account",
        "account_id VARCHAR(80) PRIMARY KEY, kind VARCHAR(16) NOT NULL,
  balance DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL, updated_at_ms BIGINT NOT NULL",
    ),
    (
        // Double entry: the legs of one transaction add up to zero.
        "account_flow",
        "flow_id VARCHAR(120) PRIMARY KEY, txn VARCHAR(80) NOT NULL, account_id VARCHAR(80) NOT NULL,
  payer VARCHAR(80) NOT NULL, payee VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, at_ms BIGINT NOT NULL, KEY by_txn (txn), KEY by_account (account_id)",
    ),
];
