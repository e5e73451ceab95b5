//! The tables, as idempotent DDL. Amounts are DECIMAL(18,2) and a currency; times are cell time in
//! milliseconds, written by the process, never by the server; ids compare by their bytes.
//!
//! `drill_mark` belongs to the harness and is only made here. Try it: `shop schema`.
//! Not covered: changes of a table that is there already.

use super::{fulfilment, goods, points, promotion, settle, wallet};

const SETTINGS: &str = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

/// A table: its name, its columns and keys.
pub(super) type Table = (&'static str, &'static str);

/// The tables of each domain.
const DOMAINS: &[&[Table]] = &[
    TRADE,
    wallet::TABLES,
    settle::TABLES,
    promotion::TABLES,
    goods::TABLES,
    fulfilment::TABLES,
    points::TABLES,
];

/// Items, bids, orders, payments and refunds, and what all domains share.
const TRADE: &[Table] = &[
    ("sku", "sku VARCHAR(80) PRIMARY KEY, category VARCHAR(80) NOT NULL"),
    (
        "stock",
        "sku VARCHAR(80) PRIMARY KEY, total BIGINT NOT NULL, available BIGINT NOT NULL,
  on_sale TINYINT NOT NULL DEFAULT 1",
    ),
    (
        "clearance",
        "ticket VARCHAR(80) PRIMARY KEY, sku VARCHAR(80) NOT NULL,
  approved TINYINT NOT NULL, KEY by_sku (sku)",
    ),
    (
        "sku_deal",
        "deal_id BIGINT AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(80) NOT NULL,
  price DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL, at_ms BIGINT NOT NULL,
  KEY by_sku (sku, at_ms)",
    ),
    (
        "bid",
        "bid_id VARCHAR(80) PRIMARY KEY, seller VARCHAR(80) NOT NULL, sku VARCHAR(80) NOT NULL,
  price DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL, qty BIGINT NOT NULL,
  offered BIGINT NULL, status VARCHAR(16) NOT NULL, clearance_ticket VARCHAR(80) NULL,
  created_at_ms BIGINT NOT NULL, updated_at_ms BIGINT NOT NULL, KEY open_bids (sku, status, price)",
    ),
    (
        "orders",
        "order_id VARCHAR(80) PRIMARY KEY, buyer VARCHAR(80) NOT NULL, sku VARCHAR(80) NULL,
  bid_id VARCHAR(80) NULL, channel VARCHAR(80) NOT NULL, payable DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, status VARCHAR(16) NOT NULL, request_no VARCHAR(80) NOT NULL UNIQUE,
  created_at_ms BIGINT NOT NULL, paid_at_ms BIGINT NULL",
    ),
    (
        "order_state_log",
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, order_id VARCHAR(80) NOT NULL,
  from_status VARCHAR(16) NULL, to_status VARCHAR(16) NOT NULL, at_ms BIGINT NOT NULL,
  KEY by_order (order_id)",
    ),
    (
        // One charge an order: what was asked of the channel, and its transaction once it is known.
        "pay_request",
        "order_id VARCHAR(80) PRIMARY KEY, request_no VARCHAR(80) NOT NULL,
  channel VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  txn VARCHAR(80) NULL, at_ms BIGINT NOT NULL",
    ),
    (
        "pay_order",
        "pay_id VARCHAR(96) PRIMARY KEY, order_id VARCHAR(80) NOT NULL,
  channel VARCHAR(80) NOT NULL, channel_txn VARCHAR(80) NOT NULL UNIQUE,
  amount DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL, status VARCHAR(16) NOT NULL,
  at_ms BIGINT NOT NULL, KEY by_order (order_id)",
    ),
    (
        "inventory_flow",
        "flow_id BIGINT AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(80) NOT NULL,
  order_id VARCHAR(80) NULL, delta BIGINT NOT NULL, kind VARCHAR(16) NOT NULL,
  at_ms BIGINT NOT NULL, KEY by_sku (sku)",
    ),
    (
        "refund_order",
        "refund_id VARCHAR(80) PRIMARY KEY, order_id VARCHAR(80) NOT NULL,
  channel VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  status VARCHAR(16) NOT NULL, request_no VARCHAR(80) NOT NULL, created_at_ms BIGINT NOT NULL,
  UNIQUE KEY once_a_request (order_id, request_no)",
    ),
    (
        "refund_payout",
        "payout_no VARCHAR(120) PRIMARY KEY, refund_id VARCHAR(80) NOT NULL,
  order_id VARCHAR(80) NOT NULL, channel VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, channel_txn VARCHAR(80) NOT NULL, at_ms BIGINT NOT NULL,
  KEY by_refund (refund_id)",
    ),
    (
        "breaker",
        "kind VARCHAR(16) NOT NULL, scope VARCHAR(80) NOT NULL, run_id VARCHAR(120) NOT NULL,
  until_ms BIGINT NULL, active TINYINT NOT NULL, PRIMARY KEY (kind, scope)",
    ),
    (
        "outbox",
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, topic VARCHAR(80) NOT NULL,
  msg_key VARCHAR(80) NOT NULL, payload JSON NOT NULL, held TINYINT NOT NULL DEFAULT 0,
  created_at_ms BIGINT NOT NULL, sent_at_ms BIGINT NULL, KEY unsent (sent_at_ms, held, id)",
    ),
    (
        // What is to be done at or after `due_ms`: payouts of refunds, callbacks that a defect
        // holds back.
        "due_work",
        "work_id VARCHAR(160) PRIMARY KEY, kind VARCHAR(16) NOT NULL, scope VARCHAR(80) NOT NULL,
  payload JSON NOT NULL, due_ms BIGINT NOT NULL, attempts BIGINT NOT NULL DEFAULT 0,
  done_at_ms BIGINT NULL, KEY undone (done_at_ms, due_ms)",
    ),
    ("consumer_offset", "topic VARCHAR(80) PRIMARY KEY, next_offset BIGINT NOT NULL"),
    (
        // Same request, same answer: written in the transaction of its effect.
        "request_seen",
        "kind VARCHAR(24) NOT NULL, request_id VARCHAR(160) NOT NULL, body_sha CHAR(64) NOT NULL,
  answer JSON NULL, PRIMARY KEY (kind, request_id)",
    ),
    (
        // A defect of this practice shop; on only while a drill says so.
        "app_switch",
        "name VARCHAR(80) PRIMARY KEY, is_on TINYINT NOT NULL, params JSON NOT NULL,
  hits BIGINT NOT NULL DEFAULT 0, spent BIGINT NOT NULL DEFAULT 0",
    ),
    (
        "drill_mark",
        "seq BIGINT PRIMARY KEY, kind VARCHAR(8) NOT NULL, offset_ms BIGINT NOT NULL,
  at BIGINT NOT NULL",
    ),
];

