//! A Produce request: its records are shown partition by partition, and it is written again without those that are
//! gone. And the answers that a link gives to one in the broker's place.
//!
//! Read are the versions that name topics; the link offers clients no later ones (`versions.rs`).

use kafka_protocol::messages::ApiKey;

use super::surgery::{Operated, Spot, Theatre};
use super::walk::{Lost, Walk, put_string, put_uvarint};
use crate::proxy::filter::Late;

/// From 3 on records come in batches of magic 2; from 13 on topics are told by an id.
pub(super) const VERSIONS: std::ops::RangeInclusive<i16> = 3..=12;
/// Versions from here on are flexible.
const FLEXIBLE_FROM: i16 = 9;
/// A partition whose records were taken away is told that they stand nowhere.
const NOWHERE: i64 = -1;

type Read<T> = Result<T, Lost>;

struct Part<'a> {
    partition: i32,
    records: Option<&'a [u8]>,
    tags: &'a [u8],
}

struct Topic<'a> {
    name: &'a str,
    parts: Vec<Part<'a>>,
    tags: &'a [u8],
}

/// A request as it came, but for its length.
pub(super) struct Produce<'a> {
    version: i16,
    /// Up to the topics.
    head: &'a [u8],
    topics: Vec<Topic<'a>>,
    tags: &'a [u8],
}

/// What an operation made of a request.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// In its place, where records changed; none is left of it where every partition is gone.
    pub request: Option<Option<Vec<u8>>>,
    /// Partitions whose records the broker never sees.
    pub gone: Vec<Spot>,
    pub late: Option<Late>,
    /// Batches that could not be read.
    pub unread: Vec<Lost>,
}

fn tags<'a>(walk: &mut Walk<'a>, body: &'a [u8], flexible: bool) -> Read<&'a [u8]> {
    let start = walk.at();
    walk.tags(flexible)?;
    Ok(&body[start..walk.at()])
}

