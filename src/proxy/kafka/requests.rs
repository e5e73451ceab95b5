//! Requests: looked at as they stream by, and recorded, so that answers can be understood. One that a rule may meet
//! in its records is gathered whole.
//!
//! A request that the broker must not see is replaced by a question that does no harm, under the same correlation id;
//! its answer is replaced by the one that the client is to get, so that the order of answers comes right by itself.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::exchange::{Asked, Exchange, Reply};
use super::produce::{self, Produce};
use super::rule::{AnswerHarm, ArmedRule};
use super::surgery::Theatre;
use super::walk::{Lost, Walk};
use super::{FRAME_BYTES_MAX, GATHERED_BYTES_MAX, framed};
use crate::proxy::board::Board;
use crate::proxy::filter::{Late, Piece};
use crate::proxy::link::Shared;

/// Length, api, version, correlation id.
const HEAD_BYTES: usize = 12;
/// A Produce request's start up to its acks, with names of usual length; and with a client id and a transaction id of
/// 32 KB each.
const PRODUCE_HEAD_BYTES: usize = 256;
const PRODUCE_HEAD_BYTES_MAX: usize = 80 * 1024;
const ALL_IS_WELL: i16 = 0;

pub(in crate::proxy) struct Requests {
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    /// The start of a frame, or a whole one in the making.
    gathered: BytesMut,
    /// How much must be there before it is looked at again.
    wanted: usize,
    /// Bytes of a frame that was understood and still goes by.
    left: usize,
}

/// The first words of a frame.
struct Head {
    api: i16,
    version: i16,
    correlation: i32,
    /// Of the whole frame.
    length: usize,
}

impl Requests {
    pub fn new(exchange: Arc<Exchange>, shared: Arc<Shared>) -> Requests {
        Requests { exchange, shared, gathered: BytesMut::new(), wanted: HEAD_BYTES, left: 0 }
    }

    pub fn pending(&self) -> usize {
        self.gathered.len()
    }

    pub fn finish(&mut self) -> Bytes {
        self.gathered.split().freeze()
    }

    pub fn feed(&mut self, mut bytes: Bytes, out: &mut Vec<Piece>) -> Result<(), String> {
        while !bytes.is_empty() && !self.exchange.is_raw() {
            if self.left > 0 {
                let part = bytes.split_to(self.left.min(bytes.len()));
                self.left -= part.len();
                out.push(part.into());
                continue;
            }
            let part = bytes.split_to(bytes.len().min(self.wanted - self.gathered.len()));
            self.gathered.extend_from_slice(&part);
            self.understand(out)?;
        }
        if self.exchange.is_raw() {
            out.push(self.finish().into());
            out.push(bytes.into());
        }
        Ok(())
    }

    /// Looks at what is there of a frame, once it is enough.
    fn understand(&mut self, out: &mut Vec<Piece>) -> Result<(), String> {
        let Some(length) = self.gathered.first_chunk::<4>() else { return Ok(()) };
        let length = i32::from_be_bytes(*length);
        let length = match usize::try_from(length) {
            Ok(length) if (HEAD_BYTES - 4..=FRAME_BYTES_MAX).contains(&length) => length + 4,
            _ => return Ok(self.raw(&format!("length {length}"))),
        };
        let mut walk = Walk::new(&self.gathered[4..]);
        let words = (|| Ok::<_, Lost>((walk.i16()?, walk.i16()?, walk.i32()?)))();
        let Ok((api, version, correlation)) = words else { return Ok(()) };
        let head = Head { api, version, correlation, length };
        if api != ApiKey::Produce as i16 {
            let reply = self.reply(&head);
            return self.pass(&head, Some(reply), out);
        }
        match acks(&self.gathered[HEAD_BYTES..], version) {
            Ok(acks) => self.produce(&head, acks != 0, out),
            Err(_) if self.gathered.len() < length.min(PRODUCE_HEAD_BYTES_MAX) => {
                if self.gathered.len() == self.wanted {
                    let next = match self.wanted {
                        HEAD_BYTES => PRODUCE_HEAD_BYTES,
                        _ => PRODUCE_HEAD_BYTES_MAX,
                    };
                    self.wanted = next.min(length);
                }
                Ok(())
            }
            Err(Lost { at, expected }) => {
                Ok(self.raw(&format!("produce v{version} without {expected} at byte {at}")))
            }
        }
    }

    fn raw(&self, why: &str) {
        if self.exchange.turn_raw() {
            self.shared.note(&format!("not a Kafka request ({why}): passed raw"));
        }
    }

    /// The frame goes by as it came, and its answer is treated so; none where there will be no answer.
    fn pass(
        &mut self,
        head: &Head,
        reply: Option<Reply>,
        out: &mut Vec<Piece>,
    ) -> Result<(), String> {
        self.ask(head, reply)?;
        self.wanted = HEAD_BYTES;
        self.left = head.length - self.gathered.len();
        out.push(self.finish().into());
        Ok(())
    }

