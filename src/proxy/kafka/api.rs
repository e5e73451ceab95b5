//! The APIs whose answers a rule can meet, the errors that they can be given, and where an answer holds its error.
//!
//! An error is two bytes that are put in place, so no length changes. Layouts are those of the versions named here;
//! an answer of a later one passes as it came.

use kafka_protocol::messages::ApiKey;
use serde::Serialize;

use super::walk::{Lost, Walk};

/// What a request asks for, by the names that parameters use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    Any,
    /// What the coordinator of a consumer group answers.
    Group,
    Produce,
    Fetch,
    ListOffsets,
    FindCoordinator,
    Heartbeat,
    OffsetCommit,
    OffsetFetch,
    InitProducerId,
    EndTxn,
}

/// (name, itself, the keys that it covers; all for none)
const APIS: &[(&str, Api, &[ApiKey])] = &[
    ("any", Api::Any, &[]),
    ("group", Api::Group, GROUP),
    ("produce", Api::Produce, &[ApiKey::Produce]),
    ("fetch", Api::Fetch, &[ApiKey::Fetch]),
    ("list-offsets", Api::ListOffsets, &[ApiKey::ListOffsets]),
    ("find-coordinator", Api::FindCoordinator, &[ApiKey::FindCoordinator]),
    ("heartbeat", Api::Heartbeat, &[ApiKey::Heartbeat, ApiKey::ConsumerGroupHeartbeat]),
    ("offset-commit", Api::OffsetCommit, &[ApiKey::OffsetCommit]),
    ("offset-fetch", Api::OffsetFetch, &[ApiKey::OffsetFetch]),
    ("init-producer-id", Api::InitProducerId, &[ApiKey::InitProducerId]),
    ("end-txn", Api::EndTxn, &[ApiKey::EndTxn]),
];

/// Joining is left out: a member that joined and does not know it holds up the others for a whole session.
const GROUP: &[ApiKey] = &[
    ApiKey::Heartbeat,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::SyncGroup,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
];

impl Api {
    pub fn by_name(name: &str) -> Option<Api> {
        APIS.iter().find(|(known, ..)| *known == name).map(|(_, api, _)| *api)
    }

    pub(super) fn covers(self, key: i16) -> bool {
        let row = APIS.iter().find(|(_, api, _)| *api == self);
        let (.., keys) = row.expect("invariant: the table has a row for each");
        keys.is_empty() || keys.iter().any(|known| *known as i16 == key)
    }

    pub(super) fn mistake(self, error: KafkaError) -> Option<String> {
        if self == Api::Any {
            return Some("an error needs the name of an API that can give it".to_owned());
        }
        let fits = match error {
            KafkaError::NotLeader | KafkaError::LeaderNotAvailable => {
                matches!(self, Api::Produce | Api::Fetch | Api::ListOffsets)
            }
            KafkaError::NotEnoughReplicas => self == Api::Produce,
            KafkaError::CoordinatorLoading
            | KafkaError::CoordinatorNotAvailable
            | KafkaError::NotCoordinator => {
                !matches!(self, Api::Produce | Api::Fetch | Api::ListOffsets)
            }
            KafkaError::RequestTimedOut => true,
        };
        let code = error.code();
        let name = APIS.iter().find(|(_, api, _)| *api == self).map_or("", |(name, ..)| name);
        (!fits).then(|| format!("no broker answers `{name}` with error {code}"))
    }
}

/// An error that a broker could have given, and that passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KafkaError {
    LeaderNotAvailable,
    NotLeader,
    RequestTimedOut,
    CoordinatorLoading,
    CoordinatorNotAvailable,
    NotCoordinator,
    NotEnoughReplicas,
}

impl KafkaError {
    pub const ALL: &[KafkaError] = &[
        KafkaError::LeaderNotAvailable,
        KafkaError::NotLeader,
        KafkaError::RequestTimedOut,
        KafkaError::CoordinatorLoading,
        KafkaError::CoordinatorNotAvailable,
        KafkaError::NotCoordinator,
        KafkaError::NotEnoughReplicas,
    ];

    pub fn by_code(code: i16) -> Option<KafkaError> {
        KafkaError::ALL.iter().copied().find(|error| error.code() == code)
    }

    pub fn code(self) -> i16 {
        match self {
            KafkaError::LeaderNotAvailable => 5,
            KafkaError::NotLeader => 6,
            KafkaError::RequestTimedOut => 7,
            KafkaError::CoordinatorLoading => 14,
            KafkaError::CoordinatorNotAvailable => 15,
            KafkaError::NotCoordinator => 16,
            KafkaError::NotEnoughReplicas => 19,
        }
    }
}

