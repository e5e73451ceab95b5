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
//! What outlives a kill of the harness, and who undoes it:
//!
//! | what was touched | who undoes it, within ten seconds |
//! |---|---|
//! | links | nobody has to: they are the harness |
//! | processes, and whatever is in a cell's own servers | they end with the run: the guardian is their parent |
//! | whatever is in servers of a warm stage | its holder: a leased MySQL is replaced, topics go with the last lease |
//! | rows and topics on given servers, where no server is touched | the guardian, by the run's undo record (`stage::undo`) |
//! | control groups | the guardian, which is told before one is made |
//! | all of it, where the guardian was killed too | `lossdrill faults heal --all`, and each run's own sweep |
//!
//! So no fault keeps a record of its own; `tests/residue` kills runs in mid-fault and counts what is left.
//!
//! Not covered: the clock of a cell's own programs (`calls` says why). Some of what is wrong in data is said by sentences, not
//! by faults: forged, replayed and late callbacks, events across a cut-off (`domain/faults.md` lists both).

mod ability;
mod app;
mod broker;
mod calls;
mod change_log;
mod data;
mod defects;
mod error;
mod failover;
mod fault;
mod ground;
mod hand;
mod haul;
mod kafka;
mod kafka_log;
mod kafka_specs;
mod leader;
mod liar;
mod limit;
mod link;
mod mysql;
mod nemesis;
mod offsets;
mod orders;
mod params;
mod plan;
mod process;
pub mod registry;
mod replica;
mod rules;
mod server;
mod sounding;
mod spec;
mod sql;
mod storm;
mod sufferer;

pub use broker::Broker;
pub use error::FaultError;
pub use ground::{Ground, Pair, Process};
pub use nemesis::{Healed, Nemesis, Struck};
pub use params::{Param, Params, Scale};
pub use plan::{Deed, PLAN_ACTS_MAX, PlanRow, Range, Schedule, Stroke};
pub use rules::Rules;
pub use sounding::Speech;
pub use spec::{Blast, FaultSpec, Late, Layer, Need};

#[cfg(test)]
mod tests;
