//! The only types that cross a process border: JSON over HTTP, Kafka records and rows.
//!
//! Holds no behaviour beyond (de)serialising. The harness, `dcheck`, `shop` and a user's own reconciler meet here
//! and nowhere else. The shapes are those of the published contract: unknown fields are ignored on reading, so that a
//! foreign reconciler may send more.

mod alert;
mod plan;
mod time;

pub use alert::{Alert, AlertState, Subject, Webhook, WebhookAlert};
pub use plan::{Effect, Judged, Judgement, PlanRun, PlanState, StepReceipt};
pub use time::{Advance, ClockReport, Health, MARK_HEADER, MARK_TABLE, Mark, MarkKind, Watermark};
