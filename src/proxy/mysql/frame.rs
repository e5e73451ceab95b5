//! Packets out of a stream: each is shown by its head, and goes by, is dropped or is replaced.
//!
//! What goes by goes as it came: runs of packets stay the very bytes that were read. A payload of 16 MB and more
//! comes in several packets; those behind the first share its fate.

use bytes::{Bytes, BytesMut};

use crate::proxy::filter::{Late, Piece};

/// Length and sequence number.
pub(super) const HEADER_BYTES: usize = 4;
/// A packet of this length has a successor.
pub(super) const PACKET_BYTES_MAX: usize = 0xff_ffff;

/// A packet whose head is there.
pub(super) struct Packet<'a> {
    pub sequence: u8,
    /// Of this packet's payload.
    pub length: usize,
    /// The payload, or as much of it as was wanted.
    pub head: &'a [u8],
}

impl Packet<'_> {
    pub fn first(&self) -> u8 {
        self.head.first().copied().unwrap_or_default()
    }

    pub fn is_whole(&self) -> bool {
        self.head.len() == self.length && self.length < PACKET_BYTES_MAX
    }
}

/// What becomes of a packet.
pub(super) enum Fate {
    Pass,
    /// Passed on, so much later.
    Late(Late),
    Drop,
    /// These packets go in its place.
    Replace(Vec<u8>),
    /// These packets go in its place, and nothing follows.
    Last(Vec<u8>),
}

/// Who decides about packets, in their order.
pub(super) trait Reader {
    /// Nothing is understood any more: all goes by.
    fn is_raw(&self) -> bool;

    /// How much of a payload must be there before [`Reader::meet`].
    fn wants(&self, length: usize) -> usize;

    /// An error cuts the connection, with the error as the link's note.
    fn meet(&mut self, packet: &Packet<'_>) -> Result<Fate, String>;
}

#[derive(Default)]
pub(super) struct Framer {
    /// The start of a packet whose head is not there yet.
    carry: BytesMut,
    /// Bytes of a packet that was met and is still to come.
    left: usize,
    is_dropped: bool,
    /// The next packet belongs to the one before.
    is_chained: bool,
    is_over: bool,
}

impl Framer {
    pub fn pending(&self) -> usize {
        self.carry.len()
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    pub fn finish(&mut self) -> Bytes {
        self.carry.split().freeze()
    }

    pub fn feed(
        &mut self,
        bytes: Bytes,
        reader: &mut impl Reader,
        out: &mut Vec<Piece>,
    ) -> Result<(), String> {
        let input = self.joined(bytes);
        let mut run = Run { input: &input, start: 0, late: None, out };
        let mut at = 0;
        while at < input.len() && !self.is_over {
            if reader.is_raw() {
                at = input.len();
                break;
            }
            if self.left > 0 {
                let part = self.left.min(input.len() - at);
                self.left -= part;
                if self.is_dropped {
                    run.skip(at, at + part);
                }
                at += part;
                continue;
            }
            let Some((length, sequence)) = header(&input[at..]) else { break };
            if self.is_chained {
                self.is_chained = length == PACKET_BYTES_MAX;
                self.left = HEADER_BYTES + length;
                continue;
            }
            let wanted = reader.wants(length).min(length);
            let Some(head) = input[at + HEADER_BYTES..].get(..wanted) else { break };
            let fate = reader.meet(&Packet { sequence, length, head })?;
            self.is_chained = length == PACKET_BYTES_MAX;
            self.left = HEADER_BYTES + length;
            self.is_dropped = !matches!(fate, Fate::Pass | Fate::Late(_));
            match fate {
                Fate::Pass | Fate::Drop => {}
                Fate::Late(late) => run.delay(at, late),
                Fate::Replace(packets) => run.put(at, packets),
                Fate::Last(packets) => {
                    run.put(at, packets);
                    self.is_over = true;
                }
            }
        }
        if !self.is_over {
            run.flush(at);
            self.carry.extend_from_slice(&input[at..]);
        }
        Ok(())
    }

    fn joined(&mut self, bytes: Bytes) -> Bytes {
        if self.carry.is_empty() {
            return bytes;
        }
        self.carry.extend_from_slice(&bytes);
        self.carry.split().freeze()
    }
}

/// Bytes that go by as they came, not given out yet.
struct Run<'a> {
    input: &'a Bytes,
    start: usize,
    late: Option<Late>,
    out: &'a mut Vec<Piece>,
}

impl Run<'_> {
    fn flush(&mut self, end: usize) {
        let late = self.late.take();
        if self.start < end {
            self.out.push(Piece { bytes: self.input.slice(self.start..end), late });
        }
        self.start = end;
    }

