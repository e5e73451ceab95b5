//! What the harness can do to a cell: `FaultSpec` (data), `Fault` (behaviour: inject, prove, heal,
//! prove), `Nemesis` (holds every live fault of a scenario).
//!
//! The promise: the intent is journalled before anything is touched; a fault is proved to bite from
//! outside the injector; healing is idempotent, safe after half an inject, in reverse order, each
//! with a limit, and proved. Judges nothing, and knows no scenario, cell or rule engine: what may
//! be touched is handed over as a [`Ground`].
//!
//! Try it: `cargo test --lib faults::`.
//!
//! Not covered: faults on disk, clock skew, most faults in data, a plan executor that lies (`domain/faults.md` lists
//! them); the guard list of an `external` stage. Nothing here outlives a kill of the harness: links end with it,
//! switches, rows, settings and processes end with the cell's servers, which are the guardian's, and it knows of each
//! control group.

mod ability;
mod app;
mod broker;
mod change_log;
mod data;
mod defects;
mod error;
mod fault;
mod ground;
mod kafka;
mod kafka_log;
mod kafka_specs;
mod limit;
mod link;
mod mysql;
mod nemesis;
mod params;
mod process;
pub mod registry;
mod rules;
mod server;
mod sounding;
mod spec;
mod sql;

pub use broker::Broker;
pub use error::FaultError;
pub use ground::{Ground, Process};
pub use nemesis::{Healed, Nemesis, Struck};
pub use params::{Param, Params, Scale};
pub use sounding::Speech;
pub use spec::{Blast, FaultSpec, Late, Layer, Need};

#[cfg(test)]
mod tests;
