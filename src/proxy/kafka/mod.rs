//! Kafka on a link: clients stay behind it, because every broker address in an answer is replaced
//! by the link's own; and rules meet single records on their way to the broker, and single answers.
//!
//! What no rule may meet is only looked at (which API and version was asked, under which correlation id), and passes
//! as it streams by. Answers with addresses and Produce requests with records of a rule's topic are gathered whole, and
//! sent byte for byte as they came where nothing was replaced. Frames are walked by hand with checked lengths: the
//! codecs of `kafka-protocol` reserve memory by lengths they have not checked, and a lying answer would take the
//! harness down; the crate gives the version limits, and in the tests it is the judge of every rewritten answer and
//! batch. A rule is published on the link's board, so that arming never waits.
//!
//! Try it: `cargo test --lib proxy::kafka`, and with a real broker `cargo test --test kafka_wire`.
//!
//! Not covered: TLS and SASL (bytes that are no frames pass raw, with a note), Streams groups' user
//! endpoints; harm to records on their way to one consumer alone.

mod addresses;
mod answers;
mod api;
mod batch;
mod codec;
mod exchange;
mod json;
mod produce;
mod requests;
mod rewrite;
mod rule;
mod sequences;
mod surgery;
mod versions;
mod walk;

use std::sync::Arc;

pub(super) use addresses::AddressBook;
pub use addresses::Nodes;
pub(super) use answers::Answers;
pub use api::{Api, KafkaError};
use bytes::Bytes;
use exchange::Exchange;
pub use json::{Change, JsonPath};
pub(super) use requests::Requests;
pub(super) use rule::ArmedRule;
pub use rule::{AnswerHarm, KafkaRule, KafkaRuleView, RecordHarm, Records, Struck, Target};
pub(super) use sequences::Sequences;

use super::link::Shared;

/// A frame longer than this is no Kafka frame (a broker takes 100 MB at most; a TLS hello reads as
/// 350 MB).
const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A frame gathered whole: 50 MiB is what consumers ask for at most by default, and one batch may
/// go above it.
const GATHERED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// `body` behind its length.
fn framed(body: &[u8]) -> Result<Bytes, String> {
    let length = i32::try_from(body.len()).map_err(|_| "a frame grew past 2 GiB")?;
    Ok([&length.to_be_bytes(), body].concat().into())
}

/// The two readers of one connection: of what the client sends, and of what the broker sends.
pub(super) fn readers(shared: &Arc<Shared>) -> (Requests, Answers) {
    let exchange = Arc::new(Exchange::default());
    let requests = Requests::new(exchange.clone(), shared.clone());
    (requests, Answers::new(exchange, shared.clone()))
}

#[cfg(test)]
mod harm_tests;
#[cfg(test)]
mod surgery_tests;
#[cfg(test)]
mod tests;
