//! How well a service is: what a window says of it, and the state machine that does not flap.
//!
//! Owns the hysteresis. It falls ill at one limit and is well again below a lower one, and only after it was well without a break
//! for the hold. So it cannot fall ill twice within one hold.

use serde::{Deserialize, Serialize};

use super::calls::Reading;
use super::spec::{Limits, Measures};
use crate::clock::CellTime;

/// What one window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    Well,
    /// Too few calls to say more; or between the limits. It stays what it is, and does not recover.
    Unsaid,
    Ill,
    Worse,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Well,
    Ill,
    Worse,
}

/// The state of a service; instants are ends of windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    #[default]
    Healthy,
    Ill {
        since: CellTime,
    },
    Worse {
        since: CellTime,
    },
    /// Well again since `well_since`; what was done for `from` stays until the hold is over.
    Recovering {
        since: CellTime,
        from: Level,
        well_since: CellTime,
    },
}

impl Health {
    pub const NAMES: [&'static str; 4] = ["healthy", "ill", "worse", "recovering"];

    pub fn name(self) -> &'static str {
        let nth = match self {
            Health::Healthy => 0,
            Health::Ill { .. } => 1,
            Health::Worse { .. } => 2,
            Health::Recovering { .. } => 3,
        };
        Health::NAMES[nth]
    }

    pub fn level(self) -> Level {
        match self {
            Health::Healthy => Level::Well,
            Health::Ill { .. } => Level::Ill,
            Health::Worse { .. } => Level::Worse,
            Health::Recovering { from, .. } => from,
        }
    }

    /// When it fell ill.
    pub fn since(self) -> Option<CellTime> {
        match self {
            Health::Healthy => None,
            Health::Ill { since } | Health::Worse { since } => Some(since),
            Health::Recovering { since, .. } => Some(since),
        }
    }

    /// After the window that ends at `at`.
    pub fn next(self, grade: Grade, at: CellTime, hold_ms: i64) -> Health {
        let since = self.since().unwrap_or(at);
        let ails = |level: Level| match level {
            Level::Worse => Health::Worse { since },
            _ => Health::Ill { since },
        };
        match (self, grade) {
            (_, Grade::Worse) => Health::Worse { since },
            (Health::Healthy, Grade::Ill) => Health::Ill { since },
            (Health::Healthy, _) => Health::Healthy,
            (Health::Recovering { well_since, .. }, Grade::Well) => {
                if at.since_ms(well_since) >= hold_ms { Health::Healthy } else { self }
            }
            (_, Grade::Well) => Health::Recovering { since, from: self.level(), well_since: at },
            (Health::Recovering { from, .. }, _) => ails(from),
            (_, Grade::Ill | Grade::Unsaid) => self,
        }
    }
}

/// What a window says of its service.
pub fn grade(reading: &Reading, measures: &Measures) -> Grade {
    let of_latency = measures.latency.zip(reading.latency_ms);
    let of_latency = of_latency.map(|((_, limits), ms)| against(limits, |limit| ms >= limit));
    let of_errors = measures.errors.map(|limits| {
        // In per mille of the calls, and not rounded.
        against(limits, |limit| reading.calls > 0 && reading.errors * 1000 >= limit * reading.calls)
    });
    let grade = of_latency.into_iter().chain(of_errors).max().unwrap_or(Grade::Well);
    // What is not known is neither health nor silence.
    let grade = if reading.is_partial { grade.max(Grade::Unsaid) } else { grade };
    let may_recover = measures.silence_recovers && grade == Grade::Well;
    match reading.calls < measures.min_calls {
        true if may_recover => Grade::Well,
        true => Grade::Unsaid,
        false => grade,
    }
}

fn against(limits: Limits, reaches: impl Fn(u64) -> bool) -> Grade {
    if limits.worse.is_some_and(&reaches) {
        Grade::Worse
    } else if reaches(limits.ill) {
        Grade::Ill
    } else if reaches(limits.well) {
        Grade::Unsaid
    } else {
        Grade::Well
    }
}
