//! MySQL on a link: packets are read both ways, and statements that a rule meets are refused, late, answered by
//! what they were answered before, or cut off from their answer.
//!
//! Bytes that no rule meets go by as they came, but for the greeting and its answer: a server's TLS, compression, query
//! attributes and optional metadata are not offered through a link, nor told to the server by a client that can do
//! them. A client that insists on TLS gets error 1043; a log dump and what cannot be read pass raw, with a note, and no
//! rule meets them. A rule is published on the link's board, so that arming never waits.
//!
//! Try it: `cargo test --lib proxy::mysql`, and with a real server `cargo test --test mysql_wire`.
//!
//! Not covered: statements above 1 MiB and several in one text (they pass and are never met); commits that are
//! implied (DDL, `SET autocommit`); `SHOW WARNINGS` after a refused statement; a transaction that a stale read would
//! have begun; what a write answers (`RETURNING`).

mod answers;
mod exchange;
mod frame;
mod packets;
mod requests;
mod rule;
mod stale;
mod statement;
mod tables;
mod tokens;

use std::sync::Arc;

pub(super) use answers::Answers;
pub(super) use requests::Requests;
pub(super) use rule::ArmedRule;
pub use rule::{Harm, Point, RuleView, SqlError, StatementRule};
pub use statement::StatementKind;

use super::link::Shared;
use exchange::Exchange;

/// The two readers of one connection: of what the client sends, and of what the server sends.
pub(super) fn readers(shared: &Arc<Shared>) -> (Requests, Answers) {
    let exchange = Arc::new(Exchange::default());
    (Requests::new(exchange.clone(), shared.clone()), Answers::new(exchange, shared.clone()))
}
