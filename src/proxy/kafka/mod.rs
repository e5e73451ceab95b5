//! Kafka on a link: clients stay behind it, because every broker address in an answer is replaced
//! by the link's own.
//!
//! Requests are only looked at (which API and version was asked, under which correlation id);
//! answers without addresses are passed on as they stream by; those with addresses are gathered
//! whole, and sent byte for byte as they came where nothing was replaced. Frames are walked by hand
//! with checked lengths: the codecs of `kafka-protocol` reserve memory by lengths they have not
//! checked, and a lying answer would take the harness down; the crate gives the version limits, and
//! in the tests it is the judge of every rewritten answer.
//!
//! Not covered: TLS and SASL (bytes that are no frames pass raw, with a note), Streams groups' user
//! endpoints.

mod addresses;
mod answers;
mod exchange;
mod requests;
mod rewrite;
mod versions;
mod walk;

use std::sync::Arc;

pub(super) use addresses::AddressBook;
pub use addresses::Nodes;
pub(super) use answers::Answers;
use exchange::Exchange;
pub(super) use requests::Requests;

use super::link::Shared;

/// A frame longer than this is no Kafka frame (a broker takes 100 MB at most; a TLS hello reads as
/// 350 MB).
const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The two readers of one connection: of what the client sends, and of what the broker sends.
pub(super) fn readers(shared: &Arc<Shared>) -> (Requests, Answers) {
    let exchange = Arc::new(Exchange::default());
    let requests = Requests::new(exchange.clone(), shared.clone());
    (requests, Answers::new(exchange, shared.clone()))
}

#[cfg(test)]
mod tests;
