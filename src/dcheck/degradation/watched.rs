//! One service: its calls, how well it is, and the windows that are still to be judged.

use serde::{Deserialize, Serialize};

use super::calls::{Kept, Reading};
use super::health::{Grade, Health, grade};
use super::spec::{BUCKETS, Call, HOLD_WINDOWS, Measures};
use crate::clock::CellTime;

/// Windows that are looked ahead for the next decision that time alone brings: to the end of the longest hold.
const AHEAD: i64 = BUCKETS * (HOLD_WINDOWS + 2);

/// What is kept of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    pub health: Health,
    /// Windows that end here or before are judged.
    closed: Option<CellTime>,
    #[serde(default)]
    pub(super) kept: Kept,
    /// Classes and buckets fit these measures only.
    measures: String,
    /// The last window that was judged.
    pub last: Reading,
    pub grade: Option<Grade>,
    /// Calls that came after their window was judged first.
    pub late: u64,
    /// Calls of which nobody can say how they went, and the last reason.
    pub unreadable: u64,
    pub why: String,
    /// The end of the last gap: until a window after it, no window is known to the full.
    #[serde(default)]
    blind_until: Option<CellTime>,
}

/// A window after which something else is to be done.
pub struct Turn {
    pub health: Health,
    pub reading: Reading,
}

impl Watched {
    /// Classes and buckets that do not fit the measures are forgotten; what was said of it stays.
    pub fn fit(&mut self, measures: &Measures) {
        let now = shape(measures);
        if self.measures != now {
            self.kept.clear();
            (self.measures, self.closed) = (now, self.closed.map(|at| floor(at, measures)));
        }
    }

    /// Calls from before `now` are not all there.
    pub fn miss(&mut self, now: CellTime) {
        self.kept.clear();
        self.blind_until = self.blind_until.max(Some(now));
    }

    /// Whether calls can be told and measured at all from `now` on.
    pub fn is_measured(&mut self, is_measured: bool, now: CellTime) {
        self.blind_until = match (is_measured, self.blind_until) {
            (false, _) => Some(CellTime(i64::MAX)),
            (true, Some(CellTime(i64::MAX))) => Some(now),
            (true, known) => known,
        };
    }

    /// Judged without an end of its source up to here, where there is too much to keep.
    pub fn overflow(&self) -> Option<CellTime> {
        self.kept.overflow()
    }

    pub fn take(&mut self, at: CellTime, call: Result<Call, String>, measures: &Measures) {
        let call = match call {
            Ok(call) => Some(call),
            Err(why) => {
                (self.unreadable, self.why) = (self.unreadable + 1, why);
                None
            }
        };
        if self.measures.is_empty() {
            self.measures = shape(measures);
        }
        if let Some(closed) = self.closed.filter(|closed| at < *closed) {
            self.late += 1;
            // It still counts in the windows to come; where it is in none of them, it is only told.
            if at.0 < closed.0 - measures.window_ms + measures.bucket_ms() {
                return;
            }
        }
        self.kept.add(at, call, measures);
    }

    /// The end of the next window that could change anything; none where there is none.
    fn next_window(&self, measures: &Measures) -> Option<CellTime> {
        let first = self.kept.span().map(|(first, _)| CellTime(first));
        let after = match (self.closed, first) {
            (None, first) => first?,
            (Some(_), None) if self.is_still(measures) => return None,
            // What is healthy stays so without calls.
            (Some(closed), Some(first)) if self.health == Health::Healthy => closed.max(first),
            (Some(closed), _) => closed,
        };
        Some(after.plus_ms(measures.bucket_ms()))
    }

    fn reading(&self, to: CellTime, measures: &Measures) -> Reading {
        let reading = self.kept.reading(to, measures);
        let is_blind = self.blind_until.is_some_and(|until| reading.from <= until);
        Reading { is_partial: reading.is_partial || is_blind, ..reading }
    }

    /// No call is kept, and none is needed to stay as it is.
    fn is_still(&self, measures: &Measures) -> bool {
        let quiet = grade(&Reading::default(), measures);
        let next = self.health.next(quiet, CellTime(i64::MAX / 2), measures.hold_ms);
        self.kept.is_empty() && next == self.health
    }

    pub fn judge(&mut self, end: CellTime, measures: &Measures) -> Vec<Turn> {
        let mut turns = Vec::new();
        while let Some(to) = self.next_window(measures).filter(|to| *to <= end) {
            let reading = self.reading(to, measures);
            let grade = grade(&reading, measures);
            let was = self.health;
            self.health = was.next(grade, to, measures.hold_ms);
            (self.closed, self.grade, self.last) = (Some(to), Some(grade), reading.clone());
            self.kept.forget_before(to.0 + measures.bucket_ms() - measures.window_ms);
            if self.health.level() != was.level() {
                turns.push(Turn { health: self.health, reading });
            }
        }
        if self.is_still(measures) {
            self.closed = self.closed.max(Some(floor(end, measures)));
        }
        turns
    }

    /// The end of the first window after which something else is to be done, if nothing more comes.
    pub fn forecast(&self, measures: &Measures) -> Option<CellTime> {
        let ill_ms = measures.latency.map(|(_, limits)| limits.ill);
        if self.health == Health::Healthy && self.kept.is_spotless(ill_ms) {
            return None;
        }
        let (mut to, mut health) = (self.next_window(measures)?, self.health);
        for _ in 0..AHEAD {
            let grade = grade(&self.reading(to, measures), measures);
            health = health.next(grade, to, measures.hold_ms);
            if health.level() != self.health.level() {
                return Some(to);
            }
            to = to.plus_ms(measures.bucket_ms());
        }
        None
    }
}

fn floor(at: CellTime, measures: &Measures) -> CellTime {
    CellTime(at.0.div_euclid(measures.bucket_ms()) * measures.bucket_ms())
}

fn shape(measures: &Measures) -> String {
    format!("{} {:?}", measures.window_ms, measures.latency)
}