/// All tables as statements that may run again and again.
pub fn ddl() -> String {
    let statement = |(name, columns): &(&str, &str)| {
        format!("CREATE TABLE IF NOT EXISTS {name} (\n  {columns}\n) {SETTINGS};\n")
    };
    tables().map(statement).collect()
}

fn tables() -> impl Iterator<Item = &'static Table> {
    DOMAINS.iter().copied().flatten()
}

/// The tables of this list that `present` lacks.
pub fn missing(present: &[String]) -> Vec<&'static str> {
    let names = tables().map(|(name, _)| *name);
    names.filter(|name| !present.iter().any(|there| there == name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ddl_makes_each_table_and_may_run_again() {
        let ddl = ddl();
        assert_eq!(ddl.matches("CREATE TABLE IF NOT EXISTS").count(), tables().count());
        for word in ["NOW()", "CURRENT_TIMESTAMP", "DOUBLE", "FLOAT", "TIMESTAMP"] {
            assert!(!ddl.contains(word), "{word} has no place beside money and cell time");
        }
    }

    #[test]
    fn a_missing_table_is_named() {
        let all: Vec<String> = tables().map(|(name, _)| (*name).to_owned()).collect();
        assert!(missing(&all).is_empty());
        assert_eq!(missing(&all[1..]), ["sku"]);
    }
}
