//! A Kafka rule: which records or requests it meets, counted from its arming, and what becomes of them.
//!
//! A rule is data; [`ArmedRule`] is a rule on a link's board, with its counts. The count runs over all connections of
//! the link. A record with a mark is never met.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::Serialize;

use super::api::{Api, KafkaError};
use super::batch::Record;
use super::json::{Change, JsonPath};
use super::surgery::Spot;
use crate::proxy::toxic::ToxicId;
use crate::wire::MARK_HEADER;

/// As for latency: past any window or deadline that a scenario can name.
const DELAY_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// Topics of a broker's own, which nobody means.
const INTERNAL: &str = "__";
/// A record's key and value kept as evidence; longer ones are cut.
const SEEN_BYTES_MAX: usize = 64 * 1024;
/// Records that wait for a successor, one for each partition at most.
const WITHHELD_MAX: usize = 64;

/// Which records: each that all of these say; what says nothing says it of every record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// A topic's name, or its end behind a dot: `refund.events` is also `c3.refund.events`.
    pub topic: Option<String>,
    pub key: Option<String>,
    /// A header's name and value.
    pub header: Option<(String, String)>,
    /// A value in the record's JSON, and what it is.
    pub content: Option<(JsonPath, String)>,
}

impl Records {
    pub(super) fn are_of(&self, topic: &str) -> bool {
        let is_it = |wanted: &String| {
            topic.strip_suffix(wanted.as_str()).is_some_and(|b| b.is_empty() || b.ends_with('.'))
        };
        !topic.starts_with(INTERNAL) && self.topic.as_ref().is_none_or(is_it)
    }

    /// Is it one of them, where its topic is right?
    fn are(&self, record: &Record) -> bool {
        let has_key =
            |wanted: &String| record.key.as_ref().is_some_and(|key| key == wanted.as_bytes());
        let headers = record.named_headers().unwrap_or_default();
        let has_header = |(name, wanted): &(String, String)| {
            headers.iter().any(|(known, value)| {
                known == name.as_bytes() && value.as_ref().is_some_and(|v| v == wanted.as_bytes())
            })
        };
        let says = |(path, wanted): &(JsonPath, String)| {
            record.value.as_ref().is_some_and(|value| path.is(value, wanted))
        };
        !headers.iter().any(|(name, _)| name == MARK_HEADER.as_bytes())
            && self.key.as_ref().is_none_or(has_key)
            && self.header.as_ref().is_none_or(has_header)
            && self.content.as_ref().is_none_or(says)
    }
}

/// What becomes of a record on its way to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "harm", rename_all = "kebab-case")]
pub enum RecordHarm {
    /// It never reaches the log, and its producer is told that it did.
    Dropped,
    /// It stands in the log twice.
    Doubled,
    /// It reaches the broker so much later, and what the connection brings after it with it.
    Late { delay_ms: u64 },
    /// It stands in the log behind its successor; where none comes, it is lost.
    Reordered,
    /// Another value at this place of its JSON.
    Tampered { field: JsonPath, change: Change },
    /// A value that nobody can decode.
    Poisoned,
}

/// What becomes of a request or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "harm", rename_all = "kebab-case")]
pub enum AnswerHarm {
    /// The client is told this error. A Produce request does not reach the broker; others do.
    Refused { error: KafkaError },
    /// The answer comes so much later.
    Slow { delay_ms: u64 },
    /// The broker did what was asked, and the connection is cut before the client hears of it.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    Records { of: Records, harm: RecordHarm },
    Answers { to: Api, harm: AnswerHarm },
}

/// What a Kafka link may be told to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KafkaRule {
    #[serde(flatten)]
    pub target: Target,
    /// Which of those that it meets is the first to suffer, from 1.
    pub nth: u64,
    /// From there on each, or each second, third …
    pub every: u64,
    /// And how many in all.
    pub times: u64,
}

impl KafkaRule {
    /// The first one alone.
    pub fn once(target: Target) -> KafkaRule {
        KafkaRule { target, nth: 1, every: 1, times: 1 }
    }

    pub(in crate::proxy) fn name(&self) -> &'static str {
        match &self.target {
            Target::Records { harm, .. } => match harm {
                RecordHarm::Dropped => "record-dropped",
                RecordHarm::Doubled => "record-doubled",
                RecordHarm::Late { .. } => "record-late",
                RecordHarm::Reordered => "record-reordered",
                RecordHarm::Tampered { .. } => "record-tampered",
                RecordHarm::Poisoned => "record-poisoned",
            },
            Target::Answers { harm, .. } => match harm {
                AnswerHarm::Refused { .. } => "answer-refused",
                AnswerHarm::Slow { .. } => "answer-slow",
                AnswerHarm::Lost => "answer-lost",
            },
        }
    }

    /// What is wrong with it, if something is.
    pub fn mistake(&self) -> Option<String> {
        if self.nth == 0 || self.every == 0 || self.times == 0 {
            return Some("nth, every and times count from 1".to_owned());
        }
        let delay_ms = match &self.target {
            Target::Records { harm: RecordHarm::Late { delay_ms }, .. }
            | Target::Answers { harm: AnswerHarm::Slow { delay_ms }, .. } => *delay_ms,
            Target::Answers { to, harm: AnswerHarm::Refused { error } } => {
                return to.mistake(*error);
            }
            _ => return None,
        };
        let fits = (1..=DELAY_MAX_MS).contains(&delay_ms);
        (!fits).then(|| format!("delay {delay_ms} ms is not in 1..={DELAY_MAX_MS} ms"))
    }

    fn strikes(&self, number: u64) -> bool {
        let Some(behind) = number.checked_sub(self.nth) else { return false };
        behind % self.every == 0 && behind / self.every < self.times
    }
}

