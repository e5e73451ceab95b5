//! The tables of promotions: activities with their budgets, coupons, promotions, and what orders took of them.

use super::tables::Table;

pub(super) const TABLES: &[Table] = &[
    (
        "activity",
        "activity_id VARCHAR(80) PRIMARY KEY, budget DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL",
    ),
    (
        // `status` is NEW or USED.
        "coupon",
        "coupon_id VARCHAR(80) PRIMARY KEY, activity_id VARCHAR(80) NOT NULL,
  face DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL, status VARCHAR(16) NOT NULL",
    ),
    (
        "coupon_use",
        "use_id VARCHAR(170) PRIMARY KEY, coupon_id VARCHAR(80) NOT NULL,
  activity_id VARCHAR(80) NOT NULL, order_id VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, at_ms BIGINT NOT NULL, KEY by_coupon (coupon_id)",
    ),
    (
        "promotion",
        "promotion_id VARCHAR(80) PRIMARY KEY, activity_id VARCHAR(80) NOT NULL,
  exclusion_group VARCHAR(80) NOT NULL, face DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL",
    ),
    (
        // `slot` is the order and the exclusion group: one promotion may stand in it. The best is written first.
        "promotion_use",
        "use_seq BIGINT AUTO_INCREMENT PRIMARY KEY, use_id VARCHAR(170) NOT NULL UNIQUE,
  slot VARCHAR(170) NOT NULL, promotion_id VARCHAR(80) NOT NULL, activity_id VARCHAR(80) NOT NULL,
  order_id VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  at_ms BIGINT NOT NULL, KEY by_slot (slot)",
    ),
    (
        "budget_flow",
        "flow_id VARCHAR(170) PRIMARY KEY, activity_id VARCHAR(80) NOT NULL,
  order_id VARCHAR(80) NOT NULL, amount DECIMAL(18,2) NOT NULL, currency CHAR(3) NOT NULL,
  at_ms BIGINT NOT NULL, KEY by_activity (activity_id)",
    ),
];
