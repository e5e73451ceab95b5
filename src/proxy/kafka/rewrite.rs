//! Where broker addresses stand in an answer, per API and version, and how they are replaced.
//!
//! Metadata, FindCoordinator and DescribeCluster always hold some; Produce from v10 and Fetch from
//! v16 name nodes in tagged field 0 after a leader moved, ShareFetch and ShareAcknowledge in a
//! field of their own. Nothing else does.

use std::net::SocketAddr;

use kafka_protocol::messages::ApiKey;

use super::walk::{Lost, Walk, put_string};

/// Why an answer was not rewritten.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It cannot be read: it passes as it is.
    Lost(Lost),
    /// The link has no address for a node: passing it would send the client past the link.
    Address(String),
}

impl From<Lost> for Trouble {
    fn from(lost: Lost) -> Trouble {
        Trouble::Lost(lost)
    }
}

type Outcome<T> = Result<T, Trouble>;

/// Could an answer of this API and version hold an address?
pub(super) fn may_hold_addresses(api: i16, version: i16) -> bool {
    match ApiKey::try_from(api) {
        Ok(
            ApiKey::Metadata
            | ApiKey::FindCoordinator
            | ApiKey::DescribeCluster
            | ApiKey::ShareFetch
            | ApiKey::ShareAcknowledge,
        ) => true,
        Ok(ApiKey::Produce) => version >= 10,
        Ok(ApiKey::Fetch) => version >= 16,
        _ => false,
    }
}

/// `body` (all but the length) with each address replaced by what `place(node, host, port)` says;
/// none where nothing was to be replaced.
pub(super) fn rewritten(
    api: i16,
    version: i16,
    body: &[u8],
    mut place: impl FnMut(i32, &str, i32) -> Result<SocketAddr, String>,
) -> Outcome<Option<Vec<u8>>> {
    let Ok(key) = ApiKey::try_from(api) else { return Ok(None) };
    let mut walk = Walk::new(body);
    walk.i32()?;
    walk.tags(key.response_header_version(version) >= 1)?;
    let place: Place<'_> = &mut place;
    match key {
        ApiKey::Metadata => metadata(&mut walk, version, place)?,
        ApiKey::FindCoordinator => find_coordinator(&mut walk, version, place)?,
        ApiKey::DescribeCluster => describe_cluster(&mut walk, version, place)?,
        ApiKey::Produce => produce(&mut walk, version, place)?,
        ApiKey::Fetch => fetch(&mut walk, version, place)?,
        ApiKey::ShareFetch => share_fetch(&mut walk, place)?,
        ApiKey::ShareAcknowledge => share_acknowledge(&mut walk, place)?,
        _ => return Ok(None),
    }
    Ok(walk.finish())
}

type Place<'p> = &'p mut dyn FnMut(i32, &str, i32) -> Result<SocketAddr, String>;

/// Node id, host, port, in this order everywhere. Node −1, an empty host or port −1 mean none.
fn address(walk: &mut Walk<'_>, flexible: bool, place: Place<'_>) -> Outcome<()> {
    let node = walk.i32()?;
    let start = walk.at();
    let host = walk.string(flexible)?.unwrap_or_default();
    let port = walk.i32()?;
    if node < 0 || host.is_empty() || port < 0 {
        return Ok(());
    }
    let addr = place(node, host, port).map_err(Trouble::Address)?;
    let mut with = Vec::new();
    put_string(&mut with, &addr.ip().to_string(), flexible);
    with.extend_from_slice(&i32::from(addr.port()).to_be_bytes());
    walk.replace(start, &with);
    Ok(())
}

fn metadata(walk: &mut Walk<'_>, version: i16, place: Place<'_>) -> Outcome<()> {
    let flexible = version >= 9;
    if version >= 3 {
        walk.i32()?;
    }
    for _ in 0..walk.count(flexible)? {
        address(walk, flexible, place)?;
        if version >= 1 {
            walk.string(flexible)?;
        }
        walk.tags(flexible)?;
    }
    Ok(())
}

fn find_coordinator(walk: &mut Walk<'_>, version: i16, place: Place<'_>) -> Outcome<()> {
    let flexible = version >= 3;
    if version >= 1 {
        walk.i32()?;
    }
    if version <= 3 {
        walk.i16()?;
        if version >= 1 {
            walk.string(flexible)?;
        }
        return address(walk, flexible, place);
    }
    for _ in 0..walk.count(true)? {
        walk.string(true)?;
        address(walk, true, place)?;
        walk.i16()?;
        walk.string(true)?;
        walk.tags(true)?;
    }
    Ok(())
}