/// The last record that suffered, so that others can look for it in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    pub topic: String,
    pub partition: i32,
    pub key: Option<Bytes>,
    /// As its producer meant it.
    pub meant: Option<Bytes>,
    /// As it went to the broker.
    pub sent: Option<Bytes>,
}

impl Struck {
    /// Is this what went to the broker?
    pub fn is(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let seen = |bytes: Option<&[u8]>| bytes.map(|b| b[..b.len().min(SEEN_BYTES_MAX)].to_vec());
        let known = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
        let went = if self.sent.is_some() { &self.sent } else { &self.meant };
        seen(key) == known(&self.key) && seen(value) == known(went)
    }
}

/// A rule on a link's board.
#[derive(Debug)]
pub(in crate::proxy) struct ArmedRule {
    pub id: ToxicId,
    pub rule: KafkaRule,
    met: AtomicU64,
    hits: AtomicU64,
    struck: Mutex<Option<Struck>>,
    /// Records that wait for their successor.
    withheld: Mutex<HashMap<Spot, Record>>,
}

impl ArmedRule {
    pub fn new(id: ToxicId, rule: KafkaRule) -> ArmedRule {
        let (met, hits) = (AtomicU64::new(0), AtomicU64::new(0));
        let (struck, withheld) = (Mutex::default(), Mutex::default());
        ArmedRule { id, rule, met, hits, struck, withheld }
    }

    pub(super) fn is_of_topic(&self, topic: &str) -> bool {
        matches!(&self.rule.target, Target::Records { of, .. } if of.are_of(topic))
    }

    pub(super) fn reorders(&self) -> bool {
        let target = &self.rule.target;
        matches!(target, Target::Records { harm: RecordHarm::Reordered, .. })
    }

    /// Counts a record of the right topic, where it meets it; the harm, where that one is to suffer.
    pub(super) fn strikes(&self, record: &Record) -> Option<&RecordHarm> {
        let Target::Records { of, harm } = &self.rule.target else { return None };
        (of.are(record) && self.counts()).then_some(harm)
    }

    /// Counts a request, where it meets it; the harm, where that one is to suffer.
    pub(super) fn strikes_request(&self, api: i16) -> Option<AnswerHarm> {
        let Target::Answers { to, harm } = self.rule.target else { return None };
        (to.covers(api) && self.counts()).then_some(harm)
    }

    fn counts(&self) -> bool {
        self.rule.strikes(self.met.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hit_record(&self, spot: &Spot, meant: &Record, sent: Option<&Bytes>) {
        self.hit();
        let kept = |bytes: &Bytes| bytes.slice(..bytes.len().min(SEEN_BYTES_MAX));
        *self.struck.lock().expect("no holder panics") = Some(Struck {
            topic: spot.topic.clone(),
            partition: spot.partition,
            key: meant.key.as_ref().map(kept),
            meant: meant.value.as_ref().map(kept),
            sent: sent.map(kept),
        });
    }

    /// False where another one waits there already: one is overtaken at a time.
    pub(super) fn withhold(&self, spot: &Spot, record: &Record) -> bool {
        let mut withheld = self.withheld.lock().expect("no holder panics");
        let fits = withheld.len() < WITHHELD_MAX && !withheld.contains_key(spot);
        if fits {
            withheld.insert(spot.clone(), record.clone());
        }
        fits
    }

    /// The record that waits there for its successor, which has come.
    pub(super) fn take_overtaken(&self, spot: &Spot) -> Option<Record> {
        self.withheld.lock().expect("no holder panics").remove(spot)
    }
}

/// An armed rule as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct KafkaRuleView {
    pub id: ToxicId,
    #[serde(flatten)]
    pub rule: KafkaRule,
    /// Records or requests that it meets, so far.
    pub met: u64,
    /// Of these, those that suffered.
    pub hits: u64,
    /// Records that still wait for the one that is to overtake them.
    pub withheld: usize,
    #[serde(skip)]
    pub struck: Option<Struck>,
}

impl KafkaRuleView {
    pub(in crate::proxy) fn of(armed: &ArmedRule) -> KafkaRuleView {
        KafkaRuleView {
            id: armed.id,
            rule: armed.rule.clone(),
            met: armed.met.load(Ordering::Relaxed),
            hits: armed.hits.load(Ordering::Relaxed),
            withheld: armed.withheld.lock().expect("no holder panics").len(),
            struck: armed.struck.lock().expect("no holder panics").clone(),
        }
    }
}
