//! The reconciler: binlog and Kafka events -> rules -> results -> alerts -> emergency plans.
//!
//! Imports `wire`, `money` and `clock` of this library and nothing else: it cannot know the
//! harness. Inside, a layer imports only downward:
//!
//! ```text
//! daemon -> console -> plans | degradation -> alerts -> results -> engine -> event <- sources
//! engine: rules, window, gate, expr; log: what the process says on stderr, for all but the pure ones
//! ```
//!
//! `event`, `engine` and `degradation` are pure: no socket, no SQL, no clock, no task. Try them:
//! `cargo test --lib dcheck::engine`.

pub mod alerts;
pub mod console;
pub mod daemon;
pub mod degradation;
pub mod engine;
pub mod event;
pub mod log;
pub mod plans;
pub mod results;
pub mod sources;
