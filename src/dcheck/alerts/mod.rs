//! Alerts: who is told, in which shape, and until it has been heard.
//!
//! Owns the fingerprint, the webhook body (`webhook`) and the delivery (`delivery`). Must not know
//! rules or sources.
//! Try it: `cargo test --lib dcheck::alerts`. Not covered: Alertmanager's own API v2, grouping,
//! silences, a second channel behind a dead one.

mod delivery;
mod webhook;

pub use delivery::{Delivery, DeliveryState};
pub use webhook::{fingerprint, webhook_body, wire_alert};
