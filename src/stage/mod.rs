//! The servers of a run, MySQL and Kafka: `docker` (testcontainers) and `local` (private
//! processes).
//!
//! Owns starting, breaking on request and removing them, the guardian that every local process of a
//! run has as its parent, and the sweep after runs that were killed. Knows neither faults nor
//! steps: it offers kill, pause, restart; when to use them is others' business. One Kafka is shared
//! by all cells (topics are theirs) but those whose faults need a cluster, each cell has a MySQL server of its own. Try it: `ci/setup
//! --local && cargo test --test stage`.
//! What is given by the user (provider `external`) is guarded in `external`.

mod calls;
pub mod cell;
pub mod clean;
pub mod cluster;
mod container;
mod disk;
mod docker;
pub mod engine;
mod error;
mod external;
pub mod groups;
mod guard;
pub mod guardian;
mod kafka;
mod local;
mod login;
mod member;
mod mysql;
pub mod ports;
mod provider;
pub mod replica;
mod service;
mod source;
pub mod state;
pub mod sweep;
mod template;
mod theatre;
pub mod topics;
pub mod undo;
pub mod warm;
mod wiring;

pub use calls::{Calls, Order};
pub use container::ContainerSpec;
pub use error::StageError;
pub use external::ExternalSpec;
pub use guardian::{Guardian, ProcSpec, Process, Signal};
pub use login::Login;
pub use member::Member;
pub use provider::Provider;
pub use service::{Kind, Service};
pub use theatre::{Stage, StageOptions};