impl<'a> Produce<'a> {
    pub fn read(body: &'a [u8], version: i16) -> Read<Produce<'a>> {
        let flexible = version >= FLEXIBLE_FROM;
        let mut walk = Walk::new(body);
        walk.bytes(2 + 2 + 4, "a request's head")?;
        walk.string(false)?;
        walk.tags(flexible)?;
        walk.string(flexible)?;
        walk.bytes(2 + 4, "acks and timeout")?;
        let head = &body[..walk.at()];
        let mut topics = Vec::new();
        for _ in 0..walk.count(flexible)? {
            let name = walk.string(flexible)?.unwrap_or_default();
            let mut parts = Vec::new();
            for _ in 0..walk.count(flexible)? {
                let partition = walk.i32()?;
                let records = walk.blob(flexible)?;
                parts.push(Part { partition, records, tags: tags(&mut walk, body, flexible)? });
            }
            topics.push(Topic { name, parts, tags: tags(&mut walk, body, flexible)? });
        }
        let tags = tags(&mut walk, body, flexible)?;
        if walk.at() < body.len() {
            return walk.lost("the end of a request");
        }
        Ok(Produce { version, head, topics, tags })
    }

    pub fn spots(&self) -> Vec<Spot> {
        let parts = self.topics.iter().flat_map(|t| t.parts.iter().map(move |p| (t.name, p)));
        parts.map(|(topic, part)| spot(topic, part)).collect()
    }

    pub fn operate(&self, theatre: &Theatre<'_>) -> Outcome {
        let mut outcome = Outcome::default();
        let (mut topics, mut count, mut is_changed) = (Vec::new(), 0, false);
        for topic in &self.topics {
            let mut parts = Vec::new();
            for part in &topic.parts {
                let spot = spot(topic.name, part);
                let operated = match part.records {
                    Some(records) if theatre.wants(topic.name) => theatre.operate(records, &spot),
                    _ => Ok(Operated::default()),
                };
                let operated = operated.unwrap_or_else(|lost| {
                    outcome.unread.push(lost);
                    Operated::default()
                });
                outcome.late = operated.late.or(outcome.late);
                is_changed |= operated.records.is_some();
                match operated.records {
                    Some(records) if records.is_empty() => outcome.gone.push(spot),
                    Some(records) => parts.push((part, Some(records))),
                    None => parts.push((part, None)),
                }
            }
            if !parts.is_empty() {
                count += 1;
                self.put_topic(&mut topics, topic, &parts);
            }
        }
        if is_changed {
            let mut body = self.head.to_vec();
            self.put_count(&mut body, count);
            body.extend_from_slice(&topics);
            body.extend_from_slice(self.tags);
            outcome.request = Some((count > 0).then_some(body));
        }
        outcome
    }

    fn put_count(&self, out: &mut Vec<u8>, count: usize) {
        put_count(out, count, self.version);
    }

    fn put_topic(
        &self,
        out: &mut Vec<u8>,
        topic: &Topic<'_>,
        parts: &[(&Part<'_>, Option<Vec<u8>>)],
    ) {
        let flexible = self.version >= FLEXIBLE_FROM;
        put_string(out, topic.name, flexible);
        self.put_count(out, parts.len());
        for (part, changed) in parts {
            out.extend_from_slice(&part.partition.to_be_bytes());
            match changed.as_deref().or(part.records) {
                Some(records) => {
                    self.put_count(out, records.len());
                    out.extend_from_slice(records);
                }
                None if flexible => out.push(0),
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
            out.extend_from_slice(part.tags);
        }
        out.extend_from_slice(topic.tags);
    }
}

fn spot(topic: &str, part: &Part<'_>) -> Spot {
    Spot { topic: topic.to_owned(), partition: part.partition }
}

fn put_count(out: &mut Vec<u8>, count: usize, version: i16) {
    if version >= FLEXIBLE_FROM {
        put_uvarint(out, count + 1);
    } else {
        let count = i32::try_from(count).expect("invariant: a frame is far below 2 GiB");
        out.extend_from_slice(&count.to_be_bytes());
    }
}

/// What an answer says of these partitions.
fn put_answers(out: &mut Vec<u8>, spots: &[Spot], error: i16, version: i16) {
    let flexible = version >= FLEXIBLE_FROM;
    for spot in spots {
        put_string(out, &spot.topic, flexible);
        put_count(out, 1, version);
        out.extend_from_slice(&spot.partition.to_be_bytes());
        out.extend_from_slice(&error.to_be_bytes());
        out.extend_from_slice(&NOWHERE.to_be_bytes());
        // No time of the log's own.
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        if version >= 5 {
            // Where the log begins.
            out.extend_from_slice(&0_i64.to_be_bytes());
        }
        if version >= 8 {
            // No record's own error, and no message.
            put_count(out, 0, version);
            out.extend_from_slice(if flexible { &[0] } else { &[0xff, 0xff] });
        }
        if flexible {
            // No tags of the partition, none of the topic.
            out.extend_from_slice(&[0, 0]);
        }
    }
}

/// The whole answer (but for its length) to a request that the broker never sees.
pub(super) fn answer(correlation: i32, version: i16, spots: &[Spot], error: i16) -> Vec<u8> {
    let flexible = version >= FLEXIBLE_FROM;
    let mut out = correlation.to_be_bytes().to_vec();
    if flexible {
        out.push(0);
    }
    put_count(&mut out, spots.len(), version);
    put_answers(&mut out, spots, error, version);
    // Not throttled.
    out.extend_from_slice(&0_i32.to_be_bytes());
    if flexible {
        out.push(0);
    }
    out
}

/// The broker's answer, with the partitions that it never saw as if it had.
pub(super) fn with_gone(version: i16, body: &[u8], gone: &[Spot]) -> Read<Option<Vec<u8>>> {
    let flexible = version >= FLEXIBLE_FROM;
    let mut walk = Walk::new(body);
    walk.i32()?;
    walk.tags(ApiKey::Produce.response_header_version(version) >= 1)?;
    let start = walk.at();
    let count = walk.count(flexible)?;
    let mut with = Vec::new();
    put_count(&mut with, count + gone.len(), version);
    // In front of the others: nothing of them has to be read.
    put_answers(&mut with, gone, 0, version);
    walk.replace(start, &with);
    Ok(walk.finish())
}
