//! Alerts: who is told, in which shape, and until it has been heard.
//!
//! Owns the fingerprint and the webhook body (`webhook`), what is told when (`router`, pure), who listens (`channels`), which of
//! them is told (`routes`), the delivery (`delivery`, `ladder`) and the configuration of all that (`policy`, `load`). Must not
//! know rules or sources.
//! Try it: `cargo test --lib dcheck::alerts`. Not covered: a tree of routes by label (there is one pair of channels).

mod channels;
mod delivery;
mod ladder;
mod load;
mod matching;
mod policy;
pub mod reading;
mod router;
mod routes;
mod signs;
mod webhook;

pub use channels::{Channel, ChannelSpec, Producer, post};
pub use delivery::{Delivery, DeliveryState};
pub use ladder::Ladder;
pub use load::load_file;
pub use matching::Matcher;
pub use policy::{Alerting, Grouping, Inhibition, Policy, StormLimit};
pub use router::{Before, Incoming, Notice, Router, Silence};
pub use routes::{OnChannel, Routes, Way};
pub use webhook::{fingerprint, webhook_alert, webhook_body, wire_alert};
