//! Answers: matched with what was asked; those that may hold addresses, or that a rule met, are
//! gathered, rewritten and sent on.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::exchange::{Asked, Exchange, Reply};
use super::walk::Lost;
use super::{FRAME_BYTES_MAX, GATHERED_BYTES_MAX, api, framed, produce, rewrite, versions};
use crate::proxy::filter::{Late, Piece};
use crate::proxy::link::Shared;

/// Length and correlation id.
const HEAD_BYTES: usize = 8;

pub(in crate::proxy) struct Answers {
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    /// The head of a frame, or a whole frame in the making.
    gathered: BytesMut,
    /// The frame that is gathered: what was asked, and the frame's whole length.
    whole: Option<(Asked, usize)>,
    /// Bytes of a frame that goes by as it is.
    left: usize,
}

impl Answers {
    pub fn new(exchange: Arc<Exchange>, shared: Arc<Shared>) -> Answers {
        Answers { exchange, shared, gathered: BytesMut::new(), whole: None, left: 0 }
    }

    pub fn pending(&self) -> usize {
        self.gathered.len()
    }

    pub fn finish(&mut self) -> Bytes {
        self.gathered.split().freeze()
    }

    pub fn feed(&mut self, mut bytes: Bytes, out: &mut Vec<Piece>) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.exchange.is_raw() {
                out.push(self.finish().into());
                self.whole = None;
                out.push(bytes.into());
                return Ok(());
            }
            if self.left > 0 {
                let part = bytes.split_to(self.left.min(bytes.len()));
                self.left -= part.len();
                out.push(part.into());
                continue;
            }
            let wanted = self.whole.as_ref().map_or(HEAD_BYTES, |(_, length)| *length);
            let part = bytes.split_to(bytes.len().min(wanted - self.gathered.len()));
            self.gathered.extend_from_slice(&part);
            if self.gathered.len() < wanted {
                continue;
            }
            match self.whole.take() {
                None => self.start(out)?,
                Some((asked, _)) => {
                    let frame = self.finish();
                    let late = asked.late();
                    out.push(Piece { bytes: self.rewritten(asked, frame)?, late });
                }
            }
        }
        Ok(())
    }

    /// A frame's head is there: does it go by, or is it gathered?
    fn start(&mut self, out: &mut Vec<Piece>) -> Result<(), String> {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&self.gathered[at..at + 4]);
            i32::from_be_bytes(word)
        };
        let (length, correlation) = (word(0), word(4));
        let length = match usize::try_from(length) {
            Ok(length) if (HEAD_BYTES - 4..=FRAME_BYTES_MAX).contains(&length) => length + 4,
            _ => return Err(format!("an answer of length {length} is no Kafka answer: closed")),
        };
        let asked = self.exchange.answer(correlation).map_err(|why| format!("{why}: closed"))?;
        if let Reply::Lost(rule) = &asked.reply {
            rule.hit();
            return Err("cut after a request was done and before its answer, as armed".to_owned());
        }
        let mut gather = rewrite::may_hold_addresses(asked.api, asked.version)
            || asked.api == ApiKey::ApiVersions as i16
            || matches!(asked.reply, Reply::Instead(_) | Reply::Gone(_) | Reply::Error(..));
        if gather && length > GATHERED_BYTES_MAX {
            let Asked { api, version, .. } = asked;
            self.shared.note(&format!(
                "answer of api {api} v{version} has {length} bytes, \
                 above {GATHERED_BYTES_MAX}: passed raw"
            ));
            gather = false;
        }
        if gather && length > HEAD_BYTES {
            self.whole = Some((asked, length));
        } else {
            self.left = length - HEAD_BYTES;
            out.push(Piece { bytes: self.finish(), late: asked.late() });
        }
        Ok(())
    }

    /// The frame as the client gets it: the very same bytes where nothing is replaced or it cannot
    /// be read.
    fn rewritten(&self, asked: Asked, frame: Bytes) -> Result<Bytes, String> {
        let frame = self.as_ruled(&asked, frame)?;
        if matches!(asked.reply, Reply::Instead(_)) {
            return Ok(frame);
        }
        let Asked { api, version, .. } = asked;
        let book = self.shared.addresses.as_ref().expect("invariant: a Kafka link has addresses");
        let body = &frame[4..];
        let result = if api == ApiKey::ApiVersions as i16 {
            versions::capped(version, body)
        } else {
            let place = |node, host: &str, port| book.place(&self.shared, node, host, port);
            rewrite::rewritten(api, version, body, place)
        };
        match result {
            Ok(None) => Ok(frame),
            Ok(Some(body)) => framed(&body),
            Err(rewrite::Trouble::Lost(lost)) => Ok(self.unread(&asked, &lost, frame)),
            Err(rewrite::Trouble::Address(why)) => Err(why),
        }
    }

    /// The frame as a rule wants it, before addresses are replaced.
    fn as_ruled(&self, asked: &Asked, frame: Bytes) -> Result<Bytes, String> {
        let body = &frame[4..];
        let made = match &asked.reply {
            Reply::Instead(body) => return framed(body),
            Reply::Gone(gone) => produce::with_gone(asked.version, body, gone),
            Reply::Error(rule, error) => api::refused(asked.api, asked.version, body, *error)
                .inspect(|made| made.iter().for_each(|_| rule.hit())),
            Reply::Pass | Reply::Late(..) | Reply::Lost(_) => Ok(None),
        };
        match made {
            Ok(Some(body)) => framed(&body),
            Ok(None) => Ok(frame),
            Err(lost) => Ok(self.unread(asked, &lost, frame)),
        }
    }

    fn unread(&self, asked: &Asked, lost: &Lost, frame: Bytes) -> Bytes {
        let Asked { api, version, .. } = asked;
        let Lost { at, expected } = lost;
        let text =
            format!("answer of api {api} v{version} has no {expected} at byte {at}: passed raw");
        self.shared.note(&text);
        frame
    }
}

impl Asked {
    /// The delay that a rule gives to the answer; counted here, for here it begins.
    fn late(&self) -> Option<Late> {
        let Reply::Late(rule, late) = &self.reply else { return None };
        rule.hit();
        Some(*late)
    }
}
