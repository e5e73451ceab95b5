//! Time across processes: advances, marks, clock reports, the reconciler's watermark.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The table that carries marks: `drill_mark(seq BIGINT PRIMARY KEY, kind, offset_ms, at)`.
pub const MARK_TABLE: &str = "drill_mark";
/// The Kafka record header that tells a mark from a message; the record's value is the JSON of [`Mark`].
pub const MARK_HEADER: &str = "lossdrill-mark";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// Before shop and channel are advanced: dates what was written so far.
    A,
    /// After they came to rest, before watchdog and reconciler are advanced.
    B,
    /// Heartbeat and end-of-source proof.
    Beat,
}

/// A mark: heartbeat, end-of-source proof and watermark token in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub seq: u64,
    pub kind: MarkKind,
    /// Total offset of the cell's clock from this mark on, ms.
    pub offset_ms: i64,
    /// Cell time of the mark, Unix ms, counted with `offset_ms`.
    pub at: i64,
}

/// `POST clock/advance`: the total offset; the same `seq` again is 200 and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    pub seq: u64,
    pub offset_ms: i64,
}

/// `GET clock`: what a process of the cell says of its own work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// RFC 3339, cell time.
    pub now: String,
    pub offset_ms: i64,
    /// Number of things due now: requests, outbox rows, consumer lag, deliveries, bytes held.
    pub busy: u64,
    /// The earliest later instant at which something becomes due; RFC 3339, cell time.
    #[serde(default)]
    pub next_due: Option<String>,
    /// Grows with every piece of work done; equal in two rounds at rest.
    #[serde(default)]
    pub activity: u64,
}

/// `GET watermark`: how far the reconciler has read and settled, in numbers of marks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Last mark read, per source: `binlog`, `orders.events/0` (logical topic / partition).
    pub read: BTreeMap<String, u64>,
    /// The last mark before which no window is open.
    pub settled: u64,
    /// The last mark before which nothing is needed again after a restart.
    pub checkpoint: u64,
    /// Sources whose known end has not come for the reconciler's own limit: it knows that it is blind to them, and
    /// waits for them no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<String>,
    #[serde(flatten)]
    pub clock: ClockReport,
}

/// `GET healthz`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub ready: bool,
    /// Why it is not ready, or blind to what, since when.
    #[serde(default)]
    pub reasons: Vec<String>,
}
