//! Results: the durable side of the reconciler, in schema `dcheck` of a MySQL server.
//!
//! Owns what is stored together (`batch`), the tables (`schema`), the SQL (`store`), the task that commits (`writer`), how
//! far sweeps are (`sweep`), what was told of one alert (`history`) and the connections for lookups and plans (`sql`).
//! Result, alert, plan run and checkpoint of one batch commit in one transaction, so that a kill at any instant loses and
//! doubles nothing. Must not know the engine, the sources, or what a plan does.

pub mod batch;
mod chunks;
mod decisions;
mod history;
mod once;
mod schema;
pub mod sql;
mod store;
pub mod sweep;
mod writer;

pub use batch::{AuditRow, Batch, Channel, Message, Stored, VerdictRow};
pub use decisions::DecisionRow;
pub use once::Receipt;
pub use store::{Store, StoreError};
#[cfg(test)]
pub use writer::MockCommit;
pub use writer::Writer;
