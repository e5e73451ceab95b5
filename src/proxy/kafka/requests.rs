//! Requests: looked at, never changed. Records what was asked, so that answers can be understood.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::FRAME_BYTES_MAX;
use super::exchange::{Asked, Exchange};
use super::walk::{Lost, Walk};
use crate::proxy::link::Shared;

/// Length, api, version, correlation id.
const HEAD_BYTES: usize = 12;
/// A Produce request's start up to its acks: client id and transaction id of 32 KB each at most.
const PRODUCE_HEAD_BYTES_MAX: usize = 80 * 1024;

pub(in crate::proxy) struct Requests {
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    /// The start of a frame that is not long enough yet to be understood; a copy, its bytes have
    /// gone on.
    head: BytesMut,
    /// Bytes of a frame that was understood and still goes by.
    left: usize,
}

enum Head {
    More,
    /// The frame's whole length.
    Known(usize),
    NotKafka(String),
}

impl Requests {
    pub fn new(exchange: Arc<Exchange>, shared: Arc<Shared>) -> Requests {
        Requests { exchange, shared, head: BytesMut::new(), left: 0 }
    }

    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        let mut rest = &bytes[..];
        while !rest.is_empty() && !self.exchange.is_raw() {
            if self.left > 0 {
                let part = self.left.min(rest.len());
                self.left -= part;
                rest = &rest[part..];
                continue;
            }
            // As much as may be needed; what is not goes by as the frame's rest.
            let before = self.head.len();
            let wanted = if before < HEAD_BYTES { HEAD_BYTES } else { PRODUCE_HEAD_BYTES_MAX };
            let part = rest.len().min(wanted - before);
            self.head.extend_from_slice(&rest[..part]);
            match self.understand()? {
                Head::More => rest = &rest[part..],
                Head::Known(length) => {
                    // The head may have run into the next frame: go back to this frame's end.
                    let part = part.min(length - before);
                    self.left = length - before - part;
                    self.head.clear();
                    rest = &rest[part..];
                }
                Head::NotKafka(why) => {
                    if self.exchange.turn_raw() {
                        self.shared.note(&format!("not a Kafka request ({why}): passed raw"));
                    }
                }
            }
        }
        out.push(bytes);
        Ok(())
    }

    /// Reads the head, and records the request as soon as it is known whether an answer will come.
    fn understand(&self) -> Result<Head, String> {
        let mut walk = Walk::new(&self.head);
        let Ok(length) = walk.i32() else { return Ok(Head::More) };
        let length = match usize::try_from(length) {
            Ok(length) if (HEAD_BYTES - 4..=FRAME_BYTES_MAX).contains(&length) => length,
            _ => return Ok(Head::NotKafka(format!("length {length}"))),
        };
        let head = (|| Ok::<_, Lost>((walk.i16()?, walk.i16()?, walk.i32()?)))();
        let Ok((api, version, correlation)) = head else { return Ok(Head::More) };
        let asked = Asked { correlation, api, version };
        if api != ApiKey::Produce as i16 {
            self.exchange.ask(asked)?;
            return Ok(Head::Known(length + 4));
        }
        let whole = self.head.len().min(length + 4);
        match acks(&self.head[HEAD_BYTES..whole], version) {
            Ok(0) => Ok(Head::Known(length + 4)),
            Ok(_) => {
                self.exchange.ask(asked)?;
                Ok(Head::Known(length + 4))
            }
            Err(_) if whole < (length + 4).min(PRODUCE_HEAD_BYTES_MAX) => Ok(Head::More),
            Err(lost) => Ok(Head::NotKafka(format!(
                "produce v{version} without {} at byte {}",
                lost.expected, lost.at
            ))),
        }
    }
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