    fn ask(&self, head: &Head, reply: Option<Reply>) -> Result<(), String> {
        let Head { api, version, correlation, .. } = *head;
        reply.map_or(Ok(()), |reply| self.exchange.ask(Asked { correlation, api, version, reply }))
    }

    /// What becomes of the answer: the first rule that strikes has it, but each counts the request.
    fn reply(&self, head: &Head) -> Reply {
        match self.struck(&self.board(), head.api) {
            None => Reply::Pass,
            Some((rule, AnswerHarm::Refused { error })) => Reply::Error(rule, error),
            Some((rule, AnswerHarm::Lost)) => Reply::Lost(rule),
            Some((rule, AnswerHarm::Slow { delay_ms })) => {
                let late = Late { by: rule.id, delay: std::time::Duration::from_millis(delay_ms) };
                Reply::Late(rule, late)
            }
        }
    }

    fn struck(&self, board: &Board, api: i16) -> Option<(Arc<ArmedRule>, AnswerHarm)> {
        let mut struck = None;
        for rule in &board.kafka_rules {
            if let Some(harm) = rule.strikes_request(api) {
                struck = struck.or(Some((rule.clone(), harm)));
            }
        }
        struck
    }

    fn board(&self) -> Arc<Board> {
        self.shared.board.borrow().clone()
    }

    /// A Produce request whose start is there: it goes by, unless its records are to be looked into.
    fn produce(&mut self, head: &Head, is_acked: bool, out: &mut Vec<Piece>) -> Result<(), String> {
        let board = self.board();
        let is_met = !board.kafka_rules.is_empty() || !self.shared.sequences.is_empty();
        if !is_met {
            return self.pass(head, is_acked.then_some(Reply::Pass), out);
        }
        let Head { version, length, .. } = *head;
        if !produce::VERSIONS.contains(&version) || length > GATHERED_BYTES_MAX {
            let text = format!("produce v{version} of {length} bytes is met by no rule");
            self.shared.note(&text);
            return self.pass(head, is_acked.then_some(Reply::Pass), out);
        }
        if self.gathered.len() < length {
            self.wanted = length;
            return Ok(());
        }
        let frame = self.finish();
        self.wanted = HEAD_BYTES;
        match Produce::read(&frame[4..], version) {
            Ok(request) => self.operate(head, is_acked, &request, &frame, &board, out),
            Err(Lost { at, expected }) => {
                let text =
                    format!("produce v{version} has no {expected} at byte {at}: passed as it is");
                self.shared.note(&text);
                self.ask(head, is_acked.then_some(Reply::Pass))?;
                out.push(frame.into());
                Ok(())
            }
        }
    }

    fn operate(
        &self,
        head: &Head,
        is_acked: bool,
        request: &Produce<'_>,
        frame: &Bytes,
        board: &Board,
        out: &mut Vec<Piece>,
    ) -> Result<(), String> {
        let Head { correlation, version, .. } = *head;
        let instead = |spots: &[_], error| {
            Reply::Instead(produce::answer(correlation, version, spots, error))
        };
        let reply = if is_acked { self.reply(head) } else { Reply::Pass };
        if let Reply::Error(rule, error) = &reply {
            rule.hit();
            self.ask(head, Some(instead(&request.spots(), error.code())))?;
            out.push(harmless(correlation).into());
            return Ok(());
        }
        let theatre = Theatre { rules: &board.kafka_rules, sequences: &self.shared.sequences };
        let outcome = request.operate(&theatre);
        for Lost { at, expected } in outcome.unread {
            let text = format!("a batch has no {expected} at byte {at}: passed as it is");
            self.shared.note(&text);
        }
        let reply = match (&outcome.request, outcome.gone.is_empty()) {
            (Some(None), _) => instead(&outcome.gone, ALL_IS_WELL),
            (_, false) => Reply::Gone(outcome.gone),
            (_, true) => reply,
        };
        self.ask(head, is_acked.then_some(reply))?;
        let bytes = match outcome.request {
            None => frame.clone(),
            Some(Some(body)) => framed(&body)?,
            // Without an answer to wait for, nothing has to stand in its place.
            Some(None) if !is_acked => return Ok(()),
            Some(None) => harmless(correlation),
        };
        out.push(Piece { bytes, late: outcome.late });
        Ok(())
    }
}

/// ApiVersions v0, without a client id.
fn harmless(correlation: i32) -> Bytes {
    let mut frame = vec![0, 0, 0, 10, 0, ApiKey::ApiVersions as u8, 0, 0];
    frame.extend_from_slice(&correlation.to_be_bytes());
    frame.extend_from_slice(&[0xff, 0xff]);
    frame.into()
}

/// The acks of a Produce request, from what follows its correlation id.
fn acks(body: &[u8], version: i16) -> Result<i16, Lost> {
    let flexible = version >= 9;
    let mut walk = Walk::new(body);
    walk.string(false)?;
    walk.tags(flexible)?;
    if version >= 3 {
        walk.string(flexible)?;
    }
    walk.i16()
}
