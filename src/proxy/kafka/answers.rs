//! Answers: matched with what was asked; those that may hold addresses are gathered, rewritten and
//! sent on.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::exchange::{Asked, Exchange};
use super::{FRAME_BYTES_MAX, rewrite, versions};
use crate::proxy::link::Shared;

/// Length and correlation id.
const HEAD_BYTES: usize = 8;
/// A frame gathered whole: 50 MiB is what consumers ask for at most by default, and one batch may
/// go above it.
const GATHERED_BYTES_MAX: usize = 64 * 1024 * 1024;

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

    pub fn feed(&mut self, mut bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.exchange.is_raw() {
                out.push(self.finish());
                self.whole = None;
                out.push(bytes);
                return Ok(());
            }
            if self.left > 0 {
                let part = bytes.split_to(self.left.min(bytes.len()));
                self.left -= part.len();
                out.push(part);
                continue;
            }
            let wanted = self.whole.map_or(HEAD_BYTES, |(_, length)| length);
            let part = bytes.split_to(bytes.len().min(wanted - self.gathered.len()));
            self.gathered.extend_from_slice(&part);
            if self.gathered.len() < wanted {
                continue;
            }
            match self.whole.take() {
                None => self.start(out)?,
                Some((asked, _)) => {
                    let frame = self.finish();
                    out.push(self.rewritten(asked, frame)?);
                }
            }
        }
        Ok(())
    }

    /// A frame's head is there: does it go by, or is it gathered?
    fn start(&mut self, out: &mut Vec<Bytes>) -> Result<(), String> {
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
        let mut gather = rewrite::may_hold_addresses(asked.api, asked.version)
            || asked.api == ApiKey::ApiVersions as i16;
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
            out.push(self.finish());
        }
        Ok(())
    }

    /// The frame as the client gets it: the very same bytes where nothing is replaced or it cannot
    /// be read.
    fn rewritten(&self, asked: Asked, frame: Bytes) -> Result<Bytes, String> {
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
            Ok(Some(body)) => {
                let length = i32::try_from(body.len()).map_err(|_| "an answer grew past 2 GiB")?;
                let mut whole = BytesMut::with_capacity(body.len() + 4);
                whole.extend_from_slice(&length.to_be_bytes());
                whole.extend_from_slice(&body);
                Ok(whole.freeze())
            }
            Err(rewrite::Trouble::Lost(lost)) => {
                self.shared.note(&format!(
                    "answer of api {api} v{version} has no {} at byte {}: passed raw",
                    lost.expected, lost.at
                ));
                Ok(frame)
            }
            Err(rewrite::Trouble::Address(why)) => Err(why),
        }
    }
}
