//! Every byte between a cell and its servers: TCP, MySQL and Kafka links, the toxics on them, and the rules that
//! meet single statements, records and answers.
//!
//! A [`Link`] listens, dials its upstream for each client and relays both directions. What hurts it
//! is a *board*: an immutable snapshot that arming publishes and that connections read. So arming
//! and disarming never wait for a connection, whatever its peers do, and one slow reader holds up
//! nobody else.
//!
//! Knows no scenario, fault id, journal or rule. Holds no lock across an await.
//!
//! Try it: `cargo test --lib proxy::`, by hand `lossdrill proxy`, over its API `cargo test --test
//! toxiproxy`, and with a real broker `cargo test --test proxy_kafka`.
//!
//! Not covered: SASL and TLS on Kafka links (frames inside are not seen, and pass raw).

pub mod admin;
mod arming;
mod board;
mod chain;
mod connection;
mod door;
mod dry;
mod error;
mod filter;
mod gauge;
mod kafka;
mod link;
mod mysql;
mod pipe;
mod toxic;

pub use board::ArmedToxic;
pub use dry::Dry;
pub use error::ProxyError;
pub use gauge::Stats;
pub use kafka::{
    AnswerHarm, Api, Change, JsonPath, KafkaError, KafkaRule, KafkaRuleView, Nodes, RecordHarm,
    Records, Struck, Target,
};
pub use link::{Kind, Link, LinkSpec};
pub use mysql::{Harm, Point, RuleView, SqlError, StatementKind, StatementRule};
pub use toxic::{
    Bandwidth, Direction, Distribution, Latency, LimitData, Refuse, Reset, Slicer, SlowClose,
    SlowConnect, Stall, Timeout, Toxic, ToxicId, ToxicKind, Toxicity,
};

#[cfg(test)]
mod tests;
