//! The calls of a service in buckets of event time, and what a window of them comes to.
//!
//! Owns the classes of latencies: sixteen to each doubling, and every limit is the lower edge of one, so that "at the limit or above"
//! is exact whatever the class. Memory is bounded: classes by the longest latency, buckets by [`BUCKETS_KEPT`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::spec::{BUCKETS, Call, Measures, Quantile};
use crate::clock::CellTime;

/// Buckets of one service: those of a window, and what waits for its source to be read to an end. Beyond it, the log is
/// far behind, the oldest are judged by what follows them.
pub const BUCKETS_KEPT: usize = 1_000 + BUCKETS as usize;
/// Latencies below it have a class each.
const SINGLE: u64 = 32;
/// Significant bits of the others.
const BITS: u32 = 5;

/// Calls of one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    calls: u64,
    errors: u64,
    #[serde(default)]
    unreadable: u64,
    max_ms: Option<u64>,
    /// Lower edge of a class -> calls in it.
    classes: BTreeMap<u64, u64>,
}

/// What a window comes to, in whole numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// From this instant …
    pub from: CellTime,
    /// … until just before this one.
    pub to: CellTime,
    pub calls: u64,
    pub errors: u64,
    /// Lower edge of the class that the asked-for latency lies in; the longest is exact.
    pub latency_ms: Option<u64>,
    /// Calls of it were not read, or nobody can read them: it cannot say that all is well.
    #[serde(default)]
    pub is_partial: bool,
}

impl Reading {
    /// Rounded down; decisions compare without rounding.
    pub fn errors_per_mille(&self) -> u64 {
        (self.errors * 1000).checked_div(self.calls).unwrap_or(0)
    }
}

/// The calls that are not judged for good yet, by start of their bucket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Stored one by one: see [`Kept::take_changes`]. Read here as an elder program stored them.
    #[serde(default, skip_serializing)]
    buckets: BTreeMap<i64, Bucket>,
    /// Those that are not as they were last taken.
    #[serde(skip)]
    changed: BTreeSet<i64>,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.buckets == other.buckets
    }
}

impl Eq for Kept {}

impl Kept {
    /// None: nobody can say how it went.
    pub fn add(&mut self, at: CellTime, call: Option<Call>, measures: &Measures) {
        let start = at.0.div_euclid(measures.bucket_ms()) * measures.bucket_ms();
        self.changed.insert(start);
        let bucket = self.buckets.entry(start).or_default();
        let Some(call) = call else {
            bucket.unreadable += 1;
            return;
        };
        bucket.calls += 1;
        bucket.errors += u64::from(!call.is_ok);
        if let Some(latency_ms) = call.latency_ms {
            bucket.max_ms = bucket.max_ms.max(Some(latency_ms));
            *bucket.classes.entry(class(latency_ms, measures)).or_default() += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Start of the first bucket and of the last one.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((*self.buckets.first_key_value()?.0, *self.buckets.last_key_value()?.0))
    }

    /// Where there are too many buckets: the instant up to which the oldest are judged without an end of the source.
    pub fn overflow(&self) -> Option<CellTime> {
        let surplus = self.buckets.len().checked_sub(BUCKETS_KEPT + 1)?;
        self.buckets.keys().nth(surplus + BUCKETS as usize).map(|start| CellTime(*start))
    }

    /// What ended before `start` is in no window any more.
    pub fn forget_before(&mut self, start: i64) {
        let kept = self.buckets.split_off(&start);
        self.changed.extend(std::mem::replace(&mut self.buckets, kept).into_keys());
    }

    pub fn clear(&mut self) {
        self.changed.extend(std::mem::take(&mut self.buckets).into_keys());
    }

    /// A bucket as it was stored.
    pub fn put(&mut self, start: i64, bucket: Bucket) {
        self.buckets.insert(start, bucket);
    }

    /// All of them are to be stored: nobody knows which are.
    pub fn touch(&mut self) {
        self.changed.extend(self.buckets.keys());
    }

    pub fn starts(&self) -> impl Iterator<Item = i64> {
        self.buckets.keys().copied()
    }

    /// Those that changed since the last call; none where it is forgotten.
    pub fn take_changes(&mut self) -> Vec<(i64, Option<Bucket>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|start| (start, self.buckets.get(&start).cloned())).collect()
    }

    /// True where no call failed, and none took as long as `ill_ms`.
    pub fn is_spotless(&self, ill_ms: Option<u64>) -> bool {
        let slow = |bucket: &Bucket| ill_ms.is_some_and(|ill| bucket.max_ms >= Some(ill));
        self.buckets.values().all(|bucket| bucket.errors == 0 && !slow(bucket))
    }

    /// The window that ends at `to`.
    pub fn reading(&self, to: CellTime, measures: &Measures) -> Reading {
        let from = to.plus_ms(-measures.window_ms);
        let mut reading = Reading { from, to, ..Reading::default() };
        let (mut classes, mut max_ms) = (BTreeMap::<u64, u64>::new(), None);
        for (_, bucket) in self.buckets.range(from.0..to.0) {
            reading.calls += bucket.calls;
            reading.errors += bucket.errors;
            reading.is_partial |= bucket.unreadable > 0;
            max_ms = max_ms.max(bucket.max_ms);
            for (class, calls) in &bucket.classes {
                *classes.entry(*class).or_default() += calls;
            }
        }
        reading.latency_ms = match measures.latency.map(|(quantile, _)| quantile) {
            None => None,
            Some(Quantile::Max) => max_ms,
            Some(Quantile::PerMille(share)) => nearest_rank(&classes, share),
        };
        reading
    }
}

/// The class of the call that so many per mille of all are at most as slow as.
fn nearest_rank(classes: &BTreeMap<u64, u64>, share: u64) -> Option<u64> {
    let calls: u64 = classes.values().sum();
    let rank = (calls * share).div_ceil(1000).max(1);
    let mut below = 0;
    classes.iter().find_map(|(class, calls)| {
        below += calls;
        (below >= rank).then_some(*class)
    })
}

/// Lower edge of the class of a latency.
fn class(latency_ms: u64, measures: &Measures) -> u64 {
    let edge = match latency_ms < SINGLE {
        true => latency_ms,
        false => {
            let shift = u64::BITS - latency_ms.leading_zeros() - BITS;
            (latency_ms >> shift) << shift
        }
    };
    let limits = measures.latency.map(|(_, limits)| limits);
    let edges = limits.map(|limits| [Some(limits.ill), Some(limits.well), limits.worse]);
    let below = edges.into_iter().flatten().flatten().filter(|limit| *limit <= latency_ms);
    below.fold(edge, u64::max)
}
