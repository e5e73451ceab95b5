//! The servers of a run, MySQL and Kafka: `docker` (testcontainers) and `local` (private
//! processes).
//!
//! Owns starting, breaking on request and removing them, the guardian that every local process of a
//! run has as its parent, and the sweep after runs that were killed. Knows neither faults nor
//! steps: it offers kill, pause, restart; when to use them is others' business. One Kafka is shared
//! by all cells (topics are theirs), each cell has a MySQL server of its own. Try it: `ci/setup
//! --local && cargo test --test stage`.
//! Not covered: provider `external`.

pub mod cell;
pub mod clean;
mod disk;
mod docker;
pub mod engine;
mod error;
pub mod guardian;
mod kafka;
mod local;
mod member;
mod mysql;
pub mod ports;
mod service;
pub mod state;
pub mod sweep;
mod template;
mod theatre;
pub mod topics;
pub mod warm;

pub use error::StageError;
pub use guardian::{Guardian, ProcSpec, Process, Signal};
pub use member::Member;
pub use service::{Kind, Service};
pub use theatre::{Provider, Stage, StageOptions};