    fn skip(&mut self, from: usize, to: usize) {
        self.flush(from);
        self.start = to;
    }

    fn delay(&mut self, at: usize, late: Late) {
        self.flush(at);
        self.late = Some(late);
    }

    fn put(&mut self, at: usize, packets: Vec<u8>) {
        self.flush(at);
        self.out.push(packets.into());
    }
}

fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let [low, middle, high, sequence, ..] = *bytes else { return None };
    Some((u32::from_le_bytes([low, middle, high, 0]) as usize, sequence))
}

/// One packet.
pub(super) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("invariant: the link's own packets are short");
    let mut packet = Vec::with_capacity(HEADER_BYTES + payload.len());
    packet.extend_from_slice(&length.to_le_bytes()[..3]);
    packet.push(sequence);
    packet.extend_from_slice(payload);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drops payloads that begin with `d`, replaces those with `r`, and wants two bytes of each.
    struct Letters {
        met: Vec<(u8, usize)>,
    }

    impl Reader for Letters {
        fn is_raw(&self) -> bool {
            false
        }

        fn wants(&self, _: usize) -> usize {
            2
        }

        fn meet(&mut self, shown: &Packet<'_>) -> Result<Fate, String> {
            self.met.push((shown.first(), shown.length));
            Ok(match shown.first() {
                b'd' => Fate::Drop,
                b'r' => Fate::Replace(packet(7, b"new")),
                b'l' => Fate::Last(packet(0, b"end")),
                b'e' => return Err("cut".to_owned()),
                _ => Fate::Pass,
            })
        }
    }

    fn fed(stream: &[u8], size: usize) -> (Vec<u8>, Vec<(u8, usize)>, Framer) {
        let (mut framer, mut letters) = (Framer::default(), Letters { met: Vec::new() });
        let mut out = Vec::new();
        for chunk in stream.chunks(size) {
            framer.feed(Bytes::copy_from_slice(chunk), &mut letters, &mut out).unwrap();
        }
        let out = out.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
        (out, letters.met, framer)
    }

    #[test]
    fn packets_are_met_once_however_the_stream_is_cut() {
        let packets = |texts: &[&[u8]]| texts.iter().flat_map(|t| packet(1, t)).collect::<Vec<_>>();
        let stream = packets(&[b"one", b"drop", b"", b"replaced", b"x", b"dd", b"last"]);
        let whole =
            [packets(&[b"one", b""]), packet(7, b"new"), packets(&[b"x"]), packet(0, b"end")];
        for size in 1..=stream.len() {
            let (out, met, framer) = fed(&[stream.clone(), b"more".to_vec()].concat(), size);
            assert_eq!(out, whole.concat(), "in chunks of {size}");
            assert_eq!(met.len(), 7);
            assert!(framer.is_over());
        }
    }

    #[test]
    fn packets_of_one_payload_share_its_fate() {
        let mut stream = Vec::new();
        for first in [b"d", b"p"] {
            let mut long = first.to_vec();
            long.resize(PACKET_BYTES_MAX, b'.');
            stream.extend(packet(0, &long));
            stream.extend(packet(1, b"rest"));
        }
        let (out, met, framer) = fed(&stream, 70_001);
        assert_eq!(out, stream[stream.len() / 2..]);
        assert_eq!(met, [(b'd', PACKET_BYTES_MAX), (b'p', PACKET_BYTES_MAX)]);
        assert_eq!(framer.pending(), 0);
    }

    #[test]
    fn the_start_of_a_packet_is_not_lost() {
        let (out, _, mut framer) = fed(&packet(0, b"one")[..5], 5);
        assert_eq!((out.len(), framer.pending()), (0, 5));
        assert_eq!(framer.finish().len(), 5);
    }
}
