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

use bytes::Bytes;

pub(super) use addresses::AddressBook;
pub use addresses::Nodes;
use answers::Answers;
use exchange::Exchange;
use requests::Requests;

use super::link::Shared;

/// A frame longer than this is no Kafka frame (a broker takes 100 MB at most; a TLS hello reads as
/// 350 MB).
const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a pipe does to the bytes it read, before they are held or passed on.
pub(super) enum Filter {
    Plain,
    Requests(Requests),
    Answers(Answers),
}

impl Filter {
    /// Takes `bytes` in, gives out what may go on. An error ends the connection, with the error as
    /// the link's note.
    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        match self {
            Filter::Plain => {
                out.push(bytes);
                Ok(())
            }
            Filter::Requests(requests) => requests.feed(bytes, out),
            Filter::Answers(answers) => answers.feed(bytes, out),
        }
    }

    /// The stream ended: what was gathered of a frame goes on as it came.
    pub fn finish(&mut self) -> Bytes {
        match self {
            Filter::Plain | Filter::Requests(_) => Bytes::new(),
            Filter::Answers(answers) => answers.finish(),
        }
    }

    /// Bytes gathered and not given out yet.
    pub fn pending(&self) -> usize {
        match self {
            Filter::Plain | Filter::Requests(_) => 0,
            Filter::Answers(answers) => answers.pending(),
        }
    }
}

/// The filters of one connection: towards the upstream, towards the client.
pub(super) fn filters(shared: &Arc<Shared>) -> (Filter, Filter) {
    if shared.addresses.is_none() {
        return (Filter::Plain, Filter::Plain);
    }
    let exchange = Arc::new(Exchange::default());
    let requests = Requests::new(exchange.clone(), shared.clone());
    let answers = Answers::new(exchange, shared.clone());
    (Filter::Requests(requests), Filter::Answers(answers))
}

#[cfg(test)]
mod tests;
