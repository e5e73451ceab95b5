//! Degradation: services, how well they are by live measurements, and what is done for those who depend on them.
//!
//! Owns the services' file (`load`, `spec`), the calls of a sliding window of event time in buckets (`calls`), the state machine
//! healthy -> ill -> worse -> recovering -> healthy (`health`) and the decisions (`watch`): a weak dependency is degraded, a strong
//! one limited or blocked. Pure: it reads no clock and no socket; how far sources were read is handed in, and a window is
//! judged once everything of it was read, so that neither the order of its events nor a restart changes a decision. Must not
//! know alerts or plans: a decision goes into the engine, whose rules (`strategy: dependency`) tell of it.
//! Try it: `cargo test --lib dcheck::degradation`, and `dcheck check --services examples/services.yaml`.
//! Not covered: calls that never end and so are never written; probes of our own; a share that adapts (`limit` has one share).

mod calls;
mod columns;
mod health;
mod load;
mod load_measures;
mod rows;
pub mod spec;
mod told;
mod watch;
mod watched;
mod words;

pub use calls::Reading;
pub use columns::misfits;
pub use health::{Grade, Health, Level};
pub use load::{Known, load_file, load_text};
pub use spec::{Dependency, Service, Strength};
pub use told::{Measured, Told, ToldDependency};
pub use watch::{Change, Degradation, State};

#[cfg(test)]
mod tests;
