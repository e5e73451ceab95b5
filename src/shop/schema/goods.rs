//! What an order takes: its lines, its bill, what it gives back; floor prices, and how prices moved.

use super::tables::Table;

pub(super) const TABLES: &[Table] = &[
    (
        // `status` is SOLD until the order is closed, then RELEASED.
        "order_item",
        "line_id BIGINT AUTO_INCREMENT PRIMARY KEY, order_id VARCHAR(80) NOT NULL UNIQUE,
  sku VARCHAR(80) NOT NULL, bid_id VARCHAR(80) NOT NULL,
  qty BIGINT NOT NULL, unit_price DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  status VARCHAR(16) NOT NULL, at_ms BIGINT NOT NULL, KEY by_sku (sku), KEY by_bid (bid_id)",
    ),
    (
        "order_bill",
        "order_id VARCHAR(80) PRIMARY KEY, items DECIMAL(18,2) NOT NULL, discount DECIMAL(18,2) NOT NULL,
  freight DECIMAL(18,2) NOT NULL, tax DECIMAL(18,2) NOT NULL, total DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, at_ms BIGINT NOT NULL",
    ),
    (
        "stock_release",
        "release_id BIGINT AUTO_INCREMENT PRIMARY KEY, order_id VARCHAR(80) NOT NULL,
  sku VARCHAR(80) NOT NULL, qty BIGINT NOT NULL, unit_price DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, reason VARCHAR(80) NOT NULL, at_ms BIGINT NOT NULL,
  KEY by_order (order_id)",
    ),
    (
        "sku_floor",
        "sku VARCHAR(80) PRIMARY KEY, floor DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL",
    ),
    (
        "price_change_log",
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, bid_id VARCHAR(80) NOT NULL, sku VARCHAR(80) NOT NULL,
  old_price DECIMAL(18,2) NOT NULL, new_price DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  at_ms BIGINT NOT NULL, KEY by_bid (bid_id, id)",
    ),
];
