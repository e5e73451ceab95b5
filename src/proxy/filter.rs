//! What a pipe does to the bytes it read, before they are held or passed on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::link::Shared;
use super::toxic::ToxicId;
use super::{kafka, mysql};

/// Bytes that a filter gives out.
pub(super) struct Piece {
    pub bytes: Bytes,
    pub late: Option<Late>,
}

/// A delay of these bytes alone, for as long as who armed it has not disarmed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub by: ToxicId,
    pub delay: Duration,
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Piece {
        Piece { bytes, late: None }
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Piece {
        Bytes::from(bytes).into()
    }
}

pub(super) enum Filter {
    Plain,
    KafkaRequests(kafka::Requests),
    KafkaAnswers(kafka::Answers),
    MysqlRequests(mysql::Requests),
    MysqlAnswers(mysql::Answers),
}

impl Filter {
    /// Takes `bytes` in, gives out what may go on. An error ends the connection, with the error as
    /// the link's note.
    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Piece>) -> Result<(), String> {
        match self {
            Filter::Plain => {
                out.push(bytes.into());
                Ok(())
            }
            Filter::KafkaRequests(requests) => requests.feed(bytes, out),
            Filter::KafkaAnswers(answers) => answers.feed(bytes, out),
            Filter::MysqlRequests(requests) => requests.feed(bytes, out),
            Filter::MysqlAnswers(answers) => answers.feed(bytes, out),
        }
    }

    /// The stream ended: what was gathered of a frame goes on as it came.
    pub fn finish(&mut self) -> Bytes {
        match self {
            Filter::Plain => Bytes::new(),
            Filter::KafkaRequests(requests) => requests.finish(),
            Filter::KafkaAnswers(answers) => answers.finish(),
            Filter::MysqlRequests(requests) => requests.finish(),
            Filter::MysqlAnswers(answers) => answers.finish(),
        }
    }

    /// Bytes gathered and not given out yet.
    pub fn pending(&self) -> usize {
        match self {
            Filter::Plain => 0,
            Filter::KafkaRequests(requests) => requests.pending(),
            Filter::KafkaAnswers(answers) => answers.pending(),
            Filter::MysqlRequests(requests) => requests.pending(),
            Filter::MysqlAnswers(answers) => answers.pending(),
        }
    }

    /// The filter itself ends the stream, behind what it gave out.
    pub fn is_over(&self) -> bool {
        matches!(self, Filter::MysqlAnswers(answers) if answers.is_over())
    }
}

/// The filters of one connection: towards the upstream, towards the client.
pub(super) fn filters(shared: &Arc<Shared>) -> (Filter, Filter) {
    if shared.reads_mysql {
        let (requests, answers) = mysql::readers(shared);
        return (Filter::MysqlRequests(requests), Filter::MysqlAnswers(answers));
    }
    if shared.addresses.is_some() {
        let (requests, answers) = kafka::readers(shared);
        return (Filter::KafkaRequests(requests), Filter::KafkaAnswers(answers));
    }
    (Filter::Plain, Filter::Plain)
}
