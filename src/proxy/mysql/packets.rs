//! The few packets that the link writes itself, and the fields of the server's that it reads.

use mysql_async::consts::{CapabilityFlags, StatusFlags};

use super::frame::packet;
use super::rule::SqlError;

pub(super) const OK: u8 = 0x00;
pub(super) const INFILE: u8 = 0xfb;
/// End of rows: an EOF, or the OK that stands for it.
pub(super) const END: u8 = 0xfe;
pub(super) const ERR: u8 = 0xff;

/// What the link takes out of a server's greeting: it would not understand the bytes that follow.
pub(super) const NOT_OFFERED: CapabilityFlags = CapabilityFlags::CLIENT_SSL
    .union(CapabilityFlags::CLIENT_COMPRESS)
    .union(CapabilityFlags::CLIENT_ZSTD_COMPRESSION_ALGORITHM)
    .union(CapabilityFlags::CLIENT_OPTIONAL_RESULTSET_METADATA)
    .union(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
/// Version, protocol 10.
const PROTOCOL: u8 = 10;

/// The greeting as the client gets it; none where it is no greeting that the link knows.
pub(super) fn greeting(sequence: u8, payload: &[u8]) -> Option<Vec<u8>> {
    if payload.first() != Some(&PROTOCOL) {
        return None;
    }
    let version = payload[1..].iter().position(|byte| *byte == 0)?;
    // Connection id, scramble, filler: 4 + 8 + 1.
    let low = 1 + version + 1 + 13;
    // The lower half, collation, status.
    let high = low + 2 + 1 + 2;
    // The upper half, length of the scramble, filler: MariaDB keeps more of its own behind.
    let own = high + 2 + 1 + 6;
    let mut changed = payload.to_vec();
    let offered = u32::from(half(payload, low)?) | u32::from(half(payload, high)?) << 16;
    let offered = offered & !NOT_OFFERED.bits();
    let [a, b, c, d] = offered.to_le_bytes();
    changed[low..low + 2].copy_from_slice(&[a, b]);
    changed[high..high + 2].copy_from_slice(&[c, d]);
    if offered & CapabilityFlags::CLIENT_LONG_PASSWORD.bits() == 0 {
        changed.get_mut(own..own + 4)?.fill(0);
    }
    Some(packet(sequence, &changed))
}

fn half(payload: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(payload.get(at..at + 2)?.try_into().ok()?))
}

/// What a client says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub capabilities: CapabilityFlags,
    /// Character set, user and schema: what its answers depend on.
    pub session: Vec<u8>,
}

/// What follows the greeting: capabilities, longest packet, character set, filler, user, proof, schema.
pub(super) fn hello(payload: &[u8]) -> Option<Hello> {
    let capabilities = u32::from_le_bytes(payload.get(..4)?.try_into().ok()?);
    let capabilities = CapabilityFlags::from_bits_retain(capabilities);
    if !capabilities.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
        return None;
    }
    let mut session = vec![*payload.get(8)?];
    let rest = payload.get(32..)?;
    let (user, rest) = text(rest)?;
    session.extend_from_slice(user);
    session.push(0);
    let proof = if capabilities.contains(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA) {
        let (length, taken) = number(rest)?;
        taken.checked_add(usize::try_from(length).ok()?)?
    } else if capabilities.contains(CapabilityFlags::CLIENT_SECURE_CONNECTION) {
        1 + usize::from(*rest.first()?)
    } else {
        text(rest)?.0.len() + 1
    };
    if capabilities.contains(CapabilityFlags::CLIENT_CONNECT_WITH_DB) {
        session.extend_from_slice(text(rest.get(proof..)?)?.0);
    }
    Some(Hello { capabilities, session })
}

/// Up to the zero byte, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

pub(super) fn error(sequence: u8, error: SqlError) -> Vec<u8> {
    let state = (error != SqlError::TooManyConnections).then(|| error.state());
    written(sequence, error.code(), state, error.message())
}

/// To a client that insists on TLS.
pub(super) fn no_tls(sequence: u8) -> Vec<u8> {
    let message = "this link reads MySQL's packets and has no TLS: connect with TLS off";
    written(sequence, 1043, Some(b"08S01"), message)
}

