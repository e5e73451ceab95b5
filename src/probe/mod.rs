//! Read-only observation of a cell: alerts and plans as they arrive, what really moved, how far
//! everybody has read.
//!
//! Owns the stamps: each observation is dated by cell time as it arrives, before it is parsed. Goes
//! direct, never through a link that can be faulted. Must never judge, and changes nothing in the
//! world but the marks it writes.
//! Try it: `cargo test --lib probe`; on real servers `cargo test --test probe`. Not covered:
//! platforms whose books are mapped tables.

mod aside;
mod feeds;
mod inbox;
mod marks;
mod reading;
mod reconciler;
mod recorder;
mod topics;
mod truth;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use feeds::{FeedAt, FeedSource};
pub use inbox::{Inbox, InboxSpec};
pub use marks::Marks;
pub use reading::{Reading, RuleNames, Topic};
pub use reconciler::{Reconciler, ReconcilerAt};
pub use recorder::Recorder;
pub use topics::Topics;
pub use truth::{Truth, TruthAt};

use crate::stage::Login;

/// The servers of a cell, direct.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Host and port of MySQL.
    pub mysql: (String, u16),
    pub login: Login,
    /// The shop's schema.
    pub schema: String,
    /// Kafka's bootstrap address.
    pub bootstrap: String,
    pub topics: Topics,
}

/// Why something cannot be observed: always the harness's fault, or the stage's.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("cannot listen for alerts on {at}: {source}")]
    Listen { at: SocketAddr, source: std::io::Error },
    #[error("cannot make an http client: {0}")]
    Client(reqwest::Error),
    #[error("no answer from {url}: {source}")]
    Silent { url: String, source: reqwest::Error },
    #[error("{url} was answered with http {status}: {body}")]
    Status { url: String, status: u16, body: String },
    #[error("cannot {what} at mysql {at}: {source}")]
    Binlog { what: &'static str, at: String, source: mysql_async::Error },
    #[error("cannot {what} at mysql {at}: {reason}; change capture needs log-bin and row format")]
    NoBinlog { what: &'static str, at: String, reason: String },
    #[error("cannot write mark {seq} into the table: {source}")]
    MarkRow { seq: u64, source: sqlx::Error },
    #[error("cannot write mark {seq} to topic {topic}: {source}")]
    MarkRecord { seq: u64, topic: String, source: rdkafka::error::KafkaError },
    #[error("cannot {what}: {source}")]
    Kafka { what: &'static str, source: rdkafka::error::KafkaError },
    #[error("cannot watch the folder of the ledger {path}: {source}")]
    Ledger { path: PathBuf, source: std::io::Error },
    #[error("cannot {what} within {limit:?}")]
    Slow { what: String, limit: Duration },
    #[error("mark {seq} was not read within {limit:?} on {missing:?}; last trouble: {trouble}")]
    NotRead { seq: u64, missing: Vec<String>, limit: Duration, trouble: String },
    #[error("the truth cannot be read: {0}")]
    Unreadable(String),
}