/// `body` (all but the length) with the error in each place for one; none where there is no place.
pub(super) fn refused(
    api: i16,
    version: i16,
    body: &[u8],
    error: KafkaError,
) -> Result<Option<Vec<u8>>, Lost> {
    let Ok(key) = ApiKey::try_from(api) else { return Ok(None) };
    let mut walk = Walk::new(body);
    walk.i32()?;
    walk.tags(key.response_header_version(version) >= 1)?;
    let mut patch = Patch { walk, code: error.code().to_be_bytes() };
    match (key, version) {
        (ApiKey::Heartbeat, 0..=4) | (ApiKey::SyncGroup, 0..=5) => {
            patch.behind_throttle(version >= 1)?
        }
        (ApiKey::ConsumerGroupHeartbeat, 0..=1)
        | (ApiKey::InitProducerId, 0..=6)
        | (ApiKey::EndTxn, 0..=5) => patch.behind_throttle(true)?,
        (ApiKey::FindCoordinator, 0..=6) => patch.coordinators(version)?,
        (ApiKey::ListOffsets, 1..=11) => patch.list_offsets(version)?,
        (ApiKey::OffsetCommit, 0..=9) => patch.offset_commit(version)?,
        (ApiKey::OffsetFetch, 2..=9) => patch.offset_fetch(version)?,
        (ApiKey::Fetch, 4..=18) => patch.fetch(version)?,
        _ => return Ok(None),
    }
    Ok(patch.walk.finish())
}

struct Patch<'a> {
    walk: Walk<'a>,
    code: [u8; 2],
}

impl Patch<'_> {
    fn error(&mut self) -> Result<(), Lost> {
        let start = self.walk.at();
        self.walk.i16()?;
        self.walk.replace(start, &self.code);
        Ok(())
    }

    fn throttle(&mut self, has_throttle: bool) -> Result<(), Lost> {
        if has_throttle {
            self.walk.i32()?;
        }
        Ok(())
    }

    fn behind_throttle(&mut self, has_throttle: bool) -> Result<(), Lost> {
        self.throttle(has_throttle)?;
        self.error()
    }

    fn coordinators(&mut self, version: i16) -> Result<(), Lost> {
        self.throttle(version >= 1)?;
        if version <= 3 {
            return self.error();
        }
        for _ in 0..self.walk.count(true)? {
            self.walk.string(true)?;
            self.walk.i32()?;
            self.walk.string(true)?;
            self.walk.i32()?;
            self.error()?;
            self.walk.string(true)?;
            self.walk.tags(true)?;
        }
        Ok(())
    }

    /// Topics with their partitions, each of which `partition` walks over.
    fn topics(
        &mut self,
        flexible: bool,
        by_id: bool,
        mut partition: impl FnMut(&mut Self) -> Result<(), Lost>,
    ) -> Result<(), Lost> {
        for _ in 0..self.walk.count(flexible)? {
            if by_id {
                self.walk.bytes(16, "a topic id")?;
            } else {
                self.walk.string(flexible)?;
            }
            for _ in 0..self.walk.count(flexible)? {
                self.walk.i32()?;
                partition(self)?;
                self.walk.tags(flexible)?;
            }
            self.walk.tags(flexible)?;
        }
        Ok(())
    }

    fn list_offsets(&mut self, version: i16) -> Result<(), Lost> {
        self.throttle(version >= 2)?;
        let rest = if version >= 4 { 8 + 8 + 4 } else { 8 + 8 };
        self.topics(version >= 6, false, |patch| {
            patch.error()?;
            patch.walk.bytes(rest, "an offset with its time").map(drop)
        })
    }

    fn offset_commit(&mut self, version: i16) -> Result<(), Lost> {
        self.throttle(version >= 3)?;
        self.topics(version >= 8, false, Patch::error)
    }

    /// The group's own error, which stands behind its topics.
    fn offset_fetch(&mut self, version: i16) -> Result<(), Lost> {
        self.throttle(version >= 3)?;
        let flexible = version >= 6;
        let place = if version >= 5 { 8 + 4 } else { 8 };
        let offset = |patch: &mut Self| {
            patch.walk.bytes(place, "an offset")?;
            patch.walk.string(flexible)?;
            patch.walk.i16().map(drop)
        };
        if version <= 7 {
            self.topics(flexible, false, offset)?;
            return self.error();
        }
        for _ in 0..self.walk.count(true)? {
            self.walk.string(true)?;
            self.topics(true, false, offset)?;
            self.error()?;
            self.walk.tags(true)?;
        }
        Ok(())
    }

    fn fetch(&mut self, version: i16) -> Result<(), Lost> {
        self.throttle(true)?;
        if version >= 7 {
            self.walk.bytes(2 + 4, "error and session")?;
        }
        let flexible = version >= 12;
        self.topics(flexible, version >= 13, |patch| {
            patch.error()?;
            patch.walk.bytes(if version >= 5 { 24 } else { 16 }, "a partition's ends")?;
            for _ in 0..patch.walk.count(flexible)? {
                patch.walk.bytes(8 + 8, "an aborted transaction")?;
                patch.walk.tags(flexible)?;
            }
            if version >= 11 {
                patch.walk.i32()?;
            }
            patch.walk.blob(flexible).map(drop)
        })
    }
}
