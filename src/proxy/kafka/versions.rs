//! The ApiVersions answer, patched in place: a client must not choose a version whose addresses or
//! topics the link cannot find.
//!
//! Only the APIs that are rewritten are capped. `max_version` is two bytes, so no length changes;
//! any version of the answer itself can be read, its list of APIs has the same shape from v3 on.

use kafka_protocol::messages as m;
use kafka_protocol::protocol::Message;

use super::produce;
use super::rewrite::Trouble;
use super::walk::Walk;

/// An old broker's word on a version it does not know: the body is v0 then.
const UNSUPPORTED_VERSION: i16 = 35;

/// The highest version of a rewritten API that both of its codecs know (they differ in places).
fn cap(api: i16) -> Option<i16> {
    let both = |request: i16, response: i16| Some(request.min(response));
    let max = |range: kafka_protocol::protocol::VersionRange| range.max;
    match m::ApiKey::try_from(api).ok()? {
        // Later ones tell topics by an id, and a rule knows them by name.
        m::ApiKey::Produce => Some(*produce::VERSIONS.end()),
        m::ApiKey::Fetch => both(max(m::FetchRequest::VERSIONS), max(m::FetchResponse::VERSIONS)),
        m::ApiKey::Metadata => {
            both(max(m::MetadataRequest::VERSIONS), max(m::MetadataResponse::VERSIONS))
        }
        m::ApiKey::FindCoordinator => both(
            max(m::FindCoordinatorRequest::VERSIONS),
            max(m::FindCoordinatorResponse::VERSIONS),
        ),
        m::ApiKey::DescribeCluster => both(
            max(m::DescribeClusterRequest::VERSIONS),
            max(m::DescribeClusterResponse::VERSIONS),
        ),
        m::ApiKey::ShareFetch => {
            both(max(m::ShareFetchRequest::VERSIONS), max(m::ShareFetchResponse::VERSIONS))
        }
        m::ApiKey::ShareAcknowledge => both(
            max(m::ShareAcknowledgeRequest::VERSIONS),
            max(m::ShareAcknowledgeResponse::VERSIONS),
        ),
        _ => None,
    }
}

/// `body` (all but the length) with lowered maxima; none where nothing had to be lowered.
pub(super) fn capped(version: i16, body: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
    let mut walk = Walk::new(body);
    // Header v0 always, so that a client can read it before it knows the broker.
    walk.i32()?;
    let error = walk.i16()?;
    let flexible = version >= 3 && error != UNSUPPORTED_VERSION;
    for _ in 0..walk.count(flexible)? {
        let (api, min) = (walk.i16()?, walk.i16()?);
        let start = walk.at();
        let max = walk.i16()?;
        if let Some(cap) = cap(api).filter(|cap| *cap < max && *cap >= min) {
            walk.replace(start, &cap.to_be_bytes());
        }
        walk.tags(flexible)?;
    }
    Ok(walk.finish())
}