fn describe_cluster(walk: &mut Walk<'_>, version: i16, place: Place<'_>) -> Outcome<()> {
    walk.i32()?;
    walk.i16()?;
    walk.string(true)?;
    if version >= 1 {
        walk.bytes(1, "an endpoint type")?;
    }
    walk.string(true)?;
    walk.i32()?;
    for _ in 0..walk.count(true)? {
        address(walk, true, place)?;
        walk.string(true)?;
        if version >= 2 {
            walk.bytes(1, "is-fenced")?;
        }
        walk.tags(true)?;
    }
    Ok(())
}

fn endpoints(walk: &mut Walk<'_>, place: Place<'_>) -> Outcome<()> {
    for _ in 0..walk.count(true)? {
        address(walk, true, place)?;
        walk.string(true)?;
        walk.tags(true)?;
    }
    Ok(())
}

/// The last thing in these answers: tagged field 0 holds the endpoints.
fn tagged_endpoints(walk: &mut Walk<'_>, place: Place<'_>) -> Outcome<()> {
    let mut refused = None;
    walk.tags_with(|tag, content| {
        if tag != 0 {
            return Ok(None);
        }
        let mut inner = Walk::new(content);
        match endpoints(&mut inner, place) {
            Err(Trouble::Lost(lost)) => return Err(lost),
            Err(Trouble::Address(why)) => refused = Some(why),
            Ok(()) => {}
        }
        Ok(inner.finish())
    })?;
    refused.map_or(Ok(()), |why| Err(Trouble::Address(why)))
}

fn topic(walk: &mut Walk<'_>, by_id: bool) -> Outcome<()> {
    if by_id {
        walk.bytes(16, "a topic id")?;
    } else {
        walk.string(true)?;
    }
    Ok(())
}

fn produce(walk: &mut Walk<'_>, version: i16, place: Place<'_>) -> Outcome<()> {
    for _ in 0..walk.count(true)? {
        topic(walk, version >= 13)?;
        for _ in 0..walk.count(true)? {
            walk.bytes(4 + 2 + 3 * 8, "a partition's answer")?;
            for _ in 0..walk.count(true)? {
                walk.i32()?;
                walk.string(true)?;
                walk.tags(true)?;
            }
            walk.string(true)?;
            walk.tags(true)?;
        }
        walk.tags(true)?;
    }
    walk.i32()?;
    tagged_endpoints(walk, place)
}

fn records(walk: &mut Walk<'_>) -> Outcome<()> {
    let length = (walk.uvarint()? as usize).saturating_sub(1);
    walk.bytes(length, "records")?;
    Ok(())
}

fn fetch(walk: &mut Walk<'_>, version: i16, place: Place<'_>) -> Outcome<()> {
    walk.bytes(4 + 2 + 4, "throttle, error and session")?;
    for _ in 0..walk.count(true)? {
        topic(walk, version >= 13)?;
        for _ in 0..walk.count(true)? {
            walk.bytes(4 + 2 + 3 * 8, "a partition's answer")?;
            for _ in 0..walk.count(true)? {
                walk.bytes(8 + 8, "an aborted transaction")?;
                walk.tags(true)?;
            }
            walk.i32()?;
            records(walk)?;
            walk.tags(true)?;
        }
        walk.tags(true)?;
    }
    tagged_endpoints(walk, place)
}

/// Throttle, error, message: how both share answers begin.
fn share_head(walk: &mut Walk<'_>) -> Outcome<()> {
    walk.i32()?;
    walk.i16()?;
    walk.string(true)?;
    Ok(())
}

/// Leader id, leader epoch, tags.
fn leader(walk: &mut Walk<'_>) -> Outcome<()> {
    walk.bytes(4 + 4, "a leader")?;
    walk.tags(true)?;
    Ok(())
}

fn share_fetch(walk: &mut Walk<'_>, place: Place<'_>) -> Outcome<()> {
    share_head(walk)?;
    walk.i32()?;
    for _ in 0..walk.count(true)? {
        topic(walk, true)?;
        for _ in 0..walk.count(true)? {
            walk.i32()?;
            for _ in 0..2 {
                walk.i16()?;
                walk.string(true)?;
            }
            leader(walk)?;
            records(walk)?;
            for _ in 0..walk.count(true)? {
                walk.bytes(8 + 8 + 2, "acquired records")?;
                walk.tags(true)?;
            }
            walk.tags(true)?;
        }
        walk.tags(true)?;
    }
    endpoints(walk, place)
}

fn share_acknowledge(walk: &mut Walk<'_>, place: Place<'_>) -> Outcome<()> {
    share_head(walk)?;
    for _ in 0..walk.count(true)? {
        topic(walk, true)?;
        for _ in 0..walk.count(true)? {
            walk.i32()?;
            walk.i16()?;
            walk.string(true)?;
            leader(walk)?;
            walk.tags(true)?;
        }
        walk.tags(true)?;
    }
    endpoints(walk, place)
}
