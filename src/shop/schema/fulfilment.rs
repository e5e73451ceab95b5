//! The tables of fulfilment: what a warehouse is to send for an order.

use super::tables::Table;

pub(super) const TABLES: &[Table] = &[(
    // One an order: PLANNED until the warehouse sends it (DISPATCHED) or is told not to (CANCELLED).
    "shipment",
    "order_id VARCHAR(80) PRIMARY KEY, warehouse VARCHAR(80) NOT NULL, worth DECIMAL(18,2) NOT NULL,
  currency CHAR(3) NOT NULL, status VARCHAR(16) NOT NULL, at_ms BIGINT NOT NULL",
)];