/// Before the client has said who it is there is no SQL state.
fn written(sequence: u8, code: u16, state: Option<&[u8; 5]>, message: &str) -> Vec<u8> {
    let mut payload = vec![ERR];
    payload.extend_from_slice(&code.to_le_bytes());
    if let Some(state) = state {
        payload.push(b'#');
        payload.extend_from_slice(state);
    }
    payload.extend_from_slice(message.as_bytes());
    packet(sequence, &payload)
}

/// Where the status flags of an OK, or of an end of rows, stand in its payload.
pub(super) fn status_at(head: &[u8], deprecates_eof: bool) -> Option<usize> {
    if head.first() == Some(&END) && !deprecates_eof {
        return Some(3).filter(|at| head.len() >= at + 2);
    }
    let (_, rows) = number(head.get(1..)?)?;
    let (_, id) = number(head.get(1 + rows..)?)?;
    let at = 1 + rows + id;
    (head.len() >= at + 2).then_some(at)
}

pub(super) fn status(head: &[u8], deprecates_eof: bool) -> StatusFlags {
    let read = status_at(head, deprecates_eof).and_then(|at| half(head, at));
    StatusFlags::from_bits_truncate(read.unwrap_or_default())
}

/// A number of varied length: its value, and how many bytes it took.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let (size, skip) = match bytes.first()? {
        0xfc => (2, 1),
        0xfd => (3, 1),
        0xfe => (8, 1),
        0xfb | 0xff => return None,
        _ => (1, 0),
    };
    let mut value = [0; 8];
    value[..size].copy_from_slice(bytes.get(skip..skip + size)?);
    Some((u64::from_le_bytes(value), skip + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MySQL 9.7 greets: everything offered.
    fn offered() -> Vec<u8> {
        let mut payload = vec![PROTOCOL];
        payload.extend_from_slice(b"9.7.0\0");
        payload.extend_from_slice(&[1, 0, 0, 0]);
        payload.extend_from_slice(b"12345678\0");
        payload.extend_from_slice(&[0xff, 0xff, 255, 2, 0, 0xff, 0xdf, 21]);
        payload.extend_from_slice(&[0; 10]);
        payload.extend_from_slice(b"123456789012\0caching_sha2_password\0");
        payload
    }

    #[test]
    fn a_greeting_loses_what_the_link_cannot_read_and_nothing_else() {
        let payload = offered();
        let changed = greeting(0, &payload).unwrap();
        assert_eq!(changed.len(), payload.len() + 4);
        let differ: Vec<_> =
            (0..payload.len()).filter(|at| payload[*at] != changed[at + 4]).collect();
        assert_eq!(differ.len(), 3, "{differ:?}");
        let capabilities = |payload: &[u8]| {
            u32::from(half(payload, 20).unwrap()) | u32::from(half(payload, 25).unwrap()) << 16
        };
        assert_eq!(capabilities(&payload) & !NOT_OFFERED.bits(), capabilities(&changed[4..]));
        for cut in 0..27 {
            assert_eq!(greeting(0, &payload[..cut]), None, "{cut}");
        }
        assert_eq!(greeting(0, &[9, b'x', 0]), None, "an old protocol");
    }

    #[test]
    fn status_flags_are_found() {
        for (head, deprecates_eof, at) in [
            (&[OK, 0, 0, 2, 0, 0, 0][..], true, Some(3)),
            (&[OK, 0xfc, 1, 1, 0xfd, 1, 1, 1, 2, 0][..], false, Some(8)),
            (&[END, 0, 0, 2, 0][..], false, Some(3)),
            (&[END, 0, 0, 2, 0, 0, 0][..], true, Some(3)),
            (&[END, 0, 0][..], false, None),
            (&[OK, 0xfe, 1][..], false, None),
            (&[][..], true, None),
        ] {
            assert_eq!(status_at(head, deprecates_eof), at, "{head:?}");
        }
        assert!(
            status(&[OK, 0, 0, 1, 0, 0, 0], true).contains(StatusFlags::SERVER_STATUS_IN_TRANS)
        );
    }

    #[test]
    fn errors_are_what_a_server_writes() {
        let deadlock = error(1, SqlError::Deadlock);
        assert_eq!(&deadlock[..13], b"\x4b\0\0\x01\xff\xbd\x04#40001");
        assert_eq!(
            error(0, SqlError::TooManyConnections),
            b"\x17\0\0\0\xff\x10\x04Too many connections"
        );
    }
}
