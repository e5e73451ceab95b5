//! Alerts: who is told, in which shape, and until it has been heard.
//!
//! Owns the fingerprint, the webhook body (`webhook`), the delivery (`delivery`) and its channels
//! (`routes`). Must not know rules or sources.
//! Try it: `cargo test --lib dcheck::alerts`. Not covered: Alertmanager's own API v2, grouping,
//! silences.

mod delivery;
mod routes;
mod webhook;

pub use delivery::{Delivery, DeliveryState};
pub use routes::{OnFirst, Routes, post};
pub use webhook::{fingerprint, webhook_body, wire_alert};
